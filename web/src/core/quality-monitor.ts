import type { Clock } from './clock';
import { every } from './clock';
import type { StreamNumbers, TileQuality, Transport } from './model';
import type { MediaPath, PathConnection, VideoSource } from './path';
import { SOURCES, tileKey } from './path';
import type { NetworkReport, Participant } from './proto';
import type { InboundRate } from './quality';
import { LossWarning, blame, inboundRates, judge, ownReport, worstTransport } from './quality';
import type { ConnectionSample } from './stats';
import { readSample } from './stats';
import { StreamLog, type SectionOf } from './stream-log';
import type { TopologyPaths } from './topology';

/** All in milliseconds. */
const SAMPLE_EVERY = 1_000;
/** The server passes at most one report every two seconds on. */
const REPORT_EVERY = 4_000;
const REPORT_CHANGE_AFTER = 2_000;
const SILENT_AFTER = 3_000;
/** A voice alone is fifty packets a second: one whole second without any is no accident. */
const STALLED_AFTER = 900;

export interface QualityEnvironment {
  clock: Clock;
  paths: Pick<TopologyPaths<MediaPath>, 'connections' | 'presentPath' | 'videoOf'>;
  /** Everybody but this page. */
  participants(): readonly Participant[];
  onReport(report: NetworkReport): void;
  /** Nothing arrives from this peer of a direct path any more, or again. */
  onSilence(peer: string, silent: boolean): void;
  /** Nothing comes by this connection any more, though it did and somebody's microphone or camera is on. */
  onStalled(connection: string): void;
  /** The own network has been losing for long enough to say so. */
  onLossy(): void;
  onChange(): void;
}

interface Watched {
  before: ConnectionSample | null;
  now: ConnectionSample;
  rates: InboundRate[];
  /** When a packet of any stream was last seen to arrive. */
  heardAt: number;
  /** Packets came the last time; said once for each time that they stop. */
  flowing: boolean;
}

/** Samples all connections each second and keeps what follows from it. */
export class QualityMonitor {
  readonly #environment: QualityEnvironment;
  readonly #stop: () => void;
  readonly #warning = new LossWarning();
  readonly #watched = new Map<string, Watched>();
  /** When a packet of this tile's picture was last seen to arrive. */
  readonly #heardAt = new Map<string, number>();
  readonly #log = new StreamLog();
  #tiles = new Map<string, TileQuality>();
  #silent = new Set<string>();
  #transport: Transport | null = null;
  #report: NetworkReport | null = null;
  #reportedAt = -Infinity;
  #sampling = false;
  #closed = false;

  constructor(environment: QualityEnvironment) {
    this.#environment = environment;
    this.#stop = every(environment.clock, SAMPLE_EVERY, () => void this.#sample());
  }

  get transport(): Transport | null {
    return this.#transport;
  }
  get ownReport(): NetworkReport | null {
    return this.#report;
  }
  get streams(): readonly StreamNumbers[] {
    return this.#log.streams;
  }
  qualityOf(key: string): TileQuality | null {
    return this.#tiles.get(key) ?? null;
  }
  isSilent(participant: string): boolean {
    return this.#silent.has(participant);
  }

  close(): void {
    this.#closed = true;
    this.#stop();
  }

