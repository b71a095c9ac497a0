/**
 * Seeds that once broke a rule, each with what had been wrong. They stay here, so that a mistake that is made again
 * is found at once; where the simulator has changed since, they are as good as any other seed.
 */
import assert from "node:assert/strict";
import { test } from "node:test";
import { simulate } from "./simulation.ts";

const FOUND: readonly (readonly [seed: number, what: string])[] = [
  [166, "a commit whose connection had broken happened after the server had read that it did not"],
  [19, "orders were passed over, because newer ones were being committed and failed"],
  [327, "an allocation was started again, because a full disk did not take that it had ended"],
  [3000, "a grant that reached the budget left grants of the same plan that could not be made"],
  [837, "time from before a runner's word was counted as its silence"],
  [5678, "late words of a runner that was dead used up the number of an exit"],
];

for (const [seed, what] of FOUND)
  test(`seed ${seed}: ${what}`, async () => {
    const { broken } = await simulate(seed);
    assert.equal(broken?.message ?? null, null);
  });
