/** The pools of a server as it opens them: of each the engine, and how many slots it has. */
import { existsSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import type { Logger } from "pino";
import type { JsonObject } from "../../base/json.ts";
import type { Capacity, Engine } from "../../engines/engine.ts";
import { EngineUnreachable, type JobCapacity, type JobEngine } from "../../engines/job-engine.ts";
import type { JobSettings } from "../../protocol/pools/fields.ts";
import { DEFAULT_POOL } from "../../protocol/pools/pools.ts";
import { LOCAL_RUNNER, type PoolInfo, type SlotInfo } from "../world.ts";

interface AnyPool {
  readonly name: string;
  readonly description?: string | null;
  /** As its settings say it. */
  readonly coresPerSlot?: number | null;
}

/** An engine with runners that stand ready on its nodes. */
export interface NodePool extends AnyPool {
  readonly defaults?: JsonObject;
  readonly engine: Engine;
}

/** An engine that is asked for a job, and with it a runner, for each allocation. */
export interface JobPool extends AnyPool {
  readonly jobs: JobEngine;
  readonly settings: JobSettings;
}

export type ServerPool = NodePool | JobPool;

export interface OpenedPool {
  readonly pool: ServerPool;
  readonly info: PoolInfo;
  readonly slots: readonly SlotInfo[];
  /** For people: where the number of slots comes from. */
  readonly reason: string;
}

export const isJobPool = (pool: ServerPool): pool is JobPool => "jobs" in pool;

/** Names that were there before pools were: in a data folder of an earlier version they still mean the same. */
const runnerOf = (pool: string): string => (pool === DEFAULT_POOL ? LOCAL_RUNNER : pool);
const slotId = (pool: string, id: string): string => (pool === DEFAULT_POOL ? id : `${pool}/${id}`);

export async function openPool(
  pool: ServerPool,
  { dataDir, log }: { readonly dataDir: string; readonly log: Logger },
): Promise<OpenedPool> {
  const opened = isJobPool(pool)
    ? jobPool(pool, await jobCapacity(pool, { dataDir, log }))
    : nodePool(pool, await pool.engine.capacity());
  log.info(
    { pool: pool.name, slots: opened.slots.length },
    `pool ${pool.name}: ${opened.slots.length} slots: ${opened.reason}`,
  );
  return opened;
}

function nodePool(pool: NodePool, capacity: Capacity): OpenedPool {
  const { name } = pool;
  const slots = capacity.slots.map(({ id, kind, name: device, runner }) => ({
    ...{ id: slotId(name, id), kind, pool: name, runner: runner ?? runnerOf(name) },
    ...{ node: capacity.node, description: device },
  }));
  const { defaults = {} } = pool;
  const info = {
    ...{ name, engine: pool.engine.name, jobs: false, perJob: null, defaults },
    ...coresOf(pool),
  };
  return { pool, info, slots, reason: capacity.reason };
}

function jobPool(pool: JobPool, capacity: JobCapacity | undefined): OpenedPool {
  const { name, settings } = pool;
  const { slots: asked } = settings;
  const there = capacity?.slots ?? asked ?? 0;
  const count = Math.min(asked ?? there, there);
  const slotsPerNode = settings.slots_per_node ?? capacity?.slotsPerNode ?? (count || 1);
  // An engine that was never heard says how many nodes there are when it is asked for a job.
  const perJob = { slotsPerNode, nodes: capacity?.nodes ?? Math.ceil(count / slotsPerNode) };
  const slots = Array.from({ length: count }, (_, i) => ({
    ...{ id: slotId(name, `${settings.slot_type}:${i}`), kind: settings.slot_type, pool: name },
    ...{ runner: name, node: pool.jobs.name, description: capacity?.device ?? settings.slot_type },
  }));
  const { defaults } = settings;
  const info = { name, engine: pool.jobs.name, jobs: true, perJob, defaults, ...coresOf(pool) };
  const bound = asked !== null && asked < there ? `; pools.yaml allows ${asked}` : "";
  return {
    pool,
    info,
    slots,
    reason: `${capacity?.reason ?? "the engine did not answer"}${bound}`,
  };
}

const coresOf = ({ coresPerSlot }: AnyPool): Pick<PoolInfo, "coresPerSlot"> =>
  coresPerSlot == null ? {} : { coresPerSlot };

/** An engine that does not answer when the server starts has what it had the last time. */
async function jobCapacity(
  pool: JobPool,
  { dataDir, log }: { readonly dataDir: string; readonly log: Logger },
): Promise<JobCapacity | undefined> {
  const path = join(dataDir, "pools", `${pool.name}.json`);
  try {
    const capacity = await pool.jobs.capacity();
    mkdirSync(dirname(path), { recursive: true, mode: 0o700 });
    writeFileSync(path, JSON.stringify(capacity), { mode: 0o600 });
    return capacity;
  } catch (error) {
    if (!(error instanceof EngineUnreachable)) throw error;
    log.warn({ pool: pool.name }, `${pool.jobs.name} does not answer: ${error.message}`);
    if (!existsSync(path)) return undefined;
    const last = JSON.parse(readFileSync(path, "utf8")) as JobCapacity;
    return { ...last, reason: `${last.reason} (as of the last answer of the engine)` };
  }
}
