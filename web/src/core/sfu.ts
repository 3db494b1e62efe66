import type { Clock } from './clock';
import type { Attempt } from './diagnosis';
import type { Ice } from './ice';
import type {
  LocalTracks,
  MediaPath,
  PathConnection,
  PathMedia,
  PathState,
  RemoteAudio,
  RemoteVideo,
} from './path';
import { NO_MEDIA, samePathState } from './path';
import type {
  ClientMessage,
  CodecPreference,
  PublishWish,
  Reply,
  SfuAnswer,
  SfuOffer,
  Slots,
  SourceKind,
  ViewItem,
} from './proto';
import { LIMITS } from './proto';
import { Retry } from './retry';
import { SfuLeg } from './sfu-leg';
import { slotsFor } from './slots';
import { Store } from './store';

/** All in milliseconds. */
export const SFU_TIMES = {
  /** Without a connection for so long, a leg counts as failed and another one is tried. */
  failAfter: 8_000,
  firstRetry: 1_000,
  longestRetry: 8_000,
  /** Views change in bursts (a window being resized): the last of a burst is sent. */
  viewEvery: 120,
  /** For a new leg to show what the old one shows before the old one goes. */
  swapPatience: 3_000,
} as const;

export interface SfuEnvironment {
  clock: Clock;
  createConnection(): RTCPeerConnection;
  ice: Ice;
  request(message: ClientMessage): Promise<Reply>;
  /** Requests go out now; otherwise they wait for the server to be found again. */
  reachable(): boolean;
  /** Never gives the same number twice in a session. */
  nextLeg(): number;
}

/** Through the server: one connection, which is replaced by another one when it is dead. */
export class SfuPath implements MediaPath {
  readonly kind = 'sfu';
  readonly state = new Store<PathState>({ health: 'connecting', failedPeers: [], attempts: null });
  readonly media = new Store<PathMedia>(NO_MEDIA);
  readonly #environment: SfuEnvironment;
  #tracks: LocalTracks;
  #codec: CodecPreference;
  #view: readonly ViewItem[] = [];
  readonly #wishes = new Map<SourceKind, PublishWish>();

  /** What media comes from, once it is connected. */
  #current: SfuLeg | null = null;
  /** To take its place. */
  #next: SfuLeg | null = null;
  /** Legs that the server knows of, with the view that it was told for each. */
  readonly #answered = new Map<SfuLeg, string>();
  /** Looks for another way for the present leg. */
  readonly #restarts: Retry;
  /** Whose ICE restart waits for its turn, and whose has no answer yet. */
  #restartQueued: SfuLeg | null = null;
  #restarting: SfuLeg | null = null;
  #failed = false;
  #attempts: readonly Attempt[] | null = null;
  #attempt = 0;
  #openedAt = -Infinity;
  #closed = false;
  /** Negotiations of a leg, one after the other; an old one's do not hold up those of the leg that replaces it. */
  readonly #steps = new WeakMap<SfuLeg, Promise<void>>();
  readonly #deadlines = new Map<SfuLeg, () => void>();
  #cancelRetry: (() => void) | null = null;
  #cancelSwap: (() => void) | null = null;
  #cancelView: (() => void) | null = null;

