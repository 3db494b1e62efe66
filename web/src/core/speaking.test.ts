import { expect, it } from 'vitest';
import { SpeakingDetector } from './speaking';

/** Feeds one level for `ms`, every 100 ms, and says who speaks at the end. */
function hear(
  detector: SpeakingDetector,
  levels: Record<string, number>,
  from: number,
  ms: number,
): string[] {
  for (let now = from; now <= from + ms; now += 100) {
    detector.update(new Map(Object.entries(levels)), now);
  }
  return detector.speakers();
}

it('hears a voice, but not a click', () => {
  const detector = new SpeakingDetector();
  expect(hear(detector, { ada: 0.5 }, 0, 100)).toEqual([]);
  expect(hear(detector, { ada: 0 }, 200, 300)).toEqual([]);
  expect(hear(detector, { ada: 0.1 }, 600, 300)).toEqual(['ada']);
});

it('does not flicker in the pauses between words, nor at a level in between', () => {
  const detector = new SpeakingDetector();
  hear(detector, { ada: 0.1 }, 0, 500);
  expect(hear(detector, { ada: 0 }, 600, 500)).toEqual(['ada']);
  expect(hear(detector, { ada: 0.1 }, 1_200, 100)).toEqual(['ada']);
  expect(hear(detector, { ada: 0.012 }, 1_400, 5_000)).toEqual(['ada']);
  expect(hear(detector, { ada: 0 }, 6_500, 1_000)).toEqual([]);
});

it('names the loudest first', () => {
  const detector = new SpeakingDetector();
  expect(hear(detector, { ada: 0.1, bo: 0.4, cy: 0.2 }, 0, 1_000)).toEqual(['bo', 'cy', 'ada']);
});

it('forgets who is gone', () => {
  const detector = new SpeakingDetector();
  hear(detector, { ada: 0.4 }, 0, 500);
  expect(hear(detector, {}, 600, 1_000)).toEqual([]);
});
