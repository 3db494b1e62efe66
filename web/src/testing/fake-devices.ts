/** A browser's devices without a browser: lists, tracks, refusals, plugging in and out. */

type Kind = 'audioinput' | 'videoinput' | 'audiooutput';

export class FakeTrack extends EventTarget {
  readyState: MediaStreamTrackState = 'live';
  contentHint = '';
  enabled = true;
  readonly clones: FakeTrack[] = [];
  readonly kind: 'audio' | 'video';
  readonly label: string;
  readonly #deviceId: string;

  constructor(kind: 'audio' | 'video', deviceId: string, label: string) {
    super();
    this.kind = kind;
    this.label = label;
    this.#deviceId = deviceId;
  }

  getSettings(): MediaTrackSettings {
    return { deviceId: this.#deviceId };
  }

  clone(): FakeTrack {
    const clone = new FakeTrack(this.kind, this.#deviceId, this.label);
    this.clones.push(clone);
    return clone;
  }

  stop(): void {
    this.readyState = 'ended';
  }

  /** As when the device is unplugged: the browser ends the track and says so. */
  lose(): void {
    if (this.readyState === 'ended') return;
    this.readyState = 'ended';
    this.dispatchEvent(new Event('ended'));
  }
}

class FakeStream {
  readonly #tracks: FakeTrack[];
  constructor(tracks: FakeTrack[]) {
    this.#tracks = tracks;
  }
  getTracks(): FakeTrack[] {
    return this.#tracks;
  }
  getAudioTracks(): FakeTrack[] {
    return this.#tracks.filter((track) => track.kind === 'audio');
  }
  getVideoTracks(): FakeTrack[] {
    return this.#tracks.filter((track) => track.kind === 'video');
  }
}

export class FakeMediaDevices extends EventTarget {
  readonly devices: MediaDeviceInfo[] = [];
  /** Every track that was ever given, oldest first; clones are with their originals. */
  readonly tracks: FakeTrack[] = [];
  /** What was asked for, oldest first. */
  readonly asked: MediaStreamConstraints[] = [];
  /** The name of the error with which the next questions for a kind are answered. */
  readonly errors: Partial<Record<'audio' | 'video', string>> = {};
  /** Answers wait for `answer()` while set. */
  isSlow = false;
  readonly #waiting: (() => void)[] = [];

  constructor(...devices: [kind: Kind, id: string, label: string, group?: string][]) {
    super();
    for (const device of devices) this.#add(device);
  }

  plug(...device: [kind: Kind, id: string, label: string, group?: string]): void {
    this.#add(device);
    this.dispatchEvent(new Event('devicechange'));
  }

  unplug(id: string): void {
    this.devices.splice(
      this.devices.findIndex((device) => device.deviceId === id),
      1,
    );
    for (const track of this.tracks) if (track.getSettings().deviceId === id) track.lose();
    this.dispatchEvent(new Event('devicechange'));
  }

  /** Answers the oldest question that waits. */
  answer(): void {
    this.#waiting.shift()?.();
  }

  enumerateDevices(): Promise<MediaDeviceInfo[]> {
    return Promise.resolve([...this.devices]);
  }

  async getUserMedia(constraints: MediaStreamConstraints = {}): Promise<MediaStream> {
    this.asked.push(constraints);
    if (this.isSlow) await new Promise<void>((resolve) => this.#waiting.push(resolve));
    const tracks: FakeTrack[] = [];
    if (constraints.audio) tracks.push(this.#open('audio', 'audioinput', constraints.audio));
    if (constraints.video) tracks.push(this.#open('video', 'videoinput', constraints.video));
    this.tracks.push(...tracks);
    return new FakeStream(tracks) as unknown as MediaStream;
  }

  #open(kind: 'audio' | 'video', deviceKind: Kind, wanted: boolean | MediaTrackConstraints): FakeTrack {
    const error = this.errors[kind];
    if (error) throw new DOMException('as the test wants it', error);
    const id =
      typeof wanted === 'object' ? (wanted.deviceId as { exact?: string } | undefined)?.exact : undefined;
    const candidates = this.devices.filter((device) => device.kind === deviceKind);
    const device =
      id === undefined ? candidates[0] : candidates.find((candidate) => candidate.deviceId === id);
    if (!device)
      throw new DOMException('no such device', id === undefined ? 'NotFoundError' : 'OverconstrainedError');
    return new FakeTrack(kind, device.deviceId, device.label);
  }

  #add([kind, deviceId, label, groupId = '']: [kind: Kind, id: string, label: string, group?: string]): void {
    this.devices.push({ kind, deviceId, label, groupId, toJSON: () => ({}) });
  }
}
