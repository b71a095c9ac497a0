/** Reading the words of the command line: each either the value or a message that says what would do. */
import type { Clock } from "../base/clock.ts";
import { parseId } from "../base/ids.ts";
import { usageError } from "./exit-code.ts";

/** A whole number within bounds. @param name as the user wrote it, e.g. "--limit" */
export function wholeOf(name: string, text: string, min: number, max: number): number {
  const value = /^\d+$/.test(text) ? Number(text) : Number.NaN;
  if (Number.isInteger(value) && value >= min && value <= max) return value;
  throw usageError(
    `${name} is "${text}", which is not a whole number from ${min} to ${max}.`,
    `Write a number, such as ${name} ${Math.max(min, Math.min(max, 2))}.`,
  );
}

export const portOf = (text: string, name = "--port"): number => wholeOf(name, text, 0, 65_535);
export const slotsOf = (text: string): number => wholeOf("--slots", text, 1, 100_000);

export const UNITS_MS: Readonly<Record<string, number>> = {
  s: 1000,
  m: 60_000,
  h: 3_600_000,
  d: 86_400_000,
};

/** A length of time such as 90s, 10m, 2h, in milliseconds. */
export function durationMsOf(
  name: string,
  text: string,
  bounds: { readonly minMs: number; readonly maxMs: number },
): number {
  const [, number, unit = ""] = /^(\d{1,9})([smhd])$/.exec(text) ?? [];
  const ms = number === undefined ? Number.NaN : Number(number) * (UNITS_MS[unit] ?? 0);
  if (ms >= bounds.minMs && ms <= bounds.maxMs) return ms;
  const words = (limitMs: number): string => `${limitMs / 1000}s`;
  throw usageError(
    `${name} is "${text}", which is no length of time from ${words(bounds.minMs)} to ${words(bounds.maxMs)}.`,
    `Write a number and its unit, such as ${name} 90s, 10m or 2h.`,
  );
}

/** Lists show the beginning of a hash, by which nothing is found. */
export function refuseShortHash(text: string): void {
  if (!/^(?=.*[a-f])[0-9a-f]{8,63}$/.test(text)) return;
  throw usageError(
    `"${text}" is the beginning of a hash, and nothing is found by that.`,
    "Give all 64 digits of it, as --json has them: `contrail checkpoint list EXPERIMENT --json`.",
  );
}

export function experimentOf(text: string): number {
  const id = parseId(text);
  if (id !== undefined && id.trial === undefined) return id.experiment;
  const hint =
    id === undefined
      ? "Experiments are numbered: 1, 2, … `contrail experiment list` shows them."
      : `${text} is a trial; its experiment is ${id.experiment}.`;
  throw usageError(`"${text}" is not the id of an experiment.`, hint);
}

export function trialOf(text: string): string {
  const id = parseId(text);
  if (id?.trial !== undefined && id.run === undefined) return text;
  const hint =
    id === undefined
      ? "Trials are written EXPERIMENT.NUMBER, such as 3.12; `contrail trial list EXPERIMENT` shows them."
      : id.trial === undefined
        ? `${text} is an experiment; list its trials: contrail trial list ${text}`
        : `${text} is an allocation; its trial is ${id.experiment}.${id.trial}.`;
  throw usageError(`"${text}" is not the id of a trial.`, hint);
}

/** An experiment or a trial, as the API names it. */
export function runOf(text: string): string {
  const id = parseId(text);
  if (id !== undefined && id.run === undefined) return text;
  throw usageError(
    `"${text}" is not the id of an experiment or a trial.`,
    id === undefined
      ? "Experiments are 1, 2, 3, …; trial 12 of experiment 3 is 3.12."
      : `${text} is an allocation; its trial is ${id.experiment}.${id.trial}.`,
  );
}

/** One of a closed list. */
export function choiceOf<T extends string>(name: string, text: string, choices: readonly T[]): T {
  if ((choices as readonly string[]).includes(text)) return text as T;
  throw usageError(`${name} is "${text}".`, `Use one of: ${choices.join(", ")}.`);
}

/** A time (RFC 3339, without a zone it is UTC), a day, or how long ago: 90s, 15m, 2h, 7d. */
export function timeOf(name: string, text: string | undefined, clock: Clock): string | undefined {
  if (text === undefined) return undefined;
  const [, number, unit = ""] = /^(\d{1,9})([smhd])$/.exec(text) ?? [];
  const ms =
    number === undefined ? momentMs(text) : clock.nowMs() - Number(number) * (UNITS_MS[unit] ?? 0);
  if (Number.isFinite(ms) && Math.abs(ms) < 8.64e15) return new Date(ms).toISOString();
  throw usageError(
    `${name} is "${text}", which is no time.`,
    `Write a time in UTC, such as 2026-01-31T08:00:00Z, a day, or how long ago: 90s, 15m, 2h, 7d.`,
  );
}

const MOMENT =
  /^(\d{4}-\d\d-\d\d)(?:[Tt ](\d\d:\d\d(?::\d\d(?:\.\d{1,9})?)?)([Zz]|[+-]\d\d:\d\d)?)?$/;

/** All times that are shown are UTC, so one that is typed without a zone is as well: Date.parse takes it for local. */
function momentMs(text: string): number {
  const [, day, time = "00:00", zone = "Z"] = MOMENT.exec(text) ?? [];
  const utcMs = Date.parse(`${day}T${time}Z`);
  // 30 February is no day, though it would be read as one in March.
  if (!Number.isFinite(utcMs) || !new Date(utcMs).toISOString().startsWith(`${day}`))
    return Number.NaN;
  return Date.parse(`${day}T${time}${zone.toUpperCase()}`);
}
