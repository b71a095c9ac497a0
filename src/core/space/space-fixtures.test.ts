/** Builders and generators of spaces that the tests of space and search share. */
import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import type { Json } from "../../base/json.ts";
import type { Condition, NamedParameter, Parameter, Space } from "./space.ts";

/** A space from plain names, children sorted as the contract demands. */
export function spaceOf(parameters: { readonly [name: string]: Parameter }): Space {
  return { type: "nested", children: named(parameters) };
}

export function named(parameters: { readonly [name: string]: Parameter }): NamedParameter[] {
  return Object.keys(parameters)
    .sort()
    .map((name) => ({ name, parameter: parameters[name] as Parameter }));
}

/** The space that the searcher tests share: five parameters, one conditional, one nested. */
export const mixedSpace: Space = spaceOf({
  optimizer: { type: "categorical", values: ["adam", "sgd"] },
  momentum: { type: "double", min: 0, max: 1, when: { path: ["optimizer"], values: ["sgd"] } },
  learning_rate: { type: "log", base: 10, minExponent: -4, maxExponent: -1 },
  model: {
    type: "nested",
    children: named({
      layers: { type: "int", min: 1, max: 4 },
      width: { type: "const", value: 64 },
    }),
  },
});

const leaf: fc.Arbitrary<Parameter> = fc.oneof(
  fc.record({
    type: fc.constant("const" as const),
    value: fc.constantFrom<Json>(0, "a", null, [1]),
  }),
  fc
    .tuple(fc.integer({ min: -5, max: 5 }), fc.integer({ min: 1, max: 4 }))
    .map(([min, span]) => ({ type: "int" as const, min, max: min + span, count: span })),
  fc.record({
    type: fc.constant("double" as const),
    min: fc.constantFrom(-1, 0),
    max: fc.constantFrom(0.5, 1),
    count: fc.integer({ min: 1, max: 3 }),
  }),
  fc.record({
    type: fc.constant("log" as const),
    base: fc.constantFrom(1, 2, 10),
    minExponent: fc.constant(-2),
    maxExponent: fc.constant(1),
    count: fc.integer({ min: 1, max: 3 }),
  }),
  fc.record({
    type: fc.constant("categorical" as const),
    values: fc.array(fc.constantFrom<Json>("a", "b", 1, true, null), {
      minLength: 1,
      maxLength: 4,
    }),
  }),
);

/**
 * Spaces with nesting and conditions: every condition asks about a leaf that stands earlier in a
 * drawn order, so there are no circles, but it may stand anywhere in the tree.
 */
export const spaces: fc.Arbitrary<Space> = fc
  .record({
    leaves: fc.array(leaf, { minLength: 0, maxLength: 5 }),
    groups: fc.array(fc.integer({ min: 0, max: 2 }), { minLength: 5, maxLength: 5 }),
    names: fc.shuffledSubarray(["a", "b", "c", "d", "e"], { minLength: 5 }),
    asks: fc.array(fc.option(fc.nat(4)), { minLength: 5, maxLength: 5 }),
    picks: fc.array(fc.nat(7), { minLength: 5, maxLength: 5 }),
    groupAsks: fc.boolean(),
  })
  .map(({ leaves, groups, names, asks, picks, groupAsks }) => {
    const root: { [name: string]: Parameter } = {};
    const inner: { [name: string]: Parameter }[] = [{}, {}];
    const paths = leaves.map((_, i) => {
      const group = groups[i] as number;
      return group === 0 ? [names[i] as string] : [`group${group}`, names[i] as string];
    });
    leaves.forEach((parameter, i) => {
      const ask = asks[i];
      // With a conditional group1, only root parameters may be asked about: no circle through it.
      const may = ask !== null && ask !== undefined && ask < i && (!groupAsks || groups[ask] === 0);
      const full = may
        ? {
            ...parameter,
            when: conditionOn(leaves[ask] as Parameter, paths[ask] as string[], picks[i] as number),
          }
        : parameter;
      const group = groups[i] as number;
      (group === 0 ? root : (inner[group - 1] as typeof root))[names[i] as string] = full;
    });
    const first = leaves.findIndex((_, i) => groups[i] === 0);
    const when =
      groupAsks && first >= 0
        ? conditionOn(leaves[first] as Parameter, paths[first] as string[], picks[first] as number)
        : undefined;
    root.group1 = {
      type: "nested",
      children: named(inner[0] as typeof root),
      ...(when ? { when } : {}),
    };
    root.group2 = { type: "nested", children: named(inner[1] as typeof root) };
    return spaceOf(root);
  });

function conditionOn(asked: Parameter, path: readonly string[], pick: number): Condition {
  switch (asked.type) {
    case "const":
      return { path, values: pick % 2 === 0 ? [asked.value] : ["never"] };
    case "categorical":
      return { path, values: [asked.values[pick % asked.values.length] as Json] };
    case "int":
      return { path, values: [asked.min, asked.min + 1] };
    case "double":
      return { path, values: [asked.min] };
    default:
      return { path, values: [1] };
  }
}

test("the drawn spaces include nested groups and conditions that hold and that do not", () => {
  const drawn = fc.sample(spaces, { seed: 1, numRuns: 200 });
  const text = drawn.map((space) => JSON.stringify(space));
  assert.ok(text.filter((t) => t.includes('"when"')).length > 40);
  assert.ok(text.some((t) => t.includes('"never"')));
});
