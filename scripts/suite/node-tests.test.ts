import assert from "node:assert/strict";
import { describe, test } from "node:test";
import type { Ended } from "./child.ts";
import { countResults } from "./node-tests.ts";
import { exitCodeOf, failed, nothing, passed, skipped, sum, tally } from "./outcome.ts";
import type { Reported } from "./reporter.ts";

const pass: Reported = { kind: "pass", title: "a › b", where: "/x/a.test.ts:1" };
const skip: Reported = { kind: "skip", title: "c", where: "/x/a.test.ts:2" };
const fail: Reported = { kind: "fail", title: "d", where: "/x/a.test.ts:3", detail: "1 is not 2" };
const end: Reported = { kind: "end" };
const well: Ended = { status: 0, output: "", timedOut: false, leftRunning: [] };

describe("countResults", () => {
  const check = (
    name: string,
    results: readonly Reported[],
    ended: Partial<Ended>,
    expected: string,
    detail?: RegExp,
  ): void => {
    test(name, () => {
      const outcome = countResults(results, { ...well, ...ended }, ["src/a.test.ts"]);
      assert.equal(tally(outcome), expected);
      if (detail === undefined) return;
      const last = outcome.failures.at(-1);
      assert.match(`${last?.title}: ${last?.detail}`, detail);
    });
  };
  check(
    "counts each kind",
    [pass, pass, skip, fail, end],
    { status: 1 },
    "2 passed, 1 failed, 1 skipped",
  );
  check(
    "a process that ends early is a failure, whatever its status",
    [pass],
    { output: "bye" },
    "1 passed, 1 failed, 0 skipped",
    /ended with 0 before its tests were through: bye/,
  );
  check(
    "so is one without any result",
    [],
    { status: "SIGSEGV" },
    "0 passed, 1 failed, 0 skipped",
    /SIGSEGV/,
  );
  check(
    "and one that hangs",
    [pass],
    { status: "SIGKILL", timedOut: true },
    "1 passed, 1 failed, 0 skipped",
    /hung/,
  );
  check(
    "and one that fails although its tests did not",
    [pass, end],
    { status: 7 },
    "1 passed, 1 failed, 0 skipped",
    /ended with 7 although no test failed/,
  );
  check(
    "and one that leaves a process running",
    [pass, end],
    { leftRunning: ["process 5: sleep 60"] },
    "1 passed, 1 failed, 0 skipped",
    /left processes running: process 5: sleep 60/,
  );
  check(
    "a file without a test, which node:test counts as passed, is a failure",
    [{ kind: "pass", title: "src/a.test.ts", where: "/x/src/a.test.ts:1" }, end],
    {},
    "0 passed, 1 failed, 0 skipped",
    /holds no test/,
  );
});

test("outcomes add up, and only a run in which something passed and nothing failed is a success", () => {
  const total = sum([passed(3), skipped("no python3"), nothing, failed("x", "why"), passed()]);
  assert.equal(tally(total), "4 passed, 1 failed, 1 skipped");
  assert.deepEqual(
    [total, passed(), nothing, skipped("x"), failed("x", "y")].map(exitCodeOf),
    [1, 0, 1, 1, 1],
  );
});
