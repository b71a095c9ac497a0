import assert from "node:assert/strict";
import { test } from "node:test";
import {
  CRASH,
  exitOf,
  NODE_LOST,
  SILENT,
  TERMINATED,
  YIELDED,
} from "./lifecycle-fixtures.test.ts";
import {
  type AllocationEnd,
  classifyEnd,
  endStateName,
  type ProcessesEnd,
  RETRY_DELAY_MS_MAX,
  retryDelayMs,
} from "./trial.ts";

const code = (value: number, over: Partial<ProcessesEnd> = {}): ProcessesEnd =>
  exitOf({ exits: [{ code: value, signal: null }], ...over });
const signal = (name: string, over: Partial<ProcessesEnd> = {}): ProcessesEnd =>
  exitOf({ exits: [{ code: null, signal: name }], ...over });

const NOTHING = { yield: null, kill: false, invalid: false };
const ASKED = {
  nothing: NOTHING,
  pause: { ...NOTHING, yield: "pause" },
  stop: { ...NOTHING, yield: "stop" },
  kill: { ...NOTHING, kill: true },
  invalid: { ...NOTHING, invalid: true },
} as const;

test("what an allocation's end means, by what ended it and what was asked", () => {
  const table: readonly [string, ProcessesEnd, keyof typeof ASKED, AllocationEnd, RegExp][] = [
    ["ended by itself", exitOf(), "nothing", "finished", /exit code 0/],
    ["ended before it heard of the pause", exitOf(), "pause", "finished", /by itself/],
    ["said goodbye when asked", YIELDED, "pause", "paused", /slots back/],
    ["said goodbye when asked", YIELDED, "stop", "stopped", /as asked/],
    ["SIGTERM stood for the pause", TERMINATED, "pause", "paused", /slots back/],
    ["SIGTERM stood for the stop", TERMINATED, "stop", "stopped", /as asked/],
    ["killed as ordered", TERMINATED, "kill", "killed", /ordered/],
    ["ended well while being killed", exitOf(), "kill", "killed", /ordered/],
    ["never started, to be killed", exitOf({ exits: [] }), "kill", "killed", /ordered/],
    [
      "never started, to pause",
      exitOf({ exits: [], yielded: true }),
      "pause",
      "paused",
      /slots back/,
    ],
    [
      "SIGKILL after the grace",
      signal("SIGKILL", { signalsSent: ["SIGTERM", "SIGKILL"] }),
      "kill",
      "killed",
      /ordered/,
    ],
    [
      "a shell tells of our SIGTERM",
      code(143, { signalsSent: ["SIGTERM"] }),
      "pause",
      "paused",
      /slots/,
    ],
    [
      "a shell tells of our SIGKILL",
      code(137, { signalsSent: ["SIGTERM", "SIGKILL"] }),
      "kill",
      "killed",
      /ordered/,
    ],
    [
      "a launcher turns our SIGTERM into a code of its own",
      code(1, { signalsSent: ["SIGTERM"] }),
      "pause",
      "paused",
      /slots back/,
    ],
    [
      "one of several ranks failed while pausing, and the others were ended for it",
      exitOf({
        exits: [
          { code: 1, signal: null },
          { code: null, signal: "SIGTERM" },
        ],
        signalsSent: ["SIGTERM"],
      }),
      "pause",
      "user_error",
      /exit code 1$/,
    ],
    ["failed with a code", CRASH, "nothing", "user_error", /exit code 1$/],
    ["failed while asked to pause", CRASH, "pause", "user_error", /exit code 1$/],
    ["failed while being killed", CRASH, "kill", "user_error", /exit code 1$/],
    ["not executable", code(126), "nothing", "user_error", /126 \(not executable\)/],
    ["no such command", code(127), "nothing", "user_error", /127 \(command not found\)/],
    ["143 without our signal", code(143), "nothing", "user_error", /exit code 143/],
    [
      "killed by somebody else",
      signal("SIGKILL"),
      "nothing",
      "user_error",
      /SIGKILL, which Contrail did not send/,
    ],
    ["killed by somebody else while pausing", signal("SIGSEGV"), "pause", "user_error", /SIGSEGV/],
    [
      "out of memory",
      signal("SIGKILL", { outOfMemory: "cgroup counter" }),
      "nothing",
      "out_of_memory",
      /ran out of memory \(cgroup counter\)/,
    ],
    [
      "one of several ranks killed by somebody else",
      exitOf({
        exits: [
          { code: null, signal: "SIGKILL", rank: 1 },
          { code: 1, signal: null, rank: 0 },
        ],
        signalsSent: ["SIGTERM"],
      }),
      "nothing",
      "user_error",
      /^rank 1 of 2 ended first, and the others with it: its program was killed by SIGKILL, which Contrail did not send$/,
    ],
    [
      "out of memory under a shell, the other ranks stopped by us",
      exitOf({
        exits: [
          { code: 137, signal: null },
          { code: null, signal: "SIGTERM" },
        ],
        signalsSent: ["SIGTERM"],
        outOfMemory: "kernel",
      }),
      "nothing",
      "out_of_memory",
      /kernel/,
    ],
    [
      "one rank failed, the others were stopped for it",
      exitOf({
        exits: [
          { code: 3, signal: null },
          { code: null, signal: "SIGTERM" },
        ],
        signalsSent: ["SIGTERM"],
      }),
      "nothing",
      "user_error",
      /exit code 3$/,
    ],
    ["ended for its silence", SILENT, "nothing", "no_progress", /neither .* for 61\.0 s/],
    [
      "ended for its silence, code 0",
      exitOf({ silentMs: 61_000 }),
      "nothing",
      "no_progress",
      /its/,
    ],
    [
      "told to pause when it was ended already",
      SILENT,
      "pause",
      "no_progress",
      /progress_deadline/,
    ],
    ["killed by a person when it was ended already", SILENT, "kill", "killed", /as ordered/],
    ["lost with its node", NODE_LOST, "nothing", "node_lost", /node n1 was lost/],
    ["lost while pausing", NODE_LOST, "pause", "node_lost", /node n1 was lost/],
    [
      "could not be started",
      exitOf({ kind: "launch_failed", exits: [], detail: "no such file" }),
      "nothing",
      "launch_failed",
      /no such file/,
    ],
    ["declared invalid, failed", CRASH, "invalid", "invalid_hyperparameters", /declared/],
    ["declared invalid, ended", exitOf(), "invalid", "invalid_hyperparameters", /declared/],
  ];
  for (const [what, end, asked, expected, text] of table) {
    const got = classifyEnd(end, ASKED[asked]);
    assert.equal(got.end, expected, `${what}, asked: ${asked}`);
    assert.match(got.text, text, what);
  }
});

