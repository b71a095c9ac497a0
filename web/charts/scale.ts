/** From values to pixels and round figures to write beside them; linear or logarithmic. */
export interface Scale {
  readonly isLog: boolean;
  readonly low: number;
  readonly high: number;
  /** 0 at `low`, 1 at `high`. */
  readonly share: (value: number) => number;
  readonly ticks: readonly number[];
}

/** Over all that is finite (and above zero where it is logarithmic). @returns undefined where nothing is */
export function scaleOf(
  values: Iterable<number>,
  options: { readonly isLog?: boolean; readonly ticks?: number; readonly include?: number } = {},
): Scale | undefined {
  const { isLog = false, ticks = 5, include } = options;
  let [low, high] = [Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY];
  for (const value of values) {
    if (!Number.isFinite(value) || (isLog && value <= 0)) continue;
    low = Math.min(low, value);
    high = Math.max(high, value);
  }
  if (include !== undefined && (!isLog || include > 0)) {
    low = Math.min(low, include);
    high = Math.max(high, include);
  }
  if (low > high) return undefined;
  return isLog ? logScale(low, high, ticks) : linearScale(low, high, ticks);
}

export const linearScale = (low: number, high: number, count = 5): Scale =>
  evenScale(low, high, count, roundStep);

/** Over seconds: the figures are whole parts and multiples of minutes, hours and days. */
export const timeScale = (low: number, high: number, count = 5): Scale =>
  evenScale(low, high, count, roundTimeStep);

function evenScale(
  low: number,
  high: number,
  count: number,
  stepOf: (least: number) => number,
): Scale {
  // One value alone stands in the middle.
  if (low === high) {
    const reach = Math.abs(low) / 10 || 1;
    return evenScale(low - reach, high + reach, count, stepOf);
  }
  const step = stepOf((high - low) / Math.max(1, count));
  const first = Math.ceil(low / step - 1e-9);
  const last = Math.floor(high / step + 1e-9);
  const ticks = Array.from({ length: Math.max(0, last - first + 1) }, (_, i) =>
    Number(((first + i) * step).toPrecision(12)),
  );
  return { isLog: false, low, high, ticks, share: (value) => (value - low) / (high - low) };
}

/** 1, 2 or 5 times a power of ten, at least `step`. */
export function roundStep(step: number): number {
  const power = 10 ** Math.floor(Math.log10(step));
  const nice = [1, 2, 5, 10].find((n) => n * power >= step * (1 - 1e-9)) ?? 10;
  return nice * power;
}

const DAY_S = 86_400;
const TIME_STEPS_S = [
  ...[10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200, 10_800, 21_600, 43_200, DAY_S],
];

/** Of seconds, at least `step`. */
export function roundTimeStep(step: number): number {
  if (step <= 5) return roundStep(step);
  return TIME_STEPS_S.find((seconds) => seconds >= step) ?? DAY_S * roundStep(step / DAY_S);
}

export function logScale(low: number, high: number, count = 5): Scale {
  if (low === high) return logScale(low / 2, high * 2, count);
  const [from, to] = [Math.log10(low), Math.log10(high)];
  const powers: number[] = [];
  for (let p = Math.ceil(from - 1e-9); p <= to + 1e-9; p++) powers.push(p);
  const every = Math.max(1, Math.ceil(powers.length / (count + 1)));
  let ticks = powers.filter((p) => p % every === 0).map((p) => Number(`1e${p}`));
  // Within a power of ten or two the powers alone would say too little.
  if (ticks.length * 2 < count)
    ticks = powersAround(from, to).filter((value) => value >= low && value <= high);
  return {
    ...{ isLog: true, low, high, ticks },
    share: (value) => (Math.log10(value) - from) / (to - from),
  };
}

function powersAround(from: number, to: number): number[] {
  const values: number[] = [];
  for (let p = Math.floor(from); p <= Math.ceil(to); p++)
    for (const n of [1, 2, 5]) values.push(Number(`${n}e${p}`));
  return values;
}
