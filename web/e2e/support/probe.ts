/**
 * What the tests watch inside a page. `installProbe` runs in the page before its own scripts;
 * the other functions run in it later. None may refer to anything outside itself.
 */
import type { Rgb } from './people.ts';

export interface Probe {
  connections: RTCPeerConnection[];
  /** Content security policy reports. */
  violations: string[];
  /** Times of presented frames, `participant name/source` → milliseconds since 1970. */
  frames: Record<string, number[]>;
  /** Times at which a tile that had shown its person showed none of their pictures, told and named the same way. */
  dark: Record<string, number[]>;
}

declare global {
  interface Window {
    conclaveProbe: Probe;
  }
}

export function installProbe(): void {
  const probe: Probe = { connections: [], violations: [], frames: {}, dark: {} };
  window.conclaveProbe = probe;

  addEventListener('securitypolicyviolation', (event) =>
    probe.violations.push(
      `${event.violatedDirective} ${event.blockedURI} ${event.sourceFile}:${event.lineNumber}`,
    ),
  );

  window.RTCPeerConnection = class extends RTCPeerConnection {
    constructor(configuration?: RTCConfiguration) {
      super(configuration);
      probe.connections.push(this);
    }
  };

  // A tile keeps its record when its video element or the stream behind it is replaced.
  const watched = new WeakSet<HTMLVideoElement>();
  const watch = (video: HTMLVideoElement) => {
    watched.add(video);
    const frame = (_now: number, { presentationTime }: VideoFrameCallbackMetadata) => {
      const tile = video.closest<HTMLElement>('[data-testid=tile]');
      if (tile !== null) {
        const key = `${tile.dataset.name ?? ''}/${tile.dataset.source ?? ''}`;
        (probe.frames[key] ??= []).push(performance.timeOrigin + presentationTime);
      }
      if (video.isConnected) video.requestVideoFrameCallback(frame);
      else watched.delete(video);
    };
    video.requestVideoFrameCallback(frame);
  };
  setInterval(() => {
    for (const tile of document.querySelectorAll<HTMLElement>('[data-testid=tile][data-video=true]')) {
      const key = `${tile.dataset.name ?? ''}/${tile.dataset.source ?? ''}`;
      const videos = [...tile.querySelectorAll('video')];
      if (
        key in probe.frames &&
        videos.every((video) => video.readyState < HTMLMediaElement.HAVE_CURRENT_DATA)
      )
        (probe.dark[key] ??= []).push(Date.now());
    }
    for (const video of document.querySelectorAll<HTMLVideoElement>('[data-testid=tile] video')) {
      if (!watched.has(video)) watch(video);
    }
  }, 20);
}

/**
 * A camera for a browser that takes no files: the person's colour with a moving bar. The microphone
 * stays the browser's own.
 */
export function installCamera(colour: Rgb): void {
  const camera = () => {
    const canvas = Object.assign(document.createElement('canvas'), { width: 640, height: 360 });
    const context = canvas.getContext('2d');
    if (context === null) throw new Error('no canvas');
    let frame = 0;
    setInterval(() => {
      frame += 1;
      context.fillStyle = `rgb(${colour.join(' ')})`;
      context.fillRect(0, 0, 640, 360);
      context.fillStyle = `rgb(${colour.map((value) => Math.min(255, value + 50)).join(' ')})`;
      context.fillRect(((frame % 24) * 560) / 23, 0, 80, 360);
    }, 66);
    return canvas.captureStream(15).getVideoTracks();
  };
  const devices = navigator.mediaDevices;
  const native = devices.getUserMedia.bind(devices);
  devices.getUserMedia = async (constraints = {}) => {
    const wanted = (of?: boolean | MediaTrackConstraints) => of !== undefined && of !== false;
    const sound = wanted(constraints.audio) ? await native({ audio: constraints.audio }) : new MediaStream();
    return new MediaStream([...(wanted(constraints.video) ? camera() : []), ...sound.getAudioTracks()]);
  };
}

