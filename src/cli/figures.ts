/** Numbers as people read them. Exact values are in `--json`. */
import type { Json, WireNumber } from "../base/json.ts";

/** A measured number with `digits` significant digits; the words NaN and Infinity as they are. */
export function measured(value: WireNumber | null | undefined, digits = 4): string {
  if (value === null || value === undefined) return "-";
  if (typeof value !== "number") return value;
  if (Number.isInteger(value) && Math.abs(value) < 1e9) return String(value);
  const magnitude = Math.abs(value);
  if (magnitude >= 1000 && magnitude < 1e6) return String(Math.round(value));
  if (magnitude >= 1e-4 && magnitude < 1e6) return String(Number(value.toPrecision(digits)));
  // Zeros go from the end of the mantissa only: those of the exponent are the number's size.
  const short = value.toExponential(2).replace(/\.?0+e/, "e");
  // The largest doubles round up to what no double can hold.
  return Number.isFinite(Number(short)) ? short : String(value);
}

/** A figure of a column that is compared down the page: always `digits` significant digits. */
export function aligned(value: WireNumber | null | undefined, digits = 4): string {
  if (typeof value !== "number") return value ?? "-";
  const magnitude = Math.abs(value);
  // Below a hundredth the fixed places would leave too few digits to tell two trials apart.
  if (value === 0 || (magnitude >= 1e-2 && magnitude < 1)) return value.toFixed(digits);
  return magnitude >= 1 && magnitude < 1000 ? value.toPrecision(digits) : measured(value, digits);
}

export const count = (value: number): string => value.toLocaleString("en-US");

interface TrialsMade {
  readonly total: number;
  readonly replacements: number;
}

/** Those that the most that may be made is about. */
export const trialsCounted = ({ total, replacements }: TrialsMade): number => total - replacements;

/** The rest of them in words; undefined where there is none. */
export const replacementWords = ({ replacements }: TrialsMade): string | undefined =>
  replacements === 0 ? undefined : `${count(replacements)} more in place of impossible ones`;

export function bytes(value: number): string {
  if (value < 1000) return `${value} B`;
  const units = ["kB", "MB", "GB", "TB", "PB"];
  let scaled = value / 1000;
  let unit = 0;
  while (scaled >= 999.5 && unit < units.length - 1) {
    scaled /= 1000;
    unit++;
  }
  return `${scaled < 9.95 ? scaled.toFixed(1) : Math.round(scaled)} ${units[unit]}`;
}

/** 0.4 s · 41 s · 3 min 20 s · 2 h 5 min · 3 d 4 h */
export function duration(seconds: number): string {
  if (!Number.isFinite(seconds)) return "-";
  if (seconds < 10) return `${Math.max(0, seconds).toFixed(1)} s`;
  const whole = Math.round(seconds);
  const pair = (big: number, bigUnit: string, small: number, smallUnit: string): string =>
    small === 0 ? `${big} ${bigUnit}` : `${big} ${bigUnit} ${small} ${smallUnit}`;
  if (whole < 60) return `${whole} s`;
  if (whole < 3600) return pair(Math.floor(whole / 60), "min", whole % 60, "s");
  const minutes = Math.round(seconds / 60);
  if (minutes < 1440) return pair(Math.floor(minutes / 60), "h", minutes % 60, "min");
  const hours = Math.round(seconds / 3600);
  return pair(Math.floor(hours / 24), "d", hours % 24, "h");
}

/** How long ago `time` (RFC 3339) was. */
export function ago(time: string | null | undefined, nowMs: number): string {
  if (time === null || time === undefined) return "-";
  const seconds = (nowMs - Date.parse(time)) / 1000;
  if (!Number.isFinite(seconds)) return time;
  if (seconds < 1) return "now";
  if (seconds < 90) return `${Math.round(seconds)} s ago`;
  if (seconds < 5400) return `${Math.round(seconds / 60)} min ago`;
  if (seconds < 48 * 3600) return `${Math.round(seconds / 3600)} h ago`;
  return `${Math.round(seconds / 86_400)} d ago`;
}

/** RFC 3339 in UTC, to the second, as a person writes it. */
export const moment = (time: string | null | undefined): string =>
  time ? `${time.slice(0, 19).replace("T", " ")} UTC` : "-";

/** Hyperparameters in one line, by name: nested names joined with dots, numbers shortened. */
export function hyperparametersLine(values: { readonly [name: string]: Json }): string {
  const parts: string[] = [];
  const walk = (value: Json, path: string): void => {
    if (typeof value === "object" && value !== null && !Array.isArray(value))
      for (const [name, child] of Object.entries(value).toSorted(byName))
        walk(child, path === "" ? name : `${path}.${name}`);
    else parts.push(`${path}=${typeof value === "number" ? measured(value, 3) : jsonWord(value)}`);
  };
  walk(values, "");
  return parts.join(" ");
}

/** The order of a JSON object is nobody's promise: live values and stored ones differ in it. */
const byName = ([a]: [string, Json], [b]: [string, Json]): number => (a < b ? -1 : a > b ? 1 : 0);

const jsonWord = (value: Json): string =>
  typeof value === "string" && value !== "" && !/[\s="]/.test(value)
    ? value
    : JSON.stringify(value);

/** "1 trial", "2 trials" */
export const plural = (value: number, one: string, many = `${one}s`): string =>
  `${count(value)} ${value === 1 ? one : many}`;

/** Steps in the experiment's unit, which is a plural ("epochs"): "1 epoch", "9 epochs". */
export const steps = (value: number, unit: string): string =>
  `${count(value)} ${value === 1 && unit.endsWith("s") ? unit.slice(0, -1) : unit}`;

/** What a deterministic search paid for its order. */
export const heldText = (held: {
  readonly results: number;
  readonly seconds: number;
  readonly seconds_max: number;
  readonly slot_seconds: number;
}): string =>
  held.results === 0
    ? "no result had to wait"
    : `${plural(held.results, "result")} waited for others: ${duration(held.seconds)} in all, ${duration(held.seconds_max)} at most; ${duration(held.slot_seconds)} of slot time stood idle`;

/** Of a trial whose runner is not heard: nobody knows that anything changed. */
export function silentText(silent: {
  readonly runner: string;
  readonly since: string;
  readonly heard_at: string | null;
  readonly alive_at: string | null;
}): string {
  const heard = silent.heard_at === null ? "" : `, last heard ${moment(silent.heard_at)}`;
  const alive =
    silent.alive_at === null ? "" : `; the engine said at ${moment(silent.alive_at)} that it lives`;
  return `runner ${silent.runner} is not heard since ${moment(silent.since)}${heard}${alive}; its training is presumed to go on`;
}
