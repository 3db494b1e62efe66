import type { Clock } from '../clock';
import type { Rung } from '../ladder';
import { rungOfUrl } from '../ladder';
import type { IceServer } from '../proto';
import type { OpenSocket } from '../socket';
import { Store } from '../store';
import { CheckSocket } from './check-socket';
import type { Welcome } from './check-socket';
import { testMedia } from './media-test';
import type { CheckRung, CheckView, Measured, RungView } from './model';
import { CHECK_RUNGS, CheckFailure, MEDIA_RUNGS } from './model';
import { testRelay } from './relay-test';
import { Trial } from './trial';
import { byName, hintsOf, verdictOf } from './verdict';

/** How long each test may take, in milliseconds: together less than a person waits. */
export const CHECK_TIMES = {
  page: 5_000,
  websocket: 5_000,
  /** Silence cannot be told from slowness any sooner. */
  media: 7_000,
  relay: 9_000,
} as const;

/** Round trips over the WebSocket; the median counts. */
const PINGS = 5;

export interface CheckEnvironment {
  clock: Clock;
  /** Opens `/api/v1/check`. */
  openSocket: OpenSocket;
  /** Asks the server for something small; rejects when there is no answer, resolves to the HTTP status. */
  readonly fetchPage: () => Promise<number>;
  /** Throws where WebRTC is switched off. */
  readonly createConnection: (configuration: RTCConfiguration) => RTCPeerConnection;
  /** What the device believes of its network. */
  readonly online: () => boolean;
}

const RELAYS = [
  ['turn-udp', 'webrtc-turn-udp'],
  ['turn-tcp', 'webrtc-turn-tcp'],
  ['turn-tls', 'webrtc-turn-tls'],
] as const satisfies readonly [CheckRung, Rung][];

function untested(name: CheckRung): RungView {
  return { name, state: 'waiting', measured: null, failure: null, code: null };
}

/** Tests which ways to the server are open from here: each one by using it as a meeting would. */
export class NetworkCheck {
  readonly view: Store<CheckView>;
  readonly #environment: CheckEnvironment;
  /** Those under way; ended when the check is begun again or left. */
  #trials = new Set<Trial>();
  #run = 0;

