import { beforeEach, describe, expect, it } from 'vitest';
import { IceServers } from './ice';
import type { Rung } from './ladder';
import type { ClientMessage, IceServer, Reply } from './proto';
import { VirtualClock, settle } from './virtual-clock';

const turn: IceServer = { urls: ['turn:a.example?transport=udp', 'turns:a.example?transport=tcp'] };

/** Refuses addresses that are none, as browsers do. */
class FakeConnection {
  configuration: RTCConfiguration = { bundlePolicy: 'max-bundle', iceServers: [] };
  changes = 0;
  getConfiguration(): RTCConfiguration {
    return this.configuration;
  }
  setConfiguration(configuration: RTCConfiguration): void {
    const urls = (configuration.iceServers ?? []).flatMap((server) => server.urls);
    if (urls.some((url) => !/^(stun|turns?):./.test(url))) throw new SyntaxError('not an address');
    this.configuration = configuration;
    this.changes += 1;
  }
}

let clock: VirtualClock;
let asked: ClientMessage[];
let answer: () => Promise<Reply>;

function servers(rung: Rung | null = null): IceServers {
  return new IceServers(rung, {
    clock,
    serverHost: 'meet.example',
    request: (message) => {
      asked.push(message);
      return answer();
    },
  });
}

function configure(ice: IceServers, connection = new FakeConnection()): FakeConnection {
  ice.configure(connection as unknown as RTCPeerConnection, 'peer');
  return connection;
}

beforeEach(() => {
  clock = new VirtualClock();
  asked = [];
  answer = () =>
    Promise.resolve({
      type: 'ice-servers',
      ice: { servers: [{ ...turn, username: 'next' }], lifetimeS: 600 },
    });
});

describe('the servers of a session', () => {
  it('are renewed once their time is over, once for everybody who asks', async () => {
    const ice = servers();
    ice.take({ servers: [turn], lifetimeS: 600 });
    await ice.renew();
    expect(asked).toEqual([]);
    await clock.advance(571_000);
    await Promise.all([ice.renew(), ice.renew(), ice.renew()]);
    expect(asked).toEqual([{ type: 'get-ice-servers', body: {} }]);
    expect(ice.serversTo('peer')[0]?.username).toBe('next');
    await ice.renew();
    expect(asked).toHaveLength(1);
  });

  it('stay as they are when there are no others to be had', async () => {
    const ice = servers();
    ice.take({ servers: [turn], lifetimeS: 60 });
    answer = () => Promise.reject(new Error('lost'));
    await clock.advance(60_000);
    await ice.renew();
    expect(ice.serversTo('peer')).toEqual([turn]);
  });

  it('are not asked for where there are none', async () => {
    const ice = servers();
    ice.take({ servers: [], lifetimeS: 0 });
    await clock.advance(3_600_000);
    await ice.renew();
    expect(asked).toEqual([]);
  });
});

describe('configuring a connection', () => {
  it('keeps what it was made with, and changes nothing when nothing has changed', async () => {
    const ice = servers();
    ice.take({ servers: [turn], lifetimeS: 600 });
    const connection = configure(ice);
    expect(connection.configuration).toMatchObject({ bundlePolicy: 'max-bundle', iceTransportPolicy: 'all' });
    expect(connection.configuration.iceServers).toEqual([turn]);
    configure(ice, connection);
    expect(connection.changes).toBe(1);
    await clock.advance(600_000);
    await ice.renew();
    configure(ice, connection);
    expect(connection.changes).toBe(2);
    await settle();
  });

  it('goes on with what can be read when an administrator’s address cannot', () => {
    const ice = servers();
    ice.take({ servers: [turn, { urls: ['turn.example', 'turn:b.example'] }], lifetimeS: 600 });
    const urls = configure(ice).configuration.iceServers?.flatMap((server) => server.urls);
    expect(urls).toEqual([...turn.urls, 'turn:b.example']);
  });

  it('hides no path to the server behind the server’s own STUN and TURN', () => {
    const ice = servers();
    const own: IceServer = {
      urls: ['turn:meet.example:443?transport=udp', 'turns:meet.example:443?transport=tcp'],
    };
    ice.take({ servers: [{ urls: ['stun:meet.example:443'] }, own, turn], lifetimeS: 600 });
    const connection = new FakeConnection();
    ice.configure(connection as unknown as RTCPeerConnection, 'sfu');
    const left = [{ urls: ['turns:meet.example:443?transport=tcp'] }, turn];
    expect(connection.configuration.iceServers).toEqual(left);
    expect(ice.serversTo('sfu')).toEqual(left);
    expect(ice.serversTo('peer')).toHaveLength(3);
  });

  it('leaves one rung when a preset asks for it', () => {
    const ice = servers('webrtc-turn-tls');
    ice.take({ servers: [turn], lifetimeS: 600 });
    expect(configure(ice).configuration).toMatchObject({
      iceTransportPolicy: 'relay',
      iceServers: [{ urls: ['turns:a.example?transport=tcp'] }],
    });
  });
});
