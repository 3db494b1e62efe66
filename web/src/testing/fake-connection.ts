/** Connections without a browser: sessions are numbers, and the test says what the network does. */

type Handler = ((event: never) => void) | null;

export class FakeTransceiver {
  mid: string | null = null;
  direction: RTCRtpTransceiverDirection = 'sendrecv';
  readonly receiver: { track: { kind: string } };
  readonly sender = {
    track: null as unknown,
    replaceTrack: (track: unknown): Promise<void> => {
      this.sender.track = track;
      return Promise.resolve();
    },
    getParameters: () => ({ encodings: [], codecs: [] }),
    setParameters: (): Promise<void> => Promise.resolve(),
  };

  constructor(kind: string) {
    this.receiver = { track: { kind } };
  }
}

/** As much of a connection as a leg to the server needs. */
export class FakeLegConnection {
  connectionState: RTCPeerConnectionState = 'new';
  iceConnectionState: RTCIceConnectionState = 'new';
  signalingState: RTCSignalingState = 'stable';
  localDescription: RTCSessionDescriptionInit | null = null;
  remoteDescription: RTCSessionDescriptionInit | null = null;
  onconnectionstatechange: Handler = null;
  oniceconnectionstatechange: Handler = null;
  configuration: RTCConfiguration = {};
  readonly transceivers: FakeTransceiver[] = [];
  /** What was done that the network sees, in order. */
  readonly done: string[] = [];
  stats = new Map<string, unknown>();
  closed = false;
  #offers = 0;
  #ufrag = 1;

  addEventListener(): void {}
  addTransceiver(kind: string): FakeTransceiver {
    const transceiver = new FakeTransceiver(kind);
    this.transceivers.push(transceiver);
    return transceiver;
  }
  getTransceivers(): FakeTransceiver[] {
    return this.transceivers;
  }
  getConfiguration(): RTCConfiguration {
    return this.configuration;
  }
  setConfiguration(configuration: RTCConfiguration): void {
    this.configuration = configuration;
    this.done.push('configure');
  }
  restartIce(): void {
    this.#ufrag += 1;
    this.done.push('restart');
  }
  createOffer(): Promise<RTCSessionDescriptionInit> {
    const mids = this.transceivers.map((_, index) => `a=mid:${index}\r\n`).join('');
    return Promise.resolve({
      type: 'offer',
      sdp: `s=${(this.#offers += 1)}\r\na=ice-ufrag:${this.#ufrag}\r\n${mids}`,
    });
  }
  setLocalDescription(description: RTCSessionDescriptionInit): Promise<void> {
    if (description.type === 'rollback') {
      this.signalingState = 'stable';
      return Promise.resolve();
    }
    this.localDescription = description;
    this.signalingState = 'have-local-offer';
    this.transceivers.forEach((transceiver, index) => (transceiver.mid = String(index)));
    this.done.push('gather');
    return Promise.resolve();
  }
  setRemoteDescription(description: RTCSessionDescriptionInit): Promise<void> {
    this.remoteDescription = description;
    this.signalingState = 'stable';
    return Promise.resolve();
  }
  getStats(): Promise<Map<string, unknown>> {
    return Promise.resolve(this.stats);
  }
  close(): void {
    this.closed = true;
  }

  become(connection: RTCPeerConnectionState, ice: RTCIceConnectionState): void {
    this.connectionState = connection;
    this.iceConnectionState = ice;
    this.onconnectionstatechange?.({} as never);
  }
  restarts(): number {
    return this.done.filter((what) => what === 'restart').length;
  }
}
