/** Measures how loud a track is. */

/** The quietest and loudest that the meter tells apart, in dB relative to full scale. */
const FLOOR_DB = -60;
const CEILING_DB = -12;
/** How often the level is measured, in milliseconds: fast enough to look live. */
const INTERVAL_MS = 50;
/** How much of a fall is shown per measurement: peaks stay readable. */
const RELEASE = 0.25;

/** The meter's value, 0 to 1, for a root mean square between 0 and 1. */
export function levelOf(rms: number): number {
  const db = 20 * Math.log10(Math.max(rms, 1e-6));
  return Math.min(1, Math.max(0, (db - FLOOR_DB) / (CEILING_DB - FLOOR_DB)));
}

/** Ends a measurement. */
export type StopMeter = () => void;

/** Starts measuring `track`; `report` gets levels of 0 to 1 until the returned function is called. */
export type StartMeter = (track: MediaStreamTrack, report: (level: number) => void) => StopMeter;

export const startMeter: StartMeter = (track, report) => {
  try {
    return measure(track, report);
  } catch {
    // No sound device, or one whose rate the browser does not mix with the microphone's: the
    // microphone works all the same, without a meter.
    return () => undefined;
  }
};

function measure(track: MediaStreamTrack, report: (level: number) => void): StopMeter {
  const context = new AudioContext({ latencyHint: 'balanced' });
  const source = context.createMediaStreamSource(new MediaStream([track]));
  const analyser = new AnalyserNode(context, { fftSize: 1024, smoothingTimeConstant: 0 });
  source.connect(analyser);
  const samples = new Float32Array(analyser.fftSize);
  let shown = 0;

  const timer = setInterval(() => {
    // Some browsers start a context only after a click; a page that captures is mostly exempt.
    if (context.state === 'suspended') void context.resume().catch(() => undefined);
    analyser.getFloatTimeDomainData(samples);
    const level = levelOf(Math.hypot(...samples) / Math.sqrt(samples.length));
    shown = level > shown ? level : shown + (level - shown) * RELEASE;
    report(shown);
  }, INTERVAL_MS);

  return () => {
    clearInterval(timer);
    source.disconnect();
    void context.close().catch(() => undefined);
    report(0);
  };
}
