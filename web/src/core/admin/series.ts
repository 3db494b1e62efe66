/** Values over time: every second of the last minutes, every ten seconds of the hour before. */
import type { Value } from '../chart';
import type { AdminHistory, AdminSeries } from '../proto';

export type { Value };

/** Several columns of values with common times. Never changed: each new second is a new object. */
export interface Series<Name extends string = string> {
  /** Milliseconds since 1970-01-01 UTC, rising. */
  readonly times: readonly number[];
  readonly columns: Readonly<Record<Name, readonly Value[]>>;
}

/** All in milliseconds. */
export const HOUR = 3_600_000;
/** Seconds are kept one by one for so long, and a little longer, so that not each one moves all. */
const FINE = 120_000;
const SLACK = 20_000;
const STEP = 10_000;

type Columns = Record<string, Value[]>;

/** The history as the server gives it: the tens of seconds that lie before the seconds. */
export function fromHistory<C extends Columns>({ coarse, fine }: AdminHistory<C>): Series<keyof C & string> {
  const recent = fromSeries(fine);
  const first = recent.times[0] ?? Infinity;
  const early = fromSeries(coarse);
  const kept = early.times.filter((time) => time < first).length;
  return join(slice(early, 0, kept), recent);
}

/** One resolution of it. */
export function fromSeries<C extends Columns>({
  columns,
  endMs,
  stepS,
}: AdminSeries<C>): Series<keyof C & string> {
  const step = stepS * 1_000;
  const count = Math.max(0, ...Object.values(columns).map((values) => values.length));
  const times = Array.from({ length: count }, (_, index) => endMs - (count - 1 - index) * step);
  return { times, columns };
}

/** One second more. Seconds that are long over become tens, what is older than an hour goes. */
export function append<Name extends string>(
  series: Series<Name>,
  at: number,
  values: Readonly<Partial<Record<Name, Value>>>,
): Series<Name> {
  const last = series.times.at(-1);
  if (last !== undefined && at <= last) return series;
  const one = map(series, (_, name) => [values[name] ?? null]);
  const longer = join(series, { times: [at], columns: one });
  const thinned = thin(longer, at);
  const expired = thinned.times.findIndex((time) => time > at - HOUR);
  return expired > 0 ? slice(thinned, expired) : thinned;
}

/** Folds seconds that are older than the fine part into tens, many at once. */
function thin<Name extends string>(series: Series<Name>, now: number): Series<Name> {
  const { times } = series;
  const start = times.findIndex((time, index) => {
    const next = times[index + 1];
    return next !== undefined && next - time < STEP / 2;
  });
  const first = times[start];
  if (start < 0 || first === undefined || first > now - FINE - SLACK) return series;
  // Whole tens only: one that is folded in two parts would not be the mean of its seconds.
  const whole = Math.floor((now - FINE) / STEP) * STEP;
  const end = times.findIndex((time) => time >= whole);
  const groups: { from: number; to: number }[] = [];
  for (let index = start; index < end; index += 1) {
    const group = groups.at(-1);
    const ten = (at: number): number => Math.floor((times[at] ?? 0) / STEP);
    if (group && ten(group.from) === ten(index)) group.to = index + 1;
    else groups.push({ from: index, to: index + 1 });
  }
  const folded: Series<Name> = {
    times: groups.map(({ to }) => times[to - 1] ?? 0),
    columns: map(series, (column) => groups.map(({ from, to }) => mean(column.slice(from, to)))),
  };
  return join(join(slice(series, 0, start), folded), slice(series, end));
}

/** Of those that are known; none of none. */
export function mean(values: readonly Value[]): Value {
  const known = values.filter((value) => value !== null);
  if (known.length === 0) return null;
  return known.reduce((sum, value) => sum + value, 0) / known.length;
}

/** What lies within `length` milliseconds before the end. */
export function lastOf<Name extends string>(series: Series<Name>, end: number, length: number): Series<Name> {
  const from = series.times.findIndex((time) => time > end - length);
  return from < 0 ? slice(series, series.times.length) : slice(series, from);
}

function slice<Name extends string>(series: Series<Name>, from: number, to?: number): Series<Name> {
  return { times: series.times.slice(from, to), columns: map(series, (column) => column.slice(from, to)) };
}

function join<Name extends string>(before: Series<Name>, after: Series<Name>): Series<Name> {
  return {
    times: [...before.times, ...after.times],
    columns: map(after, (column, name) => [...before.columns[name], ...column]),
  };
}

function map<Name extends string>(
  { columns }: Series<Name>,
  change: (column: readonly Value[], name: Name) => Value[],
): Record<Name, Value[]> {
  const entries = Object.entries<readonly Value[]>(columns);
  return Object.fromEntries(entries.map(([name, column]) => [name, change(column, name as Name)])) as Record<
    Name,
    Value[]
  >;
}
