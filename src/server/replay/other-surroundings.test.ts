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
    "determinism.torch_tf32 was true, now false",
    "packages_observed.pip:numpy was 2.0, now 2.1",
    "the generator of random stood elsewhere at the first report: it was not seeded, or as much was not drawn from it",
  ]);
  // One that went on from a checkpoint tells nothing of its generators.
  assert.deepEqual(
    otherSurroundings(before, run({ ...before.captured, determinism: { torch_tf32: true } })),
    [],
  );
});

test("another GPU is named first, however many packages are others", () => {
  const packages = (version: string) =>
    Object.fromEntries(Array.from({ length: 600 }, (_, i) => [`pip:p${i}`, version]));
  const described = otherSurroundings(
    run({ packages_observed: packages("1"), gpu: { "0.model": "A100" } }),
    run({ packages_observed: packages("2"), gpu: { "0.model": "H100" } }),
  );
  assert.equal(described[0], "gpu.0.model was A100, now H100");
  assert.equal(described.length, 601);
});
