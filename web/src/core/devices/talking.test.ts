import { describe, expect, it } from 'vitest';
import { levelOf } from './meter';
import { TalkingDetector } from './talking';

/** Pushes levels 50 ms apart, from `startMs`; says whether somebody talked at the end. */
function run(detector: TalkingDetector, levels: number[], startMs = 0): boolean {
  return levels.map((level, i) => detector.push(level, startMs + i * 50)).at(-1) ?? false;
}
const quiet = (samples: number) => Array<number>(samples).fill(0.1);
const loud = (samples: number) => Array<number>(samples).fill(0.7);

describe('talking', () => {
  it('is noticed after a few syllables', () => {
    expect(run(new TalkingDetector(), [...quiet(20), ...loud(3), ...quiet(3), ...loud(6)])).toBe(true);
  });

  it('is not a cough or a key', () => {
    expect(run(new TalkingDetector(), [...quiet(20), ...loud(3), ...quiet(20), ...loud(2)])).toBe(false);
  });

  it('is not a loud but steady fan', () => {
    const detector = new TalkingDetector();
    run(detector, Array<number>(2_000).fill(0.45));
    detector.reset();
    expect(run(detector, Array<number>(100).fill(0.45), 100_000)).toBe(false);
    expect(run(detector, loud(20), 105_000)).toBe(true);
  });

  it('is over a few seconds after the last word', () => {
    const detector = new TalkingDetector();
    expect(run(detector, loud(20))).toBe(true);
    expect(run(detector, quiet(40), 1_000)).toBe(true);
    expect(run(detector, quiet(40), 3_000)).toBe(false);
  });
});

describe('the level', () => {
  it('runs from silence to full scale', () => {
    expect(levelOf(0)).toBe(0);
    expect(levelOf(1)).toBe(1);
    expect(levelOf(0.01)).toBeCloseTo(20 / 48);
  });
});
