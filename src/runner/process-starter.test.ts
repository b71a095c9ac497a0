/** A program for which the machine has no process, or this process no file, just now. */
import assert from "node:assert/strict";
import childProcess from "node:child_process";
import { EventEmitter } from "node:events";
import { syncBuiltinESMExports } from "node:module";
import { tmpdir } from "node:os";
import { type TestContext, test } from "node:test";
import type { LaunchSpec } from "../protocol/runner-wire.ts";
import { processStarter } from "./process-starter.ts";
import { LaunchError } from "./rank-process.ts";
import type { RankPlan } from "./rank-starter.ts";
import type { ServerClient } from "./server-client.ts";
import { VirtualClock } from "./virtual-clock.ts";

/** Starts `true`; the system says `code` the first times, in either of the ways that Node has for it. */
function bench(t: TestContext, code: string, times: number) {
  let tries = 0;
  const fault = Object.assign(new Error(`spawn true ${code}`), { code });
  const { spawn } = childProcess;
  const failing = (...call: Parameters<typeof spawn>): unknown => {
    tries += 1;
    if (tries > times) return spawn(...call);
    if (tries % 2 === 0) throw fault;
    const child = new EventEmitter();
    process.nextTick(() => child.emit("error", fault));
    return child;
  };
  t.mock.method(childProcess, "spawn", failing as typeof spawn);
  syncBuiltinESMExports();
  t.after(() => {
    t.mock.restoreAll();
    syncBuiltinESMExports();
  });
  const clock = new VirtualClock();
  const starter = processStarter({
    ...{ clock, client: { url: () => "http://here" } as ServerClient, environment: process.env },
    ...{ nodeBinary: process.execPath, repoRoot: "/", devices: "ours" },
  });
  const launch = {
    ...{ allocation: "1.1.1", trial: "1.1", entrypoint: ["true"], ranks: 1, slots: [] },
    ...{ hyperparameters: {}, environment: {}, code: null },
  } as unknown as LaunchSpec;
  const plan = {
    ...{ launch, prepared: { code: tmpdir(), data: {}, restore: null } },
    ...{ socket: "/nowhere.sock", server: "http://here", rendezvous: null },
  } as RankPlan;
  const told: string[] = [];
  const stop = new AbortController();
  const exited = Promise.withResolvers<unknown>();
  const rank = starter.start(plan, 0, {
    sinks: { output: () => {}, exited: ({ code }) => exited.resolve(code), closed: () => {} },
    ...{ before: [], signal: stop.signal, tell: (text) => told.push(text) },
  });
  return { clock, rank, told, stop, exited: exited.promise, tries: () => tries };
}

for (const code of ["EAGAIN", "ENOMEM", "EMFILE", "ENFILE"])
  test(`a start that ends with ${code} is tried again, and its trial's output says so`, async (t) => {
    const { clock, rank, told, exited, tries } = bench(t, code, 20);
    rank.catch(() => {});
    for (let turn = 0; turn < 200 && tries() <= 20; turn++) await clock.turn();
    await rank;
    assert.equal(await exited, 0);
    assert.deepEqual(told, [`the start of rank 0 waits until there is room: spawn true ${code}`]);
  });

test("who waits for a process is given up with its start", async (t) => {
  const { clock, rank, stop } = bench(t, "EAGAIN", 1000);
  rank.catch(() => {});
  for (let turn = 0; turn < 20; turn++) await clock.turn();
  stop.abort(new Error("killed"));
  await assert.rejects(rank, /^Error: killed$/);
});

for (const code of ["E2BIG", "EACCES"])
  test(`a start that ends with ${code} ends the launch`, async (t) => {
    await assert.rejects(bench(t, code, 1).rank, LaunchError);
  });
