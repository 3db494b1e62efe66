/**
 * The person's microphone, camera and speaker: what is chosen, what is open, what is sent, and what
 * happens when something is plugged in or out.
 *
 * Muting must stop what is sent: the meeting is given a clone of the microphone's track, and muting
 * ends that clone. The original stays in this page, for the meter and for noticing that a muted
 * person talks. Turning the camera off releases it.
 */
import { systemClock, type Clock } from './clock';
import { Capture, constraintsFor, type CaptureKind, type MediaSource } from './devices/capture';
import {
  chooseDevice,
  companions,
  compareDevices,
  readDevices,
  worthOffering,
  type DeviceInfo,
  type DeviceKind,
} from './devices/choice';
import { DeviceNotices, type DeviceNotice } from './devices/device-notices';
import { startMeter, type StartMeter } from './devices/meter';
import { pageProblem, type DeviceProblem } from './devices/problem';
import { TalkingDetector } from './devices/talking';
import { playTone } from './devices/tone';
import type { LocalMedia, Readable } from './model';
import type { Preferences } from './preferences';
import { Store } from './store';

export type { DeviceInfo, DeviceKind, DeviceNotice, DeviceProblem };

/** What the pickers show. */
export interface DevicesState {
  devices: readonly DeviceInfo[];
  /** Ids in use, or that would be used; null where the system decides. */
  chosen: Record<DeviceKind, string | null>;
  /** Turned on by the person, whether or not the device has started. */
  on: Record<CaptureKind, boolean>;
  /** The browser has been asked, and perhaps asks the person. */
  starting: Record<CaptureKind, boolean>;
  problem: Record<CaptureKind, DeviceProblem | null>;
}

/** The browser, or a test's stand-in for it. */
export interface DevicesEnvironment {
  /** Undefined on insecure pages and in browsers without devices. */
  mediaDevices: MediaSource | undefined;
  permissions: Pick<Permissions, 'query'> | undefined;
  secure: boolean;
  clock: Clock;
  startMeter: StartMeter;
}

function browserEnvironment(): DevicesEnvironment {
  return {
    mediaDevices: navigator.mediaDevices,
    permissions: navigator.permissions,
    secure: window.isSecureContext,
    clock: systemClock,
    startMeter,
  };
}

const CAPTURES = ['microphone', 'camera'] as const;

export class Devices implements LocalMedia {
  readonly microphone = new Store<MediaStreamTrack | null>(null);
  readonly camera: Readable<MediaStreamTrack | null>;
  readonly level = new Store(0);
  readonly talkingWhileMuted = new Store(false);
  readonly state: Store<DevicesState>;

  readonly #environment: DevicesEnvironment;
  readonly #preferences: Preferences;
  readonly #notices: DeviceNotices;
  readonly #captures: Record<CaptureKind, Capture>;
  readonly #talking = new TalkingDetector();
  readonly #ended = new AbortController();
  /** While the browser is asked for both devices at once. */
  #together: Promise<boolean> | null = null;
  #stopMeter = (): void => undefined;

