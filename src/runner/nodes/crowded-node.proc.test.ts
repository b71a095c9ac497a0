/** Another node that has no process for a rank just now. */
import assert from "node:assert/strict";
import childProcess from "node:child_process";
import { syncBuiltinESMExports } from "node:module";
import { afterEach, beforeEach, type TestContext, test } from "node:test";
import { sh } from "../test-bench.ts";
import { TestNodes } from "./test-nodes.ts";

let nodes: TestNodes;
beforeEach(async () => {
  nodes = await TestNodes.open();
});
afterEach(() => nodes.close());

const FOUR = { slots: ["cpu:0", "cpu:1", "cpu:2", "cpu:3"], ranks: 4 };

/** The other node has none for its first rank so many times. @returns how often it was tried */
async function crowded(t: TestContext, times: number): Promise<() => number> {
  const { spawn } = childProcess;
  let tries = 0;
  t.mock.method(childProcess, "spawn", ((...call: Parameters<typeof spawn>) => {
    if (call[2]?.env?.CONTRAIL_RANK === "2" && tries++ < times)
      throw Object.assign(new Error("spawn EAGAIN"), { code: "EAGAIN" });
    return spawn(...call);
  }) as typeof spawn);
  syncBuiltinESMExports();
  t.after(() => {
    t.mock.restoreAll();
    syncBuiltinESMExports();
  });
  await nodes.startHead();
  nodes.startAgent(1);
  return () => tries;
}

test("a rank for which its node has no process just now is waited for, and its trial's output says so", async (t) => {
  const { server } = nodes.bench;
  await crowded(t, 3);
  server.launch("1.1.1", sh("echo trained"), FOUR);
  const exit = await server.untilExit("1.1.1");
  assert.deepEqual([exit.kind, exit.processes.length], ["processes", 4]);
  const said = (): string => server.output("1.1.1", "stderr").toString();
  await server.until("what it waited for", () => /start of rank 2 waits until/.test(said()));
});

test("one whose node never has a process for a rank is killed all the same", async (t) => {
  const { server } = nodes.bench;
  const tries = await crowded(t, Number.POSITIVE_INFINITY);
  server.launch("1.1.1", sh("sleep 600"), FOUR);
  await server.until("a try", () => tries() > 1);
  server.order("1.1.1", { kill: true });
  const exit = await server.untilExit("1.1.1");
  assert.deepEqual([exit.kind, exit.processes.length], ["processes", 2]);
});
