/**
 * What a pod's status says, in the words of jobs. Kubernetes tells the same thing in several places, which changed over its
 * versions: conditions (DisruptionTarget since 1.26), the pod's own reason, and its containers' states. The most
 * particular word wins: a program that obeyed and exited with 0 because its node was drained was preempted and has not ended.
 */
import { constants } from "node:os";
import { MAIN_CONTAINER } from "../../protocol/pod-spec.ts";
import type { JobEnd } from "../job-engine.ts";
import type { Condition, ContainerStatus, Pod } from "./objects.ts";

/** Before the command runs, or while nothing but it could tell more. */
export type PodView =
  | { readonly state: "waiting"; readonly why: string; readonly trouble: StartTrouble | undefined }
  | { readonly state: "running"; readonly node: string }
  | { readonly state: "leaving"; readonly why: string; readonly node: string }
  | { readonly state: "ended"; readonly end: JobEnd };

/** Why it may never start, if that lasts. */
export interface StartTrouble {
  readonly text: string;
  /** Waiting longer cannot help. */
  readonly isFinal: boolean;
}

/** The container waits for something that somebody would have to put right. */
const TROUBLES: readonly string[] = [
  "ErrImagePull",
  "ImagePullBackOff",
  "ErrImageNeverPull",
  "ErrInvalidImageName",
  "InvalidImageName",
  "ImageInspectError",
  "RegistryUnavailable",
  "CreateContainerConfigError",
  "CreateContainerError",
  "RunContainerError",
];
const FINAL: readonly string[] = ["InvalidImageName", "ErrInvalidImageName", "ErrImageNeverPull"];

const mainOf = (pod: Pod): ContainerStatus | undefined =>
  pod.status?.containerStatuses?.find(({ name }) => name === MAIN_CONTAINER);

const conditionOf = (pod: Pod, type: string): Condition | undefined =>
  pod.status?.conditions?.find((condition) => condition.type === type);

const sentence = (...parts: readonly (string | undefined)[]): string =>
  parts.filter((part) => part !== undefined && part !== "").join(": ");

/** Of a pod that is there. */
export function viewPod(pod: Pod): PodView {
  const end = endOfPod(pod);
  if (end !== undefined) return { state: "ended", end };
  const node = pod.spec.nodeName ?? "";
  const disrupted = disruptionOf(pod);
  if (pod.metadata.deletionTimestamp !== undefined)
    return { state: "leaving", why: disrupted?.text ?? "the pod was told to go", node };
  if (mainOf(pod)?.state?.running !== undefined) return { state: "running", node };
  return { state: "waiting", ...whyWaiting(pod) };
}

function whyWaiting(pod: Pod): { why: string; trouble: StartTrouble | undefined } {
  const scheduled = conditionOf(pod, "PodScheduled");
  if (scheduled?.status === "False")
    return { why: sentence(scheduled.reason, scheduled.message), trouble: undefined };
  if (pod.spec.nodeName === undefined)
    return { why: "Kubernetes' scheduler has not looked at it yet", trouble: undefined };
  const containers = [
    ...(pod.status?.initContainerStatuses ?? []),
    ...(pod.status?.containerStatuses ?? []),
  ];
  for (const { name, state } of containers) {
    const { reason = "", message } = state?.waiting ?? {};
    if (!TROUBLES.includes(reason)) continue;
    const text = sentence(reason, message ?? `container ${name}`);
    return { why: text, trouble: { text, isFinal: FINAL.includes(reason) } };
  }
  const waiting = mainOf(pod)?.state?.waiting;
  const said = sentence(waiting?.reason, waiting?.message) || "it is being prepared";
  return { why: `on ${pod.spec.nodeName}: ${said}`, trouble: undefined };
}

/** @returns undefined while its command may still run, as far as Kubernetes knows */
export function endOfPod(pod: Pod): JobEnd | undefined {
  const { phase } = pod.status ?? {};
  const terminated = mainOf(pod)?.state?.terminated;
  // Sidecars keep a pod alive whose work is done.
  if (phase !== "Succeeded" && phase !== "Failed" && terminated === undefined) return undefined;
  return endByStatus(pod);
}

/** Of a pod that Kubernetes no longer has, by the last that was seen of it. */
export function endOfGonePod(pod: Pod): JobEnd {
  const told = endOfPod(pod) ?? endByDisruption(pod);
  if (told !== undefined) return told;
  const started = mainOf(pod)?.state?.running !== undefined;
  return {
    cause: "cancelled",
    ...NO_CODE,
    text: `the pod ${pod.metadata.name} was deleted by somebody else${started ? "" : ", before it started"}`,
  };
}

const NO_CODE = { code: null, signal: null } as const;

