/**
 * A key that a block does not know. Most are typos, words of another tool, or fields of another block;
 * some are fields of Determined that are not served yet, and those are named as such.
 */
import { type Fault, type Path, renderPath } from "./issue.ts";
import { nearest } from "./nearest.ts";
import { NOT_SERVED, OTHER_WORDS } from "./not-served.ts";

/**
 * A key that nobody knows, a key of somewhere else, or one that is known and not served.
 * @param known the names of the block; empty where no more guesses are worth their time
 */
export function unknownKey(
  key: string,
  value: unknown,
  parent: Path,
  known: readonly string[],
  block: string,
): Fault {
  const path = [...parent, key];
  const dotted = block === "" ? key : `${block}.${key}`;
  const notServed = NOT_SERVED.find((entry) => entry.field === dotted);
  if (notServed) {
    return {
      code: "not_served",
      path,
      at: "key",
      message: `${renderPath(path)} is known but not served yet: ${notServed.reason}. ${notServed.instead ? `${notServed.instead} Then remove it.` : "Remove it."}`,
      value,
    };
  }
  const foreign = Object.hasOwn(OTHER_WORDS, block) ? OTHER_WORDS[block] : undefined;
  const other = foreign && Object.hasOwn(foreign, key) ? foreign[key] : undefined;
  const elsewhere = block === "" ? HOMES.get(key) : undefined;
  const words = known.length === 0 ? [] : [...known, ...neighbours(block)];
  const guess = other ?? elsewhere ?? nearest(key, words);
  const listed = known.length === 0 ? "" : ` Known here: ${known.join(", ")}.`;
  const advice = guess === undefined ? listed : ` Did you mean ${guess}?`;
  return {
    code: "unknown_key",
    path,
    at: "key",
    message: `${renderPath(path)} is not a known field.${advice}`,
    value: key,
    ...(guess === undefined ? {} : { suggestion: guess }),
  };
}

/** Fields of a block that are known and not served, so that their typos are understood too. */
function neighbours(block: string): string[] {
  const prefix = block === "" ? "" : `${block}.`;
  return NOT_SERVED.map((entry) => entry.field)
    .filter((field) => field.startsWith(prefix) && !field.slice(prefix.length).includes("."))
    .map((field) => field.slice(prefix.length));
}

/** Fields of inner blocks that people write at the top. */
const HOMES = new Map<string, string>(
  [
    "resources.slots_per_trial",
    "resources.max_slots",
    "resources.priority",
    "resources.resource_pool",
    "environment.environment_variables",
    "reproducibility.experiment_seed",
    "searcher.metric",
    "searcher.smaller_is_better",
    "searcher.max_trials",
    "searcher.max_length",
    "searcher.max_concurrent_trials",
  ].map((field) => [field.slice(field.indexOf(".") + 1), field]),
);
