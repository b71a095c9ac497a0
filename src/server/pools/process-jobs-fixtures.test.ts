/**
 * A job engine for tests whose jobs are processes of this machine: real runners, with a queue, a node and an API that tests
 * can take away. What it does not have is a scheduler's own opinion.
 */
import { type ChildProcess, spawn } from "node:child_process";
import { closeSync, existsSync, openSync, readFileSync } from "node:fs";
import { join } from "node:path";
import {
  EngineUnreachable,
  type JobCapacity,
  JobDeferred,
  type JobEnd,
  type JobEngine,
  type JobObservation,
  type JobRequest,
} from "../../engines/job-engine.ts";

interface Job {
  readonly request: JobRequest;
  /** One a node; none while it waits. */
  processes: readonly ChildProcess[];
  end: JobEnd | null;
  /** Why it ends, where the engine is what ends it. */
  cause: JobEnd["cause"] | null;
}

export class ProcessJobs implements JobEngine {
  readonly name = "processes";
  readonly jobs = new Map<string, Job>();
  /** While set, jobs wait in the queue. */
  held: string | null = null;
  reachable = true;
  /** Why it does not take a job now, by the job's id. */
  readonly deferred = new Map<string, string>();
  starts = 0;
  looks = 0;
  /** Looks end when it does. */
  slow: Promise<void> | undefined;
  launches = 0;
  /** So do launches with this. */
  slowLaunch: Promise<void> | undefined;

  async capacity(): Promise<JobCapacity> {
    this.#answer();
    const size = { slots: 4, slotsPerNode: 2, nodes: 2, kind: "cpu" } as const;
    return { ...size, device: "a process", reason: "4 processes, as the test has it" };
  }

  async launch(request: JobRequest): Promise<{ adopted: boolean }> {
    this.#answer();
    this.launches += 1;
    await this.slowLaunch;
    if (this.jobs.has(request.id)) return { adopted: true };
    const why = this.deferred.get(request.id);
    if (why !== undefined) throw new JobDeferred(why);
    this.jobs.set(request.id, { request, processes: [], end: null, cause: null });
    this.#startQueued();
    return { adopted: false };
  }

  async list(): Promise<ReadonlyMap<string, JobObservation>> {
    this.#answer();
    this.#startQueued();
    this.looks += 1;
    await this.slow;
    return new Map([...this.jobs].map(([id, job]) => [id, this.#observation(job)]));
  }

  async signal(_owner: string, id: string, signal: "SIGTERM" | "SIGUSR1"): Promise<void> {
    this.#answer();
    for (const process of this.jobs.get(id)?.processes ?? []) process.kill(signal);
  }

  async cancel(_owner: string, id: string): Promise<void> {
    this.#answer();
    const job = this.jobs.get(id);
    if (!job) return;
    job.cause ??= "cancelled";
    for (const process of job.processes) process.kill("SIGTERM");
    if (job.processes.length === 0)
      job.end ??= { cause: "cancelled", code: null, signal: null, text: "taken out of the queue" };
  }

  async output({ folder }: Pick<JobRequest, "folder">): Promise<string> {
    return readFileSync(join(folder, "output"), "utf8");
  }

  /** As an engine that wants the node for somebody else: SIGTERM, and time to go. */
  preempt(id: string): void {
    const job = this.jobs.get(id);
    if (job) job.cause = "preempted";
    for (const process of job?.processes ?? []) process.kill("SIGTERM");
  }

  /** One of its nodes is gone with everything on it. */
  loseNode(id: string, node = 0): void {
    const job = this.jobs.get(id);
    if (job) job.cause = "node_lost";
    job?.processes[node]?.kill("SIGKILL");
  }

  async close(): Promise<void> {}

  /** For a test that fails: what each job is, and what its runner printed. */
  words(): string {
    return [...this.jobs]
      .map(([id, job]) => {
        const folder = job.request.folder;
        const said = existsSync(join(folder, "output"))
          ? readFileSync(join(folder, "output"), "utf8")
          : "";
        return `${id} ${JSON.stringify(this.#observation(job))} ${said}`;
      })
      .join("\n");
  }

  killAll(): void {
    for (const { processes } of this.jobs.values())
      for (const process of processes) process.kill("SIGKILL");
  }

  #answer(): void {
    if (!this.reachable) throw new EngineUnreachable("the test has switched it off");
  }

  #observation({ processes, end }: Job): JobObservation {
    if (end) return { state: "ended", end };
    if (processes.length === 0)
      return { state: "queued", why: this.held ?? "it is about to start" };
    return { state: "running", nodes: processes.map((_, node) => `here-${node}`) };
  }

  #startQueued(): void {
    if (this.held !== null) return;
    for (const job of this.jobs.values())
      if (job.processes.length === 0 && !job.end) this.#start(job);
  }

  #start(job: Job): void {
    const { command, environment, folder, nodes } = job.request;
    const [file = "", ...args] = command;
    const output = openSync(join(folder, "output"), "a");
    this.starts += 1;
    job.processes = Array.from({ length: nodes }, (_, node) =>
      spawn(file, args, {
        env: {
          ...{ ...environment, CONTRAIL_NODE_RANK: String(node), CONTRAIL_NODES: String(nodes) },
          CONTRAIL_NODE_ADDRESS: "127.0.0.1",
        },
        stdio: ["ignore", output, output],
      }),
    );
    closeSync(output);
    let left = nodes;
    let first: { code: number | null; how: string } | undefined;
    for (const child of job.processes)
      child.once("exit", (code, signal) => {
        left -= 1;
        // One node's failure ends the others'.
        if (code !== 0) {
          first ??= { code, how: signal ?? `code ${code}` };
          for (const other of job.processes) other.kill("SIGKILL");
        }
        if (left > 0) return;
        const { code: last, how } = first ?? { code: 0, how: "code 0" };
        job.end = {
          ...{ cause: job.cause ?? "exited", code: last, signal: null },
          text: `its process ended with ${how} (${job.cause ?? "by itself"})`,
        };
      });
  }
}
