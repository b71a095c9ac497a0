import assert from "node:assert/strict";
import { test } from "node:test";
import { allocation, at, change, created, first } from "./trial-fixtures.test.ts";

test("killed: by whom, and what its processes did about it", () => {
  const killing = change(8, "ada", "killing", "the experiment was killed by ada");
  const over = { state: "canceled", endReason: "killed_by_user", changes: [created, killing] };
  const sent = allocation(1, {
    signalsSent: ["SIGTERM", "SIGKILL"],
    signal: "SIGKILL",
    exitCode: null,
  });
  assert.match(
    first({ ...over, allocations: [sent] }).text,
    /killed by ada at .* \(the experiment was killed by ada\)\. Its processes got SIGTERM, then SIGKILL and ended with SIGKILL\./,
  );
  const before = allocation(1, { endedAt: at(5) });
  assert.match(first({ ...over, allocations: [before] }).text, /It had no processes then\./);
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
