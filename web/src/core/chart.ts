/** The geometry of line charts: scales, ticks and paths, in the units of the drawing. */

/** What is not known is a gap. */
export type Value = number | null;

/** Two values further apart than this have a gap between them: milliseconds. */
const GAP = 25_000;

export interface Extent {
  readonly from: number;
  readonly to: number;
}

/** A round number that is at least `value`: 1, 2, 2.5 or 5 times a power of ten. */
export function ceiling(value: number): number {
  if (!(value > 0) || !Number.isFinite(value)) return 1;
  const power = 10 ** Math.floor(Math.log10(value));
  const step = [1, 2, 2.5, 5, 10].find((candidate) => value <= candidate * power * (1 + 1e-9)) ?? 10;
  return step * power;
}

/** From zero to a round number that no value exceeds; `least` keeps noise from looking like a mountain. */
export function scaleOf(columns: readonly (readonly Value[])[], least: number): number {
  let most = 0;
  for (const column of columns) for (const value of column) if (value !== null && value > most) most = value;
  return Math.max(ceiling(most), least);
}

/** Where lines across the chart stand: four steps of a scale that divides so, else two. */
export function levels(scale: number): number[] {
  return [0, 0.5, 1].map((share) => share * scale);
}

/** Moments that people would name, at most `most` of them. */
export function momentsOf({ from, to }: Extent, most: number): number[] {
  const steps = [10, 30, 60, 120, 300, 600, 900, 1_800, 3_600].map((seconds) => seconds * 1_000);
  const step = steps.find((candidate) => (to - from) / candidate <= most) ?? 3_600_000;
  const moments = [];
  for (let at = Math.ceil(from / step) * step; at <= to; at += step) moments.push(at);
  return moments;
}

export interface Frame {
  readonly width: number;
  readonly height: number;
  readonly time: Extent;
  /** The value at the upper edge; zero is at the lower one. */
  readonly scale: number;
}

export function xOf({ width, time }: Frame, at: number): number {
  const length = time.to - time.from;
  return length > 0 ? ((at - time.from) / length) * width : width;
}

export function yOf({ height, scale }: Frame, value: number): number {
  return height - (Math.min(value, scale) / scale) * height;
}

/** Pieces of a line without gaps: positions in the list of times. */
function pieces(times: readonly number[], values: readonly Value[]): number[][] {
  const found: number[][] = [];
  let last = -Infinity;
  times.forEach((time, index) => {
    if (values[index] === null || values[index] === undefined) return;
    const piece = found.at(-1);
    if (piece && time - last <= GAP && piece.at(-1) === index - 1) piece.push(index);
    else found.push([index]);
    last = time;
  });
  return found;
}

/** SVG path data of the line; a single value is a dot. */
export function linePath(frame: Frame, times: readonly number[], values: readonly Value[]): string {
  return pieces(times, values)
    .map((piece) => {
      const points = piece.map((index) => point(frame, times, values, index));
      return `M${points.join('L')}${points.length === 1 ? 'h0.01' : ''}`;
    })
    .join('');
}

/** The same, closed along the lower edge. */
export function areaPath(frame: Frame, times: readonly number[], values: readonly Value[]): string {
  return pieces(times, values)
    .filter((piece) => piece.length > 1)
    .map((piece) => {
      const x = (index: number | undefined): string => round(xOf(frame, times[index ?? 0] ?? 0));
      const points = piece.map((index) => point(frame, times, values, index));
      return `M${x(piece[0])},${frame.height}L${points.join('L')}L${x(piece.at(-1))},${frame.height}Z`;
    })
    .join('');
}

function point(frame: Frame, times: readonly number[], values: readonly Value[], index: number): string {
  return `${round(xOf(frame, times[index] ?? 0))},${round(yOf(frame, values[index] ?? 0))}`;
}

function round(value: number): string {
  return String(Math.round(value * 10) / 10);
}

/** The position in `times` that is nearest to a place of the drawing; -1 without times. */
export function nearest(frame: Frame, times: readonly number[], x: number): number {
  let best = -1;
  let distance = Infinity;
  times.forEach((time, index) => {
    const away = Math.abs(xOf(frame, time) - x);
    if (away < distance) [best, distance] = [index, away];
  });
  return best;
}

export interface Summary {
  readonly now: Value;
  readonly mean: Value;
  readonly most: Value;
}

/** A line in three numbers, for those who do not see it. */
export function summaryOf(values: readonly Value[]): Summary {
  const known = values.filter((value) => value !== null);
  const sum = known.reduce((total, value) => total + value, 0);
  return {
    now: values.at(-1) ?? null,
    mean: known.length > 0 ? sum / known.length : null,
    most: known.length > 0 ? Math.max(...known) : null,
  };
}
