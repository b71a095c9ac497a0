/**
 * The rules of `when`: the parameter it names can have the value it asks for, and nothing waits for
 * itself. A parameter depends on the target of its condition and on the group it stands in; a cycle in
 * that relation is a parameter that can never be decided.
 */
import type { Json } from "../../base/json.ts";
import { type Fault, type Path, renderPath, show } from "./issue.ts";
import { nearest } from "./nearest.ts";
import { type SpaceCondition, type SpaceParameter, sameJson } from "./space.ts";

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
  const faults: Fault[] = [];
  for (const owner of placed) {
    const when = owner.when;
    const target = when && byKey.get(keyOf(when.path));
    if (!when || !target?.parameter) continue;
    for (const [index, value] of when.values.entries()) {
      const fault = impossible(owner, target, target.parameter, value, index, when.values.length);
      if (fault) faults.push(fault);
    }
  }
  return [...faults, ...cycles(placed, byKey)];
}

function impossible(
  owner: PlacedParameter,
  target: PlacedParameter,
  parameter: SpaceParameter,
  value: Json,
  index: number,
  of: number,
): Fault | undefined {
  const dotted = target.names.join(".");
  const condition = [...owner.filePath, "when", dotted];
  const path = of > 1 ? [...condition, index] : condition;
  const fault = (why: string, advice: string, suggestion?: string): Fault => ({
    code: "impossible_condition",
    path,
    value,
    limit: why,
    ...(suggestion === undefined ? {} : { suggestion }),
    message: `${renderPath(path)} is ${show(value)}; ${dotted} ${why}. ${advice}`,
  });
  switch (parameter.type) {
    case "nested":
      return fault("is a group", "Name one of its parameters.");
    case "double":
    case "log":
      return fault(
        `is of type ${parameter.type}, which takes no value exactly`,
        "Conditions hold on categorical, int and const.",
      );
    case "int": {
      const within =
        typeof value === "number" &&
        Number.isInteger(value) &&
        value >= parameter.min &&
        value <= parameter.max;
      return within
        ? undefined
        : fault(
            `is a whole number from ${parameter.min} to ${parameter.max}`,
            "Give one of those.",
          );
    }
    case "const":
    case "categorical": {
      const values = parameter.type === "const" ? [parameter.value] : parameter.values;
      if (values.some((each) => sameJson(each, value))) return undefined;
      const listed = values.slice(0, 8).map(show).join(", ") + (values.length > 8 ? ", …" : "");
      const words = values.filter((each) => typeof each === "string");
      const guess = typeof value === "string" ? nearest(value, words) : undefined;
      return fault(
        `can only be ${listed}`,
        guess === undefined ? "Give one of those." : `Did you mean ${guess}?`,
        guess,
      );
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
