import type { Clock } from './clock';
import type { Attempt } from './diagnosis';
import { watchForFrame } from './frames';
import type { Ice } from './ice';
import type {
  LocalTracks,
  MediaPath,
  PathConnection,
  PathMedia,
  PathState,
  Peer,
  RemoteAudio,
  RemoteVideo,
} from './path';
import { NO_MEDIA, samePathState, tileKey } from './path';
import { PeerLink } from './peer-link';
import type { CodecPreference, PeerSignal, SourceKind } from './proto';
import { Store } from './store';

export interface DirectEnvironment {
  clock: Clock;
  createConnection(): RTCPeerConnection;
  ice: Ice;
  send(to: string, signal: PeerSignal): void;
}

/** Signals kept for somebody whom the roster does not name yet; more is a fault. */
const MOST_EARLY_SIGNALS = 64;

interface Held {
  link: PeerLink;
  media: Peer['media'];
  receivers: ReadonlyMap<SourceKind, RTCRtpReceiver>;
  /** Why it failed, while it has. */
  attempts: readonly Attempt[] | null;
  streams: Map<SourceKind, MediaStream>;
  live: Set<SourceKind>;
  watches: Map<SourceKind, () => void>;
}

/** Everybody to everybody: the path of `p2p` and `mesh`. The server passes on signals, never media. */
export class DirectPath implements MediaPath {
  readonly kind = 'direct';
  readonly state = new Store<PathState>({ health: 'connecting', failedPeers: [], attempts: null });
  readonly media = new Store<PathMedia>(NO_MEDIA);
  readonly #id: string;
  readonly #self: string;
  readonly #environment: DirectEnvironment;
  readonly #links = new Map<string, Held>();
  /** Peers for whom the browser made no connection (WebRTC is switched off). */
  readonly #unreachable = new Set<string>();
  readonly #early = new Map<string, PeerSignal[]>();
  #tracks: LocalTracks;
  #codec: CodecPreference;

  constructor(
    id: string,
    self: string,
    tracks: LocalTracks,
    codec: CodecPreference,
    environment: DirectEnvironment,
  ) {
    this.#id = id;
    this.#self = self;
    this.#tracks = tracks;
    this.#codec = codec;
    this.#environment = environment;
  }

