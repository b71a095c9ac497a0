/**
 * Reads one line from training code. It comes from any language and any hand-written client, so all
 * of it is checked, and what is wrong is said in words the author of the script can act on.
 *
 * Metrics that are not numbers do not spoil their report: they are refused by name, with what they
 * were. Metrics become JSON text here and stay text up to the server, because a trip through
 * JSON.stringify would turn -0 into 0 and infinities into null.
 */
import { isUtf8 } from "node:buffer";
import type { Json, JsonObject, WireNumber } from "../base/json.ts";
import { maskedText } from "../base/secrets.ts";
import type { RecordPart } from "../protocol/record-part.ts";
import { REPORT_METRICS_MAX } from "../protocol/runner-wire.ts";
import { METADATA_BYTES_MAX } from "../protocol/trial-socket.ts";
import { fitted } from "./capture/bounded-part.ts";

export const LINE_MAX_BYTES = 16 * 1024 * 1024;
const NAME_MAX_CHARS = 512;
const REFUSED_MAX = 1_000;
const REASON_MAX_CHARS = 4_096;
const METADATA_DEPTH_MAX = 32;
const SHOWN_MAX_CHARS = 100;

export type TrialMessage =
  | { readonly type: "hello"; readonly rank: number; readonly sdk: string }
  | {
      readonly type: "report";
      readonly step: number;
      /** JSON object of wire numbers. */
      readonly metrics: string;
      readonly refused: Readonly<Record<string, string>> | null;
    }
  | {
      readonly type: "checkpoint";
      readonly step: number;
      readonly path: string;
      readonly metadata: JsonObject;
    }
  | { readonly type: "wait"; readonly step: number }
  | { readonly type: "agree"; readonly turn: number }
  | { readonly type: "invalid_hyperparameters"; readonly reason: string }
  | { readonly type: "observed"; readonly part: RecordPart }
  | { readonly type: "bye" };

export type ParsedLine =
  | { readonly message: TrialMessage }
  /** `checkpoint`: the step for which somebody waits to hear `checkpointed`. */
  | { readonly fault: string; readonly checkpoint?: number };

export function parseTrialLine(line: Buffer): ParsedLine {
  if (!isUtf8(line)) return { fault: "a line on the socket is not UTF-8" };
  let value: unknown;
  try {
    value = JSON.parse(line.toString("utf8"));
  } catch (error) {
    return {
      fault: `a line on the socket is not JSON (${(error as Error).message}): ${show(line.toString("utf8"))}`,
    };
  }
  if (!isObject(value))
    return { fault: `a line on the socket is not a JSON object: ${show(line.toString("utf8"))}` };
  return readMessage(value);
}

function readMessage(value: Record<string, unknown>): ParsedLine {
  switch (value.type) {
    case "hello":
      if (!isCount(value.rank)) return fault("hello", "rank", "a whole number from 0", value.rank);
      return {
        message: { type: "hello", rank: value.rank, sdk: textOf(value.sdk).slice(0, 200) },
      };
    case "report":
      return readReport(value);
    case "checkpoint":
      return answerable(readCheckpoint(value), value.step);
    case "wait":
      if (!isCount(value.step)) return fault("wait", "step", "a whole number from 0", value.step);
      return { message: { type: "wait", step: value.step } };
    case "agree":
      if (!isCount(value.turn)) return fault("agree", "turn", "a whole number from 0", value.turn);
      return { message: { type: "agree", turn: value.turn } };
    case "invalid_hyperparameters":
      return {
        message: {
          type: "invalid_hyperparameters",
          reason: storable(textOf(value.reason), REASON_MAX_CHARS),
        },
      };
    case "observed":
      return readObserved(value);
    case "bye":
      return { message: { type: "bye" } };
    default:
      return {
        fault: `a line on the socket has type ${show(jsonOf(value.type))}; known are hello, report, checkpoint, wait, agree, invalid_hyperparameters, observed, bye`,
      };
  }
}

