import { beforeEach, describe, expect, it } from 'vitest';
import type { EndReason } from './model';
import type { ClientFrame, Event as RoomEvent, Joined, ServerMessage } from './proto';
import { RequestError } from './request-error';
import { Signalling, TIMES } from './signalling';
import type { Socket, SocketHandlers } from './socket';
import { VirtualClock, settle } from './virtual-clock';

/** The server's end of one socket. */
class FakeSocket implements Socket {
  readonly sent: ClientFrame[] = [];
  closedWith: number | null = null;
  readonly #handlers: SocketHandlers;

  constructor(handlers: SocketHandlers) {
    this.#handlers = handlers;
  }

  send(text: string): void {
    this.sent.push(JSON.parse(text) as ClientFrame);
  }
  close(code: number): void {
    this.closedWith = code;
  }

  async open(): Promise<void> {
    this.#handlers.onOpen();
    await settle();
  }
  say(message: ServerMessage): void {
    if (this.closedWith === null) this.#handlers.onText(JSON.stringify(message));
  }
  event(seq: number, event: RoomEvent): void {
    this.say({ type: 'event', seq, event });
  }
  drop(code = 1006): void {
    this.#handlers.onClose(code);
  }

  last<Type extends ClientFrame['type']>(type: Type): Extract<ClientFrame, { type: Type }> {
    const found = this.sent.findLast((frame) => frame.type === type);
    if (!found) throw new Error(`no ${type} was sent`);
    return found as Extract<ClientFrame, { type: Type }>;
  }
  count(type: ClientFrame['type']): number {
    return this.sent.filter((frame) => frame.type === type).length;
  }
  done(id: number): void {
    this.say({ type: 'reply', id, reply: { type: 'done' } });
  }
  letIn(overrides: Partial<Joined> = {}): void {
    this.say({
      type: 'reply',
      id: this.last('join').id,
      reply: { type: 'joined', ...joined, ...overrides },
    });
  }
  resume(token: string): void {
    this.say({ type: 'reply', id: this.last('resume').id, reply: { type: 'resumed', resumeToken: token } });
  }
  refuse(type: 'join' | 'resume', code: 'cannot-resume' | 'already-here' | 'room-full'): void {
    this.say({ type: 'error', id: this.last(type).id, error: { code, message: '' } });
  }
}

const joined: Joined = {
  participant: 'a',
  role: 'participant',
  resumeToken: 'token-1',
  room: {
    name: 'garden',
    options: { topology: 'auto', capacity: 100, locked: false, codec: 'auto' },
    topology: { generation: 1, topology: 'p2p', reason: 'initial', settled: true },
  },
  participants: [],
  participantCount: 0,
  chat: [],
  ice: { servers: [], lifetimeS: 600 },
  limits: { chatChars: 4000, nameChars: 64, resumeGraceMs: 10_000, meshParticipants: 4 },
};
const reacted: RoomEvent = { type: 'reacted', participant: 'b', name: 'Bo', reaction: 'clap' };
const leftBy = (participant: string): RoomEvent => ({
  type: 'participant-left',
  participant,
  reason: 'left',
});

let clock: VirtualClock;
let sockets: FakeSocket[];
let events: RoomEvent[];
let joins: boolean[];
let resumes: number;
let health: (number | null)[];
let ends: EndReason[];
let signalling: Signalling;

beforeEach(() => {
  clock = new VirtualClock();
  sockets = [];
  events = [];
  joins = [];
  resumes = 0;
  health = [];
  ends = [];
  signalling = new Signalling(
    {
      clock,
      random: () => 1,
      openSocket: (handlers) => {
        const socket = new FakeSocket(handlers);
        sockets.push(socket);
        return socket;
      },
    },
    {
      makeJoin: () =>
        Promise.resolve({
          version: 1,
          room: 'garden',
          name: 'Ada',
          key: 'key',
          takeover: false,
          media: { microphone: true, camera: true, screen: false, screenAudio: false },
        }),
      onJoined: (_, again) => joins.push(again),
      onResumed: () => (resumes += 1),
      onEvent: (event) => events.push(event),
      onHealth: (since) => health.push(since),
      onEnd: (reason) => ends.push(reason),
    },
  );
});

function socket(): FakeSocket {
  const last = sockets.at(-1);
  if (!last) throw new Error('no socket');
  return last;
}

async function enter(): Promise<FakeSocket> {
  signalling.start();
  await socket().open();
  socket().letIn();
  return socket();
}

/** Answers pings until `ms` have passed. */
async function live(ms: number): Promise<void> {
  for (let passed = 0; passed < ms; passed += TIMES.tick) {
    await clock.advance(TIMES.tick);
    for (const frame of socket().sent) if (frame.type === 'ping') socket().done(frame.id);
  }
}

