/** Whether a process lives, where this process has no file left to look with. */
import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import fs from "node:fs";
import { syncBuiltinESMExports } from "node:module";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type TestContext, test } from "node:test";
import { realClock } from "../base/real-clock.ts";
import { observeRunner } from "../engines/local/local-engine.ts";
import { identify, procStatus } from "../engines/process-identity.ts";
import { runnerFiles } from "../engines/runner-record.ts";
import { findProcesses } from "./process-scan.ts";
import { sweep } from "./sweep.ts";

/** @param until how often it is said @param which of what is opened */
function outOfFiles(t: TestContext, which: RegExp, until = Number.POSITIVE_INFINITY) {
  const said = { times: 0 };
  for (const name of ["readFileSync", "openSync"] as const) {
    const real = fs[name] as (...args: unknown[]) => unknown;
    t.mock.method(fs, name, ((path: unknown, ...rest: unknown[]) => {
      if (!which.test(String(path)) || said.times >= until) return real(path, ...rest);
      said.times += 1;
      const message = `EMFILE: too many open files, open '${path}'`;
      throw Object.assign(new Error(message), { code: "EMFILE", syscall: "open" });
    }) as never);
  }
  syncBuiltinESMExports();
  t.after(() => {
    t.mock.restoreAll();
    syncBuiltinESMExports();
  });
  return said;
}

test("a process that is not there is told from one that nobody can look at", (t) => {
  assert.equal(procStatus(2 ** 30), undefined);
  outOfFiles(t, /^\/proc\//);
  assert.throws(() => identify(process.pid), /EMFILE/);
});

test("a runner that nobody can look at is not gone", (t) => {
  const folder = fs.mkdtempSync(join(tmpdir(), "contrail-identity-"));
  t.after(() => fs.rmSync(folder, { recursive: true }));
  const { state, record } = runnerFiles(folder);
  fs.mkdirSync(state);
  const boot = { runnerId: "r", boot: "b" };
  fs.writeFileSync(record, JSON.stringify({ ...identify(process.pid), ...boot }));
  assert.equal(observeRunner(folder).state, "alive");
  for (const which of [/\/stat$/, /runner\.json$/]) {
    const said = outOfFiles(t, which, 1);
    const { state: seen, ...why } = observeRunner(folder);
    assert.equal(seen, "unknown");
    assert.match(JSON.stringify(why), /EMFILE/);
    assert.equal(said.times, 1);
    t.mock.restoreAll();
    syncBuiltinESMExports();
  }
});

test("what runs is not taken for ended because nobody can look", async (t) => {
  const marker = `CONTRAIL_TEST_MARK=${process.pid}-here`;
  outOfFiles(t, /^\/proc\/\d+\/environ$/);
  await assert.rejects(findProcesses({ groups: [], marker }), /EMFILE/);
});

test("what was opened and cannot be read for want of memory is not taken for ended either", async (t) => {
  t.mock.method(fs, "readSync", () => {
    throw Object.assign(new Error("ENOMEM: not enough memory, read"), { code: "ENOMEM" });
  });
  syncBuiltinESMExports();
  t.after(() => {
    t.mock.restoreAll();
    syncBuiltinESMExports();
  });
  await assert.rejects(findProcesses({ groups: [], marker: "CONTRAIL_TEST_MARK=here" }), /ENOMEM/);
});

test("a process that nobody can look at for a moment is ended all the same", async (t) => {
  const marker = `CONTRAIL_TEST_MARK=${process.pid}-left`;
  const [name = "", value = ""] = marker.split("=");
  const child = spawn("sleep", ["600"], { env: { ...process.env, [name]: value } });
  t.after(() => child.kill("SIGKILL"));
  await once(child, "spawn");
  outOfFiles(t, new RegExp(`^/proc/${child.pid}/environ$`), 1);
  const clock = { ...realClock, after: (_: number, then: () => void) => realClock.after(0, then) };
  assert.equal(await sweep({ clock, graceMs: 0, groups: [], marker }), 1);
});
