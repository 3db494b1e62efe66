import type { Clock } from './clock';
import { limitCodecs } from './codecs';
import type { LocalTracks } from './path';
import { SOURCES } from './path';
import type { CodecPreference, PeerSignal, SourceKind } from './proto';

/** All in milliseconds. */
export const LINK_TIMES = {
  /** Without a connection for so long, the link counts as failed (it is tried on). */
  failAfter: 8_000,
  /** ICE may lose a path for a moment and find it again by itself. */
  restartAfter: 1_500,
  /** Between attempts to find a new path. */
  restartEvery: 4_000,
} as const;

export type LinkState = 'connecting' | 'connected' | 'failed';

export interface LinkEnvironment {
  clock: Clock;
  createConnection(): RTCPeerConnection;
  /** Passes a signal on to the peer, in order. */
  send(signal: PeerSignal): void;
  onState(state: LinkState): void;
  /** The receivers exist now. */
  onReceivers(receivers: ReadonlyMap<SourceKind, RTCRtpReceiver>): void;
}

/**
 * The direct connection with one peer (RFC 8829). Of the two, one always offers, so that offers
 * never meet. All four sections exist from the first offer; sources come and go by `replaceTrack`,
 * and only ICE restarts negotiate again.
 */
export class PeerLink {
  readonly connection: RTCPeerConnection;
  readonly #offers: boolean;
  readonly #environment: LinkEnvironment;
  readonly #transceivers = new Map<SourceKind, RTCRtpTransceiver>();
  #tracks: LocalTracks;
  #codec: CodecPreference;

  #state: LinkState = 'connecting';
  #closed = false;
  /** Negotiation steps, one after the other. */
  #steps: Promise<void> = Promise.resolve();
  #earlyCandidates: RTCIceCandidateInit[] = [];
  #lastOffer: string | null = null;
  #restartedAt = -Infinity;
  #cancelFailure: (() => void) | null = null;
  #cancelRestart: (() => void) | null = null;

  constructor(offers: boolean, tracks: LocalTracks, codec: CodecPreference, environment: LinkEnvironment) {
    this.#offers = offers;
    this.#tracks = tracks;
    this.#codec = codec;
    this.#environment = environment;
    this.connection = environment.createConnection();
    this.connection.onicecandidate = ({ candidate }) => {
      if (!candidate || this.#closed) return;
      environment.send({
        kind: 'candidate',
        candidate: candidate.candidate,
        mid: candidate.sdpMid,
        ufrag: candidate.usernameFragment,
      });
    };
    this.connection.onconnectionstatechange = () => this.#connectionChanged();
    this.connection.oniceconnectionstatechange = () => this.#connectionChanged();
    this.#cancelFailure = environment.clock.after(LINK_TIMES.failAfter, () => this.#failed());
    if (offers) {
      for (const { source, kind } of SOURCES) {
        this.#adopt(source, kind, this.connection.addTransceiver(kind, { direction: 'sendrecv' }));
      }
      this.#announceReceivers();
      this.#negotiate();
    }
  }

  get state(): LinkState {
    return this.#state;
  }

  setTracks(tracks: LocalTracks): void {
    this.#tracks = tracks;
    for (const { source, of } of SOURCES) this.#applyTrack(source, tracks[of]);
  }

  setCodec(codec: CodecPreference): void {
    if (codec === this.#codec) return;
    this.#codec = codec;
    for (const { source, kind } of SOURCES) {
      const transceiver = this.#transceivers.get(source);
      if (transceiver && kind === 'video') limitCodecs(transceiver, kind, codec);
    }
    if (this.#offers && this.#transceivers.size > 0) this.#negotiate();
  }

  /** A signal from the peer; what does not fit the state is of an earlier negotiation and ignored. */
  receive(signal: PeerSignal): void {
    switch (signal.kind) {
      case 'offer':
        if (!this.#offers) this.#step(() => this.#answer(signal.sdp));
        break;
      case 'answer':
        if (this.#offers) this.#step(() => this.#accept(signal.sdp));
        break;
      case 'candidate':
        this.#step(() => this.#addCandidate(signal));
        break;
      case 'restart-wanted':
        if (this.#offers) this.#restart();
        break;
    }
  }

  /** Looks for a new path now instead of when the old one is missed. */
  networkChanged(): void {
    if (this.connection.iceConnectionState !== 'new') this.#restart();
  }

  close(): void {
    if (this.#closed) return;
    this.#closed = true;
    this.#cancelFailure?.();
    this.#cancelRestart?.();
    this.connection.onicecandidate = null;
    this.connection.onconnectionstatechange = null;
    this.connection.oniceconnectionstatechange = null;
    this.connection.close();
  }

  // Negotiation.

  #negotiate(): void {
    this.#step(async () => {
      // An offer that is still unanswered is replaced by this newer one.
      await this.connection.setLocalDescription(await this.connection.createOffer());
      const sdp = this.connection.localDescription?.sdp;
      if (sdp) this.#environment.send({ kind: 'offer', sdp });
    });
  }

  async #answer(sdp: string): Promise<void> {
    if (sdp === this.#lastOffer) {
      // Sent again after a lost connection: the answer may be lost as well.
      const answer = this.connection.localDescription;
      if (answer?.type === 'answer') this.#environment.send({ kind: 'answer', sdp: answer.sdp });
      return;
    }
    await this.connection.setRemoteDescription({ type: 'offer', sdp });
    this.#lastOffer = sdp;
    if (this.#transceivers.size === 0) {
      const sections = this.connection.getTransceivers();
      SOURCES.forEach(({ source, kind }, index) => {
        const transceiver = sections[index];
        if (!transceiver || transceiver.receiver.track.kind !== kind) return;
        transceiver.direction = 'sendrecv';
        this.#adopt(source, kind, transceiver);
      });
      this.#announceReceivers();
    }
    await this.connection.setLocalDescription(await this.connection.createAnswer());
    const answer = this.connection.localDescription?.sdp;
    if (answer) this.#environment.send({ kind: 'answer', sdp: answer });
    await this.#addEarlyCandidates();
  }

  async #accept(sdp: string): Promise<void> {
    if (this.connection.signalingState !== 'have-local-offer') return;
    await this.connection.setRemoteDescription({ type: 'answer', sdp });
    await this.#addEarlyCandidates();
  }

  async #addCandidate(signal: Extract<PeerSignal, { kind: 'candidate' }>): Promise<void> {
    const candidate: RTCIceCandidateInit = {
      candidate: signal.candidate,
      sdpMid: signal.mid,
      usernameFragment: signal.ufrag,
    };
    if (!this.connection.remoteDescription) {
      this.#earlyCandidates.push(candidate);
      return;
    }
    await this.connection.addIceCandidate(candidate);
  }

  async #addEarlyCandidates(): Promise<void> {
    const candidates = this.#earlyCandidates;
    this.#earlyCandidates = [];
    for (const candidate of candidates) {
      // One that is of an earlier ICE generation must not keep out the rest.
      await this.connection.addIceCandidate(candidate).catch(() => undefined);
    }
  }

