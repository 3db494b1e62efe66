/** What a server would tell its administrator. */
import { AdminError, type AdminApi, type AdminFailure, type FeedTopic } from '../core/admin/api';
import type {
  AdminFeedMessage,
  AdminFlow,
  AdminLegSeries,
  AdminOverview,
  AdminParticipant,
  AdminParticipantDetail,
  AdminRoom,
  AdminRoomRow,
  AdminStreamSeries,
} from '../core/proto';

export function flow(kbps: number, lossPermille = 0): AdminFlow {
  return { rateBps: kbps * 1_000, packets: kbps, lossPermille };
}

export function roomRow(name: string, changes: Partial<AdminRoomRow> = {}): AdminRoomRow {
  const row: AdminRoomRow = {
    name,
    sinceMs: 0,
    topology: 'sfu',
    participants: 2,
    troubled: 0,
    received: flow(100),
    sent: flow(100),
  };
  return { ...row, ...changes };
}

export function person(
  name: string,
  changes: { lossDown?: number; leg?: null; kbps?: number } = {},
): AdminParticipant {
  const leg = {
    shard: 0,
    connected: true,
    path: 'udp' as const,
    roundTripTenths: 250,
    estimateBps: 2_000_000,
    wantedBps: null,
    received: flow(changes.kbps ?? 100),
    sent: flow(changes.kbps ?? 100, changes.lossDown ?? 0),
  };
  return {
    id: name.toLowerCase(),
    name,
    role: 'participant',
    presence: 'connected',
    media: { microphone: true, camera: true, screen: false, screenAudio: false },
    reported: null,
    leg: changes.leg === null ? null : leg,
  };
}

export function overview(atMs: number, people = 2): AdminOverview {
  const none = {
    participants: [],
    receivedKbps: [],
    sentKbps: [],
    lossPermille: [],
    memoryKib: [],
    cpuPermille: [],
    busyPermille: [],
  };
  const shard = { busyPermille: 120, packetsIn: 100, packetsOut: 200, legs: people };
  return {
    version: '1.2.3',
    startedMs: atMs - 60_000,
    now: {
      atMs,
      totals: {
        rooms: 1,
        participants: people,
        legs: people,
        received: flow(100),
        sent: flow(200),
        forwarded: 300,
        memoryBytes: 50 << 20,
        cpuPermille: 90,
        shards: [shard],
      },
      rooms: [roomRow('board', { participants: people })],
    },
    history: {
      fine: { stepS: 1, endMs: atMs, columns: none },
      coarse: { stepS: 10, endMs: atMs, columns: none },
    },
    historiesDropped: 0,
  };
}

const NO_LEG: AdminLegSeries = {
  receivedKbps: [],
  sentKbps: [],
  lossUpPermille: [],
  lossDownPermille: [],
  roundTripTenths: [],
  estimateKbps: [],
};
const NO_STREAM: AdminStreamSeries = { rateKbps: [], lossPermille: [], jitterTenths: [], layer: [] };

export function room(atMs: number, participants: AdminParticipant[]): AdminRoom {
  return {
    name: 'board',
    now: { atMs, row: roomRow('board'), reason: 'initial', participants },
    recent: participants.map(() => ({ stepS: 1, endMs: atMs, columns: NO_LEG })),
    historiesDropped: 0,
  };
}

export function detail(atMs: number, id: string, kbps = 50): AdminParticipantDetail {
  const empty = <T>(columns: T) => ({
    fine: { stepS: 1, endMs: atMs, columns },
    coarse: { stepS: 10, endMs: atMs, columns },
  });
  return {
    now: {
      atMs,
      id,
      sources: [
        { source: 'camera', layer: 1, codec: 'vp8', received: flow(kbps), jitterTenths: 20, wanted: true },
      ],
      slots: [{ isAudio: false, index: 0, carries: null, sent: flow(kbps), jitterTenths: null }],
    },
    history: empty(NO_LEG),
    sources: [empty(NO_STREAM)],
    slots: [null],
  };
}

interface FakeFeed {
  readonly topic: FeedTopic;
  readonly send: (message: Partial<AdminFeedMessage>) => void;
  readonly end: (failure: AdminFailure) => void;
  closed: boolean;
}

/** Answers what the test says, to one token. */
export class FakeAdminApi implements AdminApi {
  token = 'right';
  failure: AdminFailure | null = null;
  answers = {
    overview: () => overview(1_000_000),
    room: () => room(1_000_000, [person('Ada'), person('Bo')]),
    participant: (id: string) => detail(1_000_000, id),
  };
  readonly feeds: FakeFeed[] = [];
  asked = 0;

  overview(token: string): Promise<AdminOverview> {
    return this.#answer(token, this.answers.overview);
  }

  room(token: string): Promise<AdminRoom> {
    return this.#answer(token, this.answers.room);
  }

  participant(token: string, _room: string, id: string): Promise<AdminParticipantDetail> {
    return this.#answer(token, () => this.answers.participant(id));
  }

  feed(_token: string, topic: FeedTopic, onMessage: (message: AdminFeedMessage) => void) {
    let settle: (failure: AdminFailure | null) => void = () => undefined;
    const ended = new Promise<AdminFailure | null>((resolve) => (settle = resolve));
    const feed: FakeFeed = {
      topic,
      send: (message) => onMessage({ overview: null, room: null, participant: null, ...message }),
      end: settle,
      closed: false,
    };
    this.feeds.push(feed);
    return {
      ended,
      close: () => {
        feed.closed = true;
        settle(null);
      },
    };
  }

  get lastFeed(): FakeFeed {
    const feed = this.feeds.at(-1);
    if (!feed) throw new Error('no feed was opened');
    return feed;
  }

  #answer<T>(token: string, make: () => T): Promise<T> {
    this.asked += 1;
    if (this.failure) return Promise.reject(new AdminError(this.failure));
    if (token !== this.token) return Promise.reject(new AdminError({ kind: 'unauthorized' }));
    return Promise.resolve(make());
  }
}
