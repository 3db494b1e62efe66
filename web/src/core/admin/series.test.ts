import { describe, expect, it } from 'vitest';
import { append, fromHistory, fromSeries, lastOf, mean, type Series } from './series';

const START = 1_000_000_000_000;

/** A value each second, the last at `START` + `seconds`. */
function grow(seconds: number): Series<'rate'> {
  let series: Series<'rate'> = { times: [], columns: { rate: [] } };
  for (let second = 1; second <= seconds; second += 1) {
    series = append(series, START + second * 1_000, { rate: second });
  }
  return series;
}

describe('a history', () => {
  it('is the tens of seconds before the seconds, without overlap', () => {
    const series = fromHistory({
      coarse: { stepS: 10, endMs: START, columns: { rate: [1, 2, 3] } },
      fine: { stepS: 1, endMs: START + 5_000, columns: { rate: [7, 8, null] } },
    });
    expect(series.times).toEqual([-20, -10, 0, 3, 4, 5].map((second) => START + second * 1_000));
    expect(series.columns.rate).toEqual([1, 2, 3, 7, 8, null]);
  });

  it('may be empty', () => {
    const none = fromHistory({
      coarse: { stepS: 10, endMs: START, columns: { rate: [] } },
      fine: { stepS: 1, endMs: START, columns: { rate: [] } },
    });
    expect(none.times).toEqual([]);
    expect(fromSeries({ stepS: 0, endMs: 0, columns: {} }).times).toEqual([]);
  });
});

describe('appending', () => {
  it('keeps two minutes by the second and folds what is older', () => {
    const series = grow(600);
    const fine = series.times.filter((time) => time > START + 480_000);
    expect(fine).toHaveLength(120);
    expect(series.times.length).toBeLessThan(120 + 20 + 48 + 2);
    expect(series.columns.rate.at(-1)).toBe(600);
  });

  it('folds to the mean, at whole tens of seconds', () => {
    const series = grow(300);
    const at = series.times.indexOf(START + 29_000);
    expect(series.columns.rate[at]).toBe(mean([20, 21, 22, 23, 24, 25, 26, 27, 28, 29]));
  });

  it('forgets what is older than an hour', () => {
    const series = grow(4_000);
    expect(series.times[0]).toBeGreaterThan(START + 400_000);
    expect(series.times.length).toBeLessThan(520);
  });

  it('ignores what is not newer, and says none for what is missing', () => {
    const series = append(grow(3), START + 3_000, { rate: 99 });
    expect(series.columns.rate).toEqual([1, 2, 3]);
    expect(append(series, START + 9_000, {}).columns.rate).toEqual([1, 2, 3, null]);
  });
});

describe('the last part', () => {
  it('is what lies within its length', () => {
    expect(lastOf(grow(60), START + 60_000, 5_000).columns.rate).toEqual([56, 57, 58, 59, 60]);
    expect(lastOf(grow(60), START + 600_000, 5_000).times).toEqual([]);
  });
});

describe('the mean', () => {
  it('is of what is known', () => {
    expect(mean([1, null, 3])).toBe(2);
    expect(mean([null])).toBeNull();
  });
});
