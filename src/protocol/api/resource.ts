/** Slots and the queue. */
import { z } from "zod";
import { count, time } from "./common.ts";

export const slot = z.object({
  id: z.string(),
  kind: z.enum(["gpu", "cpu"]),
  node: z.string(),
  description: z.string(),
  pool: z.string(),
  /** The runner that starts processes on it; of a pool of jobs, the pool. */
  runner: z.string(),
  /** The allocation that holds it. */
  allocation: z.string().nullable(),
  since: time.nullable(),
  /** Why nothing new is granted on it: its runner is silent or lost. */
  withheld: z.string().nullable(),
});
export type Slot = z.infer<typeof slot>;

export const pool = z.object({
  name: z.string(),
  engine: z.string(),
  description: z.string().nullable(),
  /** Whether it is that of experiments that name none. */
  default: z.boolean(),
  slots: count,
  held: count,
  /** The most that one trial could have. */
  slots_per_trial_max: count,
  /** Where a trial can span nodes: slots of one. */
  slots_per_node: count.nullable(),
  /** Where the number of slots comes from. */
  reason: z.string(),
  /** Trials that wait for slots of it. */
  waiting: count,
  /** Why its engine is not heard; null = it is. */
  trouble: z.string().nullable(),
});
export type Pool = z.infer<typeof pool>;

export const runner = z.object({
  id: z.string(),
  /** Null where it offers no slots any more. */
  node: z.string().nullable(),
  /** silent: not heard, nothing ends. lost: its allocations were ended. returning: lost, and heard again, but it has
   *  not confirmed yet that nothing of those runs any more. */
  state: z.enum(["heard", "silent", "lost", "returning"]),
  /** Why, in one sentence, and since when. */
  reason: z.string(),
  since: time,
  /** Counts its leases. */
  lease: count,
  /** Null = never. */
  heard_at: time.nullable(),
  /** When its lease runs out, if it is not heard until then; null = lost. */
  lease_until: time.nullable(),
  /** When the engine last said that its process lives, where it had to be asked. */
  alive_at: time.nullable(),
  slots: z.array(z.string()),
  allocations: z.array(z.string()),
});
export type Runner = z.infer<typeof runner>;

export const job = z.object({
  experiment: z.int(),
  name: z.string(),
  owner: z.string(),
  priority: z.int(),
  submitted_at: time,
  running: count,
  /** Trials that want slots, and those that have them while their job waits in its engine's queue. */
  queued: count,
  /** Of those that have slots: how many have a runner that is silent. */
  silent: count,
  slots_held: count,
  /** For each trial that waits, what it waits for, in queue order (at most 20). */
  waiting: z.array(z.object({ trial: z.string(), reason: z.string() })),
});
export type Job = z.infer<typeof job>;
