/** All rooms, as the administrator sees them. */
import type { Clock } from '../clock';
import type { Readable } from '../model';
import type { AdminOverview, AdminOverviewNow, AdminTotalsSeries } from '../proto';
import { Store } from '../store';
import { AdminError, type AdminApi, type AdminFailure } from './api';
import { LiveFeed, type FeedState } from './live-feed';
import { append, fromHistory, type Series } from './series';

export type TotalsName = keyof AdminTotalsSeries;

/** What there is to show of something that is loaded and then kept up to date. */
export type Loaded<T> =
  | { state: 'loading' }
  | { state: 'failed'; failure: AdminFailure }
  | { state: 'ready'; feed: FeedState; data: T };

export interface OverviewData {
  readonly version: string;
  readonly startedMs: number;
  readonly historiesDropped: number;
  readonly now: AdminOverviewNow;
  readonly history: Series<TotalsName>;
}

export interface AdminEnvironment {
  readonly api: AdminApi;
  readonly clock: Clock;
  readonly token: string;
  /** The token is not accepted any more. */
  onUnauthorized(): void;
}

export class OverviewModel {
  readonly #environment: AdminEnvironment;
  readonly #view = new Store<Loaded<OverviewData>>({ state: 'loading' });
  #feed: LiveFeed | null = null;
  #feedState: FeedState = 'connecting';
  #closed = false;

  constructor(environment: AdminEnvironment) {
    this.#environment = environment;
    void this.load();
  }

  get view(): Readable<Loaded<OverviewData>> {
    return this.#view;
  }

  /** Loads everything, again after a failure. */
  async load(): Promise<void> {
    if (this.#view.get().state === 'failed') this.#view.set({ state: 'loading' });
    const { api, token } = this.#environment;
    try {
      this.#show(dataOf(await api.overview(token)));
      this.#follow();
    } catch (error) {
      this.#fail(error instanceof AdminError ? error.failure : { kind: 'unreachable' });
    }
  }

  close(): void {
    this.#closed = true;
    this.#feed?.close();
  }

  #follow(): void {
    if (this.#closed || this.#feed) return;
    const { api, clock, token } = this.#environment;
    this.#feed = new LiveFeed(
      {
        api,
        clock,
        token,
        onMessage: ({ overview }) => overview && this.#take(overview),
        onReturn: () => void this.load(),
        onState: (state) => this.#setFeed(state),
        onFailure: (failure) => this.#fail(failure),
      },
      {},
    );
  }

  #take(now: AdminOverviewNow): void {
    const view = this.#view.get();
    if (view.state !== 'ready') return;
    const history = append(view.data.history, now.atMs, totalsOf(now));
    this.#show({ ...view.data, now, history });
  }

  #setFeed(state: FeedState): void {
    this.#feedState = state;
    const view = this.#view.get();
    if (view.state === 'ready' && view.feed !== state) this.#view.set({ ...view, feed: state });
  }

  #show(data: OverviewData): void {
    if (!this.#closed) this.#view.set({ state: 'ready', feed: this.#feedState, data });
  }

  #fail(failure: AdminFailure): void {
    if (this.#closed) return;
    if (failure.kind === 'unauthorized') this.#environment.onUnauthorized();
    // What was shown stays: the feed says that it is old, and comes back.
    else if (this.#view.get().state !== 'ready') this.#view.set({ state: 'failed', failure });
  }
}

function dataOf({ version, startedMs, now, history, historiesDropped }: AdminOverview): OverviewData {
  return { version, startedMs, now, historiesDropped, history: fromHistory({ ...history }) };
}

function totalsOf({ totals }: AdminOverviewNow): Record<TotalsName, number | null> {
  return {
    participants: totals.participants,
    receivedKbps: totals.received.rateBps / 1_000,
    sentKbps: totals.sent.rateBps / 1_000,
    lossPermille: totals.sent.lossPermille,
    memoryKib: totals.memoryBytes === null ? null : totals.memoryBytes / 1_024,
    cpuPermille: totals.cpuPermille,
    busyPermille:
      totals.shards.length > 0 ? Math.max(...totals.shards.map((shard) => shard.busyPermille)) : null,
  };
}