/** A screen to share that shows whose it is: the person's colour with a moving bar. */
export function installScreen(colour: Rgb): void {
  navigator.mediaDevices.getDisplayMedia = () => {
    const canvas = Object.assign(document.createElement('canvas'), { width: 1280, height: 720 });
    const context = canvas.getContext('2d');
    if (context === null) throw new Error('no canvas');
    let frame = 0;
    const timer = setInterval(() => {
      frame += 1;
      context.fillStyle = `rgb(${colour.join(' ')})`;
      context.fillRect(0, 0, 1280, 720);
      context.fillStyle = `rgb(${colour.map((value) => Math.min(255, value + 50)).join(' ')})`;
      context.fillRect(((frame % 24) * 1120) / 23, 0, 160, 720);
    }, 100);
    const stream = canvas.captureStream(10);
    stream.getVideoTracks()[0]?.addEventListener('ended', () => clearInterval(timer));
    return Promise.resolve(stream);
  };
}

/** A machine without camera and microphone; a browser with fake devices always has some. */
export function removeDevices(): void {
  navigator.mediaDevices.enumerateDevices = () => Promise.resolve([]);
  navigator.mediaDevices.getUserMedia = () =>
    Promise.reject(new DOMException('Requested device not found', 'NotFoundError'));
}

/** A picture in one look: its mean colour, and where along its width it is brightest (0 to 1). */
export interface Picture {
  colour: Rgb;
  barAt: number;
}

export function pictureOf(selector: string): Picture | null {
  const video = document.querySelector<HTMLVideoElement>(selector);
  if (video === null || video.readyState < HTMLMediaElement.HAVE_CURRENT_DATA || video.videoWidth === 0)
    return null;
  const width = 64;
  const height = 8;
  const canvas = Object.assign(document.createElement('canvas'), { width, height });
  const context = canvas.getContext('2d', { willReadFrequently: true });
  if (context === null) return null;
  context.drawImage(video, 0, 0, width, height);
  const { data } = context.getImageData(0, 0, width, height);
  const sum: [number, number, number] = [0, 0, 0];
  const columns = new Array<number>(width).fill(0);
  for (let pixel = 0; pixel < width * height; pixel += 1) {
    for (const channel of [0, 1, 2] as const) {
      const value = data[pixel * 4 + channel] ?? 0;
      sum[channel] += value;
      columns[pixel % width] = (columns[pixel % width] ?? 0) + value;
    }
  }
  const pixels = width * height;
  return {
    colour: [sum[0] / pixels, sum[1] / pixels, sum[2] / pixels],
    barAt: columns.indexOf(Math.max(...columns)) / width,
  };
}

/** What the page's connections say: everything a test asks of statistics, in one walk. */
export interface Measured {
  /** Energy of all received sound so far (RTCInboundRtpStreamStats.totalAudioEnergy). */
  heardEnergy: number;
  audioPacketsReceived: number;
  /** Codecs of the video that arrives with pictures, such as `VP8`. */
  codecsReceived: string[];
  codecsSent: string[];
  /** `address:port` at the other end of every selected pair. */
  remotes: string[];
  /** Frame heights of every simulcast layer that is being sent. */
  layersSent: string[];
}

export async function measure(): Promise<Measured> {
  const measured: Measured = {
    heardEnergy: 0,
    audioPacketsReceived: 0,
    codecsReceived: [],
    codecsSent: [],
    remotes: [],
    layersSent: [],
  };
  /** The fields of RTCStats that are read here. */
  interface Stat {
    type: string;
    kind?: string;
    codecId?: string;
    mimeType?: string;
    totalAudioEnergy?: number;
    packetsReceived?: number;
    framesDecoded?: number;
    framesSent?: number;
    frameHeight?: number;
    rid?: string;
    selectedCandidatePairId?: string;
    remoteCandidateId?: string;
    address?: string;
    port?: number;
  }
  for (const connection of window.conclaveProbe.connections) {
    if (connection.connectionState === 'closed') continue;
    const report = (await connection.getStats()) as unknown as ReadonlyMap<string, Stat>;
    const codecOf = ({ codecId = '' }: Stat) => report.get(codecId)?.mimeType?.replace('video/', '') ?? '';
    for (const stat of report.values()) {
      if (stat.type === 'inbound-rtp' && stat.kind === 'audio') {
        measured.heardEnergy += stat.totalAudioEnergy ?? 0;
        measured.audioPacketsReceived += stat.packetsReceived ?? 0;
      } else if (stat.type === 'inbound-rtp' && (stat.framesDecoded ?? 0) > 0) {
        measured.codecsReceived.push(codecOf(stat));
      } else if (stat.type === 'outbound-rtp' && (stat.framesSent ?? 0) > 0) {
        measured.codecsSent.push(codecOf(stat));
        measured.layersSent.push(`${stat.rid ?? ''}:${stat.frameHeight ?? 0}`);
      } else if (stat.type === 'transport') {
        const pair = report.get(stat.selectedCandidatePairId ?? '');
        const remote = report.get(pair?.remoteCandidateId ?? '');
        if (remote !== undefined) measured.remotes.push(`${remote.address ?? ''}:${remote.port ?? 0}`);
      }
    }
  }
  return measured;
}

