/** The ladder of one allocation, by tables of inputs. */
import assert from "node:assert/strict";
import { test } from "node:test";
import {
  type AllocationAction,
  type AllocationInput,
  type AllocationState,
  DEAF_GRACE_MS,
  type HeardOrders,
  newAllocation,
  stepAllocation,
} from "./allocation.ts";
import type { AllocationExit } from "./allocation-exit.ts";

const go: HeardOrders = { version: 1, target: 3, yield: null, kill: false, reason: "go" };
const pause: HeardOrders = { ...go, version: 2, yield: "pause", reason: "pause" };
const kill: HeardOrders = { ...go, version: 3, kill: true, reason: "killed by ada" };
const fresh = (orders = go): AllocationState =>
  newAllocation({ orders, killGraceMs: 9_000, yieldGraceMs: 30_000 });
const orders = (value: HeardOrders): AllocationInput => ({ type: "orders", orders: value });
const started = (...ranks: number[]): AllocationInput => ({ type: "started", ranks });
const helloOf = (rank: number, connection: number): AllocationInput => ({
  ...{ type: "hello", rank, connection },
});
const byeOf = (connection: number): AllocationInput => ({ type: "bye", connection });
const closed = (connection: number): AllocationInput => ({ type: "closed", connection });
const hello = helloOf(0, 1);
const bye = byeOf(1);
const timer: AllocationInput = { type: "timer" };
const overdue: AllocationInput = { type: "overdue", silentMs: 61_000 };
const swept: AllocationInput = { type: "swept", outlived: 0, outOfMemory: null };
const ended = (
  rank: number,
  code: number | null,
  signal: string | null = null,
): AllocationInput => ({
  ...{ type: "rank_exited", rank, code, signal, outOfMemory: null },
});

interface Played {
  readonly state: AllocationState;
  readonly actions: string[];
  readonly exit: AllocationExit | undefined;
}

function play(inputs: readonly AllocationInput[], from = fresh()): Played {
  let state = from;
  const actions: AllocationAction[] = [];
  for (const input of inputs) {
    const next = stepAllocation(state, input);
    state = next.state;
    actions.push(...next.actions);
  }
  const exit = actions.find((action) => action.type === "exited")?.exit;
  return { state, actions: actions.map(name), exit };
}

function name(action: AllocationAction): string {
  if (action.type === "signal") return action.name;
  if (action.type === "timer")
    return action.delayMs === null ? "no timer" : `timer ${action.delayMs}`;
  if (action.type === "waiting") return `waiting ${action.step}`;
  if (action.type === "sweep") return `sweep ${action.graceMs}`;
  return action.type;
}

const check = (
  what: string,
  inputs: readonly AllocationInput[],
  actions: readonly string[],
): void => {
  test(what, () => assert.deepEqual(play(inputs).actions, actions));
};

check(
  "runs and ends",
  [{ type: "prepared" }, started(0), ended(0, 0), swept],
  ["spawn", "no timer", "sweep 5000", "exited"],
);
check(
  "a yield is asked for, then SIGTERM, then SIGKILL, again until it works",
  [started(0), hello, orders(pause), timer, timer, timer],
  [
    ...["push", "timer 30000"],
    ...["SIGTERM", "timer 9000"],
    ...["SIGKILL", "timer 5000"],
    ...["SIGKILL", "timer 5000"],
  ],
);
check(
  "who cannot hear has a short grace",
  [started(0), orders(pause), timer],
  ["push", `timer ${DEAF_GRACE_MS}`, "SIGTERM", "timer 9000"],
);
check(
  "who comes to hear in time gets the whole grace",
  [started(0), orders(pause), hello, hello],
  ["push", `timer ${DEAF_GRACE_MS}`, "timer 30000"],
);
check(
  "who greets again and again has the whole grace once",
  [started(0), orders(pause), hello, closed(1), helloOf(0, 2), closed(2), helloOf(0, 3)],
  ["push", `timer ${DEAF_GRACE_MS}`, "timer 30000"],
);
check(
  "whose connection was closed hears no more than who never had one",
  [started(0), hello, closed(1), orders(pause)],
  ["push", `timer ${DEAF_GRACE_MS}`],
);
check(
  "neither does one whose connection broke after a helper's goodbye",
  [started(0), hello, helloOf(0, 2), byeOf(2), closed(2), closed(1), orders(pause)],
  ["push", `timer ${DEAF_GRACE_MS}`],
);
check(
  "who said goodbye is given time to tidy up",
  [started(0), hello, bye, closed(1), orders(pause)],
  ["push", "timer 30000"],
);
check(
  "a yield that is taken back in time is one that never was",
  [started(0), hello, orders(pause), orders(go), timer],
  [...["push", "timer 30000"], ...["push", "no timer"]],
);
check(
  "a kill goes to SIGTERM at once, also after a yield",
  [started(0), hello, orders(pause), orders(kill), orders(kill)],
  [...["push", "timer 30000"], ...["push", "SIGTERM", "timer 9000"], "push"],
);
check(
  "who is silent for too long gets SIGTERM, then SIGKILL; orders that come later change nothing",
  [started(0), hello, overdue, orders(pause), timer],
  ["SIGTERM", "timer 9000", "push", "SIGKILL", "timer 5000"],
);
for (const [why, before] of Object.entries({
  "has not begun": [],
  "waits for orders": [started(0), hello, { type: "wait", rank: 0, step: 3 }],
  "was asked to yield": [started(0), hello, orders(pause)],
  "has ended": [started(0), ended(0, 0)],
} satisfies Record<string, AllocationInput[]>))
  test(`nobody is ended for silence who ${why}`, () => {
    const { state } = play(before);
    assert.deepEqual(stepAllocation(state, overdue), { state, actions: [] });
  });
