import type { AudioPlayer } from './audio';
import type { Clock } from './clock';
import { every } from './clock';
import type { Attempt } from './diagnosis';
import { DirectPath } from './direct';
import type { Ice } from './ice';
import type { StreamNumbers, TileQuality, Transport } from './model';
import type { NoticeKind } from './notices';
import type { LocalTracks } from './path';
import { QualityMonitor } from './quality-monitor';
import type {
  ClientMessage,
  CodecPreference,
  Event as RoomEvent,
  NetworkReport,
  Participant,
  Reply,
  TopologyState,
  ViewItem,
} from './proto';
import { SfuPath } from './sfu';
import { SpeakingDetector } from './speaking';
import { TopologyPaths } from './topology';
import type { ShownVideo } from './view';

/** How often levels are looked at, in milliseconds. */
const LEVELS_EVERY_MS = 100;

export interface MediaSessionEnvironment {
  clock: Clock;
  createConnection(): RTCPeerConnection;
  ice: Ice;
  request(message: ClientMessage): Promise<Reply>;
  reachable(): boolean;
  nextLeg(): number;
  player: AudioPlayer;
  /** Level of the own microphone, 0 to 1; 0 when it is off. */
  ownLevel(): number;
  /** Something that the page shows has changed. */
  onChange(): void;
  /** Media has stopped coming: the network may be another one. */
  onStalled(): void;
  onNotice(kind: NoticeKind & 'network-poor'): void;
}

export interface MediaStart {
  self: string;
  topology: TopologyState;
  codec: CodecPreference;
  tracks: LocalTracks;
  participants: readonly Participant[];
  view: readonly ViewItem[];
  /** Connects to the SFU already, with the answer that came with `joined`. */
  prepared: SfuPath | null;
}

/** Everybody's media during one session: paths, sound, who speaks, how good it is. */
export class MediaSession {
  readonly #environment: MediaSessionEnvironment;
  readonly #self: string;
  readonly #paths: TopologyPaths<DirectPath | SfuPath>;
  readonly #detector = new SpeakingDetector();
  readonly #monitor: QualityMonitor;
  readonly #stop: (() => void)[] = [];
  #participants: readonly Participant[];
  #speakers: readonly string[] = [];
  #closed = false;