test("a rank that somebody else ended is a failure, though the other ranks were stopped by us", () => {
  const end = exitOf({
    exits: [
      { code: null, signal: "SIGSEGV" },
      { code: null, signal: "SIGTERM" },
    ],
    signalsSent: ["SIGTERM"],
  });
  assert.equal(classifyEnd(end, ASKED.nothing).end, "user_error");
  assert.match(classifyEnd(end, ASKED.nothing).text, /SIGSEGV/);
});

test("a rank that ends by itself with the code that shells make of SIGTERM has failed: it was charged nothing, and came again for ever", () => {
  const exits = [
    { code: 143, signal: null, rank: 0 },
    { code: null, signal: "SIGTERM", rank: 1 },
  ];
  const end = exitOf({ exits, signalsSent: ["SIGTERM"], broken: true });
  assert.equal(classifyEnd(end, ASKED.nothing).end, "user_error");
  assert.match(classifyEnd(end, ASKED.nothing).text, /rank 0 of 2 ended first.*exit code 143/);
});

test("the wait before a restart doubles, and has a bound", () => {
  assert.deepEqual([1, 2, 3, 4].map(retryDelayMs), [250, 500, 1000, 2000]);
  assert.deepEqual([0, 8, 9, 1000].map(retryDelayMs), [
    250,
    RETRY_DELAY_MS_MAX,
    RETRY_DELAY_MS_MAX,
    RETRY_DELAY_MS_MAX,
  ]);
});

test("only some ends are errors", () => {
  assert.deepEqual(
    (["finished", "stopped_by_search", "budget_reached"] as const).map(endStateName),
    ["completed", "completed", "completed"],
  );
  assert.deepEqual(
    (["killed_by_user", "canceled_by_user", "experiment_ended"] as const).map(endStateName),
    ["canceled", "canceled", "canceled"],
  );
  assert.deepEqual(
    (["user_error", "out_of_memory", "node_lost", "objective_missing"] as const).map(endStateName),
    ["error", "error", "error", "error"],
  );
});
