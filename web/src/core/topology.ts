import type { Clock } from './clock';
import type { Attempt } from './diagnosis';
import type { LocalTracks, MediaPath, PathConnection, Peer, RemoteAudio, RemoteVideo } from './path';
import { isFlowing } from './path';
import type { CodecPreference, PathState as ReportedState, TopologyState, ViewItem } from './proto';

/** All in milliseconds. */
export const MOVE_TIMES = {
  /** For pictures to arrive on a new path that is connected, before it counts as ready without them. */
  picturePatience: 5_000,
  /** For an old path to go on after everybody has moved, when this page's new path does not come up. */
  oldPathAfterSettled: 15_000,
} as const;

/** Paths held at once: the present one, the next one, and one more when moves overtake each other. */
const MOST_PATHS = 3;

export interface TopologyEnvironment<Path extends MediaPath> {
  clock: Clock;
  /** Makes the path of a generation; it connects by itself. */
  makePath(kind: MediaPath['kind'], generation: number): Path;
  report(generation: number, state: ReportedState, peer?: string): void;
  /** What the page shows or plays may have changed. */
  onChange(): void;
}

interface Held<Path> {
  generation: number;
  readonly path: Path;
  /** Everything that should arrive on it does (or has had its time). */
  ready: boolean;
  /** What the server was told last. */
  reported: 'nothing' | 'ready' | 'failed';
  reportedPeers: ReadonlySet<string>;
  cancelPatience: (() => void) | null;
  readonly stopListening: (() => void)[];
}

/**
 * The page's media paths, make before break: a new topology's path is built beside the old one, both
 * are sent on, and the old one goes once everybody has moved and this page shows the new one.
 */
export class TopologyPaths<Path extends MediaPath> {
  readonly #environment: TopologyEnvironment<Path>;
  /** Oldest first; the last one is that of the current generation. */
  #held: Held<Path>[] = [];
  #settled = true;
  #tracks: LocalTracks;
  #peers: readonly Peer[] = [];
  #view: readonly ViewItem[] = [];
  #codec: CodecPreference;
  #cancelOldPath: (() => void) | null = null;

  constructor(tracks: LocalTracks, codec: CodecPreference, environment: TopologyEnvironment<Path>) {
    this.#tracks = tracks;
    this.#codec = codec;
    this.#environment = environment;
  }

  /** Follows the server's topology. `prepared`: a path that was made before, for the first generation. */
  setTopology(state: TopologyState, prepared: Path | null = null): void {
    const kind = state.topology === 'sfu' ? 'sfu' : 'direct';
    const current = this.#held.at(-1);
    if (current && state.generation < current.generation) return;
    if (!current || state.generation > current.generation) this.#moveTo(kind, state.generation, prepared);
    this.#settled = state.settled;
    this.#settle();
    this.#environment.onChange();
  }

  /** A move is under way: not everybody, or not this page, is on the new path. */
  get moving(): boolean {
    return this.#held.length > 1 || !this.#settled;
  }

  pathOf(generation: number): Path | undefined {
    return this.#held.find((held) => held.generation === generation)?.path;
  }

  generationOf(path: Path): number | undefined {
    return this.#held.find((held) => held.path === path)?.generation;
  }

  paths(): Path[] {
    return this.#held.map((held) => held.path);
  }

