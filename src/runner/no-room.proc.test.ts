/** A disk that has no room while a trial is prepared is waited for, wherever that is met: it is nothing that the trial did. */
import assert from "node:assert/strict";
import fs from "node:fs/promises";
import { syncBuiltinESMExports } from "node:module";
import { join } from "node:path";
import { type TestContext, test } from "node:test";
import { realClock } from "../base/real-clock.ts";
import { KeptFolder } from "./kept-files.ts";
import { NodeMachine } from "./machine.ts";
import { AgentRanks } from "./nodes/agent-ranks.ts";
import { TestNodes } from "./nodes/test-nodes.ts";
import { HeldTask } from "./tasks/held-task.ts";
import { sh, TestBench } from "./test-bench.ts";
import { TrialSocket } from "./trial-socket.ts";

/** The first call of each finds the disk full. @returns how many did */
function full(t: TestContext, methods: readonly (readonly [object, string])[]): () => number {
  let met = 0;
  for (const [owner, name] of methods) {
    const mocked = t.mock.method(owner as Record<string, () => unknown>, name);
    mocked.mock.mockImplementationOnce(() => {
      met += 1;
      throw Object.assign(new Error(`ENOSPC: no space left on device, ${name}`), {
        code: "ENOSPC",
      });
    });
  }
  return () => met;
}

/** A server with a runner, until the test ends. */
async function atWork(t: TestContext): Promise<TestBench> {
  const bench = await TestBench.open();
  t.after(() => bench.close());
  await bench.startRunner();
  return bench;
}

test("a trial starts when there is room for its folders, its socket and what is noted of it", {
  timeout: 30_000,
}, async (t) => {
  const { server } = await atWork(t);
  const met = full(t, [
    [KeptFolder.prototype, "open"],
    [TrialSocket.prototype, "listen"],
    [HeldTask.prototype, "start"],
  ]);
  server.launch("1.1.1", sh("echo trained"), { task: { kind: "command", idleTimeoutMs: null } });
  const exit = await server.untilExit("1.1.1");
  assert.deepEqual([exit.kind, exit.detail, met()], ["processes", "", 3]);
  await server.until("the logs", () => server.logs("1.1.1").length === exit.logLines);
  const told = server.output("1.1.1", "stderr").toString();
  assert.match(told, /the start waits until there is room: ENOSPC/);
});

test("one that is killed while it waits for room ends", { timeout: 30_000 }, async (t) => {
  const { server } = await atWork(t);
  t.mock.method(KeptFolder.prototype, "open", async () => {
    throw new Error("ENOSPC: no space left on device, mkdir");
  });
  server.launch("1.1.1", sh("echo trained"));
  await server.until("it waits", () => server.logs("1.1.1").length > 0);
  server.order("1.1.1", { kill: true });
  assert.deepEqual((await server.untilExit("1.1.1")).processes, []);
});

for (const [order, yielded] of [
  [{ kill: true }, false],
  [{ yield: "pause" }, true],
] as const)
  test(`one that cannot even be noted ends at once by ${JSON.stringify(order)}`, {
    timeout: 30_000,
  }, async (t) => {
    const { server } = await atWork(t);
    const begin = t.mock.method(NodeMachine.prototype, "begin", () => {
      throw new Error("ENOSPC: no space left on device, mkdir");
    });
    server.launch("1.1.1", sh("echo trained"));
    while (begin.mock.callCount() === 0) await new Promise(setImmediate);
    server.order("1.1.1", order);
    const exit = await server.untilExit("1.1.1");
    assert.deepEqual([exit.kind, exit.processes, exit.yielded], ["processes", [], yielded]);
    assert.equal(exit.detail, "ended before any process was started: test");
  });

test("what ended so does not begin by the order before, which is tried again while the server hears nothing", {
  timeout: 30_000,
}, async (t) => {
  const { after } = realClock;
  const retries: (() => void)[] = [];
  t.mock.method(realClock, "after", (ms: number, run: () => void) => {
    if (ms !== 5_000) return after(ms, run);
    retries.push(run);
    return () => {};
  });
  const { server } = await atWork(t);
  const { begin } = NodeMachine.prototype;
  const tried: string[] = [];
  let hasRoom = false;
  t.mock.method(NodeMachine.prototype, "begin", function (this: NodeMachine, ...[place]) {
    tried.push(place.id);
    if (!hasRoom) throw new Error("ENOSPC: no space left on device, mkdir");
    begin.call(this, place);
  } as typeof begin);
  const untilTried = async (id: string, times: number): Promise<void> => {
    while (tried.filter((each) => each === id).length < times) await new Promise(setImmediate);
  };
  server.intercept = (_method, path) => (path.endsWith("/sync") ? 503 : undefined);
  server.launch("1.1.1", sh("echo trained"));
  await untilTried("1.1.1", 1);
  server.order("1.1.1", { kill: true });
  await untilTried("1.1.1", 2);
  server.launch("1.2.1", sh("echo trained"));
  await untilTried("1.2.1", 1);
  hasRoom = true;
  for (const again of retries.splice(0)) again();
  await untilTried("1.2.1", 2);
  server.intercept = () => undefined;
  assert.deepEqual((await server.untilExit("1.1.1")).processes, []);
  assert.equal((await server.untilExit("1.2.1")).processes.length, 1);
  assert.equal(tried.filter((id) => id === "1.1.1").length, 2);
});

test("the folder of a shell is laid out again, whole, when there is room for all of it", {
  timeout: 30_000,
}, async (t) => {
  const { server } = await atWork(t);
  const note = { version: 1, links: { "to-notes": "notes" }, folders: ["empty"] };
  const tree = server.tree({
    "contrail-task.json": JSON.stringify(note),
    "work/notes": "by hand",
  });
  const met = full(t, [[fs, "symlink"]]);
  syncBuiltinESMExports();
  t.after(() => {
    t.mock.restoreAll();
    syncBuiltinESMExports();
  });
  server.launch("1.1.1", sh("cat to-notes; ls"), {
    ...{ task: { kind: "shell", idleTimeoutMs: null }, restore: { step: 1, tree } },
  });
  const exit = await server.untilExit("1.1.1");
  assert.deepEqual([exit.kind, exit.detail, met()], ["processes", "", 1]);
  await server.until("the logs", () => server.logs("1.1.1").length === exit.logLines);
  const shown = server.output("1.1.1", "stdout").toString();
  assert.equal(shown, "by handempty\nnotes\nto-notes\n");
});

test("a trial of several nodes starts when there is room on each of them", {
  timeout: 30_000,
}, async (t) => {
  const nodes = await TestNodes.open();
  t.after(() => nodes.close());
  const { server, folder } = nodes.bench;
  await nodes.startHead();
  const { begin } = NodeMachine.prototype;
  let met = 0;
  t.mock.method(NodeMachine.prototype, "begin", function (this: NodeMachine, ...[place]) {
    if (place.folder.startsWith(join(folder, "n1")) && met++ === 0)
      throw new Error("ENOSPC: no space left on device, mkdir");
    begin.call(this, place);
  } as typeof begin);
  const metOnce = full(t, [[AgentRanks.prototype, "listen"]]);
  nodes.startAgent(1);
  server.launch("1.1.1", sh("echo $RANK"), { slots: ["a", "b"], ranks: 2 });
  const exit = await server.untilExit("1.1.1");
  assert.deepEqual([exit.kind, exit.detail, met, metOnce()], ["processes", "", 2, 1]);
});
