import { describe, expect, it } from 'vitest';
import { areaPath, ceiling, levels, linePath, momentsOf, nearest, scaleOf, summaryOf } from './chart';

const frame = { width: 100, height: 50, time: { from: 0, to: 100_000 }, scale: 10 };

describe('a scale', () => {
  it.each([
    [0, 1],
    [-3, 1],
    [NaN, 1],
    [0.3, 0.5],
    [1, 1],
    [2.1, 2.5],
    [26, 50],
    [999, 1_000],
    [123_456, 200_000],
  ])('that holds %d ends at %d', (value, end) => expect(ceiling(value)).toBeCloseTo(end, 9));

  it('is no smaller than what is worth seeing', () => {
    expect(scaleOf([[1, null, 3], [2]], 100)).toBe(100);
    expect(scaleOf([[1, null, 300]], 100)).toBe(500);
    expect(levels(500)).toEqual([0, 250, 500]);
  });
});

describe('moments', () => {
  it('are round and few', () => {
    const hour = { from: 3_600_500, to: 7_200_500 };
    expect(momentsOf(hour, 4)).toEqual([4_500_000, 5_400_000, 6_300_000, 7_200_000]);
    expect(momentsOf({ from: 1, to: 120_001 }, 4)).toHaveLength(4);
  });
});

describe('a line', () => {
  it('runs from the first value to the last', () => {
    expect(linePath(frame, [0, 10_000, 20_000], [0, 5, 20])).toBe('M0,50L10,25L20,0');
  });

  it('has a gap where nothing is known, and where time is missing', () => {
    expect(linePath(frame, [0, 10_000, 20_000, 30_000], [0, 0, null, 0])).toBe('M0,50L10,50M30,50h0.01');
    expect(linePath(frame, [0, 10_000, 60_000, 70_000], [0, 0, 0, 0])).toBe('M0,50L10,50M60,50L70,50');
  });

  it('covers the area below each piece', () => {
    expect(areaPath(frame, [0, 10_000, 80_000], [10, 10, 10])).toBe('M0,50L0,0L10,0L10,50Z');
  });

  it('is nothing without values', () => {
    expect(linePath(frame, [], [])).toBe('');
    expect(linePath(frame, [0, 1_000], [null, null])).toBe('');
  });
});

describe('pointing', () => {
  it('finds the nearest moment', () => {
    expect(nearest(frame, [0, 10_000, 20_000], 14)).toBe(1);
    expect(nearest(frame, [0, 10_000, 20_000], 99)).toBe(2);
    expect(nearest(frame, [], 5)).toBe(-1);
  });
});

describe('a summary', () => {
  it('tells what a line shows', () => {
    expect(summaryOf([1, null, 5, 3])).toEqual({ now: 3, mean: 3, most: 5 });
    expect(summaryOf([null])).toEqual({ now: null, mean: null, most: null });
  });
});