  setTracks(tracks: LocalTracks): void {
    this.#tracks = tracks;
    for (const { link } of this.#links.values()) link.setTracks(tracks);
  }

  setPeers(peers: readonly Peer[]): void {
    const present = new Set(peers.map((peer) => peer.id));
    for (const [id, held] of this.#links) {
      if (present.has(id)) continue;
      held.link.close();
      for (const cancel of held.watches.values()) cancel();
      this.#links.delete(id);
    }
    for (const id of this.#unreachable) if (!present.has(id)) this.#unreachable.delete(id);
    for (const peer of peers) {
      const held = this.#links.get(peer.id);
      if (held) held.media = peer.media;
      else if (!this.#unreachable.has(peer.id)) this.#connect(peer);
      this.#watchFrames(peer.id);
    }
    this.#publish();
  }

  signalled(from: string, signal: PeerSignal): void {
    const held = this.#links.get(from);
    if (held) {
      held.link.receive(signal);
      return;
    }
    const early = this.#early.get(from) ?? [];
    if (early.length < MOST_EARLY_SIGNALS) this.#early.set(from, [...early, signal]);
  }

  /** Everybody sends everything to everybody: what is shown does not matter here. */
  setView(): void {}

  setCodec(codec: CodecPreference): void {
    this.#codec = codec;
    for (const { link } of this.#links.values()) link.setCodec(codec);
  }

  connections(): PathConnection[] {
    return [...this.#links].map(([peer, { link }]) => ({
      id: this.#idOf(peer),
      peer,
      connection: link.connection,
    }));
  }

  networkChanged(): void {
    for (const { link } of this.#links.values()) link.networkChanged();
  }

  serverBack(): void {
    for (const { link } of this.#links.values()) link.serverBack();
  }

  stalled(connection: string): void {
    for (const [peer, { link }] of this.#links) if (this.#idOf(peer) === connection) link.stalled();
  }

  close(): void {
    this.setPeers([]);
  }

  #idOf(peer: string): string {
    return `${this.#id}/${peer}`;
  }

  #connect(peer: Peer): void {
    try {
      this.#links.set(peer.id, this.#makeLink(peer));
    } catch {
      this.#unreachable.add(peer.id);
      return;
    }
    const early = this.#early.get(peer.id) ?? [];
    this.#early.delete(peer.id);
    for (const signal of early) this.#links.get(peer.id)?.link.receive(signal);
  }

  #makeLink(peer: Peer): Held {
    const held: Held = {
      // Of two people, the one whose id is smaller offers.
      link: new PeerLink(this.#self < peer.id, this.#tracks, this.#codec, {
        clock: this.#environment.clock,
        createConnection: () => this.#environment.createConnection(),
        ice: this.#environment.ice,
        send: (signal) => this.#environment.send(peer.id, signal),
        onState: () => this.#publish(),
        onAttempts: (attempts) => {
          held.attempts = attempts;
          this.#publish();
        },
        onReceivers: (receivers) => {
          // Called from within the constructor for the one who offers, before `held` exists.
          queueMicrotask(() => {
            if (this.#links.get(peer.id) !== held) return;
            held.receivers = receivers;
            for (const [source, receiver] of receivers) {
              held.streams.set(source, new MediaStream([receiver.track]));
            }
            this.#watchFrames(peer.id);
            this.#publish();
          });
        },
      }),
      media: peer.media,
      receivers: new Map(),
      attempts: null,
      streams: new Map(),
      live: new Set(),
      watches: new Map(),
    };
    return held;
  }

  /** A picture counts from its first frame after it was switched on; what stands before is of the time before. */
  #watchFrames(peer: string): void {
    const held = this.#links.get(peer);
    if (!held) return;
    for (const source of ['camera', 'screen'] as const) {
      const receiver = held.receivers.get(source);
      if (!receiver) continue;
      if (!held.media[source]) {
        held.watches.get(source)?.();
        held.watches.delete(source);
        held.live.delete(source);
      } else if (!held.live.has(source) && !held.watches.has(source)) {
        const cancel = watchForFrame(receiver, null, this.#environment.clock, () => {
          held.watches.delete(source);
          held.live.add(source);
          this.#publish();
        });
        held.watches.set(source, cancel);
      }
    }
  }

  #publish(): void {
    const video = new Map<string, RemoteVideo>();
    const audio: RemoteAudio[] = [];
    const failedPeers = [...this.#unreachable];
    let allConnected = true;
    let attempts: readonly Attempt[] | null = null;
    for (const [peer, held] of this.#links) {
      if (held.link.state === 'failed') {
        failedPeers.push(peer);
        attempts ??= held.attempts;
      }
      if (held.link.state !== 'connected') allConnected = false;
      for (const source of ['camera', 'screen'] as const) {
        const receiver = held.receivers.get(source);
        const stream = held.streams.get(source);
        if (!receiver || !stream || !held.media[source]) continue;
        const key = tileKey(peer, source);
        video.set(key, { key, stream, receiver, live: held.live.has(source), paused: false });
      }
      // What a broken link plays is silence; another path may have the sound.
      if (held.link.state === 'failed') continue;
      for (const source of ['microphone', 'screen-audio'] as const) {
        const receiver = held.receivers.get(source);
        if (!receiver) continue;
        const id = `${this.#id}/${peer}/${source}`;
        audio.push({ id, participant: peer, source, track: receiver.track, receiver });
      }
    }
    this.media.set({ video, audio });
    const state: PathState = {
      health: failedPeers.length > 0 ? 'failed' : allConnected ? 'connected' : 'connecting',
      failedPeers,
      attempts,
    };
    this.state.update((before) => (samePathState(before, state) ? before : state));
  }
}
