import type { Clock } from '../clock';
import { CheckFailure } from './model';

/** One test: bounded in time, and cleaned up after. */
export class Trial {
  readonly #clock: Clock;
  readonly #over: Promise<never>;
  #end: (failure: CheckFailure) => void = () => undefined;
  #cleanUps: (() => void)[] = [];
  #ended = false;

  constructor(clock: Clock, deadlineMs: number) {
    this.#clock = clock;
    this.#over = new Promise((_, reject) => (this.#end = reject));
    this.#over.catch(() => undefined);
    this.onEnd(clock.after(deadlineMs, () => this.#end(new CheckFailure('no-answer'))));
  }

  /** Runs when the test is over, however it went. */
  onEnd(cleanUp: () => void): void {
    if (this.#ended) cleanUp();
    else this.#cleanUps.push(cleanUp);
  }

  /** Waits, but not beyond the deadline. */
  race<T>(wait: Promise<T>): Promise<T> {
    return Promise.race([wait, this.#over]);
  }

  pause(ms: number): Promise<void> {
    return new Promise((resolve) => this.onEnd(this.#clock.after(ms, resolve)));
  }

  finish(): void {
    if (this.#ended) return;
    this.#ended = true;
    this.#end(new CheckFailure('closed'));
    for (const cleanUp of this.#cleanUps) cleanUp();
    this.#cleanUps = [];
  }
}
