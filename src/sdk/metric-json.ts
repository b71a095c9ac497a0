/**
 * Metrics, and the notes of checkpoints, as JSON.
 *
 * Metrics become text, without losing what JSON.stringify loses: NaN and infinities become words, -0
 * keeps its sign. What is not a number is sent as what it is, so that the runner can refuse it by name
 * and the person sees on the trial's page what was wrong; raising in the training loop for a label among
 * the metrics would cost hours of training. A note is refused where it is given: said later, it would cost
 * what had been saved.
 */
import { Buffer } from "node:buffer";
import type { Json, JsonObject } from "../base/json.ts";
import { METADATA_BYTES_MAX } from "../protocol/trial-socket.ts";
import { shown, TrialError } from "./trial-errors.ts";

const TEXT_MAX_CHARS = 200;
const METADATA_DEPTH_MAX = 32;

/** @returns one JSON object, without newlines */
export function metricsJson(metrics: { readonly [name: string]: unknown }): string {
  let text = "{";
  for (const name in metrics) {
    if (text.length > 1) text += ",";
    text += `${JSON.stringify(name)}:${metricJson(metrics[name])}`;
  }
  return `${text}}`;
}

/**
 * A checkpoint's note as JSON carries it: numbers as in metrics, whatever says itself how it is JSON (a date), and no more.
 * @throws TrialError metadata_invalid
 */
export function wireMetadata(metadata: unknown): JsonObject {
  if (typeof metadata !== "object" || metadata === null || Array.isArray(metadata))
    throw metadataInvalid("metadata", shown(metadata));
  const carried = note("metadata", metadata, 0) as JsonObject;
  const bytes = Buffer.byteLength(JSON.stringify(carried));
  if (bytes > METADATA_BYTES_MAX) throw metadataInvalid("metadata", `${bytes} bytes of JSON`);
  return carried;
}

function note(name: string, value: unknown, depth: number): Json {
  if (depth > METADATA_DEPTH_MAX) throw metadataInvalid(name, shown(value));
  if (value === null || typeof value === "boolean" || typeof value === "string") return value;
  if (typeof value === "number") return Number.isFinite(value) ? value : String(value);
  if (typeof value === "bigint")
    return BigInt(Number(value)) === value ? Number(value) : String(value);
  if (typeof value !== "object") throw metadataInvalid(name, shown(value));
  if (Array.isArray(value))
    return value.map((item, i) => note(`${name}.${i}`, item ?? null, depth + 1));
  const { toJSON } = value as { readonly toJSON?: unknown };
  if (typeof toJSON === "function") return note(name, toJSON.call(value), depth + 1);
  const given = Object.entries(value).filter(([, item]) => item !== undefined);
  return Object.fromEntries(
    given.map(([key, item]) => [key, note(`${name}.${key}`, item, depth + 1)]),
  );
}

const metadataInvalid = (name: string, value: string): TrialError =>
  new TrialError("metadata_invalid", {
    ...{ name, value, depth: METADATA_DEPTH_MAX, bytes: METADATA_BYTES_MAX },
  });

function metricJson(value: unknown): string {
  if (typeof value === "number") {
    if (Number.isFinite(value)) return Object.is(value, -0) ? "-0" : String(value);
    return `"${value}"`;
  }
  // A whole number that a double cannot hold would arrive as another number: sent as text, refused by name.
  if (typeof value === "bigint")
    return BigInt(Number(value)) === value ? String(value) : `"${value}"`;
  try {
    const text = JSON.stringify(value);
    if (text !== undefined && text.length <= 4 * TEXT_MAX_CHARS) return text;
    return JSON.stringify((text ?? String(value)).slice(0, TEXT_MAX_CHARS));
  } catch {
    return JSON.stringify(String(value).slice(0, TEXT_MAX_CHARS));
  }
}
