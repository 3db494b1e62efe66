import type { Clock } from './clock';
import { limitCodecs } from './codecs';
import type { Attempt } from './diagnosis';
import { Diagnosis } from './diagnosis';
import type { Ice } from './ice';
import type { LocalTracks } from './path';
import { SOURCES } from './path';
import type { CodecPreference, PeerSignal, SourceKind } from './proto';
import { Retry } from './retry';

/** All in milliseconds. */
export const LINK_TIMES = {
  /** Without a connection for so long, the link counts as failed (it is tried on). */
  failAfter: 8_000,
  /** An offer without an answer for so long is not waited for any more. */
  answerPatience: 4_000,
} as const;

export type LinkState = 'connecting' | 'connected' | 'failed';

export interface LinkEnvironment {
  clock: Clock;
  createConnection(): RTCPeerConnection;
  ice: Ice;
  /** Passes a signal on to the peer, in order. */
  send(signal: PeerSignal): void;
  onState(state: LinkState): void;
  /** What was tried, once a failed link's browser has said it. */
  onAttempts(attempts: readonly Attempt[]): void;
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
  /** Offers on their way: answers to all but the newest describe a connection that is not wanted any more. */
  #unanswered = 0;
  #offeredAt = -Infinity;
  readonly #diagnosis: Diagnosis;
  readonly #restarts: Retry;
  #cancelFailure: (() => void) | null = null;

  constructor(offers: boolean, tracks: LocalTracks, codec: CodecPreference, environment: LinkEnvironment) {
    this.#offers = offers;
    this.#tracks = tracks;
    this.#codec = codec;
    this.#environment = environment;
    this.connection = environment.createConnection();
    this.#diagnosis = new Diagnosis(this.connection);
    this.#restarts = new Retry(environment.clock, () => this.#restart());
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
      this.#negotiate(true);
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
    if (this.#offers && this.#transceivers.size > 0) this.#negotiate(false);
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
        if (this.#offers) this.#restarts.once();
        break;
    }
  }

  /** Looks for a new path now instead of when the old one is missed. */
  networkChanged(): void {
    if (this.connection.iceConnectionState === 'new') return;
    this.#restarts.hurry();
    this.#restarts.once();
  }

  /** Signals go out again: those that were lost with the old connection are made up for. */
  serverBack(): void {
    if (this.#state !== 'connected') this.networkChanged();
  }

  /** Nothing comes any more, though something did and should. */
  stalled(): void {
    this.#restarts.once();
  }

  close(): void {
    if (this.#closed) return;
    this.#closed = true;
    this.#cancelFailure?.();
    this.#restarts.stop();
    this.connection.onicecandidate = null;
    this.connection.onconnectionstatechange = null;
    this.connection.oniceconnectionstatechange = null;
    this.connection.close();
  }

  // Negotiation.

  /** `gathers`: first candidates, or those of another network. */
  #negotiate(gathers: boolean): void {
    this.#step(async () => {
      if (gathers) await this.#prepareToGather();
      if (gathers && this.connection.localDescription) this.connection.restartIce();
      // An offer that is still unanswered is replaced by this newer one.
      await this.connection.setLocalDescription(await this.connection.createOffer());
      const sdp = this.connection.localDescription?.sdp;
      if (!sdp) return;
      const now = this.#environment.clock.now();
      if (now - this.#offeredAt >= LINK_TIMES.answerPatience) this.#unanswered = 0;
      this.#offeredAt = now;
      this.#unanswered += 1;
      this.#environment.send({ kind: 'offer', sdp });
    });
  }

  async #prepareToGather(): Promise<void> {
    await this.#environment.ice.renew();
    if (!this.#closed) this.#environment.ice.configure(this.connection, 'peer');
  }

  async #answer(sdp: string): Promise<void> {
    if (sdp === this.#lastOffer) {
      // Sent again after a lost connection: the answer may be lost as well.
      const answer = this.connection.localDescription;
      if (answer?.type === 'answer') this.#environment.send({ kind: 'answer', sdp: answer.sdp });
      return;
    }
    // Other ICE credentials in the offer make this end gather anew as well (RFC 8839, section 4.4.1.1.1).
    if (this.#lastOffer === null || ufragOf(sdp) !== ufragOf(this.#lastOffer)) await this.#prepareToGather();
    const restricted = this.#environment.ice.restrict(sdp);
    await this.connection.setRemoteDescription({ type: 'offer', sdp: restricted });
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
    this.#unanswered = Math.max(0, this.#unanswered - 1);
    if (this.connection.signalingState !== 'have-local-offer' || this.#unanswered > 0) return;
    const restricted = this.#environment.ice.restrict(sdp);
    await this.connection.setRemoteDescription({ type: 'answer', sdp: restricted });
    await this.#addEarlyCandidates();
  }

  async #addCandidate(signal: Extract<PeerSignal, { kind: 'candidate' }>): Promise<void> {
    if (!this.#environment.ice.mayUse(signal.candidate)) return;
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
      this.#restarts.stop();
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
    // Browsers say so only after seconds without an answer.
    this.#restarts.start();
  }

  #restart(): void {
    if (this.#offers) this.#negotiate(true);
    else this.#environment.send({ kind: 'restart-wanted' });
  }

  #failed(): void {
    this.#cancelFailure = null;
    this.#become('failed');
    void this.#explain();
    this.#restarts.start();
  }

  async #explain(): Promise<void> {
    try {
      const attempts = await this.#diagnosis.attempts(this.#environment.ice.serversTo('peer'));
      if (this.#state === 'failed' && !this.#closed) this.#environment.onAttempts(attempts);
    } catch {
      // The browser does not say.
    }
  }

  #become(state: LinkState): void {
    if (state === this.#state || this.#closed) return;
    this.#state = state;
    this.#environment.onState(state);
  }
}

/** RFC 8839, section 5.4. */
function ufragOf(sdp: string): string | undefined {
  return /^a=ice-ufrag:(\S+)/m.exec(sdp)?.[1];
}
