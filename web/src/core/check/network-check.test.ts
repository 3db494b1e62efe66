import { beforeEach, describe, expect, it, vi } from 'vitest';
import { FakeLegConnection } from '../../testing/fake-connection';
import type { CheckReply, CheckRequest, IceServer } from '../proto';
import type { SocketHandlers } from '../socket';
import { VirtualClock, settle } from '../virtual-clock';
import type { CheckRung, CheckView } from './model';
import { CHECK_TIMES, NetworkCheck } from './network-check';

const UDP = 'a=candidate:1 1 udp 1 192.0.2.1 443 typ host\r\n';
const TCP = 'a=candidate:2 1 tcp 1 192.0.2.1 443 typ host tcptype passive\r\n';

/** What passes from here to the server. */
interface Network {
  page: boolean;
  websocket: boolean;
  udp: boolean;
  tcp: boolean;
  /** Milliseconds from one relay to the other; a number is the error that the TURN server answers with. */
  relays: Record<string, { delay: number; loses?: (packet: number) => boolean } | number | null>;
}

let clock: VirtualClock;
let network: Network;
let server: { busy: boolean; servers: IceServer[]; candidates: string };
let check: NetworkCheck;
let sockets: { closed: boolean }[];
let connections: (FakeLegConnection | FakeRelayConnection)[];

class FakeChannel {
  onopen: (() => void) | null = null;
  onmessage: ((event: { data: unknown }) => void) | null = null;
  binaryType = '';
  sent = 0;
  send: (data: ArrayBuffer) => void = () => undefined;
}

/** One end of a test of a relay: as its server behaves, it gets a candidate, an error, or nothing. */
class FakeRelayConnection {
  localDescription: RTCSessionDescriptionInit | null = null;
  remoteDescription: RTCSessionDescriptionInit | null = null;
  iceGatheringState = 'new';
  onicecandidate: ((event: { candidate: unknown }) => void) | null = null;
  ondatachannel: ((event: { channel: FakeChannel }) => void) | null = null;
  closed = false;
  readonly channel = new FakeChannel();
  readonly #listeners = new Map<string, ((event: unknown) => void)[]>();
  readonly #url: string;
  #candidates = 0;

