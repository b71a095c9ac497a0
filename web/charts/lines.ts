/**
 * A thousand lines as places on a canvas: laid out once for a size and a stretch of x, then drawn, pointed at and marked
 * from the same numbers. Whoever points costs one look at each line (a binary search) and one line to draw, not a new
 * picture; uPlot, which the charts of few lines use, asks every series and draws all of them again at each hover.
 */
import { linearScale, logScale, type Scale } from "./scale.ts";

export interface Line {
  readonly id: string;
  readonly label: string;
  /** Which of the palette's colours; absent = quiet. */
  readonly colour?: number | undefined;
  /** Finite, x rising, as many of one as of the other. */
  readonly xs: Float64Array;
  readonly ys: Float64Array;
}

/** What is not finite is left out: the line goes on at the next point. */
export function lineOf(
  about: Pick<Line, "id" | "label" | "colour">,
  points: readonly (readonly [number, number])[],
): Line {
  const finite = points.filter(([x, y]) => Number.isFinite(x) && Number.isFinite(y));
  return {
    ...about,
    xs: Float64Array.from(finite, ([x]) => x),
    ys: Float64Array.from(finite, ([, y]) => y),
  };
}

export interface Area {
  readonly left: number;
  readonly right: number;
  readonly top: number;
  readonly bottom: number;
}

export interface LaidOut {
  readonly area: Area;
  readonly x: Scale;
  readonly y: Scale;
  /** In pixels, of the lines that have points here; those of line i from `start[i]` to `start[i + 1]`. */
  readonly px: Float32Array;
  readonly py: Float32Array;
  /** Which point of its line it is. */
  readonly of: Uint32Array;
  readonly start: Uint32Array;
  readonly lines: readonly Line[];
}

export interface Layout {
  readonly lines: readonly Line[];
  readonly area: Area;
  readonly isLogY: boolean;
  /** Of x; undefined = all of it. */
  readonly range: readonly [number, number] | undefined;
  readonly ticks: { readonly x: number; readonly y: number };
}

/** @returns undefined where no line has a point that can be drawn */
export function layOut({ lines, area, isLogY, range, ticks }: Layout): LaidOut | undefined {
  const [from, to] = range ?? extent(lines);
  const pieces = lines.map((line) => piece(line, from, to));
  let [low, high] = [Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY];
  let total = 0;
  for (const [i, [first, end]] of pieces.entries()) {
    const { xs, ys } = lines[i] as Line;
    total += end - first;
    for (let k = first; k < end; k++) {
      const [at, value] = [xs[k] as number, ys[k] as number];
      // The points beside the stretch only lead the line out of sight.
      if (at < from || at > to || (isLogY && value <= 0)) continue;
      if (value < low) low = value;
      if (value > high) high = value;
    }
  }
  if (low > high) return undefined;
  const x = linearScale(from, to, ticks.x);
  const y = isLogY ? logScale(low, high, ticks.y) : linearScale(low, high, ticks.y);
  const [width, height] = [area.right - area.left, area.bottom - area.top];
  const px = new Float32Array(total);
  const py = new Float32Array(total);
  const of = new Uint32Array(total);
  const start = new Uint32Array(lines.length + 1);
  let n = 0;
  for (const [i, [first, end]] of pieces.entries()) {
    const { xs, ys } = lines[i] as Line;
    for (let k = first; k < end; k++) {
      const value = ys[k] as number;
      if (isLogY && value <= 0) continue;
      px[n] = area.left + x.share(xs[k] as number) * width;
      // A little room at the ends, so that no line is cut.
      py[n] = area.bottom - (0.02 + 0.96 * y.share(value)) * height;
      of[n] = k;
      n++;
    }
    start[i + 1] = n;
  }
  return { area, x, y, px, py, of, start, lines };
}

function extent(lines: readonly Line[]): readonly [number, number] {
  let [from, to] = [Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY];
  for (const { xs } of lines) {
    if (xs.length === 0) continue;
    from = Math.min(from, xs[0] as number);
    to = Math.max(to, xs.at(-1) as number);
  }
  return from <= to ? [from, to] : [0, 1];
}

/** Its points between two places, and one more at either end, so that the line reaches the edge. */
function piece({ xs }: Line, from: number, to: number): readonly [first: number, end: number] {
  const first = lowerBound(xs, from, 0, xs.length);
  const end = lowerBound(xs, to, first, xs.length);
  const past = end < xs.length ? end + 1 : end;
  return [Math.max(0, first - 1), past];
}

/** The first index from `low` on whose value is at least `wanted`; `high` where none is. */
function lowerBound(
  values: Float64Array | Float32Array,
  wanted: number,
  low: number,
  high: number,
): number {
  let [a, b] = [low, high];
  while (a < b) {
    const middle = (a + b) >> 1;
    if ((values[middle] as number) < wanted) a = middle + 1;
    else b = middle;
  }
  return a;
}

export interface Pointed {
  readonly index: number;
  /** Its nearest point, not a place between two: step and value as they were reported. */
  readonly x: number;
  readonly y: number;
}

/** The line nearest to a place, of those within `reachPx`; of two equally near ones the one that lies above. */
export function nearestLine(
  laidOut: LaidOut,
  [x, y]: readonly [number, number],
  reachPx: number,
): Pointed | undefined {
  const { px, of, start, lines } = laidOut;
  let best: { readonly index: number; readonly a: number; readonly b: number } | undefined;
  let least = reachPx;
  for (let i = 0; i < lines.length; i++) {
    const [from, end] = [start[i] as number, start[i + 1] as number];
    if (from === end) continue;
    const k = lowerBound(px, x, from, end);
    const [a, b] = [Math.max(from, k - 1), Math.min(end - 1, k)];
    const ends = [placeOf(laidOut, a), placeOf(laidOut, b)] as const;
    const away = distance([x, y], ...ends);
    if (away <= least) [best, least] = [{ index: i, a, b }, away];
  }
  if (!best) return undefined;
  const { index, a, b } = best;
  const k = of[x - (px[a] as number) < (px[b] as number) - x ? a : b] as number;
  const { xs, ys } = lines[index] as Line;
  return { index, x: xs[k] as number, y: ys[k] as number };
}

const placeOf = ({ px, py }: LaidOut, k: number): Place => [px[k] as number, py[k] as number];

type Place = readonly [number, number];

/** From a place to the piece of line between two others. */
function distance([x, y]: Place, [ax, ay]: Place, [bx, by]: Place): number {
  const [dx, dy] = [bx - ax, by - ay];
  const long = dx * dx + dy * dy;
  const share = long === 0 ? 0 : Math.min(1, Math.max(0, ((x - ax) * dx + (y - ay) * dy) / long));
  return Math.hypot(x - ax - share * dx, y - ay - share * dy);
}

/** The values that stand at a place on the canvas. */
export function valuesAt({ area, x, y }: LaidOut, [px, py]: Place): { x: number; y: number } {
  const across = (px - area.left) / (area.right - area.left);
  const up = ((area.bottom - py) / (area.bottom - area.top) - 0.02) / 0.96;
  const between = ({ low, high, isLog }: Scale, share: number): number =>
    isLog ? low * (high / low) ** share : low + share * (high - low);
  return { x: between(x, across), y: between(y, up) };
}
