/** The strategy on programs that are a function of what is held still: every planted set of causes is found, and no other. */
import assert from "node:assert/strict";
import { describe, test } from "node:test";
import fc from "fast-check";
import { CONDITIONS, type Condition, type Modes } from "./conditions.ts";
import { diagnose, RunFailed } from "./diagnose.ts";
import type { RunOutcome } from "./run-outcome.ts";

/** What a program that touches everything leaves in the trace. */
const EVERYTHING = [
  ...["python", "node", "uses_numpy", "math_random", "workers", "processes"],
  ...["threads", "clock", "listing"],
];

interface Fake {
  readonly dependsOn: readonly Condition[];
  /** Differs each time, whatever is held still. */
  readonly noise?: boolean;
  readonly fails?: (modes: Modes) => boolean;
  readonly seen?: readonly string[];
}

/** Natural and moved generators give other numbers each time; all else is the same for the same mode. */
function program({ dependsOn, noise = false, fails, seen = EVERYTHING }: Fake) {
  let runs = 0;
  const generators: readonly Condition[] = ["python_random", "numpy", "math_random", "workers"];
  return async (modes: Modes): Promise<RunOutcome> => {
    runs += 1;
    if (fails?.(modes)) throw new RunFailed("it ended with 1");
    const state = dependsOn.map((condition) =>
      generators.includes(condition) && modes[condition] !== "fixed" ? runs : modes[condition],
    );
    if (noise) state.push(runs);
    return {
      steps: [1, 2].map((step) => ({
        step,
        metrics: [JSON.stringify({ loss: step, state: step === 2 ? state.join() : "" })],
        files: null,
      })),
      written: [],
      printed: [],
      seen: new Map(seen.map((kind) => [kind, [`train.py:${kind.length}`]])),
      open: async () => undefined,
      discard: async () => {},
    };
  };
}

describe("diagnose", () => {
  test("finds every set of causes, each by itself, and the step where they first show", async () => {
    const causes = fc.uniqueArray(fc.constantFrom(...CONDITIONS));
    await fc.assert(
      fc.asyncProperty(causes, async (dependsOn) => {
        const found = await diagnose(program({ dependsOn }));
        const named = found.causes.map(({ condition }) => condition);
        assert.deepEqual(named.toSorted(), dependsOn.toSorted());
        assert.ok(found.causes.every(({ how }) => how === "measured"));
        assert.equal(found.parting?.step, dependsOn.length === 0 ? undefined : 2);
        assert.equal(found.parting === undefined, dependsOn.length === 0);
      }),
      { seed: 20261123 },
    );
  });

  test("what cannot be held still is concurrency where there is some, and else unknown", async () => {
    const racing = await diagnose(program({ dependsOn: [], noise: true }));
    assert.deepEqual(
      racing.causes.map(({ condition, how }) => [condition, how]),
      [["threads", "remains"]],
    );
    const odd = await diagnose(program({ dependsOn: [], noise: true, seen: ["python"] }));
    assert.notEqual(odd.parting, undefined);
    assert.deepEqual(odd.causes, []);
  });

  test("a program that does not bear a still clock is tried without, and that is said", async () => {
    const fails = (modes: Modes) => modes.clock === "fixed";
    const found = await diagnose(program({ dependsOn: ["hash_order"], fails }));
    assert.deepEqual(
      found.causes.map(({ condition }) => condition),
      ["hash_order"],
    );
    assert.deepEqual(
      found.untried.map(({ condition }) => condition),
      ["clock"],
    );
  });

  test("a program that fails is no difference", async () => {
    await assert.rejects(diagnose(program({ dependsOn: [], fails: () => true })), RunFailed);
  });

  test("what was not touched is not tried", async () => {
    const found = await diagnose(program({ dependsOn: ["hash_order"], seen: [] }));
    // Two that differ, two held still, and the hash seed.
    assert.equal(found.runs, 5);
    assert.equal(found.seenInside, false);
  });

  test("a difference that shows only sometimes is looked for again when asked to", async () => {
    let runs = 0;
    const rare = program({ dependsOn: [] });
    const noisy = program({ dependsOn: [], noise: true });
    const sometimes = (modes: Modes) => (++runs >= 4 ? noisy(modes) : rare(modes));
    assert.equal((await diagnose(sometimes)).parting, undefined);
    runs = 0;
    assert.notEqual((await diagnose(sometimes, { again: 3 })).parting, undefined);
  });
});