  constructor(url: string) {
    this.#url = url;
  }
  addEventListener(type: string, run: (event: unknown) => void): void {
    this.#listeners.set(type, [...(this.#listeners.get(type) ?? []), run]);
  }
  createDataChannel(): FakeChannel {
    return this.channel;
  }
  createOffer(): Promise<RTCSessionDescriptionInit> {
    return Promise.resolve({ type: 'offer', sdp: String(connections.indexOf(this)) });
  }
  createAnswer(): Promise<RTCSessionDescriptionInit> {
    return Promise.resolve({ type: 'answer', sdp: String(connections.indexOf(this)) });
  }
  setLocalDescription(description: RTCSessionDescriptionInit): Promise<void> {
    this.localDescription = description;
    const relay = network.relays[this.#url];
    if (typeof relay === 'number') {
      this.#tell('icecandidateerror', { url: this.#url, errorCode: relay });
    } else if (relay) {
      queueMicrotask(() => this.onicecandidate?.({ candidate: { candidate: 'candidate:relay' } }));
      return Promise.resolve();
    }
    if (relay !== null) {
      queueMicrotask(() => {
        this.iceGatheringState = 'complete';
        this.#tell('icegatheringstatechange', {});
      });
    }
    return Promise.resolve();
  }
  setRemoteDescription(description: RTCSessionDescriptionInit): Promise<void> {
    this.remoteDescription = description;
    return Promise.resolve();
  }
  addIceCandidate(): Promise<void> {
    this.#candidates += 1;
    const peer = connections[Number(this.remoteDescription?.sdp)];
    if (peer instanceof FakeRelayConnection && this.localDescription?.type === 'offer') this.#open(peer);
    return Promise.resolve();
  }
  close(): void {
    this.closed = true;
  }

  #open(peer: FakeRelayConnection): void {
    const relay = network.relays[this.#url];
    if (!relay || typeof relay === 'number' || this.#candidates > 1) return;
    clock.after(relay.delay, () => {
      peer.ondatachannel?.({ channel: peer.channel });
      this.channel.onopen?.();
    });
    this.channel.send = (data) => {
      if (relay.loses?.(this.channel.sent++)) return;
      const copy = data.slice(0);
      clock.after(relay.delay, () => peer.channel.onmessage?.({ data: copy }));
    };
  }

  #tell(type: string, event: unknown): void {
    for (const run of this.#listeners.get(type) ?? []) run(event);
  }
}

/** The server's end of `/api/v1/check`. */
function openSocket(handlers: SocketHandlers) {
  const socket = { closed: false };
  sockets.push(socket);
  const say = (reply: CheckReply): void => {
    if (!socket.closed) handlers.onText(JSON.stringify(reply));
  };
  clock.after(10, () => {
    if (!network.websocket) {
      handlers.onClose(1006);
      return;
    }
    handlers.onOpen();
    if (server.busy) {
      say({ type: 'refused', body: { error: { code: 'too-many-requests', message: '' } } });
      handlers.onClose(1013);
      return;
    }
    const ice = { servers: server.servers, lifetimeS: 60 };
    say({ type: 'welcome', body: { ice, announced: ['192.0.2.1:443'], lifetimeS: 60 } });
  });
  return {
    send: (text: string) => {
      const request = JSON.parse(text) as CheckRequest;
      clock.after(20, () => {
        if (request.type === 'ping') say({ type: 'pong', body: request.body });
        else say({ type: 'answered', body: { answer: { leg: request.body.leg, sdp: server.candidates } } });
      });
    },
    close: () => {
      socket.closed = true;
    },
  };
}

/** A leg that connects when the network lets a candidate of its answer through. */
class LegConnection extends FakeLegConnection {
  override setRemoteDescription(description: RTCSessionDescriptionInit): Promise<void> {
    const sdp = description.sdp ?? '';
    if ((network.udp && sdp.includes(' udp ')) || (network.tcp && sdp.includes(' tcp '))) {
      clock.after(30, () => this.become('connected', 'connected'));
      this.stats = new Map<string, unknown>([
        ['P', { type: 'candidate-pair', selected: true, localCandidateId: 'L', currentRoundTripTime: 0.012 }],
        ['L', { type: 'local-candidate', candidateType: 'host', protocol: 'udp' }],
      ]);
    }
    return super.setRemoteDescription(description);
  }
}

beforeEach(() => {
  vi.stubGlobal('RTCRtpReceiver', { getCapabilities: () => null });
  vi.stubGlobal('MediaStream', vi.fn());
  clock = new VirtualClock();
  sockets = [];
  connections = [];
  const urls = [
    'turn:meet.example:443?transport=udp',
    'turn:meet.example:443?transport=tcp',
    'turns:meet.example:443?transport=tcp',
  ];
  network = {
    page: true,
    websocket: true,
    udp: true,
    tcp: true,
    relays: Object.fromEntries(urls.map((url) => [url, { delay: 25 }])),
  };
  server = { busy: false, servers: [{ urls }], candidates: UDP + TCP };
  check = new NetworkCheck({
    clock,
    openSocket,
    fetchPage: () => {
      if (!network.page) return Promise.reject(new Error('no network'));
      return new Promise((resolve) => clock.after(40, () => resolve(200)));
    },
    createConnection: (configuration) => {
      const url = configuration.iceServers?.[0]?.urls[0];
      const connection = url === undefined ? new LegConnection() : new FakeRelayConnection(url);
      connections.push(connection);
      return connection as unknown as RTCPeerConnection;
    },
    online: () => true,
  });
});

const view = (): CheckView => check.view.get();
const rung = (name: CheckRung) => view().rungs.find((other) => other.name === name);
const states = (): string =>
  view()
    .rungs.map(({ state }) => state)
    .join(' ');

async function run(ms = 15_000): Promise<void> {
  void check.start();
  await clock.advance(ms);
}

describe('a check of an open network', () => {
  it('measures every rung', async () => {
    await run();
    expect(states()).toBe('works works works works works works works');
    expect(view()).toMatchObject({ done: true, verdict: 'udp', hints: [], announced: ['192.0.2.1:443'] });
    expect(rung('page')?.measured).toEqual({ timeMs: 40, roundTripMs: null, loss: null });
    expect(rung('websocket')?.measured).toEqual({ timeMs: 10, roundTripMs: 20, loss: null });
    expect(rung('udp')?.measured).toEqual({ timeMs: 50, roundTripMs: 12, loss: null });
    expect(rung('turn-tls')?.measured).toMatchObject({ roundTripMs: 25, loss: 0 });
  });

  it('has a first verdict within two seconds and ends everything that it began', async () => {
    await run(2_000);
    expect(view().verdict).toBe('udp');
    await clock.advance(13_000);
    expect(connections.length).toBe(8);
    expect(connections.every(({ closed }) => closed)).toBe(true);
    expect(sockets.every(({ closed }) => closed)).toBe(true);
  });

  it('counts what a relay loses', async () => {
    network.relays['turn:meet.example:443?transport=udp'] = {
      delay: 40,
      loses: (packet) => packet % 10 === 0,
    };
    await run();
    expect(rung('turn-udp')?.measured).toMatchObject({
      roundTripMs: 40,
      loss: expect.closeTo(0.1) as number,
    });
    expect(view().hints).toEqual(['lossy']);
  });
});

describe('a check of a closed network', () => {
  it('tells what is silent, within 15 s', async () => {
    network.udp = false;
    network.relays['turn:meet.example:443?transport=udp'] = null;
    await run(CHECK_TIMES.media - 1_000);
    expect(view().verdict).toBe('works-so-far');
    await clock.advance(15_000 - CHECK_TIMES.media);
    expect(view()).toMatchObject({ done: true, verdict: 'tcp', hints: ['open-udp'] });
    expect(rung('udp')).toMatchObject({ state: 'fails', failure: 'no-answer' });
    expect(rung('turn-udp')).toMatchObject({ state: 'fails', failure: 'no-relay' });
  });

  it('says which relay refused, and with what', async () => {
    network.relays['turns:meet.example:443?transport=tcp'] = 401;
    await run();
    expect(rung('turn-tls')).toMatchObject({ state: 'fails', failure: 'refused', code: 401 });
  });

  it('does not call the network guilty of what the server does not offer', async () => {
    server.servers = [];
    server.candidates = UDP;
    await run();
    for (const name of ['tcp', 'turn-udp', 'turn-tcp', 'turn-tls'] as const) {
      expect(rung(name)).toMatchObject({ state: 'unknown', failure: 'not-offered' });
    }
    expect(view()).toMatchObject({ verdict: 'udp', hints: ['no-turn'] });
  });
});

describe('a check without the server', () => {
  it('tells a server that is gone from a WebSocket that is blocked', async () => {
    network.websocket = false;
    await run();
    expect(view()).toMatchObject({ done: true, verdict: 'no-websocket', hints: ['websocket-proxy'] });
    expect(rung('udp')).toMatchObject({ state: 'unknown', failure: 'no-server' });
    network.page = false;
    await run();
    expect(view().verdict).toBe('no-page');
  });

  it('says so when the server takes no more checks', async () => {
    server.busy = true;
    await run();
    expect(view()).toMatchObject({ done: true, verdict: 'busy', hints: [] });
  });

  it('says so when the browser has no WebRTC', async () => {
    const browser = new NetworkCheck({
      clock,
      openSocket,
      fetchPage: () => Promise.resolve(200),
      createConnection: () => {
        throw new Error('switched off');
      },
      online: () => true,
    });
    void browser.start();
    await clock.advance(15_000);
    expect(browser.view.get()).toMatchObject({ done: true, verdict: 'no-webrtc', hints: ['enable-webrtc'] });
  });
});

describe('testing again', () => {
  it('shows nothing of the test before', async () => {
    void check.start();
    await clock.advance(35);
    void check.start();
    expect(states()).toBe('running running waiting waiting waiting waiting waiting');
    await clock.advance(15_000);
    expect(states()).toBe('works works works works works works works');
    expect(sockets.every(({ closed }) => closed)).toBe(true);
    expect(connections.every(({ closed }) => closed)).toBe(true);
  });

  it('ends when the page is left', async () => {
    void check.start();
    await clock.advance(100);
    check.stop();
    await settle();
    const before = view();
    await clock.advance(15_000);
    expect(view()).toBe(before);
    expect(connections.every(({ closed }) => closed)).toBe(true);
  });
});
