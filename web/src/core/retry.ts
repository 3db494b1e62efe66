import type { Clock } from './clock';

/** All in milliseconds. */
export const RETRY_TIMES = {
  /** Least time between two attempts: news of a changing network comes in bursts. */
  first: 1_000,
  longest: 8_000,
} as const;

/** Repeats an attempt until it worked: the first at once, each further one after twice the time. */
export class Retry {
  readonly #clock: Clock;
  readonly #run: () => void;
  #gap: number = RETRY_TIMES.first;
  #lastAt = -Infinity;
  #repeats = false;
  #cancel: (() => void) | null = null;

  constructor(clock: Clock, run: () => void) {
    this.#clock = clock;
    this.#run = run;
  }

  /** Tries, and goes on until `stop`. */
  start(): void {
    if (this.#repeats) return;
    this.#repeats = true;
    if (!this.#cancel) this.#schedule();
  }

  /** Tries once, though nothing is known to be broken. */
  once(): void {
    if (!this.#cancel) this.#schedule();
  }

  /** Things have changed: what failed before may work now. */
  hurry(): void {
    this.#gap = RETRY_TIMES.first;
    if (!this.#cancel) return;
    this.#cancel();
    this.#schedule();
  }

  /** It worked, or is not wanted any more. */
  stop(): void {
    this.#repeats = false;
    this.#gap = RETRY_TIMES.first;
    this.#cancel?.();
    this.#cancel = null;
  }

  #schedule(): void {
    const wait = this.#lastAt + this.#gap - this.#clock.now();
    if (wait <= 0) this.#attempt();
    else this.#cancel = this.#clock.after(wait, () => this.#attempt());
  }

  #attempt(): void {
    this.#cancel = null;
    this.#lastAt = this.#clock.now();
    this.#run();
    if (!this.#repeats) return;
    this.#schedule();
    this.#gap = Math.min(RETRY_TIMES.longest, this.#gap * 2);
  }
}
