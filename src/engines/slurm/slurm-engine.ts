/**
 * Slurm as an engine: an allocation is a job, each of its nodes a task of srun (job-script.ts). Jobs are found by their names
 * (job-mark.ts), so nothing has to be remembered over a restart. What is kept in memory are ends that were seen,
 * since the controller forgets a job some minutes after its end, and the partition's size for half a minute.
 *
 * Folders of jobs have to be there on the nodes under the same path, as homes are on clusters: Slurm brings the script to
 * them and nothing else.
 */
import { existsSync } from "node:fs";
import { open, writeFile } from "node:fs/promises";
import { join } from "node:path";
import type { Clock } from "../../base/clock.ts";
import { type SlurmFields, slurm as slurmFields } from "../../protocol/config/fields.ts";
import type { SlurmPool } from "../../protocol/pools/fields.ts";
import {
  EngineUnreachable,
  type JobEnd,
  type JobEngine,
  type JobObservation,
  JobRefused,
  type JobRequest,
} from "../job-engine.ts";
import { environmentForTraining } from "../local/local-engine.ts";
import { commandAccess } from "./command-access.ts";
import { capacityOf, demandFit } from "./fit.ts";
import { jobMark, readMark } from "./job-mark.ts";
import { jobScript } from "./job-script.ts";
import { Looks } from "./looks.ts";
import { isOver, isSecondStart, jobEnd, observeJob } from "./observe-job.ts";
import { restAccess } from "./rest-access.ts";
import { fewAtATime, type RunCommand, runCommand } from "./run-command.ts";
import type { SlurmAccess, SlurmJob, SlurmNode, SlurmPartition } from "./slurm-access.ts";
import { submissionOptions, type Wanted, wanted } from "./submission.ts";

export interface SlurmEngineOptions {
  readonly clock: Clock;
  /** Of the server; jobs see it less what is the server's own. */
  readonly environment: NodeJS.ProcessEnv;
  readonly run?: RunCommand;
  readonly fetch?: typeof fetch;
}

export function slurmEngine(settings: SlurmPool, options: SlurmEngineOptions): JobEngine {
  const environment = environmentForTraining(options.environment);
  const run = fewAtATime(options.run ?? runCommand, COMMANDS_MAX);
  const commands = commandAccess({ run, environment, conf: settings.conf });
  const { rest } = settings;
  const ask = options.fetch ?? fetch;
  const access =
    rest === null ? commands : restAccess({ settings: rest, fetch: ask, environment, commands });
  return new SlurmEngine(settings, access, options.clock);
}

const COMMANDS_MAX = 4;
/** Squeue costs the controller a lock; administrators complain about those who ask more often. */
const LOOK_EVERY_MS = 1000;
const SIZE_HOLDS_MS = 30_000;
/** So many ends are kept; the oldest go first. */
const ENDS_MAX = 5000;
const OUTPUT_BYTES_MAX = 64 * 1024;

/** Files in a job's folder. */
const SCRIPT = "job.sh";
const OUTPUT = "output.log";
/** Its number: that it is there says that the job was taken once, however long ago. */
const NUMBER = "slurm-job";

interface Size {
  readonly partition: SlurmPartition;
  readonly nodes: readonly SlurmNode[];
}

export class SlurmEngine implements JobEngine {
  readonly name = "slurm";
  readonly #settings: SlurmPool;
  readonly #access: SlurmAccess;
  readonly #clock: Clock;
  readonly #graceMs: number;
  readonly #looks: Looks<readonly SlurmJob[]>;
  readonly #launching = new Map<string, Promise<unknown>>();
  readonly #sizes = new Map<string, { readonly atMs: number; readonly size: Promise<Size> }>();
  /** By mark. */
  readonly #ends = new Map<string, JobEnd>();
  /** Jobs that the last look saw alive: mark by number. */
  #alive = new Map<number, string>();
  #history: Promise<void> | undefined;

  constructor(settings: SlurmPool, access: SlurmAccess, clock: Clock) {
    this.#settings = settings;
    this.#access = access;
    this.#clock = clock;
    this.#graceMs = settings.grace * 1000;
    this.#looks = new Looks(() => this.#look(), clock);
  }

