/** What the routes share: made once in main.ts. */
import type pg from "pg";
import type { Clock } from "../../base/clock.ts";
import { parseId } from "../../base/ids.ts";
import { ContrailError } from "../../protocol/errors.ts";
import type { BlobGate } from "../../store/blob-gate.ts";
import type { BlobStore } from "../../store/blobs.ts";
import {
  type ExperimentHead,
  type Purged,
  readExperimentHead,
} from "../../store/experiment-reads.ts";
import type { TreeRegister } from "../../store/tree-store.ts";
import type { Access } from "../access.ts";
import type { Ledger } from "../ledger.ts";
import type { DecisionLoop } from "../loops/decision-loop.ts";
import type { Leases } from "../loops/lease-loop.ts";
import type { OrdersContext, OrderWaiters } from "../orders.ts";
import type { PageFiles } from "../page-files.ts";
import type { Nodes } from "../pools/nodes.ts";
import type { Judge } from "../replay/judge.ts";
import type { VerdictBook } from "../replay/verdict-book.ts";
import { purged } from "../retention/commands.ts";
import type { RetentionKeeper } from "../retention/keeper.ts";
import { silenceOf } from "../runner-view.ts";
import type { SealedLogins } from "../sealed-logins.ts";
import type { Subscribers } from "../subscribers.ts";
import type { TaskDoor } from "../task-proxy/start.ts";
import type { Tunnels } from "../task-proxy/tunnels.ts";
import type { SlotMeter } from "../views.ts";
import type { World } from "../world.ts";
import type { OpenConnections } from "./open-connections.ts";

export interface RouteContext {
  readonly world: World;
  readonly loop: DecisionLoop;
  /** For what is stored beside the turns. */
  readonly ledger: Pick<Ledger, "storeAhead">;
  readonly pool: pg.Pool;
  readonly readPool: pg.Pool;
  readonly blobs: BlobStore;
  readonly gate: BlobGate;
  readonly trees: TreeRegister;
  readonly retention: RetentionKeeper;
  readonly verdicts: VerdictBook;
  readonly judge: Judge;
  readonly nodes: Pick<Nodes, "why" | "pools" | "silence">;
  readonly access: Access;
  readonly logins: SealedLogins;
  readonly clock: Clock;
  readonly orders: OrdersContext;
  readonly waiters: OrderWaiters;
  readonly leases: Leases;
  readonly subscribers: Subscribers;
  readonly tunnels: Tunnels;
  readonly tasks: TaskDoor;
  readonly connections: OpenConnections;
  readonly page: PageFiles;
  readonly dataDir: string;
  /** Of this process, for what lies outside and says there who asks (S3). */
  readonly environment: Readonly<Record<string, string | undefined>>;
  readonly postgres: "embedded" | "external";
  readonly version: string;
  readonly startedAtMs: number;
  /** Ends the server in good order; called once the answer is on its way. */
  readonly shutdown: (trials: "stop" | "keep") => void;
}

/** For the time of an experiment's running trials; undefined once it has ended, when nothing runs. */
export function slotMeter(
  { world, clock }: Pick<RouteContext, "world" | "clock">,
  experiment: number,
): SlotMeter | undefined {
  const live = world.experiments.get(experiment);
  return (
    live && {
      ...{ nowMs: clock.nowMs(), slotsPerTrial: live.x.spec.slotsPerTrial },
      silence: (trial) => silenceOf(world, live, trial),
    }
  );
}

/** `3.12` → its two numbers. @throws ContrailError not_found for anything else */
export function trialKey(id: string): { experiment: number; number: number } {
  const parsed = parseId(id);
  if (parsed?.trial === undefined || parsed.run !== undefined) throw noTrial(id);
  return { experiment: parsed.experiment, number: parsed.trial };
}

export const noTrial = (id: string): ContrailError =>
  new ContrailError("not_found", `there is no trial ${id}`, {
    hint: "List an experiment's trials: contrail trial list EXPERIMENT.",
  });

export const noExperiment = (id: number): ContrailError =>
  new ContrailError("not_found", `there is no experiment ${id}`);

/** How an experiment was declared. @throws ContrailError where there is none, or no more of it than its number */
export async function experimentHead(
  { readPool }: Pick<RouteContext, "readPool">,
  id: number,
): Promise<ExperimentHead> {
  const row = await readExperimentHead(readPool, id);
  if (!row) throw noExperiment(id);
  return notPurged(row, id);
}

/** @throws ContrailError where its experiment was deleted and cannot be restored any more */
export function notPurged<R extends Purged>(row: R, experiment: number): R {
  if (row.purged_at === null) return row;
  throw purged({ experiment_id: experiment, deleted_by: row.deleted_by });
}
