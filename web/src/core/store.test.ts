import { describe, expect, it } from 'vitest';
import { Store } from './store';

describe('Store', () => {
  it('tells a subscriber the value now and each later change, but no repetition', () => {
    const store = new Store(1);
    const seen: number[] = [];
    store.subscribe((value) => seen.push(value));
    store.set(1);
    store.set(2);
    store.update((value) => value + 1);
    expect(seen).toEqual([1, 2, 3]);
  });

  it('ends one subscription without touching another of the same callback', () => {
    const store = new Store(0);
    const seen: number[] = [];
    const run = (value: number): void => void seen.push(value);
    const end = store.subscribe(run);
    store.subscribe(run);
    end();
    store.set(5);
    expect(seen).toEqual([0, 0, 5]);
  });

  it('lets a subscriber end another one while it is told', () => {
    const store = new Store(0);
    const seen: number[] = [];
    let endSecond = (): void => undefined;
    store.subscribe((value) => {
      if (value === 1) endSecond();
    });
    endSecond = store.subscribe((value) => seen.push(value));
    store.set(1);
    expect(seen).toEqual([0]);
  });
});
