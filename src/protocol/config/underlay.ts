/**
 * A configuration over what holds where it says nothing: the higher side wins wherever it says anything. As users of
 * Determined know it: maps merge field by field, lists are taken whole, and of the searcher's fields those that
 * belong to another searcher than the one named are left out, whether the lower side names that one or none.
 *
 * Lists of mounts and devices are joined by where they appear in the container, and variables by their names.
 */
import type { Json, JsonObject } from "../../base/json.ts";
import { renderPath } from "./issue.ts";
import { SEARCHERS, type SearcherName } from "./searcher-fields.ts";

export interface Underlaid {
  readonly value: JsonObject;
  /** What the lower side gave, as it is written in messages, down to what is taken whole: `.resources.priority`. */
  readonly given: readonly string[];
}

const isMap = (value: Json | undefined): value is JsonObject =>
  typeof value === "object" && value !== null && !Array.isArray(value);

/** Joined by this field of their entries. */
const JOINED: Readonly<Record<string, string>> = {
  ".bind_mounts": "container_path",
  ".resources.devices": "container_path",
};

/** One or the other: half of each would be a third that nobody wrote. */
export const WHOLE: ReadonlySet<string> = new Set([
  ".hyperparameters",
  ".environment.registry_auth",
  ".searcher.max_length",
]);

/** Fields of a searcher that mean the same whatever its name. */
const ANY_SEARCHER = new Set(["metric", "smaller_is_better", "source_checkpoint_uuid"]);
/** Two ways to say how long a trial trains. */
const LENGTHS: readonly (readonly string[])[] = [["max_length"], ["max_time", "time_metric"]];

export function underlay(higher: JsonObject, lower: JsonObject): Underlaid {
  const given: string[] = [];
  return { value: maps(higher, lower, { path: [], given }), given };
}

interface Place {
  readonly path: readonly (string | number)[];
  readonly given: string[];
}

function maps(higher: JsonObject, lower: JsonObject, at: Place): JsonObject {
  const merged: { [key: string]: Json } = { ...higher };
  const left = renderPath(at.path) === ".searcher" ? ofAnother(higher, lower) : () => false;
  for (const [key, value] of Object.entries(lower))
    if (!left(key)) merged[key] = both(higher[key], value, { ...at, path: [...at.path, key] });
  return merged;
}

/** Which fields of the lower searcher say nothing beside the higher one. */
function ofAnother(higher: JsonObject, lower: JsonObject): (key: string) => boolean {
  const { name } = higher;
  const other = name != null && lower.name != null && name !== lower.name;
  const fields =
    typeof name === "string" && Object.hasOwn(SEARCHERS, name)
      ? SEARCHERS[name as SearcherName].def.shape
      : undefined;
  const length = LENGTHS.find((fields) => fields.some((field) => higher[field] != null));
  const otherLengths = LENGTHS.filter((fields) => length !== undefined && fields !== length).flat();
  return (key) =>
    (other && !ANY_SEARCHER.has(key)) ||
    (fields !== undefined && !Object.hasOwn(fields, key)) ||
    otherLengths.includes(key);
}

function both(own: Json | undefined, value: Json, place: Place): Json {
  const path = renderPath(place.path);
  if (own === undefined || own === null) {
    leaves(value, place);
    return value;
  }
  if (path === ".environment.environment_variables") return variables(own, value, place);
  if (WHOLE.has(path)) return own;
  if (isMap(own) && isMap(value)) return maps(own, value, place);
  const joined = JOINED[path];
  if (joined !== undefined && Array.isArray(own) && Array.isArray(value)) {
    const taken = new Set(own.map((entry) => placeOf(entry, joined)));
    const more = value.filter((entry) => !taken.has(placeOf(entry, joined)));
    for (const at of more.keys()) place.given.push(renderPath([...place.path, own.length + at]));
    return [...own, ...more];
  }
  return own;
}

/** Names what is given down to where defaults could be filled in beside it. */
function leaves(value: Json, place: Place): void {
  const path = renderPath(place.path);
  if (value === null) return;
  if (!isMap(value) || WHOLE.has(path)) place.given.push(path);
  else
    for (const [key, inner] of Object.entries(value))
      leaves(inner, { ...place, path: [...place.path, key] });
}

/** Of a map its field, of `HOST:CONTAINER:MODE` the middle. */
function placeOf(entry: Json, field: string): string {
  if (isMap(entry)) return String(entry[field]);
  return typeof entry === "string" ? (entry.split(":")[1] ?? entry) : JSON.stringify(entry);
}

/** In the form of the higher side, so that what is wrong with it is found where it stands. */
function variables(own: Json, value: Json, place: Place): Json {
  const mine = new Set(pairs(own).map(nameOf));
  const more = pairs(value).filter((pair) => !mine.has(nameOf(pair)));
  for (const pair of more) place.given.push(renderPath([...place.path, nameOf(pair)]));
  if (Array.isArray(own)) return [...own, ...more];
  if (!isMap(own)) return own;
  const added = more.map((pair) => [nameOf(pair), pair.slice(nameOf(pair).length + 1)]);
  const said = Object.entries(own).filter(([, text]) => text !== null);
  return Object.fromEntries([...said, ...added]);
}

/** A variable that is null is one that is not there. */
const pairs = (side: Json): string[] =>
  Array.isArray(side)
    ? side.map(String)
    : Object.entries(isMap(side) ? side : {}).flatMap(([name, text]) =>
        text === null ? [] : [`${name}=${String(text)}`],
      );

const nameOf = (pair: string): string =>
  pair.includes("=") ? pair.slice(0, pair.indexOf("=")) : pair;
