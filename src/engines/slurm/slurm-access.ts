/**
 * What is asked of Slurm, whichever way it is spoken to: by its commands (command-access.ts) or over slurmrestd
 * (rest-access.ts). Numbers of jobs stay below this line; above it jobs have their allocation's id.
 */
export interface SlurmJob {
  readonly number: number;
  readonly name: string;
  readonly comment: string;
  /** Slurm's own word: RUNNING, NODE_FAIL, … */
  readonly state: string;
  /** Slurm's own word: Resources, NonZeroExitCode, …; `None` when there is none. */
  readonly reason: string;
  /** `n[1-2]`; empty while there are none. */
  readonly nodes: string;
  /** Somebody more important was or is to get its place. */
  readonly isPreempted: boolean;
  /** How often Slurm has put it back into the queue after it had started. */
  readonly restarts: number;
  /** As wait(2) has it: 256 times the exit code, plus the signal. */
  readonly waitStatus: number;
  readonly startMs: number | null;
  readonly endMs: number | null;
  readonly limitMs: number | null;
}

export interface SlurmNode {
  readonly name: string;
  readonly cpus: number;
  readonly memoryMegabytes: number;
  /** `gpu:a100:4(S:0-1)`, or empty. */
  readonly gres: string;
  /** idle, mixed, down*, drained, … */
  readonly state: string;
  /** Why it is down or drained; empty otherwise. */
  readonly reason: string;
}

export interface SlurmPartition {
  readonly name: string;
  readonly state: string;
  readonly nodesMax: number | null;
  readonly cpusPerNodeMax: number | null;
  readonly memoryMegabytesPerNodeMax: number | null;
  /** Of jobs that ask for none. */
  readonly limitMs: number | null;
  readonly limitMaxMs: number | null;
}

export interface Submission {
  readonly name: string;
  readonly comment: string;
  readonly script: string;
  /** The same, as a file on this machine. */
  readonly scriptFile: string;
  /** Absolute, on the nodes too: where it runs, and where what it prints goes. */
  readonly folder: string;
  readonly output: string;
  /** Options of sbatch, later ones count. `--name=value` or `--name`. */
  readonly options: readonly string[];
}

/** Every method throws EngineUnreachable when Slurm does not answer. */
export interface SlurmAccess {
  /** Every job of our user that the controller remembers. */
  jobs(): Promise<SlurmJob[]>;
  /** Those that accounting remembers and that have ended; none where there is no accounting. @param numbers absent: of the last days */
  endedJobs(numbers?: readonly number[]): Promise<SlurmJob[]>;
  /** @param name absent: the default one @throws JobRefused when there is none of that name */
  partition(name: string | undefined): Promise<SlurmPartition>;
  /** Of one partition, whatever their state. */
  nodes(partition: string): Promise<SlurmNode[]>;
  /** @throws JobRefused or JobDeferred, with Slurm's words */
  submit(submission: Submission): Promise<number>;
  signal(numbers: readonly number[], signal: "SIGTERM" | "SIGUSR1"): Promise<void>;
  cancel(numbers: readonly number[]): Promise<void>;
}