function endByStatus(pod: Pod): JobEnd {
  const terminated = mainOf(pod)?.state?.terminated;
  const { reason, message, phase } = pod.status ?? {};
  const how = terminated === undefined ? NO_CODE : exitOf(terminated.exitCode, terminated.signal);
  const disrupted = endByDisruption(pod);
  if (disrupted !== undefined) return disrupted;
  if (terminated?.reason === "OOMKilled")
    return {
      cause: "out_of_memory",
      ...how,
      text: "OOMKilled: it used more memory than its limit",
    };
  if (reason === "DeadlineExceeded")
    return { cause: "time_limit", ...how, text: sentence(reason, message) };
  if (terminated === undefined)
    return { cause: "never_started", ...how, text: sentence(reason ?? phase, message) };
  if (terminated.reason === "ContainerStatusUnknown")
    return {
      cause: "node_lost",
      ...NO_CODE,
      text: sentence(terminated.reason, terminated.message),
    };
  // A command that is not there, or no program: nothing of it ever ran.
  if (terminated.reason === "StartError" || terminated.reason === "ContainerCannotRun")
    return {
      cause: "never_started",
      ...how,
      text: sentence(terminated.reason, terminated.message),
    };
  if (pod.metadata.deletionTimestamp !== undefined)
    return {
      cause: "cancelled",
      ...how,
      text: `the pod ${pod.metadata.name} was deleted, and its command ended with ${terminated.exitCode}`,
    };
  const text = `${terminated.reason ?? phase ?? "ended"}: exit code ${terminated.exitCode}`;
  return { cause: "exited", ...how, text: sentence(text, terminated.message) };
}

/** Container engines say 128 + n for a program that signal n ended, and nothing else tells the two apart. */
function exitOf(exitCode: number, signal: number | undefined) {
  if (signal !== undefined && signal > 0) return { code: null, signal };
  const byCode = exitCode - 128;
  return Object.values(constants.signals).includes(byCode as never)
    ? { code: null, signal: byCode }
    : { code: exitCode, signal: null };
}

/** Whoever takes a pod away says so in its conditions; older versions and the kubelet in its reason. */
const DISRUPTIONS: Readonly<Record<string, "preempted" | "node_lost">> = {
  PreemptionByScheduler: "preempted",
  PreemptionByKubeScheduler: "preempted",
  EvictionByEvictionAPI: "preempted",
  TerminationByKubelet: "preempted",
  DeletionByTaintManager: "node_lost",
  DeletionByPodGC: "node_lost",
};
const REASONS: Readonly<Record<string, "preempted" | "node_lost">> = {
  Evicted: "preempted",
  Preempting: "preempted",
  Preempted: "preempted",
  Terminated: "preempted",
  NodeShutdown: "preempted",
  Shutdown: "preempted",
  NodeLost: "node_lost",
};

function disruptionOf(
  pod: Pod,
): { readonly cause: "preempted" | "node_lost"; readonly text: string } | undefined {
  const target = conditionOf(pod, "DisruptionTarget");
  const byCondition = target?.status === "True" ? DISRUPTIONS[target.reason ?? ""] : undefined;
  const { reason = "", message } = pod.status ?? {};
  const cause = byCondition ?? REASONS[reason];
  if (cause === undefined) return undefined;
  const text =
    REASONS[reason] !== undefined
      ? sentence(reason, message)
      : sentence(target?.reason, target?.message);
  return { cause, text };
}

function endByDisruption(pod: Pod): JobEnd | undefined {
  const disrupted = disruptionOf(pod);
  if (disrupted === undefined) return undefined;
  const terminated = mainOf(pod)?.state?.terminated;
  const how = terminated === undefined ? NO_CODE : exitOf(terminated.exitCode, terminated.signal);
  return { cause: disrupted.cause, ...how, text: disrupted.text };
}

/**
 * Told to go, past its time, and nobody answers for its node: Kubernetes keeps such a pod for as long as the node does not
 * come back. What may still run there is shut out by the fence.
 * @param lateMs beyond the grace
 */
export function endOfLostPod(pod: Pod, nowMs: number, lateMs: number): JobEnd | undefined {
  const { deletionTimestamp } = pod.metadata;
  if (deletionTimestamp === undefined || endOfPod(pod) !== undefined) return undefined;
  const disrupted = disruptionOf(pod);
  const ready = conditionOf(pod, "Ready");
  const isLost = disrupted?.cause === "node_lost" || ready?.reason === "NodeLost";
  // The time of deletion has the grace in it already.
  if (!isLost || nowMs < Date.parse(deletionTimestamp) + lateMs) return undefined;
  return {
    cause: "node_lost",
    ...NO_CODE,
    text: `the node ${pod.spec.nodeName ?? "of the pod"} does not answer: ${disrupted?.text ?? "NodeLost"}`,
  };
}
