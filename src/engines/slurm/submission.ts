/** What sbatch is asked for: a job's shape from the request, everything else from the pool and then the experiment. */
import type { SlurmFields } from "../../protocol/config/fields.ts";
import type { SlurmPool } from "../../protocol/pools/fields.ts";
import type { JobRequest } from "../job-engine.ts";
import { megabytes } from "./fit.ts";
import { isToldBeforeLimit } from "./observe-job.ts";
import { lastValue, readOptions, type SbatchOption, writeOption } from "./options.ts";
import { parseLimit } from "./parse.ts";

export interface Wanted {
  readonly options: readonly SbatchOption[];
  readonly partition: string | undefined;
  /** Asked for by anybody; the partition's own is not in it. */
  readonly limitMs: number | null;
}

/** @throws JobRefused */
export function wanted(pool: SlurmPool, extra: SlurmFields): Wanted {
  const options = [
    ...named({ partition: pool.partition, account: pool.account, qos: pool.qos }),
    ...readOptions(pool.sbatch_args, "the pool"),
    ...named({ partition: extra.partition, account: extra.account, qos: extra.qos }),
    ...readOptions(extra.sbatch_args, "the experiment"),
  ];
  const limitS = extra.time_limit ?? pool.time_limit;
  const time = lastValue(options, "time");
  const ownMs = time === undefined ? null : timeMs(time);
  const limitMs = ownMs ?? (limitS === null ? null : limitS * 1000);
  return { options, partition: lastValue(options, "partition"), limitMs };
}

/** @param limitMs that the job will have, by whomever */
export function submissionOptions(
  request: Pick<JobRequest, "nodes" | "slotsPerNode">,
  pool: SlurmPool,
  { options, ...want }: Wanted,
  limitMs: number | null,
): string[] {
  const { nodes, slotsPerNode } = request;
  const has = (...names: string[]): boolean => options.some(({ name }) => names.includes(name));
  const ours: SbatchOption[] = [
    { name: "nodes", value: String(nodes) },
    { name: "ntasks", value: String(nodes) },
    { name: "ntasks-per-node", value: "1" },
  ];
  const add = (name: string, value: string | number): void =>
    void ours.push({ name, value: String(value) });
  if (!has("cpus-per-task", "cpus-per-gpu"))
    add("cpus-per-task", slotsPerNode * pool.cpus_per_slot);
  const memory = megabytes(pool.memory_per_slot);
  if (memory !== null && !has("mem", "mem-per-cpu", "mem-per-gpu"))
    add("mem", `${memory * slotsPerNode}M`);
  if (want.limitMs !== null && !has("time")) add("time", minutesAndSeconds(want.limitMs));
  // Time to save before the limit, which Slurm's own grace (KillWait) may be too short for.
  if (isToldBeforeLimit(limitMs, pool.grace * 1000) && !has("signal"))
    add("signal", `TERM@${Math.ceil(pool.grace)}`);
  const gpus = pool.slot_type === "gpu" ? [gpuWord(pool, slotsPerNode)] : [];
  const gres = [...gpus, ...options.flatMap(({ name, value }) => (name === "gres" ? [value] : []))];
  if (gres.length > 0) add("gres", gres.join(","));
  return [...ours, ...options.filter(({ name }) => name !== "gres")].map(writeOption);
}

const gpuWord = ({ gpu_type }: SlurmPool, count: number): string =>
  gpu_type === null ? `gpu:${count}` : `gpu:${gpu_type}:${count}`;

const named = (values: Readonly<Record<string, string | null>>): SbatchOption[] =>
  Object.entries(values).flatMap(([name, value]) => (value === null ? [] : [{ name, value }]));

const minutesAndSeconds = (durationMs: number): string =>
  `${Math.floor(durationMs / 60_000)}:${String(Math.ceil((durationMs % 60_000) / 1000)).padStart(2, "0")}`;

/** `minutes`, `minutes:seconds`, `hours:minutes:seconds`, `days-hours[:minutes[:seconds]]` */
function timeMs(text: string): number | null {
  if (/^\d+$/.test(text)) return Number(text) * 60_000;
  const days = /^(\d+)-(\d+)(?::(\d+))?$/.exec(text);
  return days === null ? parseLimit(text) : parseLimit(`${days[1]}-${days[2]}:${days[3] ?? 0}:00`);
}