function readReport(value: Record<string, unknown>): ParsedLine {
  if (!isCount(value.step)) return fault("report", "step", "a whole number from 0", value.step);
  if (!isObject(value.metrics))
    return fault("report", "metrics", "an object of numbers", value.metrics);
  const count = Object.keys(value.metrics).length;
  if (count > REPORT_METRICS_MAX) {
    const why = `all ${count} metrics of the report at step ${value.step}: the limit is ${REPORT_METRICS_MAX} a report. Report them in several parts at the same step`;
    return { message: { type: "report", step: value.step, metrics: "{}", refused: { "*": why } } };
  }
  const kept: string[] = [];
  const refused = new Map<string, string>();
  for (const [name, metric] of Object.entries(value.metrics)) {
    const text = isStorableName(name) ? metricText(metric) : null;
    if (text !== null) kept.push(`${JSON.stringify(name)}:${text}`);
    else if (refused.size < REFUSED_MAX) refused.set(shownName(name), whatItWas(name, metric));
  }
  return {
    message: {
      type: "report",
      step: value.step,
      metrics: `{${kept.join(",")}}`,
      refused: refused.size === 0 ? null : Object.fromEntries(refused),
    },
  };
}

function readCheckpoint(value: Record<string, unknown>): ParsedLine {
  if (!isCount(value.step)) return fault("checkpoint", "step", "a whole number from 0", value.step);
  if (typeof value.path !== "string" || value.path.includes("\0"))
    return fault("checkpoint", "path", "the path of a folder", value.path);
  const metadata = value.metadata ?? {};
  if (!isObject(metadata)) return fault("checkpoint", "metadata", "an object", metadata);
  return {
    message: {
      type: "checkpoint",
      step: value.step,
      path: value.path,
      metadata: metadata as JsonObject,
    },
  };
}

/** A number that is no step is said back as well: whoever sent it waits for that very number. */
const answerable = (parsed: ParsedLine, step: unknown): ParsedLine =>
  "fault" in parsed && typeof step === "number" && Number.isFinite(step)
    ? { ...parsed, checkpoint: step }
    : parsed;

