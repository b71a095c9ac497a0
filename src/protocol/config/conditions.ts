/**
 * The rules of `when`: the parameter it names can have the value it asks for, and nothing waits for
 * itself. A parameter depends on the target of its condition and on the group it stands in; a cycle in
 * that relation is a parameter that can never be decided.
 */
import type { Json } from "../../base/json.ts";
import { type Fault, GUESSES_MAX, type Path, renderPath, show } from "./issue.ts";
import { nearest } from "./nearest.ts";
import { canonical, type SpaceCondition, type SpaceParameter } from "./space.ts";

/** A parameter with its path in the space and in the file. */
export interface PlacedParameter {
  readonly names: readonly string[];
  readonly filePath: Path;
  /** Absent where it is faulty. */
  readonly parameter?: SpaceParameter;
  readonly when?: SpaceCondition;
}

/** Names joined by something that no name contains. */
export const keyOf = (names: readonly string[]): string => names.join("\0");

export function conditionFaults(placed: readonly PlacedParameter[]): Fault[] {
  const byKey = new Map(placed.map((each) => [keyOf(each.names), each]));
  const sets = new Map<SpaceParameter, ReadonlySet<string>>();
  const faults: Fault[] = [];
  for (const owner of placed) {
    const { when } = owner;
    const target = when && byKey.get(keyOf(when.path));
    const parameter = target?.parameter;
    if (!when || !parameter) continue;
    const possible = sets.get(parameter) ?? new Set(choicesOf(parameter).map(canonical));
    sets.set(parameter, possible);
    for (const [index, value] of when.values.entries()) {
      if (takes(parameter, possible, value)) continue;
      const path = [...owner.filePath, "when", target.names.join(".")];
      const place = when.values.length > 1 ? [...path, index] : path;
      faults.push(impossible(target, parameter, value, place, faults.length < GUESSES_MAX));
    }
  }
  return [...faults, ...cycles(placed, byKey)];
}

/** The values that can be listed; empty for ranges and groups. */
function choicesOf(parameter: SpaceParameter): readonly Json[] {
  if (parameter.type === "const") return [parameter.value];
  return parameter.type === "categorical" ? parameter.values : [];
}

function takes(parameter: SpaceParameter, possible: ReadonlySet<string>, value: Json): boolean {
  if (parameter.type !== "int") return possible.has(canonical(value));
  const whole = typeof value === "number" && Number.isInteger(value);
  return whole && value >= parameter.min && value <= parameter.max;
}

function impossible(
  target: PlacedParameter,
  parameter: SpaceParameter,
  value: Json,
  path: Path,
  guessing: boolean,
): Fault {
  const { why, advice, guess } = reason(parameter, value, guessing);
  return {
    code: "impossible_condition",
    path,
    value,
    limit: why,
    ...(guess === undefined ? {} : { suggestion: guess }),
    message: `${renderPath(path)} is ${show(value)}; ${target.names.join(".")} ${why}. ${advice}`,
  };
}

function reason(
  parameter: SpaceParameter,
  value: Json,
  guessing: boolean,
): { why: string; advice: string; guess?: string } {
  switch (parameter.type) {
    case "nested":
      return { why: "is a group", advice: "Name one of its parameters." };
    case "double":
    case "log":
      return {
        why: `is of type ${parameter.type}, which takes no value exactly`,
        advice: "Conditions hold on categorical, int and const.",
      };
    case "int":
      return {
        why: `is a whole number from ${parameter.min} to ${parameter.max}`,
        advice: "Give one of those.",
      };
    case "const":
    case "categorical": {
      const choices = choicesOf(parameter);
      const words = choices.filter((each) => typeof each === "string");
      const guess = guessing && typeof value === "string" ? nearest(value, words) : undefined;
      return {
        why: `can only be ${choices.slice(0, 8).map(show).join(", ")}${choices.length > 8 ? ", …" : ""}`,
        advice: guess === undefined ? "Give one of those." : `Did you mean ${guess}?`,
        guess,
      };
    }
  }
}

/** Finds every cycle once, without recursion: a chain of conditions can be as long as the file. */
function cycles(
  placed: readonly PlacedParameter[],
  byKey: ReadonlyMap<string, PlacedParameter>,
): Fault[] {
  const needs = (each: PlacedParameter): PlacedParameter[] => {
    const group = byKey.get(keyOf(each.names.slice(0, -1)));
    const target = each.when && byKey.get(keyOf(each.when.path));
    return [group, target].filter((found) => found !== undefined);
  };
  const state = new Map<PlacedParameter, "open" | "done">();
  const faults: Fault[] = [];
  for (const start of placed) {
    if (state.has(start)) continue;
    const trail = [{ at: start, left: needs(start) }];
    state.set(start, "open");
    while (trail.length > 0) {
      const top = trail.at(-1)!;
      const next = top.left.pop();
      if (next === undefined) {
        state.set(top.at, "done");
        trail.pop();
      } else if (state.get(next) === "open") {
        faults.push(
          cycleFault(
            trail.slice(trail.findIndex((step) => step.at === next)).map((step) => step.at),
          ),
        );
      } else if (!state.has(next)) {
        state.set(next, "open");
        trail.push({ at: next, left: needs(next) });
      }
    }
  }
  return faults;
}

function cycleFault(ring: readonly PlacedParameter[]): Fault {
  const owner = ring.find((each) => each.when) ?? ring[0]!;
  const from = ring.indexOf(owner);
  const turned = [...ring.slice(from), ...ring.slice(0, from), owner].map((each) =>
    each.names.join("."),
  );
  const shown = turned.length > 10 ? [...turned.slice(0, 9), "…", turned.at(-1)!] : turned;
  const path = [...owner.filePath, "when"];
  return {
    code: "condition_cycle",
    path,
    value: shown.join(" → "),
    message: `${renderPath(path)} closes a circle: ${shown.join(" → ")} (each needs the next one to be decided first). Remove one of the conditions.`,
  };
}
