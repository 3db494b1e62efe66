import { beforeEach, describe, expect, it, vi } from 'vitest';
import { FakeLegConnection } from '../testing/fake-connection';
import { IceServers } from './ice';
import { NO_TRACKS } from './path';
import type { ClientMessage, Reply, SfuOffer } from './proto';
import { SFU_TIMES, SfuPath } from './sfu';
import { VirtualClock, settle } from './virtual-clock';

/** What the server was asked, with what answers it. */
interface Asked {
  message: ClientMessage;
  resolve(reply: Reply): void;
  reject(error: Error): void;
}

let clock: VirtualClock;
let connections: FakeLegConnection[];
let asked: Asked[];
let reachable: boolean;
let ice: IceServers;
let path: SfuPath;

const servers = [{ urls: ['turn:a.example'], username: 'first', credential: 'c' }];

beforeEach(() => {
  vi.stubGlobal('RTCRtpReceiver', { getCapabilities: () => null });
  vi.stubGlobal('MediaStream', vi.fn());
  clock = new VirtualClock();
  connections = [];
  asked = [];
  reachable = true;
  const request = (message: ClientMessage): Promise<Reply> =>
    new Promise((resolve, reject) => asked.push({ message, resolve, reject }));
  ice = new IceServers(null, { clock, serverHost: 'meet.example', request });
  let legs = 0;
  path = new SfuPath(NO_TRACKS, 'auto', {
    clock,
    ice,
    createConnection: () => {
      const connection = new FakeLegConnection();
      connections.push(connection);
      return connection as unknown as RTCPeerConnection;
    },
    request,
    reachable: () => reachable,
    nextLeg: () => (legs += 1),
  });
});

const connection = (index = -1): FakeLegConnection => {
  const found = connections.at(index);
  if (!found) throw new Error('no connection');
  return found;
};
const offers = (): SfuOffer[] =>
  asked.flatMap(({ message }) => (message.type === 'offer-sfu' ? [message.body] : []));

/** Answers the last offer. */
async function answer(): Promise<void> {
  await settle();
  const last = asked.findLast(({ message }) => message.type === 'offer-sfu');
  if (last?.message.type !== 'offer-sfu') throw new Error('no offer');
  last.resolve({ type: 'sfu-answered', answer: { leg: last.message.body.leg, sdp: 'answer' } });
  await settle();
}

/** In a meeting, with a leg that carries media. */
async function connected(): Promise<FakeLegConnection> {
  const offer = await path.prepare();
  ice.take({ servers, lifetimeS: 600 });
  path.acceptJoin({ leg: offer.leg, sdp: 'answer' });
  await settle();
  connection().become('connected', 'connected');
  return connection();
}

describe('the offer that comes with `join`', () => {
  it('names its sections before anything is gathered, and gathers once the servers are known', async () => {
    const offer = await path.prepare();
    expect(offer.sources).toEqual({ microphone: '0', camera: '1', screen: '2', screenAudio: '3' });
    expect(offer.audioSlots).toEqual(['4', '5', '6']);
    expect(connection().done).toEqual([]);
    ice.take({ servers, lifetimeS: 600 });
    path.acceptJoin({ leg: offer.leg, sdp: 'answer' });
    await settle();
    expect(connection().done).toEqual(['configure', 'gather']);
    expect(connection().configuration.iceServers).toEqual(servers);
    expect(connection().localDescription?.sdp).toBe(offer.sdp);
    expect(offers(), 'no further round trip').toEqual([]);
  });
});

