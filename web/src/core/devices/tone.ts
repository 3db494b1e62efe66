/** Two notes of the speaker test, in hertz: told apart by everybody, hurting nobody. */
const NOTES_HZ = [523.25, 659.25] as const;
const NOTE_S = 0.32;
const GAP_S = 0.06;
/** Loudness of the notes relative to full scale: about that of a voice in a call. */
const GAIN = 0.18;

/** From when on the sound is not coming any more, in milliseconds; it lasts about one second. */
const LIMIT_MS = 4_000;

/** Whether this browser can play through a chosen device. */
export function canChooseSpeaker(): boolean {
  return typeof HTMLMediaElement !== 'undefined' && 'setSinkId' in HTMLMediaElement.prototype;
}

/**
 * Plays a test sound through a speaker (null: the system's) and resolves when it has ended.
 *
 * Rejects when the device cannot play.
 */
export async function playTone(speakerId: string | null): Promise<void> {
  const context = new AudioContext();
  const audio = new Audio();
  try {
    const output = context.createMediaStreamDestination();
    const end = scheduleNotes(context, output);
    audio.srcObject = output.stream;
    if (speakerId !== null && canChooseSpeaker()) await audio.setSinkId(speakerId);
    // Without a sound device a context never starts, and never says so.
    await Promise.race([play(context, audio, end), fail(LIMIT_MS)]);
  } finally {
    audio.srcObject = null;
    await context.close();
  }
}

async function play(context: AudioContext, audio: HTMLAudioElement, end: AudioNode): Promise<void> {
  await context.resume();
  await audio.play();
  await new Promise((resolve) => end.addEventListener('ended', resolve, { once: true }));
}

async function fail(afterMs: number): Promise<never> {
  await new Promise((resolve) => setTimeout(resolve, afterMs));
  throw new DOMException('the device did not play', 'TimeoutError');
}

/** Returns the node whose end is the end of the sound. */
function scheduleNotes(context: AudioContext, output: AudioNode): OscillatorNode {
  // A moment's start-up, so that the first note is not cut while the device wakes.
  let at = context.currentTime + 0.1;
  let last: OscillatorNode | undefined;
  for (const frequency of NOTES_HZ) {
    const oscillator = new OscillatorNode(context, { frequency });
    const gain = new GainNode(context, { gain: 0 });
    gain.gain.setValueAtTime(0, at);
    gain.gain.linearRampToValueAtTime(GAIN, at + 0.02);
    gain.gain.setTargetAtTime(0, at + NOTE_S * 0.5, NOTE_S / 6);
    oscillator.connect(gain).connect(output);
    oscillator.start(at);
    oscillator.stop(at + NOTE_S + 0.2);
    at += NOTE_S + GAP_S;
    last = oscillator;
  }
  // NOTES_HZ is not empty.
  return last as OscillatorNode;
}
