/**
 * What cannot be combined with `reproducibility.deterministic_search`: whatever lets the real clock or the
 * order in which machines happen to be done decide. Refused by name rather than ignored, because a
 * search that is called deterministic and is not would be believed.
 */
import type { Json, JsonObject } from "../../base/json.ts";
import { type Fault, show } from "./issue.ts";
import type { Searcher } from "./searcher-fields.ts";

const ORDER = "the decisions would hang on how fast the machines are";

/** Field of the searcher → why not, and what instead. */
const SEARCHER: Readonly<Record<string, readonly [why: string, instead: string]>> = {
  time_metric: [
    "its values come from the training program and order results by more than steps",
    "Count in steps: max_length instead of max_time and time_metric",
  ],
  max_time: [
    "it is counted by time_metric",
    "Count in steps: max_length instead of max_time and time_metric",
  ],
};

const BUDGET: Readonly<Record<string, string>> = {
  steps: "which steps are trained when it is used up depends on how many trials run at a time",
  time: ORDER,
  slot_hours: ORDER,
  money: ORDER,
  energy: ORDER,
};

/** @param fields as written, nulls dropped: a default is no wish */
export function deterministicFaults(fields: JsonObject): Fault[] {
  const { reproducibility, searcher, budget } = fields;
  if (!isMap(reproducibility) || reproducibility.deterministic_search !== true) return [];
  const faults: Fault[] = [];
  const refuse = (path: readonly [string, string], value: Json, why: string, instead: string) =>
    faults.push({
      code: "conflict",
      path: [...path],
      value,
      limit: "without reproducibility.deterministic_search",
      message: `.${path.join(".")} is ${show(value)} and cannot be combined with reproducibility.deterministic_search: ${why}. ${instead}, or remove deterministic_search.`,
    });
  const search = isMap(searcher) ? searcher : {};
  for (const [name, [why, instead]] of Object.entries(SEARCHER))
    if (search[name] !== undefined) refuse(["searcher", name], search[name], why, instead);
  const factor = search.straggler_factor;
  if (search.name === "hyperband" && factor !== undefined && factor !== 0)
    refuse(
      ["searcher", "straggler_factor"],
      factor,
      "who is slow is a matter of the real clock, so the rule is off",
      "Remove it or set it to 0",
    );
  const limits = isMap(budget) ? budget : {};
  for (const [name, why] of Object.entries(BUDGET))
    if (limits[name] !== undefined)
      refuse(["budget", name], limits[name], why, "Bound the search by max_trials and max_length");
  return faults;
}

/** In virtual time nobody is slow: where the rule was not asked for it is off. */
export const withoutClock = (searcher: Searcher): Searcher =>
  searcher.name === "hyperband" ? { ...searcher, straggler_factor: 0 } : searcher;

const isMap = (value: Json | undefined): value is JsonObject =>
  typeof value === "object" && value !== null && !Array.isArray(value);
