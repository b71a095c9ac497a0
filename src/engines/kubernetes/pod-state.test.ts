import assert from "node:assert/strict";
import { test } from "node:test";
import type { EngineCause } from "../../core/jobs/reconcile.ts";
import type { ContainerStatus, Pod, PodStatus } from "./objects.ts";
import { endOfGonePod, endOfLostPod, viewPod } from "./pod-state.ts";

type State = ContainerStatus["state"];

const pod = (status: PodStatus, state?: State, more: Partial<Pod["metadata"]> = {}): Pod => ({
  metadata: { name: "p", uid: "1", ...more },
  spec: { nodeName: "k1" },
  status: {
    ...status,
    containerStatuses: state === undefined ? [] : [{ name: "contrail", state }],
  },
});

const target = (reason: string): PodStatus["conditions"] => [
  { type: "DisruptionTarget", status: "True", reason, message: "says Kubernetes" },
];
const leaving = { deletionTimestamp: "2026-11-28T12:00:10Z" };
const exit = (exitCode: number, reason = "Error"): State => ({ terminated: { exitCode, reason } });

const ends: readonly [
  what: string,
  Pod,
  EngineCause,
  code: number | null,
  signal: number | null,
][] = [
  ["exit 0", pod({ phase: "Succeeded" }, exit(0, "Completed")), "exited", 0, null],
  ["exit 3", pod({ phase: "Failed" }, exit(3)), "exited", 3, null],
  ["a signal, as engines tell it", pod({ phase: "Failed" }, exit(139)), "exited", null, 11],
  ["255 is no signal", pod({ phase: "Failed" }, exit(255)), "exited", 255, null],
  ["memory", pod({ phase: "Failed" }, exit(137, "OOMKilled")), "out_of_memory", null, 9],
  [
    "no such program",
    pod({ phase: "Failed" }, exit(128, "StartError")),
    "never_started",
    128,
    null,
  ],
  [
    "its time was over",
    pod({ phase: "Failed", reason: "DeadlineExceeded" }, exit(143)),
    "time_limit",
    null,
    15,
  ],
  ["pressure on the node", pod({ phase: "Failed", reason: "Evicted" }), "preempted", null, null],
  [
    "the node shut down",
    pod({ phase: "Failed", reason: "Terminated" }, exit(0)),
    "preempted",
    0,
    null,
  ],
  [
    "drained, and obeyed",
    pod({ phase: "Succeeded", conditions: target("EvictionByEvictionAPI") }, exit(0), leaving),
    "preempted",
    0,
    null,
  ],
  [
    "somebody more important, and it was killed",
    pod({ phase: "Failed", conditions: target("PreemptionByScheduler") }, exit(137), leaving),
    "preempted",
    null,
    9,
  ],
  [
    "the node is gone",
    pod({ phase: "Failed", conditions: target("DeletionByPodGC") }),
    "node_lost",
    null,
    null,
  ],
  [
    "nobody knows its exit",
    pod({ phase: "Failed" }, exit(137, "ContainerStatusUnknown")),
    "node_lost",
    null,
    null,
  ],
  [
    "the kubelet had no room",
    pod({ phase: "Failed", reason: "OutOfcpu" }),
    "never_started",
    null,
    null,
  ],
  ["deleted by a person", pod({ phase: "Succeeded" }, exit(0), leaving), "cancelled", 0, null],
  [
    "done, while a sidecar runs on",
    pod({ phase: "Running" }, exit(0, "Completed")),
    "exited",
    0,
    null,
  ],
];

for (const [what, seen, cause, code, signal] of ends)
  test(`how a pod ended: ${what}`, () => {
    const view = viewPod(seen);
    assert.ok(view.state === "ended", view.state);
    assert.deepEqual([view.end.cause, view.end.code, view.end.signal], [cause, code, signal]);
    assert.match(view.end.text, /\w/);
  });

test("a pod that waits says for what", () => {
  const unplaced: Pod = {
    metadata: { name: "p" },
    spec: {},
    status: {
      phase: "Pending",
      conditions: [
        {
          type: "PodScheduled",
          status: "False",
          reason: "Unschedulable",
          message: "0/3 nodes are available: 3 Insufficient cpu.",
        },
      ],
    },
  };
  const view = viewPod(unplaced);
  assert.ok(view.state === "waiting");
  assert.equal(view.why, "Unschedulable: 0/3 nodes are available: 3 Insufficient cpu.");
  assert.equal(view.trouble, undefined);
  const waiting = { reason: "ErrImagePull", message: "not found" };
  const pulling = viewPod(pod({ phase: "Pending" }, { waiting }));
  assert.ok(pulling.state === "waiting");
  assert.deepEqual(pulling.trouble, { text: "ErrImagePull: not found", isFinal: false });
  const named = viewPod(pod({ phase: "Pending" }, { waiting: { reason: "InvalidImageName" } }));
  assert.ok(named.state === "waiting" && named.trouble?.isFinal);
  const creating = viewPod(pod({ phase: "Pending" }, { waiting: { reason: "ContainerCreating" } }));
  assert.ok(creating.state === "waiting" && creating.trouble === undefined);
});

test("a pod of a silent node is given up after Kubernetes has, and its grace is over", () => {
  const conditions = target("DeletionByTaintManager");
  const lost = pod({ phase: "Running", conditions }, { running: {} }, leaving);
  const dueMs = Date.parse(leaving.deletionTimestamp);
  assert.equal(viewPod(lost).state, "leaving");
  assert.equal(endOfLostPod(lost, dueMs + 4999, 5000), undefined);
  assert.equal(endOfLostPod(lost, dueMs + 5000, 5000)?.cause, "node_lost");
  const drained = pod(
    { phase: "Running", conditions: target("EvictionByEvictionAPI") },
    { running: {} },
    leaving,
  );
  assert.equal(endOfLostPod(drained, dueMs + 1e9, 5000), undefined, "its kubelet still answers");
});

test("a pod that is gone ended as was last seen, and otherwise somebody deleted it", () => {
  const running: State = { running: {} };
  const evicted = pod({ phase: "Running", conditions: target("EvictionByEvictionAPI") }, running);
  assert.equal(endOfGonePod(evicted).cause, "preempted");
  assert.equal(endOfGonePod(pod({ phase: "Failed" }, exit(4))).code, 4);
  const deleted = endOfGonePod(pod({ phase: "Running" }, running));
  assert.equal(deleted.cause, "cancelled");
  assert.match(deleted.text, /deleted by somebody else$/);
});
