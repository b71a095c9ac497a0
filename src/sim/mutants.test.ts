/** That every mutant still applies: what it found is only found by whoever runs all of them, which takes long. */
import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { readdirSync } from "node:fs";
import { test } from "node:test";
import { fileURLToPath } from "node:url";

const ROOT = fileURLToPath(new URL("../../", import.meta.url));

test("each mutant applies to the sources as they are", () => {
  const patches = readdirSync(`${ROOT}src/sim/mutants`).filter((name) => name.endsWith(".patch"));
  assert.ok(patches.length >= 30, `${patches.length} mutants`);
  const failures = patches.flatMap((name) => {
    // As scripts/mutants.ts applies them.
    const args = ["apply", "--check", "-C1", `src/sim/mutants/${name}`];
    const { status, stderr } = spawnSync("git", args, { cwd: ROOT, encoding: "utf8" });
    return status === 0 ? [] : [`${name}: ${stderr.trim()}`];
  });
  assert.deepEqual(failures, []);
});
