/** One room, as the administrator sees it: its people, and the streams of one of them. */
import type { Readable } from '../model';
import type {
  AdminFeedMessage,
  AdminLegSeries,
  AdminParticipant,
  AdminParticipantDetail,
  AdminParticipantNow,
  AdminRoom,
  AdminRoomNow,
  AdminSlot,
  AdminSource,
  AdminStreamSeries,
} from '../proto';
import { Store } from '../store';
import { AdminError, type AdminFailure, type FeedTopic } from './api';
import { LiveFeed, type FeedState } from './live-feed';
import type { AdminEnvironment, Loaded } from './overview';
import { append, fromHistory, fromSeries, type Series, type Value } from './series';

export type LegName = keyof AdminLegSeries;
export type StreamName = keyof AdminStreamSeries;

/** A source's layer or a slot. */
export type Stream =
  | { key: string; kind: 'source'; now: AdminSource; history: Series<StreamName> | null }
  | { key: string; kind: 'slot'; now: AdminSlot; history: Series<StreamName> | null };

export interface PersonDetail {
  readonly id: string;
  readonly history: Series<LegName>;
  readonly streams: readonly Stream[];
}

export interface RoomData {
  readonly name: string;
  readonly historiesDropped: number;
  readonly now: AdminRoomNow;
  /** The last minutes of each person's connection. */
  readonly recent: ReadonlyMap<string, Series<LegName>>;
  /** Of the person that is looked at more closely. */
  readonly chosen: string | null;
  readonly detail: Loaded<PersonDetail> | null;
}

const NO_HISTORY: Series<LegName> = {
  times: [],
  columns: {
    receivedKbps: [],
    sentKbps: [],
    lossUpPermille: [],
    lossDownPermille: [],
    roundTripTenths: [],
    estimateKbps: [],
  },
};
const NO_STREAM: Series<StreamName> = {
  times: [],
  columns: { rateKbps: [], lossPermille: [], jitterTenths: [], layer: [] },
};

export class RoomModel {
  readonly #environment: AdminEnvironment;
  readonly #name: string;
  readonly #view = new Store<Loaded<RoomData>>({ state: 'loading' });
  #feed: LiveFeed | null = null;
  #feedState: FeedState = 'connecting';
  #closed = false;

  constructor(environment: AdminEnvironment, name: string) {
    this.#environment = environment;
    this.#name = name;
    void this.load();
  }

  get view(): Readable<Loaded<RoomData>> {
    return this.#view;
  }

  /** Loads everything, again after a failure. */
  async load(): Promise<void> {
    if (this.#view.get().state === 'failed') this.#view.set({ state: 'loading' });
    const { api, token } = this.#environment;
    try {
      const room = await api.room(token, this.#name);
      const before = this.#data();
      this.#show({ ...dataOf(room), chosen: before?.chosen ?? null, detail: before?.detail ?? null });
      this.#follow();
      if (before?.chosen) await this.#loadDetail(before.chosen);
    } catch (error) {
      this.#fail(failureOf(error));
    }
  }

  /** Looks at one person more closely, or at nobody. */
  choose(id: string | null): void {
    const data = this.#data();
    if (!data || data.chosen === id) return;
    this.#show({ ...data, chosen: id, detail: id === null ? null : { state: 'loading' } });
    this.#feed?.follow(this.#topic());
    if (id !== null) void this.#loadDetail(id);
  }

  /** Again, after it failed. */
  retryDetail(): void {
    const data = this.#data();
    if (!data?.chosen) return;
    this.#show({ ...data, detail: { state: 'loading' } });
    void this.#loadDetail(data.chosen);
  }

  close(): void {
    this.#closed = true;
    this.#feed?.close();
  }

  async #loadDetail(id: string): Promise<void> {
    const { api, token } = this.#environment;
    let detail: Loaded<PersonDetail>;
    try {
      const answer = await api.participant(token, this.#name, id);
      detail = { state: 'ready', feed: this.#feedState, data: detailOf(id, answer) };
    } catch (error) {
      const failure = failureOf(error);
      if (failure.kind === 'unauthorized') {
        this.#environment.onUnauthorized();
        return;
      }
      detail = { state: 'failed', failure };
    }
    const data = this.#data();
    // Somebody else may have been chosen meanwhile.
    if (data?.chosen === id) this.#show({ ...data, detail });
  }

  #topic(): FeedTopic {
    const chosen = this.#data()?.chosen;
    return { room: this.#name, ...(chosen && { participant: chosen }) };
  }

  #follow(): void {
    if (this.#closed || this.#feed) return;
    const { api, clock, token } = this.#environment;
    this.#feed = new LiveFeed(
      {
        api,
        clock,
        token,
        onMessage: (message) => this.#take(message),
        onReturn: () => void this.load(),
        onState: (state) => this.#setFeed(state),
        onFailure: (failure) => this.#fail(failure),
      },
      this.#topic(),
    );
  }

  #take({ room, participant }: AdminFeedMessage): void {
    const data = this.#data();
    if (!data || !room) return;
    const recent = new Map(
      room.participants.map((person) => [
        person.id,
        append(data.recent.get(person.id) ?? NO_HISTORY, room.atMs, legValues(person)),
      ]),
    );
    this.#show({ ...data, now: room, recent, detail: grown(data, room, participant) });
  }

  #data(): RoomData | null {
    const view = this.#view.get();
    return view.state === 'ready' ? view.data : null;
  }

