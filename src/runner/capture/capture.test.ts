/** What is remembered from run to run. */
import assert from "node:assert/strict";
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, test } from "node:test";
import type { LaunchSpec } from "../../protocol/runner-wire.ts";
import { Capture } from "./capture.ts";

const root = mkdtempSync(join(tmpdir(), "contrail-capture-"));
after(() => rmSync(root, { recursive: true, force: true }));

const LAUNCH: LaunchSpec = {
  ...{ experiment: 1, trial: "1.1", allocation: "1.1.1", slots: ["cpu:0"], ranks: 1 },
  ...{ entrypoint: ["/bin/true"], code: "a".repeat(64), data: {}, environment: {}, params: {} },
  ...{ seed: 7, unit: "steps", restore: null, token: "t", killGraceMs: 2_000, yieldGraceMs: 2_000 },
};

test("what a task has made of its folder is recorded for that task, and for no other run of the code", async () => {
  const capture = new Capture({ environment: {}, setpriv: null, nowMs: () => 0 });
  let folders = 0;
  const requested = async (launch: LaunchSpec, text: string) => {
    const folder = join(root, `f-${++folders}`);
    mkdirSync(folder);
    writeFileSync(join(folder, "requirements.txt"), text);
    const { signal } = new AbortController();
    const { environment } = await capture.take({ launch, folder, environment: {}, signal });
    const fields = environment.captured.packages_requested ?? {};
    return Object.keys(fields).filter((name) => name.startsWith("pip:"));
  };
  const task = { kind: "notebook", idleTimeoutMs: null } as const;
  const goesOn: LaunchSpec = { ...LAUNCH, task, restore: { step: 1, tree: "b".repeat(64) } };
  assert.deepEqual(await requested(goesOn, "edited\n"), ["pip:edited"]);
  assert.deepEqual(await requested(LAUNCH, "numpy\n"), ["pip:numpy"]);
  assert.deepEqual(await requested(goesOn, "edited\n"), ["pip:edited"]);
});
