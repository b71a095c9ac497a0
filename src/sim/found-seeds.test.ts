/**
 * Seeds in which a mistake shows, made once or put in on purpose, each with what it was. They stay here, so that one that is made again
 * is found at once. What a seed draws changes with the simulator: the mistake, applied as its mutant, then shows another
 * seed. Those that are found by few seeds have a test of their own, step by step, which no other draw takes away:
 * orders passed over and grants beyond a budget in `orders.test.ts`, the number of an exit used up in `sync.test.ts`, silence
 * from before a word and while the server stood still in `lease.prop.test.ts`, an end that the disk did not take in
 * `state-folder.test.ts`.
 */
import assert from "node:assert/strict";
import { test } from "node:test";
import { simulate } from "./simulation.ts";

const FOUND: readonly (readonly [seed: number, what: string])[] = [
  [60, "a commit whose connection had broken happened after the server had read that it did not"],
  [6, "a late order started an allocation again that had ended"],
  [123, "a checkpoint was given up because the server had no room for it at that moment"],
  [1764, "an order that the disk had not taken was begun after its lease had been lost"],
  [14, "a report was told before the allocation that made it was said to run"],
  [1159, "orders did not reach a first rank that waited while others were being started"],
  [1178, "what a killed runner left was started again while another was taken up"],
];

for (const [seed, what] of FOUND)
  test(`seed ${seed}: ${what}`, async () => {
    const { broken } = await simulate(seed);
    assert.equal(broken?.message ?? null, null);
  });