  #setFeed(state: FeedState): void {
    this.#feedState = state;
    const view = this.#view.get();
    if (view.state === 'ready' && view.feed !== state) this.#view.set({ ...view, feed: state });
  }

  #show(data: RoomData): void {
    if (!this.#closed) this.#view.set({ state: 'ready', feed: this.#feedState, data });
  }

  #fail(failure: AdminFailure): void {
    if (this.#closed) return;
    if (failure.kind === 'unauthorized') this.#environment.onUnauthorized();
    else if (failure.kind === 'missing' || this.#view.get().state !== 'ready') {
      this.#view.set({ state: 'failed', failure });
    }
  }
}

function failureOf(error: unknown): AdminFailure {
  return error instanceof AdminError ? error.failure : { kind: 'unreachable' };
}

function dataOf({ name, now, recent, historiesDropped }: AdminRoom): Omit<RoomData, 'chosen' | 'detail'> {
  const series = now.participants.map(({ id }, index): [string, Series<LegName>] => {
    const own = recent[index];
    return [id, own ? fromSeries({ ...own }) : NO_HISTORY];
  });
  return { name, now, historiesDropped, recent: new Map(series) };
}

function detailOf(id: string, { now, history, sources, slots }: AdminParticipantDetail): PersonDetail {
  const past = (index: number, of: typeof sources): Series<StreamName> | null => {
    const own = of[index];
    return own ? fromHistory({ ...own }) : null;
  };
  return {
    id,
    history: fromHistory({ ...history }),
    streams: [
      ...now.sources.map((source, index) => sourceStream(source, past(index, sources))),
      ...now.slots.map((slot, index) => slotStream(slot, past(index, slots))),
    ],
  };
}

function sourceStream(now: AdminSource, history: Series<StreamName> | null): Stream {
  return { key: `${now.source}/${now.layer}`, kind: 'source', now, history };
}

function slotStream(now: AdminSlot, history: Series<StreamName> | null): Stream {
  return { key: `${now.isAudio ? 'audio' : 'video'}/${now.index}`, kind: 'slot', now, history };
}

/** The chosen person's streams, a second later. */
function grown(
  { detail, chosen }: RoomData,
  room: AdminRoomNow,
  now: AdminParticipantNow | null,
): Loaded<PersonDetail> | null {
  if (detail?.state !== 'ready' || !now || now.id !== chosen) return detail;
  const person = room.participants.find(({ id }) => id === chosen);
  const known = new Map(detail.data.streams.map((stream) => [stream.key, stream.history]));
  const next = (key: string, values: Record<StreamName, Value>): Series<StreamName> | null => {
    const before = known.get(key);
    // A stream without a history had to go without one; a new one begins here.
    return before === null ? null : append(before ?? NO_STREAM, now.atMs, values);
  };
  const streams = [
    ...now.sources.map((source) => sourceStream(source, null)),
    ...now.slots.map((slot) => slotStream(slot, null)),
  ].map((stream): Stream => ({ ...stream, history: next(stream.key, streamValues(stream)) }));
  const history = append(detail.data.history, now.atMs, person ? legValues(person) : {});
  return { ...detail, data: { ...detail.data, history, streams } };
}

function streamValues(stream: Stream): Record<StreamName, Value> {
  const flow = stream.kind === 'source' ? stream.now.received : stream.now.sent;
  return {
    rateKbps: flow.rateBps / 1_000,
    lossPermille: flow.lossPermille,
    jitterTenths: stream.now.jitterTenths,
    layer: stream.kind === 'slot' ? (stream.now.carries?.layer ?? null) : null,
  };
}

/** Who is connected directly is known from what the page reports. */
function legValues({ leg, reported }: AdminParticipant): Partial<Record<LegName, Value>> {
  if (!leg) {
    return reported
      ? {
          lossUpPermille: reported.lossUpPermille,
          lossDownPermille: reported.lossDownPermille,
          roundTripTenths: reported.roundTripMs * 10,
        }
      : {};
  }
  return {
    receivedKbps: leg.received.rateBps / 1_000,
    sentKbps: leg.sent.rateBps / 1_000,
    lossUpPermille: leg.received.lossPermille,
    lossDownPermille: leg.sent.lossPermille,
    roundTripTenths: leg.roundTripTenths,
    estimateKbps: leg.estimateBps === null ? null : leg.estimateBps / 1_000,
  };
}