check(
  "a wait is told once and answered by the target that goes past it",
  [
    started(0),
    hello,
    { type: "wait", rank: 0, step: 3 },
    { type: "wait", rank: 0, step: 3 },
    { type: "wait", rank: 1, step: 3 },
    orders({ ...go, target: 4 }),
    { type: "wait", rank: 0, step: 4 },
  ],
  ["waiting 3", "push", "waiting 4"],
);
check(
  "a wait that the orders answer already is answered at once",
  [started(0), hello, { type: "wait", rank: 0, step: 2 }],
  ["push"],
);
check(
  "the first rank that fails takes the others along",
  [started(0, 1), ended(1, 7), ended(0, null, "SIGTERM"), swept],
  [...["SIGTERM", "timer 9000"], ...["no timer", "sweep 5000", "exited"]],
);
check("a rank that ends in order waits for the others", [started(0, 1), ended(0, 0)], []);
check(
  "after SIGKILL the sweep has no patience either",
  [started(0), orders(kill), timer, ended(0, null, "SIGKILL")],
  [...["push", "SIGTERM", "timer 9000"], ...["SIGKILL", "timer 5000"], ...["no timer", "sweep 0"]],
);
check(
  "after its end an allocation does nothing",
  [started(0), ended(0, 0), swept, orders(kill), timer, hello, ended(0, 1), swept],
  [...["no timer", "sweep 5000", "exited"]],
);
check(
  "orders that end it while it is laid out stop that",
  [orders(kill), { type: "launch_failed", detail: "aborted" }],
  ["push", "abort_preparation", "exited"],
);

check(
  "orders that come while ranks are being started reach the first of them, which may wait",
  [
    ...[{ type: "prepared" } as const, hello, { type: "wait", rank: 0, step: 3 } as const],
    ...[orders({ ...go, version: 2, target: 9 }), started(0, 1)],
  ],
  ["spawn", "waiting 3", "push"],
);

check(
  "who is told to go while ranks are being started goes when they are, within that grace",
  [{ type: "prepared" }, { type: "shutdown", graceMs: 100 }, started(0), hello, timer],
  ["spawn", "abort_preparation", "SIGTERM", "timer 100", "SIGKILL", "timer 5000"],
);
check(
  "so does one whose node is taken away meanwhile",
  [{ type: "prepared" }, { type: "leave", graceMs: 3_000, reason: "SIGTERM" }, started(0)],
  ["spawn", "abort_preparation", "SIGTERM", "timer 3000"],
);

const leave: AllocationInput = { type: "leave", graceMs: 12_000, reason: "SIGTERM" };
check(
  "who saves for a pause when its node is taken away has as much time as who was not asked before",
  [started(0), hello, orders(pause), leave, leave, timer],
  [...["push", "timer 30000"], ...["push", "timer 8000"], ...["SIGTERM", "timer 4000"]],
);
check(
  "who is on its way out when its node is taken away goes within that grace",
  [started(0), hello, orders(kill), leave],
  [...["push", "SIGTERM", "timer 9000"], "timer 9000"],
);
test("who saves for a stop when its node is taken away is still told to stop", () => {
  const { state } = play([started(0), hello, orders({ ...pause, yield: "stop" }), leave]);
  assert.equal(state.orders.yield, "stop");
});