  async capacity() {
    try {
      const { partition, nodes } = await this.#size(this.#ownPartition, 0);
      return capacityOf(partition, nodes, this.#settings);
    } catch (error) {
      throw asPools(error);
    }
  }

  get #ownPartition(): string | undefined {
    return wanted(this.#settings, NO_EXTRA).partition;
  }

  /** @throws JobRefused where an experiment names a partition that is not there */
  async #sizeFor({ partition }: Wanted): Promise<Size> {
    try {
      return await this.#size(partition);
    } catch (error) {
      throw partition === this.#ownPartition ? asPools(error) : error;
    }
  }

  async launch(request: JobRequest): Promise<{ readonly adopted: boolean }> {
    const mark = jobMark(request);
    const other = this.#launching.get(mark);
    if (other !== undefined) {
      await other;
      return { adopted: true };
    }
    const launching = this.#launch(request, mark);
    this.#launching.set(mark, launching);
    try {
      return await launching;
    } finally {
      this.#launching.delete(mark);
    }
  }

  async #launch(request: JobRequest, mark: string): Promise<{ readonly adopted: boolean }> {
    const extra = readExtra(request.extra);
    const numberFile = join(request.folder, NUMBER);
    if (existsSync(numberFile) || (await this.#wasThere(mark))) return { adopted: true };
    const pool = { ...this.#settings, gpu_type: extra.gpu_type ?? this.#settings.gpu_type };
    const want = wanted(pool, extra);
    const { partition, nodes } = await this.#sizeFor(want);
    demandFit({ ...request, limitMs: want.limitMs }, partition, nodes, pool);
    const number = await this.#submit(request, mark, pool, want, partition);
    await writeFile(numberFile, `${number}\n`);
    return { adopted: false };
  }

  /** In the queue, or ended and remembered by anybody. */
  async #wasThere(mark: string): Promise<boolean> {
    await this.#recall();
    if (this.#ends.has(mark)) return true;
    const jobs = await this.#looks.fresh(0);
    return jobs.some((job) => markOf(job) === mark);
  }

  async #submit(
    request: JobRequest,
    mark: string,
    pool: SlurmPool,
    want: Wanted,
    partition: SlurmPartition,
  ): Promise<number> {
    const title = oneLine(request.title);
    const output = join(request.folder, OUTPUT);
    const script = jobScript({ ...request, output, title: `${mark} ${title}` });
    const scriptFile = join(request.folder, SCRIPT);
    await writeFile(scriptFile, script, { mode: 0o700 });
    return await this.#access.submit({
      ...{ name: mark, comment: `${mark} ${title}`, script, scriptFile },
      ...{ folder: request.folder, output },
      options: submissionOptions(request, pool, want, want.limitMs ?? partition.limitMs),
    });
  }

  async list(owner: string): Promise<ReadonlyMap<string, JobObservation>> {
    await this.#recall();
    const jobs = await this.#looks.fresh(LOOK_EVERY_MS);
    const found = new Map<string, JobObservation>();
    for (const job of jobs) {
      const mark = readMark(job);
      if (mark?.owner === owner && !found.has(mark.id))
        found.set(mark.id, observeJob(job, this.#graceMs));
    }
    // What was seen first holds: the state of a job that was queued again and cancelled says less.
    for (const [mark, end] of this.#ends) {
      const known = readMark({ name: mark, comment: "" });
      if (known?.owner === owner) found.set(known.id, { state: "ended", end });
    }
    return found;
  }

  async signal(owner: string, id: string, signal: "SIGTERM" | "SIGUSR1"): Promise<void> {
    const jobs = await this.#living(owner, id);
    const started = jobs.filter(({ nodes }) => nodes !== "").map(({ number }) => number);
    if (started.length > 0) await this.#access.signal(started, signal);
  }

  async cancel(owner: string, id: string): Promise<void> {
    const numbers = (await this.#living(owner, id)).map(({ number }) => number);
    if (numbers.length > 0) await this.#access.cancel(numbers);
  }

  /** The job, and one that was submitted a second time. */
  async #living(owner: string, id: string): Promise<SlurmJob[]> {
    const mark = jobMark({ owner, id });
    await this.#launching.get(mark)?.catch(() => {});
    const jobs = await this.#looks.fresh(0);
    return jobs.filter((job) => markOf(job) === mark && !isOver(job));
  }

  async output({ folder }: Pick<JobRequest, "folder">): Promise<string> {
    try {
      await using file = await open(join(folder, OUTPUT));
      const { size } = await file.stat();
      const length = Math.min(size, OUTPUT_BYTES_MAX);
      const { buffer } = await file.read(Buffer.alloc(length), 0, length, size - length);
      return buffer.toString("utf8");
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code === "ENOENT") return "";
      throw error;
    }
  }

  async close(): Promise<void> {}

  /** @param holdsMs how old an answer may be */
  async #size(name: string | undefined, holdsMs = SIZE_HOLDS_MS): Promise<Size> {
    const key = name ?? "";
    const nowMs = this.#clock.monotonicMs();
    const known = this.#sizes.get(key);
    if (known !== undefined && nowMs - known.atMs < holdsMs) return await known.size;
    const size = this.#readSize(name);
    this.#sizes.set(key, { atMs: nowMs, size });
    try {
      return await size;
    } catch (error) {
      this.#sizes.delete(key);
      throw error;
    }
  }

  async #readSize(name: string | undefined): Promise<Size> {
    const partition = await this.#access.partition(name);
    return { partition, nodes: await this.#access.nodes(partition.name) };
  }

  /** Looks at the queue, and keeps what would be forgotten. */
  async #look(): Promise<readonly SlurmJob[]> {
    const jobs = (await this.#access.jobs()).sort((a, b) => a.number - b.number);
    const gone = this.#alive;
    this.#alive = new Map();
    // What came through after all when it had been sent again, and waits for the first one's end; what Slurm queued again.
    const seconds: number[] = [];
    const marks = new Set<string>();
    for (const job of jobs) {
      const mark = markOf(job);
      if (mark === undefined) continue;
      gone.delete(job.number);
      const hasEnded = isOver(job) || isSecondStart(job);
      if (!hasEnded) this.#alive.set(job.number, mark);
      if (!marks.has(mark) && hasEnded) this.#keep(mark, job);
      if (!isOver(job) && (marks.has(mark) || isSecondStart(job))) seconds.push(job.number);
      marks.add(mark);
    }
    if (seconds.length > 0) await this.#access.cancel(seconds);
    if (gone.size > 0) this.#keepAll(await this.#access.endedJobs([...gone.keys()]));
    return jobs;
  }

  /** Ends from before this server, as far as accounting knows them; once. */
  async #recall(): Promise<void> {
    this.#history ??= this.#access.endedJobs().then((jobs) => this.#keepAll(jobs));
    await this.#history;
  }

  #keepAll(jobs: readonly SlurmJob[]): void {
    for (const job of jobs) {
      const mark = markOf(job);
      if (mark !== undefined && isOver(job)) this.#keep(mark, job);
    }
  }

  #keep(mark: string, job: SlurmJob): void {
    if (this.#ends.has(mark)) return;
    this.#ends.set(mark, jobEnd(job, this.#graceMs));
    for (const oldest of this.#ends.keys()) {
      if (this.#ends.size <= ENDS_MAX) break;
      this.#ends.delete(oldest);
    }
  }
}

/** A pool that names what is not there is no job that was refused. */
const asPools = (error: unknown): unknown =>
  error instanceof JobRefused ? new EngineUnreachable(error.message, { cause: error }) : error;

const NO_EXTRA: SlurmFields = slurmFields.parse({});

/** @throws JobRefused, naming what is not understood */
function readExtra(extra: JobRequest["extra"]): SlurmFields {
  const reading = slurmFields.safeParse(extra);
  if (reading.success) return reading.data;
  const faults = reading.error.issues.map(({ path, message }) =>
    path.length === 0 ? message : `${path.join(".")}: ${message}`,
  );
  throw new JobRefused(
    `what the experiment says of Slurm is not understood: ${faults.join("; ")}.`,
    `the words ${Object.keys(slurmFields.shape).join(", ")}`,
  );
}

function markOf(job: SlurmJob): string | undefined {
  const mark = readMark(job);
  return mark === undefined ? undefined : jobMark(mark);
}

const oneLine = (text: string): string =>
  text
    .replaceAll(/[^\x20-\x7e]+/g, " ")
    .trim()
    .slice(0, 100);
