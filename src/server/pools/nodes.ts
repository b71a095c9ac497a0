/**
 * Everything that runs allocations, seen from the server: of each pool the runners that stand ready, or the jobs. What
 * an engine says of a runner is asked here, whichever engine it is.
 */
import { createHash } from "node:crypto";
import { join } from "node:path";
import type pg from "pg";
import type { Logger } from "pino";
import type { Clock } from "../../base/clock.ts";
import type { Sighting } from "../../core/lease/lease.ts";
import type { Engine } from "../../engines/engine.ts";
import { jobOfRunner, jobRunner } from "../job-runner.ts";
import type { DecisionLoop } from "../loops/decision-loop.ts";
import { JobLoop } from "../loops/job-loop.ts";
import { startRunnerLoop } from "../loops/runner-loop.ts";
import type { Recorder } from "../recorded.ts";
import { REPOSITORY } from "../repository.ts";
import { LOCAL_RUNNER, type World } from "../world.ts";
import { forgetJob, jobRequest } from "./job-request.ts";
import { isJobPool, type JobPool, type OpenedPool } from "./server-pool.ts";

const OWNER_CHARACTERS = 12;

export interface NodesOptions {
  readonly world: World;
  readonly loop: DecisionLoop;
  readonly clock: Clock;
  readonly log: Logger;
  readonly dataDir: string;
  readonly pool: pg.Pool;
  readonly secret: Buffer;
  /** Of the server; training inherits it, less what is the server's own. */
  readonly environment: NodeJS.ProcessEnv;
  readonly runnerToken: (runner: string) => string;
  /** Under which this server listens. */
  readonly url: () => string;
  readonly record: Recorder;
}

export interface StartedRunner {
  readonly id: string;
  readonly adopted: boolean;
}

export class Nodes {
  /** In the order of their file. */
  readonly pools: readonly OpenedPool[];
  readonly #options: NodesOptions;
  /** Runners that stand ready, by id. */
  readonly #standing = new Map<string, Engine>();
  readonly #jobs = new Map<string, JobLoop>();
  readonly #engines: JobPool["jobs"][] = [];
  readonly #watches: (() => void)[] = [];

  constructor(pools: readonly OpenedPool[], options: NodesOptions) {
    this.pools = pools;
    this.#options = options;
    for (const { pool, info, slots } of pools) {
      if (isJobPool(pool)) this.#addJobs(pool, info.perJob?.slotsPerNode ?? 1);
      else for (const { runner } of slots) this.#standing.set(runner, pool.engine);
    }
  }

  #addJobs({ name, jobs: engine, settings }: JobPool, slotsPerNode: number): void {
    const { world, loop, clock, log, dataDir, environment, runnerToken, url } = this.#options;
    // Of the data folder, so that a server that is started anew finds its own jobs and no other's.
    const owner = createHash("sha256")
      .update(this.#options.secret)
      .digest("hex")
      .slice(0, OWNER_CHARACTERS);
    // An image has its own; of this machine's it could use nothing, and everybody who may look at pods would see it.
    const theirs = engine.name === "kubernetes" ? {} : environment;
    const place = {
      ...{ dataDir, owner, settings, slotsPerNode, environment: theirs, runnerToken, url },
      ...{ nodeBinary: process.execPath, repository: REPOSITORY, engine: engine.name },
    };
    this.#engines.push(engine);
    this.#jobs.set(
      name,
      new JobLoop({
        ...{ loop, clock, log, pool: name, engine, owner },
        request: async (allocation) => jobRequest(world, place, allocation),
        gone: async (allocation) => {
          forgetJob(dataDir, allocation);
          await this.#forgetRunner(jobRunner(name, allocation), allocation);
        },
        kept: () =>
          world.runners.all.flatMap(({ id }) => {
            const job = jobOfRunner(id);
            return job?.pool === name ? [job.allocation] : [];
          }),
      }),
    );
  }

  /** Of the runners that stand ready, which were there already. */
  async start(): Promise<StartedRunner[]> {
    for (const jobs of this.#jobs.values()) jobs.start();
    return Promise.all(
      [...this.#standing].map(async ([id, engine]) => {
        const { clock, log, dataDir, runnerToken, record } = this.#options;
        const watch = await startRunnerLoop({
          ...{ engine, clock, log },
          spec: {
            ...{ runnerId: id, dataDir: this.#folder(id), token: runnerToken(id) },
            serverFile: join(dataDir, "server.json"),
            nodeBinary: process.execPath,
            repoRoot: REPOSITORY,
          },
          onReplaced: (proof) => {
            const about = { actor: "contrail", subject: `runner ${id}`, what: "replaced" };
            const change = { ...about, cause: `the one before is gone: ${proof}` };
            void record("note a new runner", async () => ({
              value: null,
              changes: [change],
            })).catch((error) =>
              log.error({ err: error }, "a new runner could not be written to the log"),
            );
          },
        });
        this.#watches.push(() => watch.stop());
        return { id, adopted: watch.adopted };
      }),
    );
  }

  /** Whoever is gone is not started anew from now on. */
  stopWatching(): void {
    for (const stop of this.#watches) stop();
  }

  async stopRunners(): Promise<void> {
    await Promise.all(
      [...this.#standing].map(([id, engine]) => engine.stopRunner(this.#folder(id))),
    );
  }

  async close(): Promise<void> {
    await Promise.all([...this.#jobs.values()].map((jobs) => jobs.stop()));
    await Promise.all(this.#engines.map((engine) => engine.close()));
  }

  /** Something of these runners was committed. */
  wake(runners: ReadonlySet<string>): void {
    if (this.#jobs.size === 0) return;
    for (const runner of runners) this.#jobOf(runner)?.jobs.wake();
  }

  /** What the engine says of a runner. */
  observe(runner: string): Sighting {
    const standing = this.#standing.get(runner);
    if (standing) return standing.observe(this.#folder(runner));
    const job = this.#jobOf(runner);
    if (job) return job.jobs.sighting(job.allocation);
    return { state: "unknown", why: `no pool of this server has a runner ${runner}` };
  }

  /** Its job waits for its start, so nobody can have spoken for it. */
  waits(runner: string): boolean {
    const job = this.#jobOf(runner);
    return job?.jobs.waits(job.allocation) === true;
  }

  /** Why a pool's engine is not heard; null = it is. */
  silence(pool: string): string | null {
    return this.#jobs.get(pool)?.blind ?? null;
  }

  /** What its engine says of the start of an allocation; null = nothing. */
  why(runner: string): string | null {
    const job = this.#jobOf(runner);
    return job?.jobs.why(job.allocation) ?? null;
  }

  #jobOf(runner: string): { jobs: JobLoop; allocation: string } | undefined {
    const job = jobOfRunner(runner);
    const jobs = job && this.#jobs.get(job.pool);
    return jobs && { jobs, allocation: job.allocation };
  }

  #folder(runner: string): string {
    const { dataDir } = this.#options;
    return runner === LOCAL_RUNNER ? dataDir : join(dataDir, "runners", runner);
  }

  /** It was there for one allocation, which is over. */
  async #forgetRunner(runner: string, allocation: string): Promise<void> {
    const { world, record } = this.#options;
    const about = { actor: "contrail", subject: `runner ${runner}`, what: "removed" };
    const change = { ...about, cause: `it was there for ${allocation} alone, whose job is gone` };
    await record("forget a runner", async (client) => {
      const { rowCount } = await client.query("delete from runners where id = $1", [runner]);
      return { value: null, changes: rowCount === 0 ? [] : [change] };
    });
    world.runners.forget(runner);
  }
}
