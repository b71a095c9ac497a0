/**
 * Slurm over slurmrestd. Its version stands in every path and is a setting, since Slurm drops old ones; tried with v0.0.38
 * of Slurm 22.05. Numbers come bare there, and in later versions as `{set, number}`; both are read.
 *
 * Nothing but an answer of the controller counts as one: slurmrestd says 500 for a refusal and for a controller
 * that is away alike, and tells them apart by the number of the error.
 */
import { readFile } from "node:fs/promises";
import type { SlurmPool } from "../../protocol/pools/fields.ts";
import { EngineUnreachable, JobDeferred, JobRefused } from "../job-engine.ts";
import { choosePartition, megabytes } from "./fit.ts";
import { parseLimit } from "./parse.ts";
import type {
  SlurmAccess,
  SlurmJob,
  SlurmNode,
  SlurmPartition,
  Submission,
} from "./slurm-access.ts";
import { isGone, isLater, isSilence } from "./slurm-answers.ts";

export type RestSettings = NonNullable<SlurmPool["rest"]>;

export interface RestAccessOptions {
  readonly settings: RestSettings;
  readonly fetch: typeof fetch;
  /** What a submitted job starts from. */
  readonly environment: NodeJS.ProcessEnv;
  /** For what slurmrestd does not do, or not well: signals, and accounting. */
  readonly commands: Pick<SlurmAccess, "signal" | "endedJobs">;
}

type Json = Record<string, unknown>;

interface RestError {
  readonly text: string;
  readonly number: number;
}

const TIMEOUT_MS = 60_000;

export function restAccess({
  settings,
  fetch,
  environment,
  commands,
}: RestAccessOptions): SlurmAccess {
  const base = `${settings.url.replace(/\/+$/, "")}/slurm/${settings.version}`;

  async function ask(method: string, path: string, body?: Json): Promise<Json> {
    const answer = await send(method, path, body);
    const errors = readErrors(answer.body);
    // A job that was taken has a number, whatever else is said: "Required node not available" of one that waits.
    const isTaken = (num(answer.body.job_id) ?? 0) > 0;
    if (isTaken || (answer.status < 300 && errors.length === 0)) return answer.body;
    const said = errors.map(({ text }) => text).join("; ") || `HTTP ${answer.status}`;
    const hasAnswered = errors.some(({ number }) => number >= 2000 && number < 3000);
    // Whatever comes of a question, nothing of it is about a job that is launched meanwhile.
    const isJudged = method !== "GET" && !isSilence(said);
    const isForNow = hasAnswered && isLater(said);
    if (isJudged && isForNow && method === "POST")
      throw new JobDeferred(`Slurm does not take it now: ${said}`);
    const isRefused = hasAnswered || (answer.status === 400 && isSlurms(answer.body));
    if (isJudged && !isForNow && isRefused) throw new JobRefused(`Slurm refused it: ${said}`);
    throw new EngineUnreachable(`Slurm: ${method} ${path}: ${said}`);
  }

  async function send(method: string, path: string, body?: Json) {
    try {
      const token = (await readFile(settings.token_file, "utf8")).trim();
      const response = await fetch(`${base}${path}`, {
        method,
        headers: {
          "X-SLURM-USER-NAME": settings.user,
          "X-SLURM-USER-TOKEN": token,
          ...(body === undefined ? {} : { "Content-Type": "application/json" }),
        },
        ...(body === undefined ? {} : { body: JSON.stringify(body) }),
        signal: AbortSignal.timeout(TIMEOUT_MS),
      });
      const text = await response.text();
      return { status: response.status, body: readJson(text) };
    } catch (error) {
      const { message, cause } = error as Error;
      const why = cause instanceof Error ? cause.message || message : message;
      throw new EngineUnreachable(`slurmrestd at ${settings.url} does not answer: ${why}`, {
        cause: error,
      });
    }
  }

  return {
    async jobs() {
      const { jobs } = await ask("GET", "/jobs");
      return list(jobs)
        .filter((job) => job.user_name === settings.user)
        .map(readJob);
    },
    // Over REST it wants a right of its own, which tokens of users seldom have.
    endedJobs: (numbers) => commands.endedJobs(numbers),
    async partition(name) {
      const { partitions } = await ask("GET", "/partitions");
      return choosePartition(list(partitions).map(readPartition), name);
    },
    async nodes(partition) {
      const { nodes } = await ask("GET", "/nodes");
      return list(nodes)
        .filter(({ partitions }) => Array.isArray(partitions) && partitions.includes(partition))
        .map(readNode);
    },
    async submit(submission) {
      const answer = await ask("POST", "/job/submit", restSubmission(submission, environment));
      const number = num(answer.job_id);
      if (number === null)
        throw new EngineUnreachable("slurmrestd did not say the number of the job that it took");
      return number;
    },
    // slurmrestd sends a signal to every process of a job, training and the shell included.
    signal: (numbers, signal) => commands.signal(numbers, signal),
    async cancel(numbers) {
      for (const number of numbers) {
        try {
          await ask("DELETE", `/job/${number}`);
        } catch (error) {
          if (!isGone((error as Error).message)) throw error;
        }
      }
    },
  };
}

