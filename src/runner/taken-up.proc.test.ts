/** What an earlier runner left is known to its successor before it listens: an order for it starts nothing a second time. */
import assert from "node:assert/strict";
import { mkdirSync } from "node:fs";
import { join } from "node:path";
import { type TestContext, test } from "node:test";
import { realClock } from "../base/real-clock.ts";
import { NodeMachine } from "./machine.ts";
import { writeLaunchNote } from "./state-folder.ts";
import { sh, TestBench } from "./test-bench.ts";

/** A runner that finds these, and the server that goes on ordering them. */
async function successorOf(t: TestContext, ids: readonly string[]): Promise<TestBench> {
  const bench = await TestBench.open();
  t.after(() => bench.close());
  for (const id of ids) {
    const folder = join(bench.state, "allocations", id);
    mkdirSync(folder, { recursive: true });
    bench.server.launch(id, sh("echo a second time"));
    writeLaunchNote(folder, { id, fence: 1 });
  }
  return bench;
}

test("one that waits for an engine that is away keeps no other from being known", {
  timeout: 60_000,
}, async (t) => {
  const bench = await successorOf(t, ["1.1.1", "1.2.1"]);
  const { endLeftovers } = NodeMachine.prototype;
  t.mock.method(NodeMachine.prototype, "endLeftovers", function (this: NodeMachine, ...[place]) {
    return place.id === "1.1.1" ? new Promise(() => {}) : endLeftovers.call(this, place);
  } as typeof endLeftovers);
  await bench.startRunner();
  assert.equal((await bench.server.untilExit("1.2.1")).kind, "runner_lost");
  assert.deepEqual(bench.server.logs("1.2.1"), []);
});

test("a note that cannot be read for want of files is no proof that nothing was started", {
  timeout: 60_000,
}, async (t) => {
  const bench = await successorOf(t, ["1.1.1"]);
  const { after } = realClock;
  // Nobody looks again before the orders were heard.
  const looks: (() => void)[] = [];
  let isHeard = false;
  t.mock.method(realClock, "after", (ms: number, run: () => void) => {
    if (isHeard || ms > 1_000) return after(ms, run);
    looks.push(run);
    return () => {};
  });
  t.mock.method(NodeMachine.prototype, "noteOf").mock.mockImplementationOnce(() => {
    throw Object.assign(new Error("EMFILE: too many open files, open"), { code: "EMFILE" });
  });
  await bench.startRunner();
  isHeard = true;
  for (const look of looks.splice(0)) look();
  assert.equal((await bench.server.untilExit("1.1.1")).kind, "runner_lost");
  assert.deepEqual(bench.server.logs("1.1.1"), []);
});
