import assert from "node:assert/strict";
import { test } from "node:test";
import type { RecordPart } from "../../protocol/record-part.ts";
import { otherSurroundings } from "./other-surroundings.ts";

const run = (captured: RecordPart["captured"]) => ({ captured, environment: null });

test("what results may depend on is named, and a generator that stood elsewhere", () => {
  const before = run({
    determinism: { random_state: "a", numpy_state: "n", torch_seed: "1", torch_tf32: true },
    packages_observed: { "pip:numpy": "2.0" },
    memory: { bytes: 1 },
  });
  const after = run({
    determinism: { random_state: "b", numpy_state: "n", torch_seed: "2", torch_tf32: false },
    packages_observed: { "pip:numpy": "2.1" },
    memory: { bytes: 2 },
  });
  assert.deepEqual(otherSurroundings(before, after), [
    "packages_observed.pip:numpy was 2.0, now 2.1",
    "determinism.torch_tf32 was true, now false",
    "the generator of random stood elsewhere at the first report: it was not seeded, or as much was not drawn from it",
  ]);
  // One that went on from a checkpoint tells nothing of its generators.
  assert.deepEqual(
    otherSurroundings(before, run({ ...before.captured, determinism: { torch_tf32: true } })),
    [],
  );
});
