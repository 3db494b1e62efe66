import { beforeEach, describe, expect, it } from 'vitest';
import { RETRY_TIMES, Retry } from './retry';
import { VirtualClock } from './virtual-clock';

let clock: VirtualClock;
let tries: number[];
let retry: Retry;

beforeEach(() => {
  clock = new VirtualClock();
  tries = [];
  retry = new Retry(clock, () => tries.push(clock.now()));
});

describe('a retry', () => {
  it('begins at once and becomes rarer, up to a bound', async () => {
    retry.start();
    await clock.advance(30_000);
    expect(tries.slice(0, 5)).toEqual([0, 1_000, 3_000, 7_000, 15_000]);
    expect(tries.slice(5)).toEqual([23_000]);
  });

  it('ends when it worked', async () => {
    retry.start();
    await clock.advance(1_500);
    retry.stop();
    await clock.advance(60_000);
    expect(tries).toEqual([0, 1_000]);
  });

  it('does not flap: beginning again right after an end waits a moment', async () => {
    retry.start();
    retry.stop();
    retry.start();
    expect(tries).toEqual([0]);
    await clock.advance(RETRY_TIMES.first);
    expect(tries).toEqual([0, RETRY_TIMES.first]);
  });

  it('makes of a burst of news one attempt now and one when it is over', async () => {
    for (let news = 0; news < 10; news++) {
      retry.hurry();
      retry.once();
      await clock.advance(50);
    }
    await clock.advance(60_000);
    expect(tries).toEqual([0, RETRY_TIMES.first]);
  });

  it('hurries when things have changed', async () => {
    retry.start();
    await clock.advance(8_000);
    expect(tries.at(-1)).toBe(7_000);
    retry.hurry();
    expect(tries.at(-1)).toBe(8_000);
    await clock.advance(1_000);
    expect(tries.at(-1)).toBe(9_000);
  });
});
