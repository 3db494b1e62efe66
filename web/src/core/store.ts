import type { Readable } from './model';

/** A value that changes and tells those who subscribed, in the order in which they did. */
export class Store<T> implements Readable<T> {
  #value: T;
  readonly #runs = new Set<(value: T) => void>();

  constructor(initial: T) {
    this.#value = initial;
  }

  get(): T {
    return this.#value;
  }

  /** Tells nobody when nothing changed. */
  set(value: T): void {
    if (Object.is(value, this.#value)) return;
    this.#value = value;
    // A copy, because a subscriber may end its subscription or start another one.
    for (const run of [...this.#runs]) {
      if (this.#runs.has(run)) run(value);
    }
  }

  update(change: (value: T) => T): void {
    this.set(change(this.#value));
  }

  subscribe(run: (value: T) => void): () => void {
    // A wrapper, so that the same function may subscribe twice.
    const entry = (value: T) => run(value);
    this.#runs.add(entry);
    run(this.#value);
    return () => void this.#runs.delete(entry);
  }
}
