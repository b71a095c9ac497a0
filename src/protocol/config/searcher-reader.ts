/**
 * Reads `searcher`: chooses the schema by the name, then checks what no single field can know (lengths,
 * rungs, brackets). A field that another searcher has is an error naming that searcher: most of these
 * files were changed from one searcher to another.
 */

import * as z from "zod";
import type { Json, JsonObject } from "../../base/json.ts";
import { type Fault, renderPath, show } from "./issue.ts";
import { nearest } from "./nearest.ts";
import { REMOVED_SEARCHERS, SEARCHERS_NOT_SERVED } from "./not-served.ts";
import {
  BRACKETS_MAX,
  LENGTH_UNITS,
  RUNGS_MAX,
  SEARCHERS,
  type Searcher,
  type SearcherName,
  type single,
  unnamed,
} from "./searcher-fields.ts";
import { shape, wrong } from "./shape.ts";

export interface SearcherReading {
  readonly searcher?: Searcher;
  /** The name as far as it was understood; null when none was given or it was faulty. */
  readonly name: SearcherName | null;
  readonly faults: readonly Fault[];
  readonly warnings: readonly Fault[];
}

const PATH = ["searcher"] as const;
type InFile = z.output<(typeof SEARCHERS)[SearcherName]> | z.output<typeof unnamed>;

/** @param value the block without its nulls; undefined when there is none */
export function readSearcher(
  value: Json | undefined,
  options: { readonly searchable: boolean },
): SearcherReading {
  if (value === undefined) {
    if (options.searchable)
      return refused({
        code: "missing",
        path: PATH,
        limit: "required where hyperparameters vary",
        message:
          ".searcher is missing; the hyperparameters vary, so the search needs at least metric and max_length. Try searcher: {metric: loss, max_length: 100}.",
      });
    return { searcher: PLAIN_RUN, name: null, faults: [], warnings: [] };
  }
  if (typeof value !== "object" || value === null || Array.isArray(value)) {
    return refused(
      wrong({
        code: "wrong_type",
        path: PATH,
        value,
        must: "a map (of name, metric, max_length, …)",
      }),
    );
  }
  const block = value as JsonObject;
  const named = nameOf(block.name);
  if (named.fault) return { name: null, faults: [named.fault, ...lenient(block)], warnings: [] };
  const schema = named.name === null ? unnamed : SEARCHERS[named.name];
  const known = Object.keys(schema.def.shape);
  const note = named.name === null ? undefined : `(searcher "${named.name}")`;
  const strangers = Object.keys(block).filter(
    (key) => !known.includes(key) && ownersOf(key).length > 0,
  );
  const shaped = shape<z.ZodType<InFile>>(schema, block, {
    path: PATH,
    block: "searcher",
    note,
    explainedElsewhere: (key) => strangers.includes(key),
  });
  const faults = [
    ...shaped.faults.map((fault) => lengthHint(fault, block)),
    ...strangers.map((key) => stranger(key, block[key], named.name)),
    ...lengthFaults(block, named.name),
  ];
  if (shaped.value === undefined || faults.length > 0)
    return { name: named.name, faults, warnings: [] };
  const more = betweenFields(shaped.value);
  const warnings = [
    ...lengthWarnings(shaped.value),
    ...rungWarnings(shaped.value),
    ...renamed(shaped.value),
  ];
  if (more.length > 0) return { name: named.name, faults: more, warnings };
  return { searcher: resolved(shaped.value), name: named.name, faults: [], warnings };
}

const refused = (fault: Fault): SearcherReading => ({ name: null, faults: [fault], warnings: [] });

/** A run by hand: one trial, nothing to compare, as long as the program likes. */
const PLAIN_RUN: z.output<typeof single> = {
  name: "single",
  metric: null,
  smaller_is_better: true,
  max_length: null,
  max_time: null,
  time_metric: null,
  source_checkpoint_uuid: null,
};

function nameOf(name: Json | undefined): { name: SearcherName | null; fault?: Fault } {
  const path = [...PATH, "name"];
  if (name === undefined) return { name: null };
  if (typeof name === "string" && Object.hasOwn(SEARCHERS, name))
    return { name: name as SearcherName };
  const words = Object.keys(SEARCHERS);
  if (typeof name !== "string")
    return {
      name: null,
      fault: wrong({ code: "wrong_type", path, value: name, must: `one of ${words.join(", ")}` }),
    };
  if (Object.hasOwn(REMOVED_SEARCHERS, name)) {
    return {
      name: null,
      fault: {
        code: "removed",
        path,
        value: name,
        limit: words.join(", "),
        message: `.searcher.name is ${show(name)}; the '${name}' searcher has been removed and is not valid for new experiments. ${REMOVED_SEARCHERS[name]}`,
      },
    };
  }
  const spelled = name.toLowerCase().replace(/[^a-z]/g, "");
  if (Object.hasOwn(SEARCHERS_NOT_SERVED, spelled)) {
    return {
      name: null,
      fault: {
        code: "not_served",
        path,
        value: name,
        limit: words.join(", "),
        message: `.searcher.name is ${show(name)}, which is known but not served yet. ${SEARCHERS_NOT_SERVED[spelled]}`,
      },
    };
  }
  const guess = nearest(name, words);
  return {
    name: null,
    fault: wrong({
      code: "not_a_choice",
      path,
      value: name,
      must: `one of ${words.join(", ")}`,
      attempt: guess,
    }),
  };
}

