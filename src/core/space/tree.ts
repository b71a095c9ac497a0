/**
 * The walk that sampling and grids share: which parameters of a space exist, given what was chosen.
 *
 * A parameter is active when everything above it is active and its own condition holds; a condition
 * on an inactive parameter is false. Whatever is inactive is left out of the result, so training
 * code never sees a value that means nothing. The two users differ only in how a leaf gets its value.
 *
 * Alternative refused: sampling everything and deleting the inactive afterwards. It draws values
 * nobody asked for, and in a grid it visits the same point once per value of what was deleted.
 */
import { assert } from "../../base/assert.ts";
import type { Json } from "../../base/json.ts";
import type { Hyperparameters, NamedParameter, Parameter, Space } from "./space.ts";

/** A parameter that holds a value itself. */
export type Leaf = Exclude<Parameter, { type: "nested" }>;
export type Path = readonly string[];

/** One text per path; different paths never share it, whatever the names contain. */
export const pathKey = (path: Path): string => JSON.stringify(path);

/** Every leaf with its path, parents before children, names in the order of the space. */
export function leavesOf(space: Space): { readonly path: Path; readonly leaf: Leaf }[] {
  const found: { path: Path; leaf: Leaf }[] = [];
  const walk = (children: readonly NamedParameter[], above: Path): void => {
    for (const { name, parameter } of children) {
      const path = [...above, name];
      if (parameter.type === "nested") walk(parameter.children, path);
      else found.push({ path, leaf: parameter });
    }
  };
  walk(space.children, []);
  return found;
}

/** The parameters from the first below the root down to the one at `path`. */
export function chainTo(space: Space, path: Path): readonly Parameter[] {
  const chain: Parameter[] = [];
  let here: Parameter = space;
  for (const name of path) {
    assert(
      here.type === "nested",
      `space: ${path.join(".")} goes through a parameter with a value`,
    );
    const next: NamedParameter | undefined = here.children.find((child) => child.name === name);
    assert(next !== undefined, `space: there is no parameter ${path.join(".")}`);
    here = next.parameter;
    chain.push(here);
  }
  return chain;
}

/**
 * Builds one choice.
 * @param choose the value of an active leaf; called at most once per leaf, never for an inactive one
 * @throws AssertionFailed when conditions form a circle or name a parameter that is not there
 */
export function assemble(space: Space, choose: (leaf: Leaf, path: Path) => Json): Hyperparameters {
  const values = new Map<string, Json>();
  const activity = new Map<string, boolean | "asking">();

  const active = (path: Path): boolean => {
    if (path.length === 0) return true;
    const key = pathKey(path);
    const known = activity.get(key);
    assert(known !== "asking", `space: the condition on ${path.join(".")} depends on itself`);
    if (known !== undefined) return known;
    activity.set(key, "asking");
    const when = chainTo(space, path).at(-1)?.when;
    const holds =
      active(path.slice(0, -1)) &&
      (when === undefined ||
        (active(when.path) && when.values.some((value) => sameJson(value, chosen(when.path)))));
    activity.set(key, holds);
    return holds;
  };
  const chosen = (path: Path): Json => {
    const parameter = path.length === 0 ? space : (chainTo(space, path).at(-1) as Parameter);
    if (parameter.type === "nested") return tree(parameter.children, path);
    const key = pathKey(path);
    let value = values.get(key);
    if (value === undefined) {
      value = choose(parameter, path);
      values.set(key, value);
    }
    return value;
  };
  const tree = (children: readonly NamedParameter[], above: Path): Hyperparameters => {
    const entries: [string, Json][] = [];
    for (const { name } of children) {
      const path = [...above, name];
      if (active(path)) entries.push([name, chosen(path)]);
    }
    return Object.fromEntries(entries);
  };
  return tree(space.children, []);
}

/** Equality of JSON values; the order of keys does not matter, 1 and "1" differ. */
export function sameJson(a: Json, b: Json): boolean {
  return a === b || canonical(a) === canonical(b);
}

/** JSON text with sorted keys: equal values have equal texts. */
export function canonical(value: Json): string {
  if (Array.isArray(value)) return `[${value.map(canonical).join(",")}]`;
  if (value !== null && typeof value === "object") {
    const object = value as { readonly [key: string]: Json };
    const parts = Object.keys(object).sort();
    return `{${parts.map((key) => `${JSON.stringify(key)}:${canonical(object[key] as Json)}`).join(",")}}`;
  }
  return JSON.stringify(value);
}
