import type { Clock } from './clock';
import { every } from './clock';
import type { EndReason } from './model';
import type {
  ClientFrame,
  ClientMessage,
  Event as RoomEvent,
  Join,
  Joined,
  ProtocolError,
  Reply,
  Resumed,
  ServerMessage,
} from './proto';
import { CLOSE, PROTOCOL_VERSION } from './proto';
import { RequestError } from './request-error';
import type { OpenSocket, Socket } from './socket';

/** All in milliseconds. */
export const TIMES = {
  /** How often the connection's life is looked at. */
  tick: 250,
  /** Silence after which the server is asked for a sign of life. */
  pingAfter: 1_000,
  /** Silence after which people are told. */
  unheard: 2_000,
  /** An unanswered ping after which the socket is given up. */
  pingDeadline: 5_000,
  /** The same when the network may have changed: from, and to, depending on the last round trip. */
  shortPingDeadline: 500,
  longestShortPingDeadline: 1_500,
  /** Young enough to have been opened by the network that there is now. */
  youngConnection: 300,
  /** For a socket to open and for `join` or `resume` to be answered. */
  entryDeadline: 10_000,
  /** For any other request, reconnecting included. */
  requestDeadline: 15_000,
  /** How long a first join is tried before the server counts as unreachable. */
  firstJoin: 15_000,
  /** How long a join that continues a lost session meets its own ghost or a full server patiently. */
  rejoinPatience: 20_000,
  firstRetry: 400,
  longestRetry: 8_000,
} as const;

/** The socket's close code when this page gives a connection up that it means to resume: no goodbye. */
const CLOSE_LOST = 4100;
const CLOSE_GOODBYE = 1000;

/** Events that may arrive before the reply to `join`; more is a fault of the server. */
const MOST_EARLY_EVENTS = 1_024;

export interface SignallingEnvironment {
  clock: Clock;
  /** 0 to 1, for jitter. */
  random(): number;
  openSocket: OpenSocket;
}

export interface SignallingHandlers {
  /** Makes the message that enters the room. `again`: this page was inside and its session is lost. */
  makeJoin(again: boolean): Promise<Join>;
  /** The room as it is now; everything known before is void. */
  onJoined(joined: Joined, again: boolean): void;
  /** The session goes on; the events that were missed follow. */
  onResumed(): void;
  /** In order, each exactly once. */
  onEvent(event: RoomEvent): void;
  /** Since when (on the clock) the server has not been heard; null when it is. */
  onHealth(disconnectedSince: number | null): void;
  onEnd(reason: EndReason): void;
}

interface Session {
  participant: string;
  room: string;
  token: string;
  lastSeq: number;
}

interface Pending {
  message: ClientMessage;
  resolve(reply: Reply): void;
  reject(error: RequestError): void;
  cancelDeadline(): void;
}

/** Refusals that pass by themselves when a page that was inside comes back. */
const PASSING: ReadonlySet<string> = new Set([
  'already-here',
  'too-many-requests',
  'internal',
  'media-unavailable',
]);

/**
 * One session with the server: requests with replies, events in order without gaps, over as many
 * WebSockets as the network needs.
 */
export class Signalling {
  readonly #environment: SignallingEnvironment;
  readonly #handlers: SignallingHandlers;

  #state: 'idle' | 'running' | 'ended' = 'idle';
  #startedAt = 0;
  #everInside = false;
  #session: Session | null = null;
  #earlyEvents: { seq: number; event: RoomEvent }[] = [];

  #socket: Socket | null = null;
  #open = false;
  /** `join` or `resume` under way on the current socket. */
  #entry: { id: number; kind: 'join' | 'resume'; lastSeq: number; sentAt: number } | null = null;
  #inside = false;
  #cancelEntryDeadline = (): void => undefined;

  #nextId = 1;
  readonly #pending = new Map<number, Pending>();

  #heardAt = 0;
  #ping: { id: number; sentAt: number; deadline: number } | null = null;
  /** Of the last question that was answered on this connection, in milliseconds. */
  #roundTrip: number | null = null;
  #connectedAt = -Infinity;
  #disconnectedSince: number | null = null;
  #stopTicking = (): void => undefined;

  #attempt = 0;
  #retryNotBefore = 0;
  #lostAt = 0;
  #cancelRetry: (() => void) | null = null;

  constructor(environment: SignallingEnvironment, handlers: SignallingHandlers) {
    this.#environment = environment;
    this.#handlers = handlers;
  }

