import type { CheckReply, CheckRequest, SfuAnswer, SfuOffer } from '../proto';
import { CLOSE } from '../proto';
import type { OpenSocket, Socket } from '../socket';
import { CheckFailure } from './model';

export type Welcome = Extract<CheckReply, { type: 'welcome' }>['body'];

const CLOSE_GOODBYE = 1000;

/** The connection at `/api/v1/check`. What the server gives out for it ends with it. */
export class CheckSocket {
  readonly #socket: Socket;
  readonly #opened: Promise<Welcome>;
  #settle: { resolve(welcome: Welcome): void; reject(error: CheckFailure): void } | null = null;
  /** Asked and not answered. The server answers in order, and each kind of question by a kind of its own. */
  #pongs: (() => void)[] = [];
  #answer: { resolve(answer: SfuAnswer): void; reject(error: CheckFailure): void } | null = null;
  #failure: CheckFailure | null = null;
  #pings = 0;

  constructor(openSocket: OpenSocket) {
    this.#opened = new Promise((resolve, reject) => (this.#settle = { resolve, reject }));
    // Whoever opened it may have lost interest by the time that it fails.
    this.#opened.catch(() => undefined);
    this.#socket = openSocket({
      onOpen: () => undefined,
      onText: (text) => this.#receive(text),
      onClose: (code) => this.#fail(new CheckFailure(code === CLOSE.tryLater ? 'busy' : 'closed')),
    });
  }

  /** What the server says first. */
  welcome(): Promise<Welcome> {
    return this.#opened;
  }

  /** Resolves when the server has answered; never, if it does not. */
  ping(): Promise<void> {
    return new Promise((resolve) => {
      this.#pongs.push(resolve);
      this.#send({ type: 'ping', body: { number: (this.#pings += 1) } });
    });
  }

  offer(offer: SfuOffer): Promise<SfuAnswer> {
    return new Promise((resolve, reject) => {
      if (this.#failure) {
        reject(this.#failure);
        return;
      }
      this.#answer = { resolve, reject };
      this.#send({ type: 'offer', body: offer });
    });
  }

  close(): void {
    this.#fail(new CheckFailure('closed'));
    this.#socket.close(CLOSE_GOODBYE);
  }

  #send(request: CheckRequest): void {
    this.#socket.send(JSON.stringify(request));
  }

  #receive(text: string): void {
    const reply = parse(text);
    switch (reply?.type) {
      case 'welcome':
        this.#settle?.resolve(reply.body);
        break;
      case 'pong':
        this.#pongs.shift()?.();
        break;
      case 'answered':
        this.#answer?.resolve(reply.body.answer);
        this.#answer = null;
        break;
      case 'refused': {
        const failure = CheckFailure.fromProtocol(reply.body.error);
        // Before the welcome it is the whole check that is refused.
        this.#settle?.reject(failure);
        this.#answer?.reject(failure);
        this.#answer = null;
        break;
      }
    }
  }

  #fail(failure: CheckFailure): void {
    this.#failure ??= failure;
    this.#settle?.reject(failure);
    this.#answer?.reject(failure);
    this.#answer = null;
  }
}

/** Null for what is no message: a newer server may say things that this page does not know. */
function parse(text: string): CheckReply | null {
  try {
    const reply: unknown = JSON.parse(text);
    return typeof reply === 'object' && reply !== null && 'type' in reply ? (reply as CheckReply) : null;
  } catch {
    return null;
  }
}