/** With the name in doubt, fields are still checked for their type and spelling. */
function lenient(block: JsonObject): Fault[] {
  const { name: _, ...rest } = block;
  return shape(anySearcher(), rest, { path: PATH, block: "searcher" })
    .faults.map((fault) => lengthHint(fault, rest))
    .concat(lengthPair(rest));
}

function anySearcher(): z.ZodType {
  const fields: { [key: string]: z.ZodType } = {};
  for (const schema of [...Object.values(SEARCHERS), unnamed]) {
    for (const [key, field] of Object.entries(schema.def.shape as { [key: string]: z.ZodType }))
      fields[key] ??= field.optional();
  }
  return z.strictObject(fields);
}

const ownersOf = (key: string): SearcherName[] =>
  (Object.keys(SEARCHERS) as SearcherName[]).filter((name) =>
    Object.hasOwn(SEARCHERS[name].def.shape, key),
  );

function stranger(key: string, value: Json | undefined, name: SearcherName | null): Fault {
  const path = [...PATH, key];
  const owners = ownersOf(key);
  const advice =
    name === null
      ? "and this file names no searcher. Add name, or remove it."
      : `not to "${name}". Remove it, or change the name.`;
  return {
    code: "wrong_searcher",
    path,
    at: "key",
    eventually: name === null,
    value,
    limit: owners.join(", "),
    message: `${renderPath(path)} belongs to ${owners.length === 1 ? "the searcher" : "the searchers"} ${owners.join(", ")}, ${advice}`,
  };
}

/** `{epoch: 3}` is a typo of a unit, which the union cannot see. */
function lengthHint(fault: Fault, block: JsonObject): Fault {
  const given = block.max_length;
  if (fault.code !== "wrong_type" || fault.path.at(-1) !== "max_length" || fault.path.length !== 2)
    return fault;
  if (typeof given === "string") {
    const [, amount, unit] = /^\s*(\d+)\s*([a-z]+)?\s*$/i.exec(given) ?? [];
    const guess = unit === undefined ? undefined : nearest(unit, LENGTH_UNITS);
    if (amount === undefined || (unit !== undefined && guess === undefined)) return fault;
    return withAttempt(fault, guess ? `{${guess}: ${amount}}` : amount);
  }
  if (typeof given !== "object" || given === null || Array.isArray(given)) return fault;
  const [[unit, amount] = []] = Object.entries(given);
  const guess = unit === undefined ? undefined : nearest(unit, LENGTH_UNITS);
  if (guess === undefined || Object.keys(given).length !== 1) return fault;
  return withAttempt(
    fault,
    `{${guess}: ${typeof amount === "number" && amount >= 1 ? Math.round(amount) : 100}}`,
  );
}

const withAttempt = (fault: Fault, attempt: string): Fault => ({
  ...fault,
  suggestion: attempt,
  message: `${fault.message} Try ${attempt}.`,
});

function lengthPair(block: JsonObject): Fault[] {
  const faults: Fault[] = [];
  for (const [has, lacks] of [
    ["max_time", "time_metric"],
    ["time_metric", "max_time"],
  ] as const) {
    if (block[has] === undefined || block[lacks] !== undefined) continue;
    const path = [...PATH, has];
    faults.push({
      code: "conflict",
      path,
      value: block[has],
      eventually: true,
      limit: `together with ${lacks}`,
      message: `${renderPath(path)} is ${show(block[has])} without ${lacks}; the two go together. Add ${lacks}, or use max_length alone.`,
    });
  }
  return faults;
}

function lengthFaults(block: JsonObject, name: SearcherName | null): Fault[] {
  const faults = lengthPair(block);
  if (
    name === "single" ||
    block.max_length !== undefined ||
    block.max_time !== undefined ||
    block.time_metric !== undefined
  )
    return faults;
  const path = [...PATH, "max_length"];
  return [
    ...faults,
    {
      code: "missing",
      path,
      limit: "required",
      suggestion: "max_length",
      message: `${renderPath(path)} is missing; the search must know the longest that a trial trains. Give max_length (a number of steps, or {epochs: n}), or max_time with time_metric.`,
    },
  ];
}