/** Options of sbatch that slurmrestd has a name for. */
const PROPERTIES: Readonly<
  Record<string, readonly [name: string, read: (value: string) => unknown]>
> = {
  partition: ["partition", String],
  account: ["account", String],
  qos: ["qos", String],
  constraint: ["constraints", String],
  reservation: ["reservation", String],
  licenses: ["licenses", String],
  gres: ["gres", String],
  signal: ["signal", String],
  nice: ["nice", Number],
  "cpus-per-task": ["cpus_per_task", Number],
  mem: ["memory_per_node", megabytes],
  "mem-per-cpu": ["memory_per_cpu", megabytes],
  time: ["time_limit", (text) => Math.ceil((parseLimit(text) ?? Number(text) * 60_000) / 60_000)],
  exclusive: ["exclusive", () => "true"],
};

/** @throws JobRefused for options that only sbatch knows */
export function restSubmission(
  submission: Submission,
  environment: NodeJS.ProcessEnv,
): { job: Json; script: string } {
  const job: Json = {
    ...{ name: submission.name, comment: submission.comment, requeue: false },
    ...{ current_working_directory: submission.folder, open_mode: "append" },
    ...{ standard_output: submission.output.replaceAll("%", "%%"), dependency: "singleton" },
    environment: Object.keys(environment).length > 0 ? environment : { PATH: "/usr/bin:/bin" },
  };
  for (const option of submission.options) {
    const [, name = "", value = ""] = /^--([^=]+)(?:=(.*))?$/s.exec(option) ?? [];
    if (name === "nodes") job.nodes = [Number(value), Number(value)];
    else if (name === "ntasks") job.tasks = Number(value);
    else if (name === "ntasks-per-node") job.tasks_per_node = Number(value);
    else {
      const property = PROPERTIES[name];
      if (property === undefined)
        throw new JobRefused(
          `sbatch_args: ${option}: slurmrestd has no such property. It takes ${Object.keys(PROPERTIES).join(", ")}; ` +
            "leave rest out of the pool to send jobs by sbatch.",
        );
      job[property[0]] = property[1](value);
    }
  }
  return { job, script: submission.script };
}

function readJson(text: string): Json {
  try {
    return JSON.parse(text) as Json;
  } catch {
    return { errors: [{ error: text.slice(0, 300), error_number: NO_JSON }] };
  }
}

/** None of Slurm's. */
const NO_JSON = -1_000_000;

/** A proxy that takes no request says 400, too, in words of its own. */
const isSlurms = ({ errors }: Json): boolean =>
  Array.isArray(errors) && errors[0]?.error_number !== NO_JSON;

const readErrors = (body: Json): RestError[] =>
  list(body.errors).map((error) => ({
    text: [error.error, error.description].filter((part) => part).join(": ") || "an error",
    number: num(error.error_number ?? error.errno) ?? -1,
  }));

const list = (value: unknown): Json[] => (Array.isArray(value) ? (value as Json[]) : []);

/** Bare, or `{set, infinite, number}`; 4294967294 is Slurm's way of saying none. */
function num(value: unknown): number | null {
  if (typeof value === "number") return value >= 0 && value < 4_294_967_290 ? value : null;
  const { set, infinite, number } = (value ?? {}) as Json;
  return set === true && infinite !== true ? num(number) : null;
}

const str = (value: unknown): string =>
  Array.isArray(value) ? String(value[0] ?? "") : typeof value === "string" ? value : "";

const time = (value: unknown): number | null => {
  const at = num(value);
  return at === null || at === 0 ? null : at * 1000;
};

const minutes = (value: unknown): number | null => {
  const count = num(value);
  return count === null ? null : count * 60_000;
};

const readJob = (job: Json): SlurmJob => ({
  ...{ number: num(job.job_id) ?? 0, name: str(job.name), comment: str(job.comment) },
  ...{ state: str(job.job_state), reason: str(job.state_reason), nodes: str(job.nodes) },
  isPreempted: time(job.preempt_time) !== null,
  ...{ waitStatus: num(job.exit_code) ?? 0, restarts: num(job.restart_cnt) ?? 0 },
  ...{ startMs: time(job.start_time), endMs: time(job.end_time), limitMs: minutes(job.time_limit) },
});

const readNode = (node: Json): SlurmNode => ({
  ...{ name: str(node.name), cpus: num(node.cpus) ?? 0, gres: str(node.gres) },
  memoryMegabytes: num(node.real_memory) ?? 0,
  ...{ state: str(node.state), reason: str(node.reason) },
});

const readPartition = (partition: Json): SlurmPartition & { isDefault: boolean } => ({
  ...{ name: str(partition.name), state: str(partition.state) },
  isDefault: Array.isArray(partition.flags) && partition.flags.includes("default"),
  nodesMax: num(partition.maximum_nodes_per_job),
  cpusPerNodeMax: num(partition.maximum_cpus_per_node),
  memoryMegabytesPerNodeMax: num(partition.maximum_memory_per_node),
  limitMs: minutes(partition.default_time_limit) ?? minutes(partition.max_time_limit),
  limitMaxMs: minutes(partition.max_time_limit),
});
