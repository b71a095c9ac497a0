/**
 * The test run itself, on small files with planted faults: what it says about them must be exact,
 * since everything else is believed because of it.
 */
import assert from "node:assert/strict";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, describe, test } from "node:test";
import { endAllPrograms, runProgram } from "./child.ts";
import { runNodeTests } from "./node-tests.ts";
import { tally } from "./outcome.ts";
import { canSeeProcesses } from "./processes.ts";
import { runPythonTests } from "./python-tests.ts";
import { pythonVersion } from "./venv.ts";

const folder = mkdtempSync(join(tmpdir(), "planted-"));
after(() => {
  rmSync(folder, { recursive: true });
  endAllPrograms();
});

const limits = { env: {}, testTimeoutMs: 5_000, timeoutMs: 60_000 };
const IMPORTS = `import test, { describe } from "node:test"; import assert from "node:assert/strict";\n`;

describe("runNodeTests", () => {
  let files = 0;
  const check = (name: string, source: string, expected: string, said: RegExp[] = []): void => {
    test(name, async () => {
      const file = join(folder, `planted-${++files}.test.ts`);
      writeFileSync(file, IMPORTS + source);
      const outcome = await runNodeTests({ files: [file], ...limits });
      const text = outcome.failures.map(({ title, detail }) => `${title}: ${detail}`).join("\n");
      assert.equal(tally(outcome), expected, text);
      for (const pattern of said) assert.match(text, pattern);
    });
  };
  check(
    "counts tests, not suites, and names a failure by its parents",
    `describe("one", () => { test("a", () => {}); test("b", () => assert.equal(1 as number, 2)); });
     test("c", async (t) => { await t.test("d", () => {}); }); test("e", (t) => t.skip("not here"));`,
    "3 passed, 1 failed, 1 skipped",
    [/^one › b: .*1 !== 2/s],
  );
  check(
    "a failing hook of a suite is a failure",
    `import { before } from "node:test";
     describe("s", () => { before(() => { throw new Error("no ground"); }); test("a", () => {}); });`,
    "0 passed, 2 failed, 0 skipped",
    [/no ground/],
  );
  check("a file that does not load", `throw new Error("boom");`, "0 passed, 1 failed, 0 skipped", [
    /boom/,
  ]);
  check("a file without a test", "", "0 passed, 1 failed, 0 skipped", [/holds no test/]);
  check(
    "a test that ends the process",
    `test("a", () => {}); test("b", async () => {
       await new Promise(setImmediate); console.log("bye"); process.exit(0); }); test("c", () => {});`,
    "1 passed, 1 failed, 0 skipped",
    [/before its tests were through: The test begun last: b \(.*\nbye/],
  );
  if (canSeeProcesses) {
    check(
      "a process that is left running is named and killed",
      `import { spawn } from "node:child_process";
       test("a", () => { spawn("sleep", ["61.5"], { detached: true, stdio: "ignore" }).unref(); });`,
      "1 passed, 1 failed, 0 skipped",
      [/left processes running: process \d+: sleep 61\.5/],
    );
  }
});

test("a program that hangs is ended with all that it started", async () => {
  const args = ["-c", "sleep 62.5 & sleep 62.5"];
  const ended = await runProgram({ command: "sh", args, timeoutMs: 200 });
  assert.deepEqual([ended.status, ended.timedOut, ended.leftRunning], ["SIGKILL", true, []]);
});

test("runPythonTests counts tests, whatever happens inside them", async (t) => {
  if ((await pythonVersion()) === undefined) {
    t.diagnostic("python3 is not installed; the Python part of the run says so by name");
    return;
  }
  writeFileSync(
    join(folder, "test_planted.py"),
    `import unittest
class A(unittest.TestCase):
    def test_good(self): pass
    def test_bad(self): self.assertEqual(1, 2)
    def test_subtests(self):
        for i in range(3):
            with self.subTest(i=i): self.assertEqual(i, 1)
    @unittest.skip("not today")
    def test_skipped(self): pass
`,
  );
  const outcome = await runPythonTests({ python: "python3", folder, env: {}, timeoutMs: 60_000 });
  assert.equal(tally(outcome), "1 passed, 2 failed, 1 skipped");
  assert.match(outcome.skipped.join(), /test_skipped: not today/);
});