const exits: readonly {
  what: string;
  inputs: readonly AllocationInput[];
  expect: Partial<AllocationExit>;
}[] = [
  {
    what: "exit 0 after a yield that was heard",
    inputs: [started(0), hello, orders(pause), ended(0, 0), swept],
    expect: { yielded: true, signalsSent: [] },
  },
  {
    what: "goodbye after a yield, then a bad teardown",
    inputs: [started(0), hello, orders(pause), bye, ended(0, 139), swept],
    expect: { yielded: true },
  },
  {
    what: "an error after a yield is an error",
    inputs: [started(0), hello, orders(pause), ended(0, 1), swept],
    expect: { yielded: false },
  },
  {
    what: "a program that finished while the yield came",
    inputs: [started(0), hello, bye, orders(pause), ended(0, 0), swept],
    expect: { yielded: false },
  },
  {
    what: "a yield that was heard after a helper beside the program had come and gone",
    inputs: [
      ...[started(0), hello, helloOf(0, 2), byeOf(2), closed(2)],
      ...[orders(pause), bye, closed(1), ended(0, 0), swept],
    ],
    expect: { yielded: true },
  },
  {
    what: "a yield that was heard by the second program of a script",
    inputs: [
      ...[started(0), hello, bye, closed(1), helloOf(0, 2)],
      ...[orders(pause), byeOf(2), ended(0, 0), swept],
    ],
    expect: { yielded: true },
  },
  {
    what: "a program that finished while the yield came, and whose other ranks still listen",
    inputs: [
      ...[started(0, 1), hello, helloOf(1, 2), bye, closed(1), orders(pause)],
      ...[ended(0, 0), ended(1, 0), swept],
    ],
    expect: { yielded: false },
  },
  {
    what: "a program whose connection was closed before the yield, and that finished by itself",
    inputs: [started(0), hello, closed(1), orders(pause), ended(0, 0), swept],
    expect: { yielded: false },
  },
  {
    what: "a yield that was heard by rank 0 alone, while the others were being started",
    inputs: [
      ...[{ type: "prepared" } as const, hello, orders(pause), bye, closed(1)],
      ...[started(0, 1), ended(0, 0), ended(1, 0), swept],
    ],
    expect: { yielded: true },
  },
  {
    what: "a program that heard nothing and finished by itself",
    inputs: [started(0), orders(pause), ended(0, 0), swept],
    expect: { yielded: false },
  },
  {
    what: "a program that heard nothing and took SIGTERM for it",
    inputs: [started(0), orders(pause), timer, ended(0, 0), swept],
    expect: { yielded: true, signalsSent: ["SIGTERM"] },
  },
  {
    what: "finished after the yield was taken back and it waited again",
    inputs: [
      started(0),
      hello,
      orders(pause),
      orders(go),
      { type: "wait", rank: 0, step: 3 },
      ended(0, 0),
      swept,
    ],
    expect: { yielded: false },
  },
  {
    what: "paused before anything was started",
    inputs: [orders(pause), { type: "prepared" }],
    expect: { kind: "processes", processes: [], yielded: true },
  },
  {
    what: "killed before anything was started",
    inputs: [orders(kill), { type: "prepared" }],
    expect: { kind: "processes", processes: [], yielded: false },
  },
  {
    what: "the runner was told to stop",
    inputs: [started(0), { type: "shutdown", graceMs: 100 }, ended(0, null, "SIGTERM"), swept],
    expect: { kind: "runner_lost", signalsSent: ["SIGTERM"] },
  },
  {
    what: "the runner was told to stop while ranks were being started",
    inputs: [
      { type: "prepared" },
      { type: "leave", graceMs: 100, reason: "the engine takes its node away" },
      started(0),
      ended(0, null, "SIGTERM"),
      swept,
    ],
    expect: {
      ...{ kind: "runner_lost", signalsSent: ["SIGTERM"] },
      detail: "the runner was told to stop and ended its trials; the engine takes its node away",
    },
  },
  {
    what: "its node was taken away when it had ended by itself",
    inputs: [
      started(0),
      ended(0, 3),
      { type: "leave", graceMs: 100, reason: "the engine takes its node away" },
      swept,
    ],
    expect: { kind: "processes", detail: "" },
  },
  {
    what: "its node was taken away while it saved for a pause",
    inputs: [started(0), hello, orders(pause), leave, bye, ended(0, 0), swept],
    expect: { kind: "runner_lost", signalsSent: [], yielded: false },
  },
  {
    what: "the runner was told to stop after a kill",
    inputs: [
      started(0),
      orders(kill),
      { type: "shutdown", graceMs: 100 },
      ended(0, null, "SIGTERM"),
      swept,
    ],
    expect: { kind: "processes" },
  },
  {
    what: "it was silent for too long, and a yield came when it was too late",
    inputs: [started(0), overdue, orders(pause), ended(0, null, "SIGTERM"), swept],
    expect: { kind: "processes", silentMs: 61_000, signalsSent: ["SIGTERM"] },
  },
  {
    what: "nothing could be started",
    inputs: [{ type: "prepared" }, { type: "launch_failed", detail: "no such program" }],
    expect: { kind: "launch_failed", detail: "no such program" },
  },
  {
    what: "one of its nodes went before anything was started: nothing failed",
    inputs: [{ type: "launch_failed", detail: "node n2 was lost", lost: true }],
    expect: { kind: "runner_lost", detail: "node n2 was lost", processes: [] },
  },
  {
    what: "one of two ranks could not be started",
    inputs: [
      started(0),
      { type: "launch_failed", detail: "no room" },
      ended(0, null, "SIGTERM"),
      swept,
    ],
    expect: { kind: "launch_failed", processes: [{ rank: 0, code: null, signal: "SIGTERM" }] },
  },
  {
    what: "the server disowned it",
    inputs: [
      started(0),
      { type: "disowned", reason: "replaced" },
      ended(0, null, "SIGTERM"),
      swept,
    ],
    expect: { kind: "processes", signalsSent: ["SIGTERM"] },
  },
  {
    what: "its last words told of memory",
    inputs: [
      started(0),
      ended(0, 1),
      { type: "swept", outlived: 2, outOfMemory: "Python said so" },
    ],
    expect: {
      outOfMemory: "Python said so",
      detail: "2 processes outlived the last rank and had to be killed",
    },
  },
];
for (const { what, inputs, expect } of exits)
  test(`exit: ${what}`, () => {
    const { exit } = play(inputs);
    assert.ok(exit !== undefined);
    const shown = Object.fromEntries(
      Object.keys(expect).map((key) => [key, exit[key as keyof AllocationExit]]),
    );
    assert.deepEqual(shown, expect);
  });

