/** States, reasons and exit codes as a cluster of Slurm 22.05 gave them. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { isOver, observeJob } from "./observe-job.ts";
import { waitingSentence } from "./reasons.ts";
import type { SlurmJob } from "./slurm-access.ts";

const GRACE_MS = 30_000;
const job: SlurmJob = {
  ...{ number: 1, name: "contrail:own:1.1.1", comment: "", state: "RUNNING", reason: "None" },
  ...{
    nodes: "n[1-2]",
    isPreempted: false,
    restarts: 0,
    waitStatus: 0,
    startMs: 1000,
    endMs: 61_000,
  },
  limitMs: 3_600_000,
};

interface EndCase {
  readonly what: string;
  readonly given: Partial<SlurmJob>;
  /** Cause, code and signal. */
  readonly end: string;
  readonly text: RegExp;
}

const ends: readonly EndCase[] = [
  {
    what: "through",
    given: { state: "COMPLETED" },
    ...{ end: "exited 0 null", text: /COMPLETED: exit code 0/ },
  },
  {
    what: "its own code",
    given: { state: "FAILED", reason: "NonZeroExitCode", waitStatus: 7 << 8 },
    ...{ end: "exited 7 null", text: /FAILED \(NonZeroExitCode\): exit code 7$/ },
  },
  {
    what: "a task that a signal ended, as srun says it",
    given: { state: "FAILED", waitStatus: 35_072 },
    ...{ end: "exited 137 null", text: /exit code 137 \(signal 9\)/ },
  },
  {
    what: "the script's own shell killed",
    given: { state: "FAILED", waitStatus: 9 },
    ...{ end: "exited null 9", text: /signal 9/ },
  },
  {
    what: "its folder is not there",
    given: { state: "FAILED", reason: "JobLaunchFailure", waitStatus: 4021 },
    ...{ end: "never_started null null", text: /could not be started there\. Is the folder/ },
  },
  {
    what: "cancelled",
    given: { state: "CANCELLED" },
    ...{ end: "cancelled 0 null", text: /CANCELLED after 60 s/ },
  },
  {
    what: "cancelled while it waited",
    given: { state: "CANCELLED", startMs: 61_000, nodes: "" },
    ...{ end: "cancelled null null", text: /before it started/ },
  },
  {
    what: "who obeyed when somebody more important came",
    given: { state: "COMPLETED", isPreempted: true },
    ...{ end: "preempted 0 null", text: /COMPLETED: it made room for a job of higher priority/ },
  },
  {
    what: "who did not",
    given: { state: "PREEMPTED", isPreempted: true, waitStatus: 15 },
    ...{ end: "preempted null 15", text: /PREEMPTED/ },
  },
  {
    what: "its time limit",
    given: { state: "TIMEOUT" },
    ...{ end: "time_limit 0 null", text: /TIMEOUT after 60 s: its time limit/ },
  },
  {
    what: "who obeyed before it",
    given: { state: "COMPLETED", endMs: 3_600_000 },
    ...{ end: "time_limit 0 null", text: /told to go at its time limit/ },
  },
  {
    what: "a lost node",
    given: { state: "NODE_FAIL" },
    ...{ end: "node_lost null null", text: /a node failed of n\[1-2\]/ },
  },
  {
    what: "put back into the queue after a node failed",
    given: { state: "PENDING", reason: "BeginTime", nodes: "", restarts: 1 },
    ...{ end: "node_lost null null", text: /a node failed, and Slurm queued it again/ },
  },
  {
    what: "put back into the queue after it made room",
    given: { state: "PENDING", reason: "BeginTime", nodes: "", restarts: 1, isPreempted: true },
    ...{ end: "preempted 0 null", text: /made room/ },
  },
  {
    what: "a node that did not start",
    given: { state: "BOOT_FAIL" },
    ...{ end: "never_started null null", text: /BOOT_FAIL on n\[1-2\]/ },
  },
  {
    what: "memory, of the step that ran the command",
    given: { state: "FAILED", reason: "NonZeroExitCode", waitStatus: 125 << 8 },
    ...{ end: "out_of_memory null null", text: /OUT_OF_MEMORY of its step/ },
  },
  {
    what: "memory",
    given: { state: "OUT_OF_MEMORY", waitStatus: 125 << 8 },
    ...{ end: "out_of_memory 125 null", text: /OUT_OF_MEMORY/ },
  },
];
for (const { what, given, end, text } of ends)
  test(`an end: ${what}`, () => {
    const seen = observeJob({ ...job, ...given }, GRACE_MS);
    assert.ok(seen.state === "ended");
    const { cause, code, signal } = seen.end;
    assert.equal(`${cause} ${code} ${signal}`, end);
    assert.match(seen.end.text, text);
  });

test("a short limit is never taken for one that a job was told of before", () => {
  const short = { ...job, state: "COMPLETED", limitMs: 120_000, endMs: 110_000 };
  const seen = observeJob(short, GRACE_MS);
  assert.ok(seen.state === "ended");
  assert.equal(seen.end.cause, "exited");
});

test("before its end", () => {
  const nodes = ["n1", "n2"];
  assert.deepEqual(observeJob(job, GRACE_MS), { state: "running", nodes });
  const preempted = observeJob({ ...job, isPreempted: true }, GRACE_MS);
  assert.ok(preempted.state === "ending" && /make room/.test(preempted.why));
  const completing = observeJob({ ...job, state: "COMPLETING" }, GRACE_MS);
  assert.deepEqual(completing, { state: "ending", nodes, why: "Slurm: COMPLETING" });
  const pending = { ...job, state: "PENDING", reason: "Resources", nodes: "", startMs: null };
  assert.deepEqual(observeJob(pending, GRACE_MS), {
    ...{ state: "queued", why: "Slurm: Resources: the nodes that it needs are busy" },
  });
  // A word that a later Slurm may bring ends nothing.
  const strange = { ...job, state: "DANCING" };
  assert.equal(isOver(strange), false);
  assert.equal(observeJob(strange, GRACE_MS).state, "running");
});

for (const [reason, sentence] of [
  ["None", /^Slurm: None: Slurm has not looked at it yet$/],
  ["Priority", /jobs of higher priority/],
  ["PartitionNodeLimit", /more nodes than the partition.*it will not start unless/],
  ["ReqNodeNotAvail, UnavailableNodes:n4", /^Slurm: ReqNodeNotAvail, UnavailableNodes:n4: a node/],
  [
    "Nodes required for job are DOWN, DRAINED or reserved for jobs in higher priority partitions",
    /^Slurm: Nodes required for job are DOWN, DRAINED or reserved for jobs in higher priority partitions$/,
  ],
  ["SomethingNew", /^Slurm: SomethingNew$/],
] as const)
  test(`why it waits: ${reason}`, () => assert.match(waitingSentence(reason), sentence));