  constructor(preferences: Preferences, environment: DevicesEnvironment = browserEnvironment()) {
    this.#environment = environment;
    this.#preferences = preferences;
    this.#notices = new DeviceNotices(environment.clock);
    const source = environment.mediaDevices ?? null;
    const unavailable = pageProblem(environment);
    const capture = (kind: CaptureKind) =>
      new Capture(kind, source, unavailable, (track) => void this.#recover(kind, track));
    this.#captures = { microphone: capture('microphone'), camera: capture('camera') };
    this.camera = this.#captures.camera.track;
    this.state = new Store<DevicesState>({
      devices: [],
      chosen: { microphone: null, camera: null, speaker: preferences.get('speaker')?.id ?? null },
      on: { microphone: false, camera: false },
      starting: { microphone: false, camera: false },
      problem: { microphone: unavailable, camera: unavailable },
    });
    this.#follow();
  }

  get notices(): Readable<DeviceNotice[]> {
    return this.#notices.list;
  }

  dismissNotice(id: number): void {
    this.#notices.dismiss(id);
  }

  /**
   * Opens what the person wants to join with, asking for both in one question. What the person turns
   * off or on meanwhile counts.
   */
  async start(wanted: Record<CaptureKind, boolean>): Promise<void> {
    for (const kind of CAPTURES) if (wanted[kind]) this.#setOn(kind, true);
    await this.#refresh();
    const isOn = (kind: CaptureKind): boolean => this.state.get().on[kind];
    if (CAPTURES.every(isOn)) {
      this.#together = this.#startBoth();
      const opened = await this.#together;
      this.#together = null;
      if (opened) return;
    }
    // Together they failed or were not both wanted; each alone may work, or says what is wrong with it.
    if (isOn('microphone')) await this.setMicrophone(true);
    if (isOn('camera')) await this.setCamera(true);
  }

  async setMicrophone(on: boolean): Promise<boolean> {
    return on ? this.#turnOn('microphone') : this.#mute();
  }

  async setCamera(on: boolean): Promise<boolean> {
    if (on) return this.#turnOn('camera');
    this.#setOn('camera', false);
    this.#captures.camera.close();
    return false;
  }

  /** Uses another device from now on and remembers it. */
  async choose(kind: DeviceKind, id: string): Promise<void> {
    const device = this.#find(kind, id);
    this.#preferences.set(kind, { id, label: device?.label ?? '' });
    this.#setChosen(kind, id);
    if (kind === 'speaker') return;
    // A muted microphone keeps measuring through the new device; a camera that is off stays so.
    const capture = this.#captures[kind];
    if (this.state.get().on[kind] || capture.track.get()) {
      await capture.open(id);
      this.#afterOpening(kind);
    }
  }

  /** Plays a sound through the chosen speaker. Resolves at its end to whether it could be played. */
  async testSpeaker(): Promise<boolean> {
    try {
      await playTone(this.state.get().chosen.speaker);
      return true;
    } catch {
      return false;
    }
  }

  /** Lets go of every device; `start` takes them again. */
  release(): void {
    this.#mute();
    this.#captures.microphone.close();
    this.#setOn('camera', false);
    this.#captures.camera.close();
  }

  /** Lets go of every device for good. */
  close(): void {
    this.#ended.abort();
    this.release();
  }

  // Opening and closing.

  async #startBoth(): Promise<boolean> {
    const source = this.#environment.mediaDevices;
    if (!source) return false;
    const ids = { microphone: this.#preferredId('microphone'), camera: this.#preferredId('camera') };
    this.#patch({ starting: { microphone: true, camera: true } });
    try {
      const stream = await source.getUserMedia({
        audio: constraintsFor('microphone', ids.microphone),
        video: constraintsFor('camera', ids.camera),
      });
      for (const kind of CAPTURES) {
        const track = (kind === 'microphone' ? stream.getAudioTracks() : stream.getVideoTracks())[0];
        // A microphone that was turned off is listened to in this page, as a muted one is; a camera is let go.
        if (!track) this.#setOn(kind, false);
        else if (kind === 'camera' && !this.state.get().on.camera) track.stop();
        else this.#captures[kind].adopt(track, ids[kind]);
      }
      await this.#refresh();
      for (const kind of CAPTURES) this.#afterOpening(kind);
      return true;
    } catch {
      return false;
    } finally {
      this.#patch({ starting: { microphone: false, camera: false } });
    }
  }

  async #turnOn(kind: CaptureKind): Promise<boolean> {
    const capture = this.#captures[kind];
    this.#setOn(kind, true);
    // The browser is being asked already.
    await this.#together;
    if (!this.state.get().on[kind]) return false;
    const wasOpen = capture.track.get()?.readyState === 'live';
    if (!wasOpen && !(await capture.open(this.#preferredId(kind)))) {
      // Turned off meanwhile: not a failure.
      if (this.state.get().on[kind]) {
        this.#setOn(kind, false);
        this.#tellProblem(kind);
      }
      return false;
    }
    if (!wasOpen) {
      await this.#refresh();
      this.#tellSubstitute(kind);
    }
    this.#afterOpening(kind);
    return this.state.get().on[kind];
  }

  #mute(): false {
    this.#setOn('microphone', false);
    this.#publishMicrophone();
    return false;
  }

  #afterOpening(kind: CaptureKind): void {
    const id = this.#captures[kind].track.get()?.getSettings().deviceId;
    if (id !== undefined) this.#setChosen(kind, id);
    if (kind === 'microphone') this.#publishMicrophone();
  }