describe('Signalling', () => {
  it('joins with one request on a new socket', async () => {
    await enter();
    expect(joins).toEqual([false]);
    expect(socket().sent.map((frame) => frame.type)).toEqual(['join']);
  });

  it('hands events that overtook the reply to join on after it', async () => {
    signalling.start();
    await socket().open();
    socket().event(1, reacted);
    expect(events).toEqual([]);
    socket().letIn();
    expect(events).toEqual([reacted]);
  });

  it('resolves a request with its own reply, and rejects it with its own error', async () => {
    await enter();
    const hand = signalling.request({ type: 'set-hand', body: { raised: true } });
    const name = signalling.request({ type: 'set-name', body: { name: '' } });
    socket().say({
      type: 'error',
      id: socket().last('set-name').id,
      error: { code: 'bad-name', message: '' },
    });
    socket().done(socket().last('set-hand').id);
    await expect(hand).resolves.toEqual({ type: 'done' });
    await expect(name).rejects.toMatchObject({ code: 'bad-name' });
  });

  it('gives a request up when it stays unanswered', async () => {
    await enter();
    const request = signalling.request({ type: 'react', body: { reaction: 'clap' } });
    const failed = expect(request).rejects.toBeInstanceOf(RequestError);
    await live(TIMES.requestDeadline);
    await failed;
  });

  it('resumes after a loss with the last seen event, and takes each event once and in order', async () => {
    await enter();
    socket().event(1, reacted);
    socket().drop();
    await clock.advance(0);
    await socket().open();
    expect(socket().last('resume').body).toMatchObject({ participant: 'a', token: 'token-1', lastSeq: 1 });
    socket().resume('token-2');
    socket().event(1, reacted);
    socket().event(2, leftBy('b'));
    socket().event(3, leftBy('c'));
    expect(events).toEqual([reacted, leftBy('b'), leftBy('c')]);
    expect(resumes).toBe(1);
    expect(joins).toEqual([false]);
  });

  it('uses each resume token once', async () => {
    await enter();
    socket().drop();
    await clock.advance(0);
    await socket().open();
    socket().resume('token-2');
    socket().drop();
    await clock.advance(0);
    await socket().open();
    expect(socket().last('resume').body.token).toBe('token-2');
  });

  it('asks for what is missing when an event is skipped', async () => {
    await enter();
    const first = socket();
    first.event(2, reacted);
    expect(events).toEqual([]);
    expect(first.closedWith).toBe(4100);
    await clock.advance(0);
    await socket().open();
    expect(socket().last('resume').body.lastSeq).toBe(0);
  });

  it('sends an unanswered request again after resuming', async () => {
    await enter();
    const request = signalling.request({ type: 'chat', body: { key: 'k', text: 'hello' } });
    socket().drop();
    const whileAway = signalling.request({ type: 'set-hand', body: { raised: true } });
    await clock.advance(0);
    await socket().open();
    expect(socket().sent.map((frame) => frame.type)).toEqual(['resume']);
    socket().resume('token-2');
    expect(socket().sent.map((frame) => frame.type)).toEqual(['resume', 'chat', 'set-hand']);
    socket().say({
      type: 'reply',
      id: socket().last('chat').id,
      reply: { type: 'chat-taken', id: 'm' },
    });
    socket().done(socket().last('set-hand').id);
    await expect(request).resolves.toMatchObject({ type: 'chat-taken' });
    await whileAway;
  });

  it('joins anew on the same socket when the session cannot be resumed', async () => {
    await enter();
    const request = signalling.request({ type: 'set-hand', body: { raised: true } });
    const lost = expect(request).rejects.toMatchObject({ code: 'session-lost' });
    socket().drop();
    await clock.advance(0);
    await socket().open();
    socket().refuse('resume', 'cannot-resume');
    await settle();
    socket().letIn({ participant: 'a2', resumeToken: 'token-9' });
    await lost;
    expect(joins).toEqual([false, true]);
    socket().event(1, reacted);
    expect(events).toEqual([reacted]);
  });

  it('waits for its own ghost to go when it comes back, but not when it is new', async () => {
    await enter();
    socket().drop();
    await clock.advance(0);
    await socket().open();
    socket().refuse('resume', 'cannot-resume');
    await settle();
    socket().refuse('join', 'already-here');
    expect(ends).toEqual([]);
    await clock.advance(1_000);
    await socket().open();
    socket().letIn();
    expect(joins).toEqual([false, true]);

    const other = await (async () => {
      signalling.leave();
      signalling.start();
      await socket().open();
      return socket();
    })();
    other.refuse('join', 'already-here');
    expect(ends).toEqual([{ kind: 'left' }, { kind: 'refused', code: 'already-here' }]);
  });

  it('says what the server refused', async () => {
    signalling.start();
    await socket().open();
    socket().refuse('join', 'room-full');
    expect(ends).toEqual([{ kind: 'refused', code: 'room-full' }]);
    expect(socket().closedWith).toBe(1000);
  });

  it('tells after 2 s of silence that the server is not heard, and when it is again', async () => {
    await enter();
    await live(10_000);
    expect(health).toEqual([]);
    const heard = clock.now();
    await clock.advance(1_900);
    expect(health).toEqual([]);
    await clock.advance(TIMES.tick + 100);
    expect(health).toHaveLength(1);
    expect(health[0]).toBeLessThanOrEqual(heard);
    socket().done(socket().last('ping').id);
    expect(health.at(-1)).toBeNull();
  });

  it('gives a silent socket up without a goodbye, and resumes', async () => {
    await enter();
    const first = socket();
    await clock.advance(TIMES.pingAfter + TIMES.pingDeadline + 2 * TIMES.tick);
    expect(first.closedWith).toBe(4100);
    await socket().open();
    expect(socket().last('resume').body.token).toBe('token-1');
  });

  it('notices a dead socket sooner when the device says that its network changed', async () => {
    await enter();
    const first = socket();
    signalling.networkChanged();
    await clock.advance(TIMES.shortPingDeadline);
    expect(first.closedWith).toBe(4100);
    await clock.advance(0);
    expect(sockets).toHaveLength(2);
  });

  it('gives a slow network the time that it needs to answer', async () => {
    signalling.start();
    await socket().open();
    await clock.advance(400);
    socket().letIn();
    const first = socket();
    signalling.networkChanged();
    await clock.advance(TIMES.shortPingDeadline + 2 * 400 - 1);
    expect(first.closedWith).toBeNull();
    first.done(first.last('ping').id);
    await clock.advance(TIMES.longestShortPingDeadline);
    expect(first.closedWith).toBeNull();
  });

  it('does not give a dead socket more time each time that the network changes', async () => {
    await enter();
    const first = socket();
    for (let change = 0; change < 5; change++) {
      signalling.networkChanged();
      await clock.advance(TIMES.shortPingDeadline / 5);
    }
    expect(first.closedWith).toBe(4100);
    expect(first.count('ping')).toBe(1);
  });

  it('opens another socket when the network changes under one that is being opened', async () => {
    await enter();
    socket().drop();
    await clock.advance(0);
    const stuck = socket();
    await clock.advance(TIMES.youngConnection);
    signalling.networkChanged();
    expect(stuck.closedWith).toBe(4100);
    expect(sockets).toHaveLength(3);
    // A burst of news does not begin again and again.
    signalling.networkChanged();
    expect(sockets).toHaveLength(3);
    await socket().open();
    expect(socket().last('resume').body.token).toBe('token-1');
  });

  it('does not wait out its pause when the network is back', async () => {
    await enter();
    for (let loss = 0; loss < 6; loss++) {
      socket().drop();
      await clock.advance(TIMES.longestRetry);
    }
    socket().drop();
    const before = sockets.length;
    await clock.advance(100);
    expect(sockets.length).toBe(before);
    signalling.networkChanged();
    expect(sockets.length).toBe(before + 1);
  });

  it('waits as long as a closing server asks, then comes back', async () => {
    await enter();
    socket().event(1, { type: 'server-closing', retryAfterMs: 3_000 });
    socket().drop(1012);
    await clock.advance(2_900);
    expect(sockets).toHaveLength(1);
    await clock.advance(2_000);
    expect(sockets).toHaveLength(2);
  });

  it('ends when another page took over, and stays ended', async () => {
    await enter();
    socket().drop(4001);
    await clock.advance(60_000);
    expect(ends).toEqual([{ kind: 'replaced' }]);
    expect(sockets).toHaveLength(1);
  });

  it('gives a first join up when nothing answers', async () => {
    signalling.start();
    for (let second = 0; second < 40; second++) {
      if (ends.length === 0) socket().drop();
      await clock.advance(1_000);
    }
    expect(ends).toEqual([{ kind: 'unreachable' }]);
  });

  it('leaves with a message and a normal close, and rejects what was asked', async () => {
    await enter();
    const request = signalling.request({ type: 'set-hand', body: { raised: true } });
    const rejected = expect(request).rejects.toMatchObject({ code: 'ended' });
    signalling.leave();
    await rejected;
    expect(socket().sent.at(-1)?.type).toBe('leave');
    expect(socket().closedWith).toBe(1000);
  });

  it('says goodbye when the page is hidden for good, and enters again when it comes back', async () => {
    await enter();
    const first = socket();
    signalling.goodbye();
    expect(first.closedWith).toBe(1000);
    await clock.advance(5_000);
    expect(sockets).toHaveLength(1);
    signalling.comeBack();
    expect(sockets).toHaveLength(2);
  });

  it('ignores what it does not understand', async () => {
    await enter();
    socket().say({ type: 'fanfare' } as unknown as ServerMessage);
    socket().event(1, { type: 'new-kind-of-event' } as unknown as RoomEvent);
    socket().event(2, reacted);
    expect(events).toHaveLength(2);
    expect(ends).toEqual([]);
  });
});