/**
 * Listens to everything that arrives for a while.
 * @returns the strongest frequencies of each received track, in Hz, strongest first; none for silence.
 */
export async function listen(milliseconds: number): Promise<number[][]> {
  const context = new AudioContext();
  await context.resume();
  const tracks = window.conclaveProbe.connections
    .filter((connection) => connection.connectionState === 'connected')
    .flatMap((connection) => connection.getReceivers().map((receiver) => receiver.track))
    .filter((track) => track.kind === 'audio' && track.readyState === 'live');
  const analysers = tracks.map((track) => {
    const analyser = new AnalyserNode(context, { fftSize: 8192, smoothingTimeConstant: 0 });
    context.createMediaStreamSource(new MediaStream([track])).connect(analyser);
    return { analyser, peaks: new Map<number, number>() };
  });
  const end = performance.now() + milliseconds;
  while (performance.now() < end) {
    await new Promise((done) => setTimeout(done, 50));
    for (const { analyser, peaks } of analysers) {
      const spectrum = new Float32Array(analyser.frequencyBinCount);
      analyser.getFloatFrequencyData(spectrum);
      const binHz = context.sampleRate / analyser.fftSize;
      const [from, to] = [Math.floor(120 / binHz), Math.ceil(700 / binHz)];
      let strongest = from;
      for (let bin = from; bin <= to; bin += 1) {
        if ((spectrum[bin] ?? -Infinity) > (spectrum[strongest] ?? -Infinity)) strongest = bin;
      }
      // Decibels relative to full scale: comfort noise and dither stay below.
      if ((spectrum[strongest] ?? -Infinity) > -60) {
        const hertz = Math.round((strongest * binHz) / 10) * 10;
        peaks.set(hertz, (peaks.get(hertz) ?? 0) + 1);
      }
    }
  }
  await context.close();
  return analysers.map(({ peaks }) => [...peaks].sort((a, b) => b[1] - a[1]).map(([hertz]) => hertz));
}

/** What somebody who looks into a failed test wants to know first. */
export async function situation(): Promise<unknown> {
  const attributes = (element: HTMLElement) => Object.fromEntries(Object.entries(element.dataset));
  const tiles = [...document.querySelectorAll<HTMLElement>('[data-testid=tile]')].map((tile) => {
    const video = tile.querySelector('video');
    return {
      ...attributes(tile),
      picture: video === null ? null : `${video.videoWidth}x${video.videoHeight}`,
    };
  });
  const connections = [];
  for (const connection of window.conclaveProbe.connections) {
    const rtp = [];
    for (const stat of (
      (await connection.getStats()) as unknown as ReadonlyMap<string, { type: string }>
    ).values()) {
      if (!['inbound-rtp', 'outbound-rtp', 'candidate-pair'].includes(stat.type)) continue;
      // Only what counts something: the rest is the same in every report.
      rtp.push(
        Object.fromEntries(
          Object.entries(stat).filter(([key]) =>
            /^(type|kind|mid|rid|ssrc|state|framesSent|framesDecoded|framesReceived|framesDropped|packetsSent|packetsReceived|packetsLost|packetsDiscarded|retransmittedPacketsReceived|retransmittedPacketsSent|nackCount|pliCount|freezeCount|totalFreezesDuration|active|nominated|frameHeight|keyFramesDecoded|keyFramesEncoded|decoderImplementation|encoderImplementation|qualityLimitationReason|targetBitrate|availableOutgoingBitrate|currentRoundTripTime)$/.test(
              key,
            ),
          ),
        ),
      );
    }
    const { connectionState, iceConnectionState, signalingState } = connection;
    connections.push({ connectionState, iceConnectionState, signalingState, rtp });
  }
  const meeting = document.querySelector<HTMLElement>('[data-testid=meeting]');
  return {
    meeting: meeting && attributes(meeting),
    tiles,
    connections,
    violations: window.conclaveProbe.violations,
  };
}