/** Length in whatever unit it is counted; null when the program decides. */
export const lengthOf = (searcher: Pick<Searcher, "max_length" | "max_time">): number | null =>
  searcher.max_time ??
  (searcher.max_length === null
    ? null
    : Object.values(searcher.max_length as { [unit: string]: number })[0]!);

/** Rules that need several sound fields. */
function betweenFields(searcher: InFile): Fault[] {
  const faults: Fault[] = [];
  const length = lengthOf(searcher) ?? 1;
  const dividing = "divisor" in searcher ? searcher.divisor : undefined;
  const fixed = "num_rungs" in searcher && searcher.num_rungs !== null;
  if (dividing !== undefined && !fixed && searcher.name !== "adaptive_asha") {
    const rungs = Math.floor(Math.log(length) / Math.log(dividing)) + 1;
    if (rungs > RUNGS_MAX) {
      const path = [...PATH, "divisor"];
      faults.push({
        code: "out_of_range",
        path,
        value: dividing,
        limit: `a divisor with at most ${RUNGS_MAX} rungs`,
        suggestion: "3",
        message: `${renderPath(path)} is ${show(dividing)}; with a length of ${length} that makes ${rungs} rungs, and at most ${RUNGS_MAX} are served. Try 3.`,
      });
    }
  }
  const most =
    searcher.name === "hyperband" ? trialsInBrackets(length, searcher.divisor) : undefined;
  if (searcher.name === "hyperband" && most !== undefined && searcher.max_trials > most) {
    const path = [...PATH, "max_trials"];
    const served = BRACKETS_MAX.toLocaleString("en-US");
    faults.push({
      code: "out_of_range",
      path,
      value: searcher.max_trials,
      limit: `at most ${served} brackets`,
      suggestion: String(most),
      message: `${renderPath(path)} is ${searcher.max_trials}; with a length of ${length} and divisor ${searcher.divisor} hyperband makes more than ${served} brackets of so many, and at most ${served} are served. Lower it to ${most}, raise the length, or use asha.`,
    });
  }
  if (searcher.name === "adaptive_asha" && searcher.bracket_rungs.length > searcher.max_trials) {
    const path = [...PATH, "bracket_rungs"];
    faults.push({
      code: "conflict",
      path,
      value: searcher.bracket_rungs,
      limit: `at most max_trials (${searcher.max_trials}) brackets`,
      message: `${renderPath(path)} asks for ${searcher.bracket_rungs.length} brackets; max_trials is ${searcher.max_trials}, and each bracket needs a trial. Shorten the list, or raise max_trials.`,
    });
  }
  return faults;
}

/** How many trials as many brackets of hyperband as are served take; Infinity where all are in one. */
function trialsInBrackets(length: number, divisor: number): number {
  let levels = 1;
  for (let power = divisor; power <= length && levels < RUNGS_MAX; power *= divisor) levels++;
  if (levels === 1) return Number.POSITIVE_INFINITY;
  let trials = 0;
  for (let bracket = 0; bracket < BRACKETS_MAX; bracket++) {
    const s = levels - 1 - (bracket % levels);
    trials += Math.ceil((levels * divisor ** s) / (s + 1));
  }
  return trials;
}

function lengthWarnings(searcher: InFile): Fault[] {
  if (searcher.max_time === null || searcher.max_length === null) return [];
  return [
    {
      code: "no_effect",
      path: [...PATH, "max_length"],
      message:
        ".searcher.max_length has no effect beside max_time and time_metric, which win. Remove one of the two.",
    },
  ];
}

function rungWarnings(searcher: InFile): Fault[] {
  if (!("num_rungs" in searcher) || searcher.num_rungs === null) return [];
  const length = lengthOf(searcher) ?? 1;
  if (searcher.num_rungs === 1 || length / searcher.divisor ** (searcher.num_rungs - 1) >= 1)
    return [];
  const path = [...PATH, "num_rungs"];
  return [
    {
      code: "equal_rungs",
      path,
      value: searcher.num_rungs,
      message: `${renderPath(path)} is ${searcher.num_rungs}; with divisor ${searcher.divisor} and a length of ${length} the lowest rungs fall on the same step. Lower num_rungs, or leave it out for as many as fit.`,
    },
  ];
}

function renamed(searcher: InFile): Fault[] {
  if (searcher.name !== "async_halving") return [];
  const message = `.searcher.name is "async_halving", the stopping form of asha; it is stored as asha with stop_once: ${searcher.stop_once}, divisor: ${searcher.divisor} and num_rungs: ${searcher.num_rungs}.`;
  return [
    { code: "renamed", path: [...PATH, "name"], value: searcher.name, suggestion: "asha", message },
  ];
}

function resolved(searcher: InFile): Searcher {
  const one: InFile = searcher.max_time === null ? searcher : { ...searcher, max_length: null };
  return one.name === "async_halving" ? { ...one, name: "asha" } : one;
}