  constructor(start: MediaStart, environment: MediaSessionEnvironment) {
    this.#environment = environment;
    this.#self = start.self;
    this.#participants = start.participants;
    this.#paths = new TopologyPaths<DirectPath | SfuPath>(start.tracks, start.codec, {
      clock: environment.clock,
      makePath: (kind, generation) => this.#makePath(kind, generation, start),
      report: (generation, state, peer) => {
        this.#tell({ type: 'report-path', body: { generation, state, ...(peer !== undefined && { peer }) } });
      },
      onChange: () => this.#changed(),
    });
    this.#monitor = new QualityMonitor({
      clock: environment.clock,
      paths: this.#paths,
      participants: () => this.#others(),
      onReport: (report) => this.#tell({ type: 'report-network', body: { report } }),
      onSilence: (peer, silent) => this.#reportSilence(peer, silent),
      onStalled: (connection) => {
        this.#paths.stalled(connection);
        environment.onStalled();
      },
      onLossy: () => environment.onNotice('network-poor'),
      onChange: () => environment.onChange(),
    });
    this.#paths.setView(start.view);
    this.#paths.setPeers(this.#others());
    this.#paths.setTopology(start.topology, start.prepared);
    this.#stop.push(every(environment.clock, LEVELS_EVERY_MS, () => this.#listen()));
  }

  setTracks(tracks: LocalTracks): void {
    this.#paths.setTracks(tracks);
  }

  setParticipants(participants: readonly Participant[]): void {
    if (participants === this.#participants) return;
    this.#participants = participants;
    this.#paths.setPeers(this.#others());
  }

  setView(items: readonly ViewItem[]): void {
    this.#paths.setView(items);
  }

  setCodec(codec: CodecPreference): void {
    this.#paths.setCodec(codec);
  }

  /** The events that are about media. */
  handle(event: RoomEvent): void {
    switch (event.type) {
      case 'topology-changed':
        this.#paths.setTopology(event.state);
        break;
      case 'signalled': {
        const path = this.#paths.pathOf(event.generation);
        if (path?.kind === 'direct') path.signalled(event.from, event.signal);
        break;
      }
      case 'slots-changed':
        this.#sfu()?.slotsChanged(event.slots);
        break;
      case 'publish-wished':
        this.#sfu()?.wished(event.wish);
        break;
      case 'leg-failed':
        this.#sfu()?.legFailed(event.leg);
        break;
    }
  }

  networkChanged(): void {
    this.#paths.networkChanged();
  }

  serverBack(): void {
    this.#paths.serverBack();
  }

  close(): void {
    this.#closed = true;
    for (const stop of this.#stop) stop();
    this.#monitor.close();
    this.#paths.close();
    this.#environment.player.update([]);
  }

  // What the page shows.

  get moving(): boolean {
    return this.#paths.moving;
  }
  get transport(): Transport | null {
    return this.#monitor.transport;
  }
  /** What was tried in vain; null while media has a way. */
  get attempts(): readonly Attempt[] | null {
    return this.#paths.attempts();
  }
  /** Loudest first. */
  get speakers(): readonly string[] {
    return this.#speakers;
  }
  get ownReport(): NetworkReport | null {
    return this.#monitor.ownReport;
  }

  videoOf(key: string): ShownVideo {
    const video = this.#paths.videoOf(key);
    return { stream: video?.live ? video.stream : null, paused: video?.paused ?? false };
  }

  get streams(): readonly StreamNumbers[] {
    return this.#monitor.streams;
  }

  qualityOf(key: string): TileQuality | null {
    return this.#monitor.qualityOf(key);
  }

  isSilent(participant: string): boolean {
    return this.#monitor.isSilent(participant);
  }

  #makePath(kind: 'direct' | 'sfu', generation: number, start: MediaStart): DirectPath | SfuPath {
    if (kind === 'sfu') {
      const path = new SfuPath(start.tracks, start.codec, this.#environment);
      path.open();
      return path;
    }
    return new DirectPath(`direct/${generation}`, this.#self, start.tracks, start.codec, {
      clock: this.#environment.clock,
      createConnection: () => this.#environment.createConnection(),
      ice: this.#environment.ice,
      send: (to, signal) => this.#tell({ type: 'signal', body: { to, generation, signal } }),
    });
  }

  #sfu(): SfuPath | undefined {
    for (const path of this.#paths.paths()) if (path.kind === 'sfu') return path;
    return undefined;
  }

  #others(): readonly Participant[] {
    return this.#participants.filter((participant) => participant.id !== this.#self);
  }

  #changed(): void {
    if (this.#closed) return;
    this.#environment.player.update(this.#paths.sounds());
    this.#environment.onChange();
  }

  #listen(): void {
    const levels = new Map<string, number>([[this.#self, this.#environment.ownLevel()]]);
    for (const { audio, audible } of this.#paths.sounds()) {
      if (!audible || audio.participant === null || audio.source !== 'microphone') continue;
      const level = audio.receiver.getSynchronizationSources()[0]?.audioLevel ?? 0;
      levels.set(audio.participant, Math.max(level, levels.get(audio.participant) ?? 0));
    }
    this.#detector.update(levels, this.#environment.clock.now());
    const speakers = this.#detector.speakers();
    if (speakers.join() === this.#speakers.join()) return;
    this.#speakers = speakers;
    this.#environment.onChange();
  }

  #reportSilence(peer: string, silent: boolean): void {
    const path = this.#paths.presentPath();
    const generation = path?.kind === 'direct' ? this.#paths.generationOf(path) : undefined;
    if (generation === undefined) return;
    this.#tell({ type: 'report-path', body: { generation, state: silent ? 'silent' : 'ready', peer } });
  }

  /** Says something whose refusal changes nothing here. */
  #tell(message: ClientMessage): void {
    this.#environment.request(message).catch(() => undefined);
  }
}
