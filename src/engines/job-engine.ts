/**
 * An engine whose own scheduler decides where things run: Slurm, Kubernetes. It is asked for one job an allocation. Each node of
 * the job runs the same command, a runner; the first of them speaks to the server for the whole allocation, and leaves
 * when that has ended. So whatever happens to training is told over the same HTTP as on every engine, and the engine is
 * asked for nothing but what it alone knows: whether a job waits, why, where it runs, and how it came to its end.
 *
 * Jobs are found by the allocation's id, which the engine keeps with them (a comment, a label), never by a number
 * that only memory or a file knows: after a restart of the server, or a launch whose answer was lost, the job is found
 * again and not started twice. Jobs are never requeued by the engine: a second incarnation under the same id could not be told
 * from the first. What was preempted goes back to Contrail's queue and comes again under a new id.
 *
 * An engine that does not answer proves nothing: it is `unreachable`, and every job of it `unknown`.
 */
import type { EngineCause } from "../core/jobs/reconcile.ts";

export interface JobCapacity {
  /** All that the engine has for us, whoever holds it now. */
  readonly slots: number;
  /** Of the node that has the most. */
  readonly slotsPerNode: number;
  readonly nodes: number;
  readonly kind: "gpu" | "cpu";
  /** Model of the device, or what a share of a CPU is; for people. */
  readonly device: string;
  /** Where the numbers come from, in one sentence. */
  readonly reason: string;
}

export interface JobRequest {
  /** The allocation's, such as `3.12.2`. One job a name, for ever. */
  readonly id: string;
  /** Tells this server's jobs from another's on the same engine; letters and digits. */
  readonly owner: string;
  /** For people who look at the engine's own lists. */
  readonly title: string;
  readonly nodes: number;
  readonly slotsPerNode: number;
  /** What each node runs, as argv: no shell reads it. It exits by itself when the allocation has ended. */
  readonly command: readonly string[];
  /**
   * Further variables of the command. The engine adds CONTRAIL_NODE_RANK (0 … nodes - 1), CONTRAIL_NODES, and
   * CONTRAIL_NODE_ADDRESS, under which the other nodes of the job reach this one.
   */
  readonly environment: Readonly<Record<string, string>>;
  /** Absolute, this job's alone, there on the server's machine: for scripts, and what the command prints. */
  readonly folder: string;
  /** Files of `folder` that nodes need, by name; an engine without shared folders brings them by its own way. */
  readonly files: readonly string[];
  /** Of the experiment: arguments of sbatch, a pod's overlay, an image. The engine says which words it knows. */
  readonly extra: Readonly<Record<string, unknown>>;
}

/** How a job ended, in the engine's words. */
export interface JobEnd {
  readonly cause: EngineCause;
  readonly code: number | null;
  readonly signal: number | null;
  /** One sentence with the engine's own state and reason. */
  readonly text: string;
}

export type JobObservation =
  | { readonly state: "queued"; readonly why: string }
  | { readonly state: "running"; readonly nodes: readonly string[] }
  /** Told to go, not gone yet. */
  | { readonly state: "ending"; readonly why: string; readonly nodes: readonly string[] }
  | { readonly state: "ended"; readonly end: JobEnd };

export interface JobEngine {
  /** `slurm`, `kubernetes`. */
  readonly name: string;
  /** What is left of jobs that ended goes while the engine is looked at; absent = nothing is left that we would have to clear. */
  readonly clearsByLooks?: boolean;
  /** @throws EngineUnreachable */
  capacity(): Promise<JobCapacity>;
  /**
   * Starts the job, unless one of this id is or was there.
   * @returns whether it was there already
   * @throws JobRefused, when it would never run; JobDeferred, when it was not taken and may be later; EngineUnreachable,
   *   when nobody knows whether it was taken
   */
  launch(request: JobRequest): Promise<{ readonly adopted: boolean }>;
  /**
   * All jobs of this owner that the engine knows, ended ones as long as it remembers them, by allocation id. One whose launch had
   * returned before the question and that is not in here is forgotten by the engine, which is the proof that it is gone.
   * @throws EngineUnreachable
   */
  list(owner: string): Promise<ReadonlyMap<string, JobObservation>>;
  /** To the command on every node of it; a job that is not there is no error. @throws EngineUnreachable */
  signal(owner: string, id: string, signal: "SIGTERM" | "SIGUSR1"): Promise<void>;
  /** SIGTERM, then the engine's own grace, then SIGKILL; takes a queued one out of the queue. @throws EngineUnreachable */
  cancel(owner: string, id: string): Promise<void>;
  /** The end of what its commands printed, for the case that none of them ever spoke. */
  output(request: Pick<JobRequest, "id" | "owner" | "folder">): Promise<string>;
  /** Lets go of connections. */
  close(): Promise<void>;
}

/** The engine did not answer; what it would have said is unknown. */
export class EngineUnreachable extends Error {
  override name = "EngineUnreachable";
}

/** The engine does not take it now, and says why: a quota that others use up, a partition that is closed. Nothing of it is there. */
export class JobDeferred extends Error {
  override name = "JobDeferred";
}

/** The engine says that this can never run, and why. */
export class JobRefused extends Error {
  override name = "JobRefused";
  /** What would be taken instead; for people. */
  readonly nearest: string | null;

  constructor(message: string, nearest: string | null = null) {
    super(message);
    this.nearest = nearest;
  }
}
