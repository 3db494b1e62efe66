import { Store } from '../store';
import { classifyError, type DeviceProblem } from './problem';

/** The part of `navigator.mediaDevices` that is used, so that tests can play the browser. */
export type MediaSource = Pick<
  MediaDevices,
  'getUserMedia' | 'enumerateDevices' | 'addEventListener' | 'removeEventListener'
>;

export type CaptureKind = 'microphone' | 'camera';

const AUDIO: MediaTrackConstraints = {
  echoCancellation: true,
  noiseSuppression: true,
  autoGainControl: true,
  channelCount: { ideal: 1 },
};

/** 720p is what the largest simulcast layer sends; more would be scaled down at a cost. */
const VIDEO: MediaTrackConstraints = {
  width: { ideal: 1280 },
  height: { ideal: 720 },
  frameRate: { ideal: 30, max: 30 },
};

/** What to ask for; `id` null leaves the device to the system. */
export function constraintsFor(kind: CaptureKind, id: string | null): MediaTrackConstraints {
  const base = kind === 'microphone' ? AUDIO : VIDEO;
  return id === null ? base : { ...base, deviceId: { exact: id } };
}

/** What a capture is asked to be. */
interface Wish {
  on: boolean;
  /** Null: the system's choice. */
  id: string | null;
}

/**
 * One microphone or camera, open or not. Wishes may come at any time and faster than the browser
 * answers; the last one wins, and no track is left open behind it.
 */
export class Capture {
  /** What the device gives now. */
  readonly track = new Store<MediaStreamTrack | null>(null);
  readonly problem = new Store<DeviceProblem | null>(null);
  /** The browser has been asked and has not answered. */
  readonly starting = new Store(false);

  readonly #kind: CaptureKind;
  readonly #source: MediaSource | null;
  readonly #unavailable: DeviceProblem | null;
  readonly #onLost: (track: MediaStreamTrack) => void;
  #wish: Wish = { on: false, id: null };
  /** The id that `track` was opened for; what was asked, not what was given. */
  #openedFor: string | null = null;
  #working = false;
  #settled = Promise.resolve();

  /**
   * `unavailable` says why the page has no devices at all; `onLost` hears of a track that the
   * browser ended (unplugged, revoked, taken by the system).
   */
  constructor(
    kind: CaptureKind,
    source: MediaSource | null,
    unavailable: DeviceProblem | null,
    onLost: (track: MediaStreamTrack) => void,
  ) {
    this.#kind = kind;
    this.#source = source;
    this.#unavailable = unavailable;
    this.#onLost = onLost;
  }

  /** Opens the device, or another one in its place. Resolves, once every wish so far is settled, to whether it is open. */
  async open(id: string | null): Promise<boolean> {
    this.#wish = { on: true, id };
    await this.#settle();
    return this.track.get() !== null;
  }

  /** Releases the device; its light goes off at once. */
  close(): void {
    this.#wish = { on: false, id: this.#wish.id };
    this.#replace(null, null);
  }

  /** Takes a track that was opened elsewhere, together with another device's in one question to the person. */
  adopt(track: MediaStreamTrack, askedFor: string | null): void {
    this.#wish = { on: true, id: askedFor };
    this.problem.set(null);
    this.#replace(track, askedFor);
  }

  #settle(): Promise<void> {
    if (!this.#working) {
      this.#working = true;
      this.#settled = this.#work();
    }
    return this.#settled;
  }

  async #work(): Promise<void> {
    while (this.#wish.on && !this.#isMet()) await this.#attempt(this.#wish.id);
    // In the same turn as the last look at the wish: a wish that comes later starts anew.
    this.#working = false;
    this.starting.set(false);
  }

  async #attempt(id: string | null): Promise<void> {
    this.starting.set(true);
    // Many phones cannot open a second camera beside the first.
    if (this.#kind === 'camera') this.track.get()?.stop();
    const result = await this.#request(id);
    const isWanted = this.#wish.on && this.#wish.id === id;
    if (typeof result === 'string') {
      // A newer wish may still be granted; only the last one's failure counts.
      if (!isWanted) return;
      this.#wish = { on: false, id };
      this.#replace(null, null);
      this.problem.set(result);
    } else if (isWanted) {
      this.problem.set(null);
      this.#replace(result, id);
    } else {
      result.stop();
    }
  }

  #isMet(): boolean {
    return this.track.get()?.readyState === 'live' && this.#openedFor === this.#wish.id;
  }

  async #request(id: string | null): Promise<MediaStreamTrack | DeviceProblem> {
    if (!this.#source) return this.#unavailable ?? 'unsupported';
    try {
      return await requestTrack(this.#source, this.#kind, id);
    } catch (error) {
      return classifyError(error);
    }
  }

  #replace(track: MediaStreamTrack | null, openedFor: string | null): void {
    const previous = this.track.get();
    this.#openedFor = openedFor;
    if (track) {
      // Told by the hint: encoders keep detail or motion by it.
      track.contentHint = this.#kind === 'camera' ? 'motion' : 'speech';
      track.addEventListener('ended', () => {
        if (this.track.get() === track) this.#onLost(track);
      });
    }
    this.track.set(track);
    if (previous !== track) previous?.stop();
  }
}

/** Asks for one device; where it is gone or refuses these settings, for any of its kind. */
async function requestTrack(
  source: MediaSource,
  kind: CaptureKind,
  id: string | null,
): Promise<MediaStreamTrack> {
  try {
    return await requestExactly(source, kind, constraintsFor(kind, id));
  } catch (error) {
    const problem = classifyError(error);
    if (problem === 'missing' && id !== null) return requestExactly(source, kind, constraintsFor(kind, null));
    if (problem === 'failed') return requestExactly(source, kind, true);
    throw error;
  }
}

async function requestExactly(
  source: MediaSource,
  kind: CaptureKind,
  constraints: MediaTrackConstraints | true,
): Promise<MediaStreamTrack> {
  const stream = await source.getUserMedia(
    kind === 'microphone' ? { audio: constraints } : { video: constraints },
  );
  const track = stream.getTracks()[0];
  if (!track) throw new DOMException('the browser gave a stream without a track', 'NotFoundError');
  return track;
}