  /** Connects and joins; again after an end. What comes of it is told to the handlers. */
  start(): void {
    if (this.#state === 'running') return;
    this.#state = 'running';
    this.#startedAt = this.#heardAt = this.#lostAt = this.#now();
    this.#session = null;
    this.#everInside = false;
    this.#attempt = 0;
    this.#retryNotBefore = 0;
    this.#stopTicking = every(this.#environment.clock, TIMES.tick, () => this.#tick());
    this.#connect();
  }

  /**
   * Asks the server. A request outlives a lost connection: it is sent again once the session is
   * resumed, which is harmless, as each either says how something should be or carries a key.
   *
   * Rejects with a `RequestError`.
   */
  request(message: ClientMessage): Promise<Reply> {
    return new Promise((resolve, reject) => {
      if (this.#state !== 'running') {
        reject(new RequestError('ended', 'not in a meeting'));
        return;
      }
      const id = this.#takeId();
      const cancelDeadline = this.#environment.clock.after(TIMES.requestDeadline, () => {
        this.#pending.delete(id);
        reject(new RequestError('timeout', `no answer to ${message.type}`));
      });
      this.#pending.set(id, { message, resolve, reject, cancelDeadline });
      if (this.#inside) this.#send({ id, ...message });
    });
  }

  /** Leaves for good. */
  leave(): void {
    if (this.#state !== 'running') return;
    if (this.#inside) this.#send({ id: this.#takeId(), type: 'leave', body: {} });
    this.#end({ kind: 'left' });
  }

  /** The page goes away: the others should not wait for it. It may come back from the browser's cache. */
  goodbye(): void {
    if (this.#state !== 'running') return;
    this.#socket?.close(CLOSE_GOODBYE);
    this.#forgetSocket();
    this.#cancelRetry?.();
    this.#cancelRetry = null;
  }

  /** The page came back after `goodbye`. */
  comeBack(): void {
    if (this.#state === 'running' && !this.#socket) this.#retryNow();
  }

  /** The session is there: requests go out now rather than once the server is found again. */
  get reachable(): boolean {
    return this.#inside;
  }

  /** The device said that its network came or changed. */
  networkChanged(): void {
    if (this.#state !== 'running') return;
    if (this.#cancelRetry) {
      this.#retryNow();
    } else if (this.#inside) {
      this.probe();
    } else if (this.#socket && this.#now() - this.#connectedAt >= TIMES.youngConnection) {
      // What is being opened may wait for an answer that went to the old network.
      this.#socket.close(CLOSE_LOST);
      this.#forgetSocket();
      this.#retryNow();
    }
  }

  /** Finds out soon whether the connection still lives. */
  probe(): void {
    if (this.#state !== 'running' || !this.#inside) return;
    const deadline = Math.min(
      TIMES.longestShortPingDeadline,
      TIMES.shortPingDeadline + 2 * (this.#roundTrip ?? TIMES.longestShortPingDeadline),
    );
    const now = this.#now();
    // An older question is not asked anew: that would only give a dead connection more time.
    if (this.#ping) this.#ping.deadline = Math.min(this.#ping.deadline, now - this.#ping.sentAt + deadline);
    else this.#sendPing(deadline);
    this.#environment.clock.after(deadline, () => this.#tick());
  }

  // Connecting.

  #connect(): void {
    this.#cancelRetry = null;
    this.#connectedAt = this.#now();
    // Made while the socket opens: a join carries an offer, which takes the browser some time.
    const join = this.#session ? null : this.#handlers.makeJoin(this.#everInside);
    const socket = this.#environment.openSocket({
      onOpen: () => {
        this.#open = true;
        this.#heardAt = this.#now();
        if (this.#session) this.#sendResume(this.#session);
        else this.#sendJoin(join ?? this.#handlers.makeJoin(this.#everInside));
      },
      onText: (text) => this.#receive(text),
      onClose: (code) => this.#closed(code),
    });
    this.#socket = socket;
    this.#cancelEntryDeadline = this.#environment.clock.after(TIMES.entryDeadline, () =>
      this.#giveSocketUp(),
    );
  }

  #sendJoin(making: Promise<Join>): void {
    const socket = this.#socket;
    making.then(
      (join) => {
        if (socket !== this.#socket || !this.#open) return;
        this.#earlyEvents = [];
        this.#entry = { id: this.#takeId(), kind: 'join', lastSeq: 0, sentAt: this.#now() };
        this.#send({ id: this.#entry.id, type: 'join', body: join });
      },
      () => {
        if (socket === this.#socket) this.#end({ kind: 'refused', code: 'internal' });
      },
    );
  }

  #sendResume(session: Session): void {
    this.#entry = { id: this.#takeId(), kind: 'resume', lastSeq: session.lastSeq, sentAt: this.#now() };
    this.#send({
      id: this.#entry.id,
      type: 'resume',
      body: {
        version: PROTOCOL_VERSION,
        room: session.room,
        participant: session.participant,
        token: session.token,
        lastSeq: session.lastSeq,
      },
    });
  }

  #entered(): void {
    this.#cancelEntryDeadline();
    if (this.#entry) this.#roundTrip = this.#now() - this.#entry.sentAt;
    this.#entry = null;
    this.#inside = true;
    this.#attempt = 0;
    this.#retryNotBefore = 0;
  }

  #joined(joined: Joined): void {
    const again = this.#everInside;
    this.#entered();
    this.#everInside = true;
    this.#session = {
      participant: joined.participant,
      room: joined.room.name,
      token: joined.resumeToken,
      lastSeq: 0,
    };
    // What was asked in the lost session speaks of people and paths that are no more.
    this.#rejectAll('session-lost');
    this.#handlers.onJoined(joined, again);
    const early = this.#earlyEvents;
    this.#earlyEvents = [];
    for (const { seq, event } of early) this.#event(seq, event);
    this.#checkHealth();
  }

  #resumed(resumed: Resumed): void {
    this.#entered();
    if (this.#session) this.#session.token = resumed.resumeToken;
    this.#sendPending();
    this.#handlers.onResumed();
    this.#checkHealth();
  }

  #entryRefused(kind: 'join' | 'resume', error: ProtocolError): void {
    const now = this.#now();
    if (kind === 'resume') {
      if (PASSING.has(error.code)) {
        this.#retryLater(error.retryAfterMs ?? 0);
        return;
      }
      // The session is gone or its token was used: only a join helps, on the same socket.
      this.#session = null;
      this.#entry = null;
      this.#sendJoin(this.#handlers.makeJoin(this.#everInside));
      return;
    }
    if (this.#everInside && PASSING.has(error.code) && now - this.#lostAt < TIMES.rejoinPatience) {
      this.#retryLater(error.retryAfterMs ?? 0);
      return;
    }
    const wait = error.retryAfterMs;
    if (wait !== undefined && now + wait - this.#startedAt < TIMES.firstJoin) {
      this.#retryLater(wait);
      return;
    }
    const over = this.#everInside && error.code === 'room-closed';
    this.#end(over ? { kind: 'ended' } : { kind: 'refused', code: error.code });
  }

