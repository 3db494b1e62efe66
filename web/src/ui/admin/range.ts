/** How much of the past charts show, in milliseconds. */
export const RANGES = { minutes: 120_000, quarter: 900_000, hour: 3_600_000 } as const;
export type Range = keyof typeof RANGES;

/** What is worth showing first of something that is this old, in milliseconds. */
export function firstRange(age: number): Range {
  return age < RANGES.quarter / 3 ? 'minutes' : 'quarter';
}