  /** The path that the page depends on now. */
  presentPath(): Path | undefined {
    return (this.#held.findLast((held) => held.ready) ?? this.#held[0])?.path;
  }

  connections(): PathConnection[] {
    return this.#held.flatMap((held) => held.path.connections());
  }

  setTracks(tracks: LocalTracks): void {
    this.#tracks = tracks;
    for (const { path } of this.#held) path.setTracks(tracks);
  }

  setPeers(peers: readonly Peer[]): void {
    this.#peers = peers;
    for (const { path } of this.#held) path.setPeers(peers);
    for (const held of this.#held) this.#judge(held);
  }

  setView(items: readonly ViewItem[]): void {
    this.#view = items;
    for (const { path } of this.#held) path.setView(items);
  }

  setCodec(codec: CodecPreference): void {
    this.#codec = codec;
    for (const { path } of this.#held) path.setCodec(codec);
  }

  networkChanged(): void {
    for (const { path } of this.#held) path.networkChanged();
  }

  serverBack(): void {
    for (const { path } of this.#held) path.serverBack();
  }

  stalled(connection: string): void {
    for (const { path } of this.#held) path.stalled(connection);
  }

  /** What was tried in vain, while no path connects; null while one does, or nobody knows. */
  attempts(): readonly Attempt[] | null {
    const states = this.#held.map(({ path }) => path.state.get());
    if (states.some(({ health }) => health === 'connected')) return null;
    return states.at(-1)?.attempts ?? null;
  }

  /** The picture of a tile: of the newest path on which it moves; failing that, on which it ever did. */
  videoOf(key: string): RemoteVideo | null {
    const newestFirst = this.#held.map(({ path }) => path.media.get().video.get(key)).reverse();
    return (
      newestFirst.find(isFlowing) ??
      newestFirst.find((video) => video?.live) ??
      newestFirst.find(Boolean) ??
      null
    );
  }

  /** Every sound, and whether it is to be heard: each person on one path only, as twice is an echo. */
  sounds(): { audio: RemoteAudio; audible: boolean }[] {
    const present = this.presentPath();
    const heard = new Set<string>();
    for (const { participant } of present?.media.get().audio ?? []) if (participant) heard.add(participant);
    const newer = new Set(this.#held.slice(this.#held.findIndex((held) => held.path === present) + 1));
    return this.#held.flatMap((held) =>
      held.path.media.get().audio.map((audio) => {
        const onlyHere = newer.has(held) && audio.participant !== null && !heard.has(audio.participant);
        return { audio, audible: held.path === present || onlyHere };
      }),
    );
  }

  close(): void {
    this.#cancelOldPath?.();
    for (const held of this.#held) this.#end(held);
    this.#held = [];
  }

  #moveTo(kind: MediaPath['kind'], generation: number, prepared: Path | null): void {
    this.#cancelOldPath?.();
    this.#cancelOldPath = null;
    // The way to the server does not depend on who is there: an open one serves again. A direct path
    // is made anew with each generation, as both ends have to agree on it.
    const again = kind === 'sfu' ? this.#held.find((held) => held.path.kind === 'sfu') : undefined;
    if (again) {
      this.#held = [...this.#held.filter((held) => held !== again), again];
      again.generation = generation;
      again.ready = false;
      again.reported = 'nothing';
    } else {
      const path = prepared ?? this.#environment.makePath(kind, generation);
      const held: Held<Path> = {
        generation,
        path,
        ready: false,
        reported: 'nothing',
        reportedPeers: new Set(),
        cancelPatience: null,
        stopListening: [],
      };
      this.#held.push(held);
      path.setTracks(this.#tracks);
      path.setCodec(this.#codec);
      path.setView(this.#view);
      path.setPeers(this.#peers);
      const changed = (): void => {
        if (!this.#held.includes(held)) return;
        this.#judge(held);
        this.#environment.onChange();
      };
      held.stopListening.push(path.state.subscribe(changed), path.media.subscribe(changed));
    }
    while (this.#held.length > MOST_PATHS) {
      const oldest = this.#held.shift();
      if (oldest) this.#end(oldest);
    }
    const current = this.#held.at(-1);
    if (current) this.#judge(current);
  }

  /** Whether a path is ready, and what the server has to know of it. */
  #judge(held: Held<Path>): void {
    if (held !== this.#held.at(-1)) return;
    const { health, failedPeers } = held.path.state.get();
    for (const peer of failedPeers) {
      if (!held.reportedPeers.has(peer)) this.#environment.report(held.generation, 'failed', peer);
    }
    held.reportedPeers = new Set(failedPeers);
    if (health === 'failed') {
      if (held.reported !== 'failed' && failedPeers.length === 0)
        this.#environment.report(held.generation, 'failed');
      held.reported = 'failed';
      return;
    }
    if (health !== 'connected') return;
    if (!held.ready && !this.#hasEverything(held)) {
      held.cancelPatience ??= this.#environment.clock.after(MOVE_TIMES.picturePatience, () => {
        held.cancelPatience = null;
        if (held.path.state.get().health === 'connected') this.#becomeReady(held);
      });
      return;
    }
    this.#becomeReady(held);
  }

  #becomeReady(held: Held<Path>): void {
    held.cancelPatience?.();
    held.cancelPatience = null;
    held.ready = true;
    if (held.reported !== 'ready') {
      held.reported = 'ready';
      this.#environment.report(held.generation, 'ready');
    }
    this.#settle();
    this.#environment.onChange();
  }

  /** Whether each picture that an older path shows has arrived on this one as well. */
  #hasEverything(held: Held<Path>): boolean {
    const arrived = held.path.media.get().video;
    const shown = new Set(this.#view.map((item) => `${item.participant}/${item.source}`));
    return this.#held
      .filter((older) => older !== held)
      .every((older) =>
        [...older.path.media.get().video.values()].every(
          (video) => !isFlowing(video) || !shown.has(video.key) || isFlowing(arrived.get(video.key)),
        ),
      );
  }

  /** Closes what is not needed any more. */
  #settle(): void {
    if (!this.#settled || this.#held.length <= 1) return;
    if (this.#held.at(-1)?.ready) {
      this.#closeOlder();
      return;
    }
    // Everybody else has moved; what still arrives on the old path does so for a bounded time.
    this.#cancelOldPath ??= this.#environment.clock.after(MOVE_TIMES.oldPathAfterSettled, () => {
      this.#closeOlder();
      this.#environment.onChange();
    });
  }

  #closeOlder(): void {
    this.#cancelOldPath?.();
    this.#cancelOldPath = null;
    const older = this.#held.slice(0, -1);
    this.#held = this.#held.slice(-1);
    for (const held of older) this.#end(held);
  }

  #end(held: Held<Path>): void {
    held.cancelPatience?.();
    for (const stop of held.stopListening) stop();
    held.path.close();
  }
}