  // Receiving.

  #receive(text: string): void {
    const message = parse(text);
    if (!message) return;
    this.#heardAt = this.#now();
    switch (message.type) {
      case 'reply':
        this.#reply(message.id, message.reply);
        break;
      case 'error':
        this.#error(message.id, message.error);
        break;
      case 'event':
        this.#event(message.seq, message.event);
        break;
    }
    if (this.#disconnectedSince !== null) this.#checkHealth();
  }

  #reply(id: number, reply: Reply): void {
    if (id === this.#entry?.id) {
      if (reply.type === 'joined') this.#joined(reply);
      else if (reply.type === 'resumed') this.#resumed(reply);
      return;
    }
    if (id === this.#ping?.id) {
      this.#roundTrip = this.#now() - this.#ping.sentAt;
      this.#ping = null;
      return;
    }
    this.#takePending(id)?.resolve(reply);
  }

  #error(id: number | undefined, error: ProtocolError): void {
    if (id === undefined) return;
    if (id === this.#entry?.id) {
      this.#entryRefused(this.#entry.kind, error);
      return;
    }
    if (id === this.#ping?.id) this.#ping = null;
    this.#takePending(id)?.reject(RequestError.fromProtocol(error));
  }

  #event(seq: number, event: RoomEvent): void {
    const session = this.#session;
    if (!session) {
      if (this.#entry && this.#earlyEvents.length < MOST_EARLY_EVENTS) this.#earlyEvents.push({ seq, event });
      return;
    }
    if (seq <= session.lastSeq) return;
    if (seq !== session.lastSeq + 1) {
      // A gap cannot be closed on this socket; resuming sends what is missing.
      this.#giveSocketUp();
      return;
    }
    session.lastSeq = seq;
    if (event.type === 'server-closing') {
      const spread = 1 + this.#environment.random() / 2;
      this.#retryNotBefore = this.#now() + event.retryAfterMs * spread;
    }
    this.#handlers.onEvent(event);
    if (event.type === 'room-ended') this.#end({ kind: 'ended' });
  }

  // Losing and finding the server.

  #tick(): void {
    if (this.#state !== 'running') return;
    const now = this.#now();
    if (this.#inside) {
      if (!this.#ping && now - this.#heardAt >= TIMES.pingAfter) this.#sendPing(TIMES.pingDeadline);
      if (this.#ping && now - this.#ping.sentAt >= this.#ping.deadline) this.#giveSocketUp();
    }
    this.#checkHealth();
  }

  #sendPing(deadline: number): void {
    this.#ping = { id: this.#takeId(), sentAt: this.#now(), deadline };
    this.#send({ id: this.#ping.id, type: 'ping', body: {} });
  }

  #checkHealth(): void {
    if (this.#state !== 'running' || !this.#everInside) return;
    const now = this.#now();
    // A sleeping page's timers run late: silence counts only once a question stayed unanswered.
    const asked = this.#inside ? this.#ping !== null && now - this.#ping.sentAt >= TIMES.pingAfter / 2 : true;
    const since = asked && now - this.#heardAt >= TIMES.unheard ? this.#heardAt : null;
    if (since === this.#disconnectedSince) return;
    this.#disconnectedSince = since;
    this.#handlers.onHealth(since);
  }

  #closed(code: number): void {
    this.#forgetSocket();
    switch (code) {
      case CLOSE.replaced:
        this.#end({ kind: 'replaced' });
        return;
      case CLOSE.roomClosed:
        this.#end({ kind: 'ended' });
        return;
      case CLOSE.left:
        this.#end({ kind: 'left' });
        return;
      default:
        this.#scheduleRetry(0);
    }
  }

  #giveSocketUp(): void {
    this.#socket?.close(CLOSE_LOST);
    this.#forgetSocket();
    this.#scheduleRetry(0);
  }

  #retryLater(waitMs: number): void {
    this.#socket?.close(CLOSE_LOST);
    this.#forgetSocket();
    this.#scheduleRetry(waitMs);
  }

  #forgetSocket(): void {
    this.#cancelEntryDeadline();
    if (this.#inside) this.#lostAt = this.#now();
    this.#socket = null;
    this.#open = false;
    this.#inside = false;
    this.#entry = null;
    this.#ping = null;
    this.#roundTrip = null;
  }

  #scheduleRetry(atLeastMs: number): void {
    if (this.#state !== 'running') return;
    const now = this.#now();
    // The first time at once, as most losses are short; then ever longer, spread so that a
    // restarted server does not meet everybody in the same instant.
    const longest =
      this.#attempt === 0 ? 0 : Math.min(TIMES.longestRetry, TIMES.firstRetry * 2 ** (this.#attempt - 1));
    const delay = Math.max(
      longest * (0.5 + this.#environment.random() / 2),
      atLeastMs,
      this.#retryNotBefore - now,
    );
    this.#attempt += 1;
    if (!this.#everInside && now + delay - this.#startedAt > TIMES.firstJoin) {
      this.#end({ kind: 'unreachable' });
      return;
    }
    this.#cancelRetry = this.#environment.clock.after(delay, () => this.#connect());
  }

  #retryNow(): void {
    this.#cancelRetry?.();
    this.#attempt = 0;
    this.#connect();
  }

  // Sending.

  #sendPending(): void {
    for (const [id, { message }] of [...this.#pending].sort(([a], [b]) => a - b))
      this.#send({ id, ...message });
  }

  #send(frame: ClientFrame): void {
    this.#socket?.send(JSON.stringify(frame));
  }

  #takeId(): number {
    return this.#nextId++;
  }

  #takePending(id: number): Pending | undefined {
    const pending = this.#pending.get(id);
    this.#pending.delete(id);
    pending?.cancelDeadline();
    return pending;
  }

  #rejectAll(code: 'session-lost' | 'ended'): void {
    for (const id of [...this.#pending.keys()]) {
      this.#takePending(id)?.reject(new RequestError(code, 'the session is over'));
    }
  }

  #end(reason: EndReason): void {
    if (this.#state !== 'running') return;
    this.#state = 'ended';
    this.#stopTicking();
    this.#cancelRetry?.();
    this.#cancelRetry = null;
    this.#socket?.close(CLOSE_GOODBYE);
    this.#forgetSocket();
    this.#session = null;
    this.#disconnectedSince = null;
    this.#rejectAll('ended');
    this.#handlers.onEnd(reason);
  }

  #now(): number {
    return this.#environment.clock.now();
  }
}

/** Null for what is no message: a newer server may say things that this page does not know. */
function parse(text: string): ServerMessage | null {
  try {
    const message: unknown = JSON.parse(text);
    return typeof message === 'object' && message !== null && 'type' in message
      ? (message as ServerMessage)
      : null;
  } catch {
    return null;
  }
}