  #adopt(source: SourceKind, kind: 'audio' | 'video', transceiver: RTCRtpTransceiver): void {
    limitCodecs(transceiver, kind, this.#codec);
    this.#transceivers.set(source, transceiver);
    const of = SOURCES.find((entry) => entry.source === source)?.of;
    if (of) this.#applyTrack(source, this.#tracks[of]);
  }

  #applyTrack(source: SourceKind, track: MediaStreamTrack | null): void {
    const sender = this.#transceivers.get(source)?.sender;
    if (!sender || sender.track === track) return;
    // Fails only for a connection that is closed or a track of the wrong kind, which `SOURCES` excludes.
    sender.replaceTrack(track).catch(() => undefined);
  }

  #announceReceivers(): void {
    const receivers = new Map<SourceKind, RTCRtpReceiver>();
    for (const [source, transceiver] of this.#transceivers) receivers.set(source, transceiver.receiver);
    this.#environment.onReceivers(receivers);
  }

  /** A step that fails is of a peer that says what does not fit; the link's deadline judges the outcome. */
  #step(run: () => Promise<void>): void {
    this.#steps = this.#steps.then(async () => {
      if (this.#closed) return;
      try {
        await run();
      } catch {
        // Judged by `failAfter`.
      }
    });
  }

  // Health.

  #connectionChanged(): void {
    const { connectionState, iceConnectionState } = this.connection;
    if (connectionState === 'connected' && iceConnectionState !== 'disconnected') {
      this.#cancelFailure?.();
      this.#cancelFailure = null;
      this.#cancelRestart?.();
      this.#cancelRestart = null;
      this.#become('connected');
      return;
    }
    const lost =
      iceConnectionState === 'disconnected' ||
      iceConnectionState === 'failed' ||
      connectionState === 'failed';
    if (!lost) return;
    if (this.#state === 'connected') this.#become('connecting');
    this.#cancelFailure ??= this.#environment.clock.after(LINK_TIMES.failAfter, () => this.#failed());
    const wait = iceConnectionState === 'disconnected' ? LINK_TIMES.restartAfter : 0;
    this.#cancelRestart ??= this.#environment.clock.after(wait, () => this.#restartUntilConnected());
  }

  #restartUntilConnected(): void {
    this.#restart();
    this.#cancelRestart = this.#environment.clock.after(LINK_TIMES.restartEvery, () =>
      this.#restartUntilConnected(),
    );
  }

  #restart(): void {
    const now = this.#environment.clock.now();
    if (this.#closed || now - this.#restartedAt < LINK_TIMES.restartAfter) return;
    this.#restartedAt = now;
    if (!this.#offers) {
      this.#environment.send({ kind: 'restart-wanted' });
      return;
    }
    this.connection.restartIce();
    this.#negotiate();
  }

  #failed(): void {
    this.#cancelFailure = null;
    this.#become('failed');
    this.#cancelRestart ??= this.#environment.clock.after(0, () => this.#restartUntilConnected());
  }

  #become(state: LinkState): void {
    if (state === this.#state || this.#closed) return;
    this.#state = state;
    this.#environment.onState(state);
  }
}