  async #sample(): Promise<void> {
    if (this.#sampling) return;
    this.#sampling = true;
    const connections = this.#environment.paths.connections();
    await Promise.all(connections.map((connection) => this.#sampleOne(connection)));
    this.#sampling = false;
    if (this.#closed) return;
    const present = new Set(connections.map(({ id }) => id));
    for (const id of this.#watched.keys()) if (!present.has(id)) this.#watched.delete(id);
    this.#conclude();
  }

  /** Whether somebody behind a connection sends. */
  #isExpected(peer: string | null): boolean {
    return this.#environment
      .participants()
      .some(({ id, media }) => (peer === null || id === peer) && (media.microphone || media.camera));
  }

  async #sampleOne({ id, peer, connection }: PathConnection): Promise<void> {
    try {
      const at = this.#environment.clock.now();
      const stats = await connection.getStats();
      const now = readSample(stats, at);
      const held = this.#watched.get(id);
      const rates = held ? inboundRates(held.now, now) : [];
      const flows = rates.some((rate) => rate.packets > 0);
      const heardAt = flows || !held ? at : held.heardAt;
      const stalled = held?.flowing === true && at - heardAt >= STALLED_AFTER;
      const flowing = flows || (held?.flowing === true && !stalled);
      this.#watched.set(id, { before: held?.now ?? null, now, rates, heardAt, flowing });
      if (stalled && this.#isExpected(peer)) this.#environment.onStalled(id);
    } catch {
      // The connection was closed meanwhile; it is forgotten with the next sample.
    }
  }

  #conclude(): void {
    const present = this.#environment.paths.presentPath()?.connections() ?? [];
    const samples = present.flatMap(({ id }) => this.#watched.get(id) ?? []);
    this.#transport = worstTransport(samples.map(({ now }) => now.transport));
    this.#judgeSilence(present);
    this.#judgeOwn(samples);
    this.#judgeTiles();
    this.#logStreams(present);
    this.#environment.onChange();
  }

  #logStreams(present: readonly PathConnection[]): void {
    const media = this.#environment.paths.presentPath()?.media.get();
    const received = (receiver: RTCRtpReceiver): SectionOf | null => {
      for (const video of media?.video.values() ?? []) {
        if (video.receiver === receiver) return sectionOfTile(video.key);
      }
      const audio = media?.audio.find((other) => other.receiver === receiver);
      return audio?.participant && audio.source
        ? { participant: audio.participant, source: audio.source }
        : null;
    };
    const observed = present.flatMap(({ id, peer, connection }) => {
      const { before, now } = this.#watched.get(id) ?? {};
      if (!before || !now) return [];
      const transceivers = connection.getTransceivers();
      const of = (mid: string) => transceivers.find((transceiver) => transceiver.mid === mid);
      return {
        id,
        peer,
        before,
        now,
        // Every path has one's own sources first, in the same order.
        sent: (mid: string) => {
          const source = SOURCES[transceivers.findIndex((transceiver) => transceiver.mid === mid)]?.source;
          return source ? { source, participant: null } : null;
        },
        received: (mid: string) => {
          const receiver = of(mid)?.receiver;
          return receiver ? received(receiver) : null;
        },
      };
    });
    this.#log.update(observed);
  }

  #judgeSilence(present: readonly PathConnection[]): void {
    const now = this.#environment.clock.now();
    const silent = new Set<string>();
    for (const participant of this.#environment.participants()) {
      const connection = present.find(({ peer }) => peer === participant.id);
      const watched = connection && this.#watched.get(connection.id);
      const { microphone, camera } = participant.media;
      if (watched?.now.transport && (microphone || camera) && now - watched.heardAt >= SILENT_AFTER) {
        silent.add(participant.id);
      }
    }
    for (const peer of silent) if (!this.#silent.has(peer)) this.#environment.onSilence(peer, true);
    for (const peer of this.#silent) if (!silent.has(peer)) this.#environment.onSilence(peer, false);
    this.#silent = silent;
  }

  #judgeOwn(samples: readonly Watched[]): void {
    const pairs = samples.flatMap(({ before, now }) => (before ? [{ before, now }] : []));
    if (pairs.length === 0) return;
    const now = this.#environment.clock.now();
    const somethingOn = this.#environment
      .participants()
      .some(({ media }) => media.microphone || media.camera);
    const silentFor = somethingOn ? now - Math.max(...samples.map(({ heardAt }) => heardAt)) : 0;
    const report = ownReport(pairs, silentFor);
    const changed = report.quality !== this.#report?.quality;
    this.#report = report;
    if (this.#warning.update(report, now)) this.#environment.onLossy();
    if (now - this.#reportedAt >= (changed ? REPORT_CHANGE_AFTER : REPORT_EVERY)) {
      this.#reportedAt = now;
      this.#environment.onReport(report);
    }
  }

  #judgeTiles(): void {
    const tiles = new Map<string, TileQuality>();
    for (const participant of this.#environment.participants()) {
      for (const source of ['camera', 'screen'] as const) {
        const quality = participant.media[source] ? this.#measure(participant.id, source) : null;
        if (quality) tiles.set(tileKey(participant.id, source), quality);
      }
    }
    for (const key of this.#heardAt.keys()) if (!tiles.has(key)) this.#heardAt.delete(key);
    for (const [key, tile] of tiles) {
      const id = key.slice(0, key.lastIndexOf('/'));
      const theirs = this.#environment.participants().find((other) => other.id === id)?.network ?? null;
      const others = [...tiles].filter(([other]) => other !== key);
      const othersBad = others.length === 0 ? null : others.every(([, other]) => other.quality !== 'good');
      tile.blame = blame(tile.quality, this.#report?.quality ?? 'good', theirs?.quality ?? null, othersBad);
    }
    this.#tiles = tiles;
  }

  #measure(participant: string, source: VideoSource): TileQuality | null {
    const key = tileKey(participant, source);
    const video = this.#environment.paths.videoOf(key);
    if (!video) return null;
    const now = this.#environment.clock.now();
    for (const { id, peer, connection } of this.#environment.paths.connections()) {
      const transceiver = connection.getTransceivers().find((other) => other.receiver === video.receiver);
      const watched = this.#watched.get(id);
      const rate = watched?.rates.find(({ sample }) => sample.mid === transceiver?.mid);
      if (!transceiver || !watched || !rate) continue;
      if (rate.packets > 0 || !this.#heardAt.has(key)) this.#heardAt.set(key, now);
      const silentFor = video.paused ? 0 : now - (this.#heardAt.get(key) ?? now);
      return {
        // A picture that the server holds back is one for which there is no bandwidth.
        quality: judge(rate.loss, video.paused ? 0 : null, silentFor),
        blame: 'none',
        kbps: Math.round(rate.kbps),
        loss: rate.loss,
        roundTripMs: watched.now.roundTripMs,
        jitterMs: rate.sample.jitterMs,
        width: rate.sample.width,
        height: rate.sample.height,
        fps: Math.round(rate.fps),
        codec: rate.sample.codec,
        path: { direct: peer !== null, transport: watched.now.transport },
      };
    }
    return null;
  }
}

function sectionOfTile(key: string): SectionOf {
  const slash = key.lastIndexOf('/');
  return {
    participant: key.slice(0, slash),
    source: key.slice(slash + 1) === 'screen' ? 'screen' : 'camera',
  };
}