test("of several ranks the one that ended the others is told first", () => {
  const cases: [what: string, inputs: AllocationInput[], rank: number, note: RegExp][] = [
    [
      "the first that failed",
      [ended(1, 9), ended(0, 1), ended(2, null, "SIGTERM")],
      1,
      /^rank 1 ended first, with code 9; the others were stopped$/,
    ],
    [
      "one that was killed from outside, though its peer's error was heard before",
      [ended(0, 1), ended(2, 1), ended(1, null, "SIGKILL")],
      1,
      /^rank 1 ended first, with signal SIGKILL/,
    ],
    [
      "not one that dies while it is torn down",
      [ended(2, 1), ended(0, null, "SIGSEGV"), ended(1, null, "SIGTERM")],
      2,
      /^rank 2 ended first, with code 1/,
    ],
    [
      "not one that we have killed",
      [ended(2, 1), ended(0, null, "SIGTERM"), timer, ended(1, null, "SIGKILL")],
      2,
      /^rank 2 ended first/,
    ],
  ];
  for (const [what, inputs, rank, note] of cases) {
    const { exit } = play([{ type: "prepared" }, started(0, 1, 2), hello, ...inputs, swept]);
    assert.equal(exit?.processes[0]?.rank, rank, what);
    assert.equal(exit?.processes.length, 3, what);
    assert.match(exit?.detail ?? "", note, what);
  }
  const orderly = play([{ type: "prepared" }, started(0, 1), ended(1, 0), ended(0, 0), swept]);
  assert.deepEqual(
    [orderly.exit?.processes.map((exit) => exit.rank), orderly.exit?.detail],
    [[1, 0], ""],
  );
});