  constructor(environment: CheckEnvironment) {
    this.#environment = environment;
    this.view = new Store(this.#fresh());
  }

  /** Tests everything, from the start if it has been tested before. */
  async start(): Promise<void> {
    this.stop();
    const run = this.#run;
    this.view.set(this.#fresh());
    await Promise.all([
      this.#test(run, 'page', CHECK_TIMES.page, (trial) => this.#testPage(trial)),
      this.#testConnections(run),
    ]);
    if (run !== this.#run) return;
    this.view.update((view) => {
      return { ...view, done: true, hints: hintsOf(byName(view.rungs), this.#environment.online()) };
    });
  }

  /** Ends what is under way; nothing is shown of it any more. */
  stop(): void {
    this.#run += 1;
    for (const trial of this.#trials) trial.finish();
    this.#trials = new Set();
  }

  // The tests.

  async #testPage(trial: Trial): Promise<Measured> {
    const startedAt = this.#environment.clock.now();
    const status = await trial.race(
      this.#environment.fetchPage().catch(() => {
        throw new CheckFailure('closed');
      }),
    );
    if (status !== 200) throw new CheckFailure('refused', status);
    return { timeMs: this.#environment.clock.now() - startedAt, roundTripMs: null, loss: null };
  }

  /** Everything else goes through what the server gives out over the WebSocket. */
  async #testConnections(run: number): Promise<void> {
    let socket: CheckSocket | null = null;
    let welcome: Welcome | null = null;
    await this.#test(run, 'websocket', CHECK_TIMES.websocket, async (trial) => {
      const startedAt = this.#environment.clock.now();
      socket = new CheckSocket(this.#environment.openSocket);
      welcome = await trial.race(socket.welcome());
      const timeMs = this.#environment.clock.now() - startedAt;
      return { timeMs, roundTripMs: await this.#pings(socket, trial), loss: null };
    });
    try {
      if (run === this.#run) await this.#testMedia(run, socket, welcome);
    } finally {
      (socket as CheckSocket | null)?.close();
    }
  }

  async #pings(socket: CheckSocket, trial: Trial): Promise<number> {
    const trips: number[] = [];
    for (let ping = 0; ping < PINGS; ping++) {
      const sentAt = this.#environment.clock.now();
      await trial.race(socket.ping());
      trips.push(this.#environment.clock.now() - sentAt);
    }
    return trips.toSorted((a, b) => a - b)[PINGS >> 1] ?? 0;
  }

  async #testMedia(run: number, socket: CheckSocket | null, welcome: Welcome | null): Promise<void> {
    if (!socket || !welcome) {
      for (const name of MEDIA_RUNGS) {
        this.#show(run, name, { state: 'unknown', failure: 'no-server' });
      }
      return;
    }
    this.view.update((view) => ({ ...view, announced: welcome.announced }));
    const { clock } = this.#environment;
    const createConnection = (configuration: RTCConfiguration): RTCPeerConnection => {
      try {
        return this.#environment.createConnection(configuration);
      } catch {
        throw new CheckFailure('no-webrtc');
      }
    };
    await Promise.all([
      this.#test(run, 'udp', CHECK_TIMES.media, (trial) =>
        testMedia('webrtc-udp', socket, createConnection, clock, trial),
      ),
      // A second offer would end the first one's leg: each has a connection of its own.
      this.#test(run, 'tcp', CHECK_TIMES.media, async (trial) => {
        const own = new CheckSocket(this.#environment.openSocket);
        trial.onEnd(() => own.close());
        await trial.race(own.welcome());
        return testMedia('webrtc-tcp', own, createConnection, clock, trial);
      }),
      ...RELAYS.map(([name, rung]) =>
        this.#test(run, name, CHECK_TIMES.relay, async (trial) => {
          const server = serverOf(rung, welcome.ice.servers);
          if (!server) throw new CheckFailure('not-offered');
          return testRelay(rung, server, createConnection, clock, trial);
        }),
      ),
    ]);
  }

  async #test(
    run: number,
    name: CheckRung,
    deadlineMs: number,
    measure: (trial: Trial) => Promise<Measured>,
  ): Promise<void> {
    if (run !== this.#run) return;
    const trial = new Trial(this.#environment.clock, deadlineMs);
    this.#trials.add(trial);
    this.#show(run, name, { state: 'running' });
    try {
      this.#show(run, name, { state: 'works', measured: await measure(trial) });
    } catch (error) {
      this.#show(run, name, outcomeOf(error));
    } finally {
      trial.finish();
      this.#trials.delete(trial);
    }
  }

  #show(run: number, name: CheckRung, change: Partial<RungView>): void {
    if (run !== this.#run) return;
    this.view.update((view) => {
      const rungs = view.rungs.map((rung) => (rung.name === name ? { ...rung, ...change } : rung));
      return { ...view, rungs, verdict: verdictOf(byName(rungs)) };
    });
  }

  #fresh(): CheckView {
    return { done: false, rungs: CHECK_RUNGS.map(untested), verdict: 'testing', hints: [], announced: [] };
  }
}

/** The first address that serves a rung: the server's own comes before those of others. */
function serverOf(rung: Rung, servers: readonly IceServer[]): IceServer | null {
  for (const server of servers) {
    const url = server.urls.find((other) => rungOfUrl(other) === rung);
    if (url !== undefined) return { ...server, urls: [url] };
  }
  return null;
}

/** Failures that say nothing about the network. */
const UNTESTABLE: ReadonlySet<string> = new Set(['not-offered', 'busy', 'no-server', 'failed']);

function outcomeOf(error: unknown): Partial<RungView> {
  const { kind, code } = error instanceof CheckFailure ? error : new CheckFailure('failed');
  return { state: UNTESTABLE.has(kind) ? 'unknown' : 'fails', failure: kind, code };
}
