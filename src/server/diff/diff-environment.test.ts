import assert from "node:assert/strict";
import { test } from "node:test";
import type { RecordPart } from "../../protocol/record-part.ts";
import { diffEnvironment } from "./diff-environment.ts";
import { listed } from "./diff-runs.ts";

const run = (captured: RecordPart["captured"]) => ({ captured, environment: null });

test("thousands of packages crowd out no other section, and how many are left out is told", () => {
  const side = (version: string, model: string) =>
    run({
      packages_observed: Object.fromEntries(
        Array.from({ length: 3_000 }, (_, i) => [`npm:p${i}`, version]),
      ),
      determinism: { torch_tf32: version },
      gpu: { "0.model": model },
    });
  const found = listed(diffEnvironment(side("1", "A100"), side("2", "H100")));
  assert.equal(found.listed.length + found.more, 3_002);
  assert.equal(found.more, 1_002);
  assert.deepEqual(found.listed.slice(-2), [
    { path: "determinism.torch_tf32", a: "1", b: "2" },
    { path: "gpu.0.model", a: "A100", b: "H100" },
  ]);
});
