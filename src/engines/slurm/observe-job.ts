/** What Slurm says of a job, as what an engine says of it. */
import type { JobEnd, JobObservation } from "../job-engine.ts";
import { OUT_OF_MEMORY } from "./job-script.ts";
import { expandHosts } from "./parse.ts";
import { waitingSentence } from "./reasons.ts";
import type { SlurmJob } from "./slurm-access.ts";

const WAITING = new Set(["PENDING", "CONFIGURING", "REQUEUED", "REQUEUE_HOLD", "REQUEUE_FED"]);
const ENDING = new Set(["COMPLETING", "SIGNALING", "STAGE_OUT", "EPILOG"]);
/** States that stay; a job in any other, one we do not know included, may still hold its nodes. */
const OVER = new Set([
  ...["COMPLETED", "FAILED", "CANCELLED", "PREEMPTED", "TIMEOUT", "DEADLINE", "NODE_FAIL"],
  ...["BOOT_FAIL", "OUT_OF_MEMORY", "REVOKED"],
]);

export const isOver = ({ state }: SlurmJob): boolean => OVER.has(state);

/**
 * Put back into the queue by Slurm although we ask it not to (slurmrestd 22.05 does not pass that on). What the allocation was is
 * over then, and its second start is none: Contrail queues it again, under a new id.
 */
export const isSecondStart = (job: SlurmJob): boolean => job.restarts > 0;

/** @param graceMs how long before its time limit a job is told to go */
export function observeJob(job: SlurmJob, graceMs: number): JobObservation {
  if (isOver(job) || isSecondStart(job)) return { state: "ended", end: jobEnd(job, graceMs) };
  const nodes = expandHosts(job.nodes);
  if (job.state === "CONFIGURING")
    return { state: "queued", why: `Slurm: CONFIGURING: ${job.nodes} is being made ready` };
  if (WAITING.has(job.state)) return { state: "queued", why: waitingSentence(job.reason) };
  if (job.isPreempted) {
    const why = "Slurm: PREEMPTED: told to make room for a job of higher priority";
    return { state: "ending", nodes, why };
  }
  if (ENDING.has(job.state)) return { state: "ending", nodes, why: `Slurm: ${job.state}` };
  return { state: "running", nodes };
}

/** What Slurm makes of an output file that its node cannot open, and of nothing else. */
const LAUNCH_FAILED = 53;
/** Slurm looks at time limits twice a minute, and tells up to a minute early. */
const LIMIT_SLACK_MS = 90_000;

/** Whether a job is told `graceMs` before its limit: with a short one it would be told when it has just begun. */
export const isToldBeforeLimit = (limitMs: number | null, graceMs: number): boolean =>
  limitMs !== null && graceMs > 0 && limitMs >= graceMs + 2 * LIMIT_SLACK_MS;

export function jobEnd(job: SlurmJob, graceMs: number): JobEnd {
  const code = job.waitStatus >> 8;
  const signal = job.waitStatus & 127;
  const exit = { code: signal > 0 ? null : code, signal: signal > 0 ? signal : null };
  const none = { code: null, signal: null };
  const ranMs = job.startMs === null || job.endMs === null ? 0 : job.endMs - job.startMs;
  const ran = ranMs > 0 ? ` after ${Math.round(ranMs / 1000)} s` : "";
  const on = job.nodes === "" ? "" : ` on ${job.nodes}`;
  const own = `Slurm: ${job.state}${isWord(job.reason) ? ` (${job.reason})` : ""}`;
  if (isSecondStart(job) && !job.isPreempted)
    return {
      cause: "node_lost",
      ...none,
      text: `${own}: a node failed, and Slurm queued it again`,
    };
  // Who obeys in its grace is COMPLETED, or FAILED by its own code.
  if (job.isPreempted || job.state === "PREEMPTED")
    return {
      cause: "preempted",
      ...exit,
      text: `${own}: it made room for a job of higher priority`,
    };
  switch (job.state) {
    case "COMPLETED":
      return isToldBeforeLimit(job.limitMs, graceMs) &&
        ranMs >= job.limitMs! - graceMs - LIMIT_SLACK_MS
        ? { cause: "time_limit", ...exit, text: `${own}${ran}: told to go at its time limit` }
        : { cause: "exited", ...exit, text: `${own}: exit code 0` };
    case "FAILED":
      if (signal === LAUNCH_FAILED)
        return {
          ...{ cause: "never_started", ...none },
          text: `${own}${on}: it could not be started there. Is the folder of the server's data there on the nodes, under the same path?`,
        };
      if (code === OUT_OF_MEMORY && signal === 0)
        return {
          ...{ cause: "out_of_memory", ...none },
          text: `${own}: OUT_OF_MEMORY of its step${on}${ran}`,
        };
      return {
        ...{ cause: "exited", ...exit },
        text: `${own}: ${signal > 0 ? `signal ${signal}` : `exit code ${code}${signalOf(code)}`}`,
      };
    case "CANCELLED":
      return {
        // One that never had nodes still gets a time of start, that of its end.
        ...{ cause: "cancelled", ...(job.nodes === "" ? none : exit) },
        text: `${own}${job.nodes === "" ? " before it started" : ran}`,
      };
    case "TIMEOUT":
      return { cause: "time_limit", ...exit, text: `${own}${ran}: its time limit` };
    case "DEADLINE":
      return { cause: "time_limit", ...exit, text: `${own}${ran}: its deadline` };
    case "NODE_FAIL":
      return { cause: "node_lost", ...none, text: `${own}: a node failed of ${job.nodes}` };
    case "BOOT_FAIL":
      return { cause: "never_started", ...none, text: `${own}${on}: a node did not start` };
    case "OUT_OF_MEMORY":
      return { cause: "out_of_memory", ...exit, text: `${own}${on}${ran}` };
    default:
      return { cause: "cancelled", ...none, text: own };
  }
}

const isWord = (reason: string): boolean => reason !== "" && reason !== "None";

/** srun says so of a task that a signal ended. */
const signalOf = (code: number): string =>
  code > 128 && code <= 128 + 64 ? ` (signal ${code - 128})` : "";
