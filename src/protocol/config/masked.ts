/**
 * A configuration as it may leave the house: secrets stand as `(masked)`, everything else as it was. It still can be read
 * and shown; before it is run again, what was masked has to be given anew.
 *
 * What runs keeps its secrets: they stand in the configuration because a trial needs them there.
 */
import { allDifferences, firstDifference } from "../../base/difference.ts";
import type { Json, JsonObject } from "../../base/json.ts";
import { MASKED, maskedText, maskedValue } from "../../base/secrets.ts";
import { openConfig, writtenIn } from "./config.ts";
import { type Edit, editText, textOf } from "./edit.ts";
import type { Path } from "./issue.ts";
import { valueAt } from "./schema-walk.ts";

const VARIABLES: Path = ["environment", "environment_variables"];

/** @param path where in a configuration the value stands: what a variable holds is told by its name as well */
export function maskedAt(value: Json, path: Path = []): Json {
  if (value === null) return null;
  if (Array.isArray(value)) return value.map((item, i) => maskedAt(item, [...path, i]));
  if (typeof value === "object")
    return Object.fromEntries(
      Object.entries(value).map(([name, inner]) => [name, maskedAt(inner, [...path, name])]),
    );
  const name = path.length === 3 && VARIABLES.every((part, i) => path[i] === part) && path[2];
  if (typeof name === "string") {
    const text = maskedValue(name, String(value));
    return text === String(value) ? value : text;
  }
  if (typeof value !== "string") return value;
  // In a list of NAME=VALUE, whatever the value has in it.
  const equals = typeof name === "number" ? value.indexOf("=") : -1;
  if (equals === -1) return maskedText(value);
  return `${value.slice(0, equals)}=${maskedValue(value.slice(0, equals), value.slice(equals + 1))}`;
}

/** @param config resolved, or as it was written */
export const maskedConfig = (config: JsonObject): JsonObject => maskedAt(config) as JsonObject;

/** Comments and form stay where they can; a text that would say something else then is written anew without them. */
export function maskedConfigText(text: string): string {
  const written = writtenIn(openConfig(text));
  const bare = maskedConfig(written);
  const differences = allDifferences(written, bare);
  const masked = maskedText(editedText(text, differences, bare));
  // An anchor elsewhere may hold one, too.
  const shows = differences.some(({ left }) => {
    const secret = String(left);
    return secret.length > 3 && masked.includes(secret);
  });
  const says = firstDifference(writtenIn(openConfig(masked)), bare) === undefined;
  return says && !shows ? masked : textOf(bare);
}

function editedText(
  text: string,
  differences: readonly { readonly parts: Path }[],
  bare: JsonObject,
): string {
  if (differences.length === 0) return text;
  const edits = differences.map(
    ({ parts }): Edit => ({ path: parts, value: valueAt(bare, parts) as Json | undefined }),
  );
  try {
    return editText(text, edits, bare);
  } catch {
    // The library refuses some documents that can be read.
    return textOf(bare);
  }
}

/** They reach no program. */
const WORDS: ReadonlySet<string> = new Set(["name", "description", "labels"]);

/** Where a configuration says `(masked)` in place of what its trials need. */
export function maskedPlaces(config: object): Path[] {
  const places: Path[] = [];
  const walk = (value: unknown, path: Path): void => {
    if (typeof value === "string" && value.includes(MASKED)) places.push(path);
    else if (Array.isArray(value))
      for (const [i, item] of value.entries()) walk(item, [...path, i]);
    else if (typeof value === "object" && value !== null)
      for (const [name, inner] of Object.entries(value)) walk(inner, [...path, name]);
  };
  for (const [name, value] of Object.entries(config)) if (!WORDS.has(name)) walk(value, [name]);
  return places;
}