/** A line too long to be read, to which nobody waits for an answer, by its beginning: no object, or one that gets none. */
export const isOneWay = (beginning: Buffer): boolean =>
  /^(?!\s*\{)|^\s*\{\s*"type"\s*:\s*"(report|observed)"/.test(beginning.toString("latin1"));

/** Only of these can a program know more than its runner. */
const OBSERVED_SECTIONS = ["frameworks", "determinism", "outside", "gpu"] as const;
const OBSERVED_FIELDS_MAX = 500;
const OBSERVED_VALUE_CHARS_MAX = 2_000;

/** What cannot be stored is left out: a record with a hole is better than none. */
function readObserved(value: Record<string, unknown>): ParsedLine {
  if (!isObject(value.facts))
    return fault("observed", "facts", "an object of sections", value.facts);
  const captured: RecordPart["captured"] = {};
  for (const section of OBSERVED_SECTIONS) {
    const fields = value.facts[section];
    if (!isObject(fields)) continue;
    const kept = Object.entries(fields)
      .filter(([name]) => isStorableName(name))
      .slice(0, OBSERVED_FIELDS_MAX)
      .flatMap(([name, fact]): [string, string | number | boolean][] => {
        if (typeof fact === "string")
          return [[name, maskedText(storable(fact, OBSERVED_VALUE_CHARS_MAX))]];
        const isPlain = typeof fact === "boolean" || Number.isFinite(fact);
        return isPlain ? [[name, fact as number | boolean]] : [];
      });
    if (kept.length > 0) captured[section] = Object.fromEntries(kept);
  }
  const part = fitted({ captured, not_applicable: [], missing: [] });
  return { message: { type: "observed", part } };
}

/** Why metadata cannot be kept with a checkpoint, or null. */
export function metadataFault(metadata: JsonObject): string | null {
  if (isDeeperThan(metadata, METADATA_DEPTH_MAX))
    return `metadata is nested more than ${METADATA_DEPTH_MAX} levels deep`;
  const text = JSON.stringify(metadata);
  if (Buffer.byteLength(text) > METADATA_BYTES_MAX)
    return `metadata of ${Buffer.byteLength(text)} bytes; the limit is ${METADATA_BYTES_MAX}. Put large things into a file of the checkpoint`;
  return everyString(metadata, isStorable)
    ? null
    : "metadata contains a NUL character, half of a surrogate pair or the name __proto__. Encode binary values as base64";
}

function everyString(value: Json, test: (text: string) => boolean): boolean {
  if (typeof value === "string") return test(value);
  if (value === null || typeof value !== "object") return true;
  if (Array.isArray(value)) return value.every((item) => everyString(item as Json, test));
  return Object.entries(value).every(
    ([key, item]) => test(key) && key !== "__proto__" && everyString(item as Json, test),
  );
}

/** @returns JSON text of the number; null when it is none */
function metricText(metric: unknown): string | null {
  if (metric === "NaN" || metric === "Infinity" || metric === "-Infinity")
    return `"${metric satisfies WireNumber}"`;
  if (typeof metric !== "number") return null;
  if (Number.isFinite(metric)) return Object.is(metric, -0) ? "-0" : String(metric);
  return `"${metric}"`; // 1e400 reads as an infinity.
}

function whatItWas(name: string, metric: unknown): string {
  if (!isStorableName(name) && metricText(metric) !== null)
    return `a number under a name that is empty, longer than ${NAME_MAX_CHARS} characters, is __proto__, or holds NUL or half a surrogate pair`;
  const kind = metric === null ? "null" : Array.isArray(metric) ? "array" : typeof metric;
  return storable(`${kind}: ${show(jsonOf(metric))}`, 2 * SHOWN_MAX_CHARS);
}

/** Level by level, because what has to be refused is what would overflow a stack. */
function isDeeperThan(value: unknown, depthMax: number): boolean {
  let level: unknown[] = [value];
  for (let depth = 0; level.length > 0; depth++) {
    if (depth > depthMax) return true;
    level = level.flatMap((item) =>
      typeof item === "object" && item !== null ? Object.values(item) : [],
    );
  }
  return false;
}

/** For people; never throws, however deep the value is. */
function jsonOf(value: unknown): string {
  try {
    return JSON.stringify(value) ?? "undefined";
  } catch {
    return "a value that is nested too deeply to be shown";
  }
}

const textOf = (value: unknown): string =>
  typeof value === "string" ? value : value === undefined ? "" : jsonOf(value);

/** A name that can stand in a JSON object on the way to the server, which takes no `__proto__`. */
const shownName = (name: string): string =>
  name === "__proto__" ? "(__proto__)" : storable(name, NAME_MAX_CHARS) || "(empty)";

const isObject = (value: unknown): value is Record<string, unknown> =>
  typeof value === "object" && value !== null && !Array.isArray(value);
const isCount = (value: unknown): value is number =>
  Number.isSafeInteger(value) && (value as number) >= 0;
const isStorable = (text: string): boolean => !text.includes("\0") && text.isWellFormed();
const isStorableName = (name: string): boolean =>
  name.length > 0 && name.length <= NAME_MAX_CHARS && name !== "__proto__" && isStorable(name);
/** Text that every store and screen can hold: no NUL, no half surrogate pairs, bounded. */
const storable = (text: string, maxChars: number): string =>
  text.slice(0, maxChars).replaceAll("\0", "\u2400").toWellFormed();
const show = (text: string): string =>
  text.length <= SHOWN_MAX_CHARS ? text : `${text.slice(0, SHOWN_MAX_CHARS)}…`;
const fault = (type: string, field: string, expected: string, value: unknown): ParsedLine => ({
  fault: `${type}: ${field} must be ${expected}, not ${show(jsonOf(value))}`,
});