describe('a leg that has lost its way', () => {
  it('looks for another one at once, on the same connection', async () => {
    const leg = await connected();
    leg.become('connected', 'disconnected');
    await settle();
    expect(leg.restarts()).toBe(1);
    expect(offers().map((offer) => offer.leg)).toEqual([1]);
    await answer();
    leg.become('connected', 'connected');
    await clock.advance(60_000);
    expect(leg.restarts()).toBe(1);
    expect(connections).toHaveLength(1);
  });

  it('keeps the connection though ICE has given up', async () => {
    const leg = await connected();
    leg.become('failed', 'failed');
    await settle();
    expect(leg.restarts()).toBe(1);
    expect(connections).toHaveLength(1);
  });

  it('is replaced when no other way is found', async () => {
    const leg = await connected();
    leg.become('connected', 'disconnected');
    await answer();
    await clock.advance(SFU_TIMES.failAfter + 1);
    expect(connections).toHaveLength(2);
    expect(path.state.get().health).toBe('failed');
    await answer();
    connection().become('connected', 'connected');
    expect(path.state.get()).toEqual({ health: 'connected', failedPeers: [], attempts: null });
  });

  it('asks for fresh credentials first when the old ones are over', async () => {
    const leg = await connected();
    await clock.advance(600_000);
    leg.become('connected', 'disconnected');
    await settle();
    expect(leg.restarts()).toBe(0);
    const renewal = asked.at(-1);
    expect(renewal?.message.type).toBe('get-ice-servers');
    renewal?.resolve({
      type: 'ice-servers',
      ice: { servers: [{ ...servers[0], urls: ['turn:a.example'], username: 'next' }], lifetimeS: 600 },
    });
    await settle();
    expect(leg.done.slice(-3)).toEqual(['configure', 'restart', 'gather']);
    expect(leg.configuration.iceServers?.[0]?.username).toBe('next');
  });

  it('says what was tried once it counts as failed', async () => {
    const leg = await connected();
    leg.become('connected', 'disconnected');
    await answer();
    await clock.advance(SFU_TIMES.failAfter + 1);
    expect(path.state.get().attempts?.map(({ rung }) => rung)).toContain('webrtc-turn-udp');
  });
});

describe('another network', () => {
  it('is used at once, though the old way still seems to be there', async () => {
    const leg = await connected();
    path.networkChanged();
    await settle();
    expect(leg.restarts()).toBe(1);
    await answer();
    await clock.advance(60_000);
    expect(leg.restarts()).toBe(1);
  });

  it('makes two restarts of a burst of news: one now, one when it is over', async () => {
    const leg = await connected();
    for (let news = 0; news < 8; news++) {
      path.networkChanged();
      await settle();
    }
    await answer();
    await clock.advance(2_000);
    await answer();
    await clock.advance(60_000);
    expect(leg.restarts()).toBeLessThanOrEqual(2);
  });

  it('waits with a restart for the server, sends one, and opens no further legs meanwhile', async () => {
    const leg = await connected();
    reachable = false;
    leg.become('connected', 'disconnected');
    await clock.advance(3 * SFU_TIMES.failAfter);
    expect(offers()).toHaveLength(1);
    expect(connections).toHaveLength(1);
    reachable = true;
    path.serverBack();
    await answer();
    leg.become('connected', 'connected');
    await clock.advance(60_000);
    expect(connections).toHaveLength(1);
    expect(path.state.get().health).toBe('connected');
  });

  it('gives a leg its whole time once the server is back', async () => {
    const leg = await connected();
    reachable = false;
    leg.become('connected', 'disconnected');
    await clock.advance(SFU_TIMES.failAfter - 100);
    reachable = true;
    path.serverBack();
    await clock.advance(200);
    expect(connections).toHaveLength(1);
    expect(leg.closed).toBe(false);
  });

  it('gathers anew when an unanswered restart was of the network before', async () => {
    const leg = await connected();
    reachable = false;
    leg.become('connected', 'disconnected');
    await settle();
    path.networkChanged();
    path.networkChanged();
    reachable = true;
    path.serverBack();
    await answer();
    expect(leg.restarts()).toBe(2);
    await answer();
    expect(offers()).toHaveLength(2);
  });
});

describe('media that stops though nothing says why', () => {
  it('makes the leg look for another way once', async () => {
    const leg = await connected();
    path.stalled('sfu/1');
    path.stalled('sfu/1');
    path.stalled('sfu/9');
    await settle();
    await answer();
    expect(leg.restarts()).toBe(1);
  });
});
