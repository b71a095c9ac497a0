import assert from "node:assert/strict";
import { test } from "node:test";
import type { AllocationFact, ChangeFact } from "./facts.ts";
import { answerAllocation } from "./slot-answer.ts";
import { allocation, at, change, created, facts, first } from "./trial-fixtures.test.ts";

const told = (seq: number) => change(seq, "ada", "killing", "the experiment was killed by ada");
const gone = (seq: number, end: string) =>
  change(seq, "runner", `allocation ended: ${end}`, "over");
const killed = (changes: readonly ChangeFact[], more: Partial<AllocationFact>) =>
  first({
    ...{ state: "canceled", endReason: "killed_by_user", changes: [created, ...changes] },
    allocations: [allocation(1, more)],
  });
const signaled = { signalsSent: ["SIGTERM", "SIGKILL"], signal: "SIGKILL", exitCode: null };

test("killed: by whom, and what its processes did about it", () => {
  assert.match(
    killed([told(8), gone(9, "killed")], { ...signaled, end: "killed" }).text,
    /killed by ada at .* \(the experiment was killed by ada\)\. Its processes got SIGTERM, then SIGKILL and ended with SIGKILL\./,
  );
  const before = killed([gone(5, "paused"), told(8)], { endedAt: at(5), end: "paused" });
  assert.match(before.text, /It had no processes then\./);
  assert.equal(before.figures.exit_code, null);
});

test("killed: what came first is said by the log's order, whatever the clock said", () => {
  const back = killed([told(8), { ...gone(9, "killed"), at: at(-600) }], {
    ...{ ...signaled, end: "killed", endedAt: at(-600) },
  });
  assert.match(back.text, /Its processes got SIGTERM, then SIGKILL and ended with SIGKILL\./);
  assert.deepEqual(
    [back.figures.signals_sent, back.figures.signal],
    [["SIGTERM", "SIGKILL"], "SIGKILL"],
  );
  const forth = killed([{ ...gone(5, "paused"), at: at(600) }, told(8)], {
    ...{ ...signaled, end: "paused", endedAt: at(600) },
  });
  assert.match(forth.text, /It had no processes then\./);
  assert.deepEqual([forth.figures.signals_sent, forth.figures.signal], [[], null]);
});

test("killed: of processes that had been given up, only what was heard of them", () => {
  const lost = { end: "node_lost", exitCode: null, endedAt: at(5) };
  const late = change(9, "runner", "late exit", "the processes have ended");
  for (const order of [4, 8]) {
    const unheard = killed([told(order), gone(5, "node_lost")], lost);
    assert.match(unheard.text, /runner was lost, and nobody has told how its processes ended\.$/);
  }
  const heard = killed([gone(5, "node_lost"), told(8), late], { ...lost, exitCode: 3 });
  assert.match(heard.text, /ended by itself after its runner was lost, with exit code 3\.$/);
  const older = killed([gone(6, "paused"), told(8), late], { end: "paused" });
  assert.match(older.text, /It had no processes then\.$/, "the late one was an earlier run's");
});

test("stopped because its experiment ended: it did not fail, and who failed is told", () => {
  const cause = "3 trials failed before they reported anything; the last: trial 3: exit code 1";
  const stopped = change(8, "contrail", "stopping", cause);
  const over = change(10, "contrail", "experiment_ended", cause);
  const reason = (changes: readonly ChangeFact[], allocations: readonly AllocationFact[]) =>
    first({ ...{ state: "canceled", endReason: "experiment_ended" }, changes, allocations });
  const ran = reason(
    [created, stopped, gone(9, "stopped"), over],
    [allocation(1, { end: "stopped", yield: "stop" })],
  );
  assert.equal(
    ran.text,
    `Contrail stopped trial 3.7 because its experiment ended: ${cause}. Its program ended by itself when told, with exit code 0.`,
  );
  assert.deepEqual(
    [ran.code, ran.actor, ran.events, ran.figures.exit_code],
    ["experiment_ended", "contrail", [8], 0],
  );
  const waited = reason([created, stopped, over], []);
  assert.match(waited.text, /exit code 1\. It had no processes then\.$/);
});

test("failed: exit code or signal, restarts used", () => {
  const reason = first({
    ...{ state: "error", endReason: "user_error", restarts: 2, maxRestarts: 2 },
    changes: [
      change(8, "runner", "allocation ended: user_error", "its program ended with exit code 3"),
      change(
        8.5,
        "contrail",
        "user_error",
        "its program ended with exit code 3; max_restarts (2) are used up",
      ),
    ],
    allocations: [allocation(3, { exitCode: 3, end: "user_error" })],
  });
  assert.match(
    reason.text,
    /failed in allocation 3\.7\.3 on cpu:0, at step 3: .* exit code 3; max_restarts \(2\) are used up\./,
  );
  assert.deepEqual([reason.figures.exit_code, reason.figures.restarts], [3, 2]);
});

test("of an imported allocation it is not said that it was told to do nothing", () => {
  const told = (ordersReason: string): string => {
    const ended = allocation(1, { end: "stopped", ordersReason });
    return answerAllocation(facts({ allocations: [ended] }), ended).reasons[0]?.text ?? "";
  };
  assert.doesNotMatch(told(""), /told to/);
  assert.match(told("paused by bob"), /It was told to: paused by bob\.$/);
});
