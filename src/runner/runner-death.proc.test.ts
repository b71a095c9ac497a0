/** The runner as the engine starts it, a process of its own: killed, succeeded, adopted, told to stop. */
import assert from "node:assert/strict";
import { readFileSync, rmSync, truncateSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterEach, beforeEach, test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { realClock } from "../base/real-clock.ts";
import type { Engine, RunnerObservation, RunnerSpec } from "../engines/engine.ts";
import { localEngine } from "../engines/local/local-engine.ts";
import { isRunning } from "../engines/process-identity.ts";
import { readRunnerRecord, runnerFiles } from "../engines/runner-record.ts";
import type { FakeServer } from "./fake-server.ts";
import { findProcesses } from "./process-scan.ts";
import { sh, TestBench } from "./test-bench.ts";

let bench: TestBench;
let server: FakeServer;
let engine: Engine;
let spec: RunnerSpec;

beforeEach(async () => {
  bench = await TestBench.open();
  server = bench.server;
  engine = localEngine({ clock: realClock, environment: process.env });
  spec = bench.runnerSpec;
});
afterEach(async () => {
  await engine.stopRunner(bench.folder);
  await bench.close();
});

/** Reached only where something stays: whoever ends them needs a core, as the looks do. */
const GONE_MS_MAX = 60_000;

const log = () => readFileSync(runnerFiles(bench.folder).log, "utf8");

/**
 * Waits for the end of the killed runner and of everything that it ran. The kernel ends its children while the runner
 * itself is still being taken down, so that either may be seen to live a moment longer than the other.
 */
async function untilNoneLeft(ids: readonly string[]): Promise<void> {
  const deadline = performance.now() + GONE_MS_MAX;
  while (engine.observe(bench.folder).state === "alive") {
    assert.ok(
      performance.now() < deadline,
      `the killed runner still lives after ${GONE_MS_MAX} ms`,
    );
    await sleep(20);
  }
  for (const id of ids)
    for (;;) {
      const left = await findProcesses({
        groups: [],
        marker: `CONTRAIL_MARK=${join(bench.state, "s", `${id}.sock`)}`,
      });
      if (left.length === 0) break;
      assert.ok(
        performance.now() < deadline,
        `processes ${left} of ${id} outlived their runner by ${GONE_MS_MAX} ms`,
      );
      await sleep(20);
    }
}

/** Which start of the runner it is, nobody can foretell. */
function lifeOf(seen: RunnerObservation): object {
  if (seen.state !== "alive") return seen;
  assert.match(seen.boot, /^[0-9a-f-]{36}$/);
  return { state: seen.state, pid: seen.pid };
}

test("a killed runner takes its processes with it; its successor tells what happened and delivers the rest", async () => {
  const { pid, adopted } = await engine.ensureRunner(spec);
  assert.equal(adopted, false);
  assert.deepEqual(lifeOf(engine.observe(bench.folder)), { state: "alive", pid });
  const ids = ["1.1.1", "1.2.1"];
  for (const id of ids)
    server.launch(id, sh("sleep 1000 & setsid sleep 1000 & echo up; sleep 1000"));
  await server.until("both", () => ids.every((id) => server.logs(id).length === 1));
  server.launch("1.3.1", [
    process.execPath,
    "-e",
    "setTimeout(() => {}, 1e6); process.stdout.write('x'.repeat(100) + '\\n')",
  ]);
  await server.until("the third", () => server.logs("1.3.1").length === 1);
  await server.down();
  process.kill(pid, "SIGKILL");
  await untilNoneLeft([...ids, "1.3.1"]);
  const gone = engine.observe(bench.folder);
  assert.equal(gone.state, "gone");

  await server.up();
  const next = await engine.ensureRunner(spec);
  assert.equal(next.adopted, false);
  assert.notEqual(next.pid, pid);
  for (const id of [...ids, "1.3.1"]) {
    const exit = await server.untilExit(id);
    assert.equal(exit.kind, "runner_lost");
    assert.deepEqual(exit.processes, []);
    assert.deepEqual(server.types(id), ["started", "exited"]);
  }
  // The order to start them is heard again and changes nothing.
  server.order("1.1.1", { launch: null, reason: "again" });
  server.launch("1.1.1", sh("echo a second time"));
  server.launch("1.4.1", sh("echo later"));
  await server.untilExit("1.4.1");
  await server.until("later's line", () => server.logs("1.4.1").length === 1);
  assert.deepEqual(server.types("1.1.1"), ["started", "exited"]);
});

test("a checkpoint that was taken over is delivered by the successor, before the end is told", async () => {
  const { pid } = await engine.ensureRunner(spec);
  let tries = 0;
  server.intercept = (method) => (method === "PUT" && ++tries > 0 ? 503 : undefined);
  const program = `
import { writeFileSync } from "node:fs";
import { init } from "contrail";
const trial = await init();
let weights = "";
for await (const step of trial.steps({ save: (folder) => writeFileSync(folder + "/model", weights) })) {
  weights = "weights " + step;
  trial.report(step, { loss: 1 });
}
`;
  server.launch("1.1.1", [process.execPath, "t.ts"], { code: server.tree({ "t.ts": program }) });
  server.order("1.1.1", { target: 1 });
  await server.until("tries to send it", () => tries > 1);
  process.kill(pid, "SIGKILL");
  await untilNoneLeft(["1.1.1"]);
  server.intercept = () => undefined;
  await engine.ensureRunner(spec);
  await server.untilExit("1.1.1");
  assert.deepEqual(server.types("1.1.1"), ["started", "report", "checkpoint", "exited"]);
  const checkpoint = server.events("1.1.1")[2]!;
  assert.ok(checkpoint.type === "checkpoint");
  assert.equal(server.blobs.get(checkpoint.tree[0]!.hash)?.toString(), "weights 1");
});

test("a living runner is adopted by the next server, and training goes on meanwhile", async () => {
  const { pid } = await engine.ensureRunner(spec);
  server.launch("1.1.1", sh("while [ ! -e ../go ]; do sleep 0.02; done; echo went on"));
  await server.until("the start", () => server.types("1.1.1").includes("started"));
  await server.down();
  const again = await engine.ensureRunner({ ...spec, token: "another-token" });
  assert.deepEqual(again, { pid, adopted: true });
  server.token = "another-token";
  await server.up();
  server.launch("1.2.1", sh("touch ../../1.1.1/go"));
  await server.untilExit("1.1.1");
  await server.until("its line", () => server.output("1.1.1", "stdout").toString() === "went on\n");
});

test("an allocation that the server believes to run here, and nobody knows, is told as lost", async () => {
  server.order("1.1.1", { target: 3 });
  await engine.ensureRunner(spec);
  const exit = await server.untilExit("1.1.1");
  assert.deepEqual([exit.kind, exit.seq], ["runner_lost", 1]);
});

test("numbers go on behind what the server holds when the disk has lost it", async () => {
  await engine.ensureRunner(spec);
  server.launch("1.1.1", sh("echo up; sleep 1000"));
  await server.until("the start", () => server.logs("1.1.1").length === 1);
  process.kill(readRunnerRecord(runnerFiles(bench.folder).record)!.pid, "SIGKILL");
  await untilNoneLeft(["1.1.1"]);
  // The start, and what was written down around it as far as that came.
  const heard = server.events("1.1.1").length + server.records("1.1.1").length;
  // As after a power cut: the record of the start is on no disk, but the server has it.
  truncateSync(join(bench.state, "allocations/1.1.1/events-1"), 30);
  await engine.ensureRunner(spec);
  const exit = await server.untilExit("1.1.1");
  assert.deepEqual([exit.kind, exit.seq], ["runner_lost", heard + 1]);
  assert.match(exit.detail, /2 damaged bytes/);
});

test("SIGTERM: trials are ended in order, the server hears of it, and the runner exits", async () => {
  const { pid } = await engine.ensureRunner(spec);
  const record = readRunnerRecord(runnerFiles(bench.folder).record)!;
  server.launch(
    "1.1.1",
    sh("trap 'echo saved; exit 5' TERM; echo up; while :; do sleep 0.01; done"),
  );
  await server.until("the start", () => server.logs("1.1.1").length === 1);
  process.kill(pid, "SIGTERM");
  const exit = await server.untilExit("1.1.1");
  assert.deepEqual([exit.kind, exit.signalsSent], ["runner_lost", ["SIGTERM"]]);
  assert.deepEqual(exit.processes, [{ rank: 0, code: 5, signal: null }]);
  await server.until(
    "its last line",
    () => server.output("1.1.1", "stdout").toString() === "up\nsaved\n",
  );
  await engine.stopRunner(bench.folder);
  assert.equal(isRunning(record), false);
  assert.match(log(), /SIGTERM: ending all trials/);
});

test("a second runner in the same folder refuses to work", async () => {
  const { pid } = await engine.ensureRunner(spec);
  const record = runnerFiles(bench.folder).record;
  const text = readFileSync(record, "utf8");
  rmSync(record);
  await assert.rejects(engine.ensureRunner(spec), /another runner works in/);
  writeFileSync(record, text);
  assert.deepEqual(lifeOf(engine.observe(bench.folder)), { state: "alive", pid });
});
