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

test("what comes again from run to run is looked through for secrets once, and sent without them each time", async () => {
  const capture = new Capture({ environment: {}, setpriv: null, nowMs: () => 0 });
  const folder = join(root, "again");
  mkdirSync(folder);
  writeFileSync(
    join(folder, "requirements.txt"),
    "numpy\nown @ https://ada:hidden-word@packages.test/own.whl\n",
  );
  const { signal } = new AbortController();
  const request = { launch: { ...LAUNCH, code: "c".repeat(64) }, folder, environment: {}, signal };
  const [first, second] = [await capture.take(request), await capture.take(request)];
  assert.deepEqual(second.environment, first.environment);
  const requested = first.environment.captured.packages_requested;
  assert.ok(requested && "pip:numpy" in requested);
  assert.ok(!JSON.stringify(first).includes("hidden-word"));
  assert.equal(second.environment.captured.packages_requested, requested, "the very same object");
});
