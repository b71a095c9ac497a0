/** A scale study for people: a table, bars of time by number of slots, and what the law says. Pure. */
import { count, duration, measured, plural, steps } from "../figures.ts";
import { inert } from "../inert.ts";
import type { Paint } from "../paint.ts";
import { type Cell, type Column, table } from "../table.ts";
import type { StudyResult, StudyRow } from "./study-result.ts";

export interface StudyLook {
  readonly width: number;
  readonly paint: Paint;
}

export function studyLines(result: StudyResult, look: StudyLook): string[] {
  return [
    ...studyTable(result, look),
    "",
    ...bars(result, look),
    "",
    ...lawLines(result),
    ...lengthLines(result),
  ];
}

/** Steps may take milliseconds or hours. */
export const stepText = (seconds: number): string =>
  seconds < 1
    ? `${measured(seconds * 1000, 3)} ms`
    : seconds < 60
      ? `${measured(seconds, 3)} s`
      : duration(seconds);

const one = (unit: string): string => steps(1, inert(unit)).replace(/^1 /, "");
const a = (unit: string): string => `${/^[aeiou]/i.test(unit) ? "an" : "a"} ${one(unit)}`;
const percent = (share: number): string => `${Math.round(share * 100)} %`;

function studyTable(result: StudyResult, { width, paint }: StudyLook): string[] {
  const { unit, length, currency, law, rows } = result;
  const columns: Column[] = [
    { head: "slots", align: "right" },
    { head: a(unit), align: "right" },
    { head: `${percent(law.confidence)} interval`, align: "right" },
    { head: "speed-up", align: "right" },
    { head: "efficiency", align: "right" },
    { head: "slot time", align: "right" },
    ...(length === null ? [] : ([{ head: steps(length, unit), align: "right" }] as const)),
    ...(currency === null || length === null
      ? []
      : ([{ head: currency, align: "right" }] as const)),
    { head: "experiment" },
  ];
  const cells = (row: StudyRow): Cell[] => [
    row.slots,
    stepText(timeOf(row)),
    intervalText(row),
    measured(row.speed_up, 3),
    percent(row.efficiency),
    stepText(row.slot_seconds_per_step),
    ...(row.whole === null ? [] : [duration(row.whole.seconds)]),
    ...(row.whole?.money == null ? [] : [row.whole.money.toFixed(2)]),
    row.measured === null
      ? { text: "by the law", paint: paint.dim }
      : row.measured.experiments.join(", "),
  ];
  return table(columns, rows.map(cells), { width, headPaint: paint.dim });
}

const timeOf = ({ measured: own, predicted }: StudyRow): number =>
  own?.seconds_per_step ?? predicted.seconds_per_step;

const intervalText = ({ predicted: { low, high } }: StudyRow): string | null =>
  low === null || high === null ? null : `${stepText(low)} to ${stepText(high)}`;

const BAR_MIN = 16;
const BAR_MAX = 48;

/** As long as a step takes; the light part goes on to the end of the law's interval. */
function bars({ unit, rows, law }: StudyResult, { width, paint }: StudyLook): string[] {
  const columns = Math.max(
    BAR_MIN,
    Math.min(BAR_MAX, Number.isFinite(width) ? width - 32 : BAR_MAX),
  );
  // Room for the intervals, unless one is so wide that nothing else could be seen.
  const longest = Math.max(...rows.map(timeOf));
  const high = Math.max(...rows.map(({ predicted }) => predicted.high ?? 0));
  const most = Math.max(longest, Math.min(high, 1.5 * longest));
  const wide = String(Math.max(...rows.map(({ slots }) => slots))).length;
  const lines = rows.map((row) => {
    const seconds = timeOf(row);
    const filled = Math.max(1, Math.round((seconds / most) * columns));
    const upTo = Math.round(((row.predicted.high ?? 0) / most) * columns);
    const light = Math.max(0, Math.min(columns, upTo) - filled);
    const over = upTo > columns ? "…" : "";
    const bar = row.measured === null ? paint.dim : paint.cyan;
    return `${String(row.slots).padStart(wide)}  ${bar("█".repeat(filled))}${paint.dim("░".repeat(light) + over)} ${stepText(seconds)}${row.measured === null ? " by the law" : ""}`;
  });
  const legend =
    law.degrees_of_freedom === 0
      ? `█ time of one ${one(unit)}, by slots`
      : `█ time of one ${one(unit)}, by slots; ░ to the end of the law's ${percent(law.confidence)} interval`;
  return [paint.dim(legend), ...lines];
}

/** Beyond this the interval is so wide that it has to be said why. */
const MISFIT_FAR = 0.15;

function lawLines({ unit, law }: StudyResult): string[] {
  const step = one(unit);
  const talk =
    law.crosstalk_seconds > 0
      ? `, and ${stepText(law.crosstalk_seconds)} more for each further slot`
      : "";
  const lines = [
    `${law.words}: of one ${step} ${stepText(law.serial_seconds)} are the same with any number of slots (${percent(law.serial_share)} of one slot's time), ${stepText(law.parallel_seconds)} are shared${talk}.`,
  ];
  if (law.best_slots !== null)
    lines.push(`By the law ${a(unit)} is shortest with ${measured(law.best_slots, 2)} slots.`);
  lines.push(
    law.misfit === null
      ? "Two runs say nothing of how well the law fits, so there is no interval; measure a third count (--slots 1,2,4), or each again (--repeat 2)."
      : `The runs lie ${measured(law.misfit * 100, 2)} % from the law, with ${plural(law.degrees_of_freedom, "degree")} of freedom; Student's prediction interval of a run with that many slots.`,
  );
  if ((law.misfit ?? 0) > MISFIT_FAR)
    lines.push(
      `That is far: something here is not what the law describes, such as more slots than the machine has cores, or other work on it.${law.name === "amdahl" ? " Four counts or more are fitted by the Universal Scalability Law, which knows steps that get longer with more slots." : ""}`,
    );
  return lines;
}

function lengthLines({ length, unit, rows }: StudyResult): string[] {
  if (length === null) return [];
  const fastest = rows.reduce((a, b) => (timeOf(b) < timeOf(a) ? b : a));
  const cheapest = rows.reduce((a, b) =>
    b.slot_seconds_per_step < a.slot_seconds_per_step ? b : a,
  );
  return [
    `A trial of ${steps(length, inert(unit))}: fastest with ${plural(fastest.slots, "slot")} (${duration(fastest.whole?.seconds ?? 0)}), least slot time with ${count(cheapest.slots)} (${duration(cheapest.whole?.slot_seconds ?? 0)} of slots).`,
  ];
}
