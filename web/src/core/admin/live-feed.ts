/** A feed that comes back by itself. */
import type { Clock } from '../clock';
import type { AdminFeedMessage } from '../proto';
import { Retry } from '../retry';
import type { AdminApi, AdminFailure, FeedConnection, FeedTopic } from './api';

/** How fresh what is shown is. */
export type FeedState = 'connecting' | 'live' | 'reconnecting';

/** Messages come once a second; after so long without one the connection is dead. Milliseconds. */
const SILENCE = 6_000;

export interface FeedEnvironment {
  readonly api: AdminApi;
  readonly clock: Clock;
  readonly token: string;
  onMessage(message: AdminFeedMessage): void;
  /** It is back after a pause: what happened meanwhile has to be asked for. */
  onReturn(): void;
  onState(state: FeedState): void;
  /** It will not come back by itself. */
  onFailure(failure: AdminFailure): void;
}

export class LiveFeed {
  readonly #environment: FeedEnvironment;
  readonly #retry: Retry;
  #topic: FeedTopic;
  #connection: FeedConnection | null = null;
  #cancelWatch = (): void => undefined;
  #wasLive = false;
  #interrupted = false;
  #closed = false;

  constructor(environment: FeedEnvironment, topic: FeedTopic) {
    this.#environment = environment;
    this.#topic = topic;
    this.#retry = new Retry(environment.clock, () => this.#connect());
    environment.onState('connecting');
    this.#retry.start();
  }

  /** Follows something else from now on. */
  follow(topic: FeedTopic): void {
    this.#topic = topic;
    this.#interrupted = false;
    this.#connect();
  }

  close(): void {
    this.#closed = true;
    this.#retry.stop();
    this.#disconnect();
  }

  #disconnect(): void {
    this.#cancelWatch();
    this.#connection?.close();
    this.#connection = null;
  }

  #connect(): void {
    if (this.#closed) return;
    this.#disconnect();
    const { api, clock, token } = this.#environment;
    const connection = api.feed(token, this.#topic, (message) => {
      if (this.#connection === connection) this.#heard(message);
    });
    this.#connection = connection;
    this.#watch(clock);
    void connection.ended.then((failure) => {
      if (this.#connection === connection && failure) this.#lost(failure);
    });
  }

  #watch(clock: Clock): void {
    this.#cancelWatch();
    this.#cancelWatch = clock.after(SILENCE, () => this.#lost({ kind: 'unreachable' }));
  }

  #heard(message: AdminFeedMessage): void {
    this.#retry.stop();
    this.#watch(this.#environment.clock);
    this.#environment.onState('live');
    if (this.#interrupted) this.#environment.onReturn();
    this.#interrupted = false;
    this.#wasLive = true;
    this.#environment.onMessage(message);
  }

  #lost(failure: AdminFailure): void {
    this.#disconnect();
    if (failure.kind === 'unauthorized' || failure.kind === 'missing') {
      this.close();
      this.#environment.onFailure(failure);
      return;
    }
    this.#interrupted = this.#wasLive;
    this.#environment.onState(this.#wasLive ? 'reconnecting' : 'connecting');
    this.#retry.start();
  }
}