  constructor(tracks: LocalTracks, codec: CodecPreference, environment: SfuEnvironment) {
    this.#tracks = tracks;
    this.#codec = codec;
    this.#environment = environment;
    this.#restarts = new Retry(environment.clock, () => {
      // One whose answer is awaited is not overtaken: it may only be waiting for the server.
      if (!this.#isRestarting()) this.#restart();
    });
  }

  /** Makes the offer that `join` carries. */
  prepare(): Promise<SfuOffer> {
    const leg = this.#makeLeg();
    this.#current = leg;
    return leg.prepare();
  }

  /** Takes the answer that came with `joined`. */
  acceptJoin(answer: SfuAnswer): void {
    const leg = this.#current;
    if (!leg || leg.number !== answer.leg) return;
    this.#awaitConnection(leg);
    this.#step(leg, () => this.#accept(leg, answer));
  }

  /** Connects a path that was not prepared. */
  open(): void {
    if (!this.#current && !this.#next) this.#openLeg();
  }

  slotsChanged(slots: Slots): void {
    this.#legOf(slots.leg)?.setSlots(slots);
  }

  wished(wish: PublishWish): void {
    this.#wishes.set(wish.source, wish);
    for (const leg of this.#legs()) leg.setWishes(this.#wishes);
  }

  /** The server gave the leg up. */
  legFailed(number: number): void {
    const leg = this.#legOf(number);
    if (leg) this.#replace(leg);
  }

  setTracks(tracks: LocalTracks): void {
    this.#tracks = tracks;
    for (const leg of this.#legs()) leg.setTracks(tracks);
  }

  /** The server knows who is there. */
  setPeers(): void {}

  setView(items: readonly ViewItem[]): void {
    this.#view = items.slice(0, LIMITS.videoSlots);
    this.#cancelView ??= this.#environment.clock.after(SFU_TIMES.viewEvery, () => {
      this.#cancelView = null;
      for (const leg of this.#answered.keys()) {
        this.#sendView(leg);
        if (slotsFor(this.#view.length, leg.videoSlots) > leg.videoSlots) this.#negotiate(leg, false);
      }
    });
  }

  setCodec(codec: CodecPreference): void {
    // The server turns the room's preference into wishes; this one is for legs to come.
    this.#codec = codec;
  }

  connections(): PathConnection[] {
    return this.#legs().map((leg) => ({
      id: idOf(leg),
      peer: null,
      connection: leg.connection,
    }));
  }

  networkChanged(): void {
    const unborn = this.#next !== null && this.#next.state !== 'connected';
    if (this.#cancelRetry || unborn) {
      // What it has gathered was of the network before.
      const sinceLast = this.#environment.clock.now() - this.#openedAt;
      if (sinceLast >= SFU_TIMES.firstRetry) this.#openLeg();
      return;
    }
    this.#restarts.hurry();
    // What an unanswered restart has gathered was of the network before.
    if (this.#isRestarting()) this.#restart();
    else if (this.#current?.state === 'connected') this.#restarts.once();
    else if (this.#current) this.#restarts.start();
  }

  serverBack(): void {
    for (const leg of this.#deadlines.keys()) this.#awaitConnection(leg);
    if (this.#current?.state !== 'disconnected') return;
    this.#restarts.hurry();
    this.#restarts.start();
  }

  stalled(connection: string): void {
    if (this.#current && connection === idOf(this.#current)) this.#restarts.once();
  }

  close(): void {
    this.#closed = true;
    this.#restarts.stop();
    this.#cancelRetry?.();
    this.#cancelSwap?.();
    this.#cancelView?.();
    for (const leg of this.#legs()) this.#drop(leg);
    this.#publish();
  }

  // Legs.

  #makeLeg(): SfuLeg {
    const leg: SfuLeg = new SfuLeg(
      this.#environment.nextLeg(),
      slotsFor(this.#view.length, 0),
      this.#tracks,
      this.#codec,
      {
        clock: this.#environment.clock,
        createConnection: () => this.#environment.createConnection(),
        ice: this.#environment.ice,
        onState: () => this.#legChanged(leg),
        onAssignments: () => {
          this.#publish();
          this.#swapWhenShown();
        },
        onNegotiationNeeded: () => this.#negotiate(leg, false),
      },
    );
    leg.setWishes(this.#wishes);
    return leg;
  }

  #openLeg(): void {
    this.#cancelRetry?.();
    this.#cancelRetry = null;
    if (this.#closed) return;
    this.#openedAt = this.#environment.clock.now();
    let leg: SfuLeg;
    try {
      leg = this.#makeLeg();
    } catch {
      // WebRTC is switched off: there is nothing to try again.
      this.#failed = true;
      this.#publish();
      return;
    }
    if (this.#next) this.#drop(this.#next);
    this.#next = leg;
    this.#awaitConnection(leg);
    this.#negotiate(leg, false);
  }

  #awaitConnection(leg: SfuLeg): void {
    this.#deadlines.get(leg)?.();
    this.#deadlines.set(
      leg,
      this.#environment.clock.after(SFU_TIMES.failAfter, () => {
        // Without the server no leg can be negotiated: another one would only wait as well.
        if (this.#environment.reachable()) this.#replace(leg);
        else this.#awaitConnection(leg);
      }),
    );
  }

  #legChanged(leg: SfuLeg): void {
    switch (leg.state) {
      case 'connected':
        this.#deadlines.get(leg)?.();
        this.#deadlines.delete(leg);
        this.#attempt = 0;
        this.#failed = false;
        this.#attempts = null;
        if (leg === this.#current) this.#restarts.stop();
        this.#promote(leg);
        break;
      case 'disconnected':
        if (!this.#deadlines.has(leg)) this.#awaitConnection(leg);
        // Browsers say so only after seconds without an answer.
        if (leg === this.#current) this.#restarts.start();
        break;
      case 'failed':
        this.#replace(leg);
        break;
      case 'connecting':
        break;
    }
    this.#publish();
  }

  /** A leg that came to life takes over, but lets the old one show its pictures until it has them too. */
  #promote(leg: SfuLeg): void {
    if (leg !== this.#next) return;
    const old = this.#current;
    if (!old || old.state !== 'connected') {
      this.#swap();
      return;
    }
    this.#cancelSwap = this.#environment.clock.after(SFU_TIMES.swapPatience, () => this.#swap());
  }

  #swapWhenShown(): void {
    const [old, next] = [this.#current, this.#next];
    if (!this.#cancelSwap || !old || !next) return;
    const shown = new Set<string>();
    for (const { key, live } of next.assignments.video.values()) if (live) shown.add(key);
    const missing = [...old.assignments.video.values()].some(({ key, live }) => live && !shown.has(key));
    if (!missing) this.#swap();
  }

  #swap(): void {
    this.#cancelSwap?.();
    this.#cancelSwap = null;
    if (!this.#next) return;
    if (this.#current) this.#drop(this.#current);
    this.#restarts.stop();
    this.#current = this.#next;
    this.#next = null;
    this.#publish();
  }

  /** Another leg in place of one that is dead. */
  #replace(leg: SfuLeg): void {
    if (this.#closed || !this.#legs().includes(leg)) return;
    this.#deadlines.get(leg)?.();
    this.#deadlines.delete(leg);
    if (leg === this.#current) this.#restarts.stop();
    void this.#explain(leg);
    if (leg === this.#next) this.#drop(leg);
    else if (this.#next) return;
    this.#failed = this.#current?.state !== 'connected';
    this.#publish();
    if (this.#cancelRetry) return;
    const delay =
      this.#attempt === 0
        ? 0
        : Math.min(SFU_TIMES.longestRetry, SFU_TIMES.firstRetry * 2 ** (this.#attempt - 1));
    this.#attempt += 1;
    this.#cancelRetry = this.#environment.clock.after(delay, () => this.#openLeg());
  }

  /** Finds out why a leg did not connect; asked before it is closed, as a closed one tells nothing. */
  async #explain(leg: SfuLeg): Promise<void> {
    if (leg.state === 'connected' || !this.#answered.has(leg)) return;
    const attempts = await leg.attempts();
    if (attempts === null || !this.#failed) return;
    this.#attempts = attempts;
    this.#publish();
  }

  #drop(leg: SfuLeg): void {
    this.#deadlines.get(leg)?.();
    this.#deadlines.delete(leg);
    this.#answered.delete(leg);
    leg.close();
    if (leg === this.#current) this.#current = null;
    if (leg === this.#next) this.#next = null;
  }

  #legs(): SfuLeg[] {
    return [this.#current, this.#next].filter((leg) => leg !== null);
  }

  #legOf(number: number): SfuLeg | undefined {
    return this.#legs().find((leg) => leg.number === number);
  }

  // Negotiation.

  #negotiate(leg: SfuLeg, iceRestart: boolean): void {
    this.#step(leg, () => this.#exchange(leg, iceRestart));
  }

  async #exchange(leg: SfuLeg, iceRestart: boolean): Promise<void> {
    if (!this.#legs().includes(leg)) return;
    leg.grow(slotsFor(this.#view.length, leg.videoSlots));
    const offer = await leg.offer(iceRestart);
    try {
      const reply = await this.#environment.request({ type: 'offer-sfu', body: offer });
      if (reply.type === 'sfu-answered') await this.#accept(leg, reply.answer);
    } catch {
      await leg.rollBack();
      // A leg that works goes on without the change; any other is given up.
      if (leg.state !== 'connected') this.#replace(leg);
    }
  }

  /** An ICE restart of the present leg: another way for the same connection. */
  #restart(): void {
    const leg = this.#current;
    // Before its first answer there is nothing to restart; the deadline judges that one.
    if (!leg || !this.#answered.has(leg) || this.#restartQueued === leg) return;
    this.#restartQueued = leg;
    this.#step(leg, async () => {
      this.#restartQueued = null;
      this.#restarting = leg;
      try {
        await this.#exchange(leg, true);
      } finally {
        if (this.#restarting === leg) this.#restarting = null;
      }
    });
  }

  #isRestarting(): boolean {
    return this.#restarting !== null && this.#restarting === this.#current;
  }

  async #accept(leg: SfuLeg, answer: SfuAnswer): Promise<void> {
    if (!this.#legs().includes(leg)) return;
    await leg.accept(answer);
    if (!this.#answered.has(leg)) this.#answered.set(leg, '');
    this.#sendView(leg);
  }

  #step(leg: SfuLeg, run: () => Promise<void>): void {
    const before = this.#steps.get(leg) ?? Promise.resolve();
    const step = before.then(async () => {
      if (this.#closed) return;
      try {
        await run();
      } catch {
        // The leg's deadline judges what came of it.
      }
    });
    this.#steps.set(leg, step);
  }

  #sendView(leg: SfuLeg): void {
    const view = { items: [...this.#view] };
    const said = JSON.stringify(view);
    if (this.#answered.get(leg) === said) return;
    this.#answered.set(leg, said);
    this.#environment.request({ type: 'set-view', body: { leg: leg.number, view } }).catch(() => {
      // Said again with the next change; a leg that the server has forgotten fails by its own deadline.
      if (this.#answered.has(leg)) this.#answered.set(leg, '');
    });
  }

  // What the page gets.

  #publish(): void {
    const video = new Map<string, RemoteVideo>();
    const audio: RemoteAudio[] = [];
    for (const leg of this.#legs()) {
      for (const assignment of leg.assignments.video.values()) {
        const slot = leg.videoOf(assignment.mid);
        if (!slot || (video.get(assignment.key)?.live && !assignment.live)) continue;
        const { key, live, paused } = assignment;
        video.set(key, { key, stream: slot.stream, receiver: slot.receiver, live, paused });
      }
    }
    // Sound comes from one leg only: the same voice twice is an echo.
    const sounding = this.#next?.state === 'connected' ? this.#next : this.#current;
    for (const slot of sounding?.audioSlots() ?? []) {
      const assignment = sounding?.assignments.audio.get(slot.mid);
      audio.push({
        id: `sfu/${sounding?.number ?? 0}/${slot.mid}`,
        participant: assignment?.participant ?? null,
        source: assignment?.source ?? null,
        track: slot.receiver.track,
        receiver: slot.receiver,
      });
    }
    this.media.set({ video, audio });
    const connected = this.#current?.state === 'connected' || this.#next?.state === 'connected';
    const state: PathState = {
      health: connected ? 'connected' : this.#failed ? 'failed' : 'connecting',
      failedPeers: [],
      attempts: connected ? null : this.#attempts,
    };
    this.state.update((before) => (samePathState(before, state) ? before : state));
  }
}

function idOf(leg: SfuLeg): string {
  return `sfu/${leg.number}`;
}