  /** Gives the meeting a clone of the open microphone, or takes it away. */
  #publishMicrophone(): void {
    const original = this.#captures.microphone.track.get();
    const sent = this.microphone.get();
    const next = this.state.get().on.microphone && original ? original.clone() : null;
    this.microphone.set(next);
    sent?.stop();
    this.#talking.reset();
    this.talkingWhileMuted.set(false);
  }

  #measure(track: MediaStreamTrack | null): void {
    this.#stopMeter();
    this.#stopMeter = (): void => undefined;
    if (!track) return;
    this.#stopMeter = this.#environment.startMeter(track, (level) => {
      this.level.set(level);
      const talking = this.#talking.push(level, this.#environment.clock.now());
      this.talkingWhileMuted.set(talking && !this.state.get().on.microphone);
    });
  }

  /** A device in use is gone: takes the next one, and says so. */
  async #recover(kind: CaptureKind, lost: MediaStreamTrack): Promise<void> {
    const capture = this.#captures[kind];
    const wasOn = this.state.get().on[kind];
    capture.close();
    if (kind === 'microphone') this.#publishMicrophone();
    await this.#refresh();
    const lostId = lost.getSettings().deviceId;
    const others = this.state.get().devices.filter((device) => device.id !== lostId);
    const next = chooseDevice(others, kind, null);
    if (!wasOn) return;
    if (next && (await capture.open(next.id))) {
      this.#afterOpening(kind);
      this.#notices.add(`${kind}-lost`, { device: lost.label, next: next.label });
      return;
    }
    this.#setOn(kind, false);
    // With nothing left, or nothing that opens, the loss is the news, unless it was permission that went.
    if (capture.problem.get() === 'refused') this.#tellProblem(kind);
    else this.#notices.add(`${kind}-lost-none`, { device: lost.label }, { tone: 'error' });
  }

  // The list of devices.

  #follow(): void {
    for (const kind of CAPTURES) {
      const capture = this.#captures[kind];
      capture.starting.subscribe((starting) =>
        this.#patch({ starting: { ...this.state.get().starting, [kind]: starting } }),
      );
      let known = capture.problem.get();
      capture.problem.subscribe((problem) => {
        if (problem === known) return;
        known = problem;
        this.#patch({ problem: { ...this.state.get().problem, [kind]: problem } });
      });
    }
    this.#captures.microphone.track.subscribe((track) => this.#measure(track));
    const { signal } = this.#ended;
    const { mediaDevices } = this.#environment;
    const onChange = (): void => void this.#onDeviceChange();
    mediaDevices?.addEventListener('devicechange', onChange);
    signal.addEventListener('abort', () => mediaDevices?.removeEventListener('devicechange', onChange));
    void this.#watchPermissions();
  }

  async #refresh(): Promise<{ before: readonly DeviceInfo[]; after: readonly DeviceInfo[] }> {
    const before = this.state.get().devices;
    let after = before;
    try {
      after = readDevices((await this.#environment.mediaDevices?.enumerateDevices()) ?? []);
    } catch {
      // The list stays as it was; opening a device does not need it.
    }
    this.#patch({ devices: after });
    this.#checkSpeaker(after);
    return { before, after };
  }

  async #onDeviceChange(): Promise<void> {
    const { speaker: used } = this.state.get().chosen;
    const { before, after } = await this.#refresh();
    const { added, removed } = compareDevices(before, after);
    const speaker = removed.find(({ kind, id }) => kind === 'speaker' && id === used);
    if (speaker) this.#notices.add('speaker-lost', { device: speaker.label });
    const offered = worthOffering(added);
    if (offered) {
      const use = (): void => {
        for (const device of [offered, ...companions(this.state.get().devices, offered)]) {
          void this.choose(device.kind, device.id);
        }
      };
      this.#notices.add('device-plugged-in', { device: offered.label }, { tone: 'info', use });
    }
  }

  /** Keeps the chosen speaker to one that is there; the remembered one comes back when it does. */
  #checkSpeaker(devices: readonly DeviceInfo[]): void {
    const speakers = devices.filter((device) => device.kind === 'speaker');
    if (speakers.length === 0) return;
    const remembered = this.#preferences.get('speaker');
    const found =
      remembered && speakers.find(({ id, label }) => id === remembered.id || label === remembered.label);
    this.#setChosen('speaker', found?.id ?? null);
  }

  /** Permission given in the browser's own settings starts what was refused, without a reload. */
  async #watchPermissions(): Promise<void> {
    for (const kind of CAPTURES) {
      try {
        const status = await this.#environment.permissions?.query({ name: kind });
        status?.addEventListener(
          'change',
          () => {
            const refused = this.state.get().problem[kind] === 'refused';
            if (status.state === 'granted' && refused) void this.#turnOn(kind);
          },
          { signal: this.#ended.signal },
        );
      } catch {
        // The browser does not tell; the retry button remains.
      }
    }
  }

  // Small things.

  /** The id to ask for: the remembered device, under its new id if it has one. Null leaves it to the system. */
  #preferredId(kind: CaptureKind): string | null {
    const remembered = this.#preferences.get(kind);
    if (!remembered) return null;
    const { devices } = this.state.get();
    const known = devices.some((device) => device.kind === kind && device.label !== '');
    if (!known) return remembered.id;
    const chosen = chooseDevice(devices, kind, remembered);
    return chosen && (chosen.id === remembered.id || chosen.label === remembered.label) ? chosen.id : null;
  }

  #find(kind: DeviceKind, id: string): DeviceInfo | undefined {
    return this.state.get().devices.find((device) => device.kind === kind && device.id === id);
  }

  #tellSubstitute(kind: CaptureKind): void {
    const remembered = this.#preferences.get(kind);
    const track = this.#captures[kind].track.get();
    if (!remembered || !track || remembered.label === '') return;
    const { deviceId } = track.getSettings();
    if (deviceId === remembered.id || track.label === remembered.label) return;
    this.#notices.add(`${kind}-substituted`, { next: track.label }, { tone: 'info' });
  }

  #tellProblem(kind: CaptureKind): void {
    const problem = this.state.get().problem[kind];
    const extra = { tone: 'error', isProblem: true } as const;
    if (problem === 'insecure') this.#notices.add('insecure-page', {}, extra);
    else if (problem === 'unsupported') this.#notices.add('unsupported-browser', {}, extra);
    else if (problem) this.#notices.add(`${kind}-${problem}`, {}, extra);
  }

  #setOn(kind: CaptureKind, on: boolean): void {
    this.#patch({ on: { ...this.state.get().on, [kind]: on } });
  }

  #setChosen(kind: DeviceKind, id: string | null): void {
    this.#patch({ chosen: { ...this.state.get().chosen, [kind]: id } });
  }

  #patch(change: Partial<DevicesState>): void {
    this.state.update((state) => ({ ...state, ...change }));
  }
}
