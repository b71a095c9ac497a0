/**
 * What retention needs of a database beside the ledger: rows to judge by, and to empty what was purged. PostgreSQL in earnest
 * (`retentionStoreIn`), memory in the simulator.
 */
import type pg from "pg";
import type { JsonObject } from "../base/json.ts";
import type { TrialState } from "../core/lifecycle/trial.ts";
import type { CheckpointFacts, HoldReason, TrialFacts } from "../core/retention/retention.ts";
import type { Queryable } from "./audit-reads.ts";
import { emptyExperiment } from "./purge.ts";
import type { MarksRow, PinRow } from "./schema.ts";
import { type Gone, releasedBy } from "./tree-store.ts";
import { awaitedTrees, heldBy, startTrees } from "./verdict-store.ts";

export interface RetentionStore {
  /** One that was not purged. */
  experiment(id: number): Promise<ExperimentForRetention | undefined>;
  /** Its checkpoints whose bytes are there, by trial and step. */
  checkpoints(experiment: number, metric: string | null): Promise<StoredCheckpoint[]>;
  trials(experiment: number): Promise<Map<number, TrialFacts>>;
  /** Snapshots of it that others need: a replay that has no verdict yet, an experiment that goes on from there. */
  held(experiment: number): Promise<readonly { tree: string; reason: HoldReason }[]>;
  /** Experiments of which this one, which was purged, may have held checkpoints. */
  heldBy(purged: number): Promise<number[]>;
  /** Experiments that have ended and to which retention was not applied yet. */
  notRetained(): Promise<number[]>;
  /** Experiments with bytes of checkpoints. @param only of these; absent = of all */
  withCheckpoints(only?: number): Promise<number[]>;
  /** Snapshots that nothing would refer to without these. */
  releasedBy(gone: Gone): Promise<string[]>;
  /** Deletes the rows of one that was purged. May be cut off and called again. @returns what they were, as a sentence */
  empty(experiment: number, told: () => void): Promise<string>;
  /** What a person asked for and is not done. */
  request(): Promise<GcRequest | null>;
}

/** A whole run that somebody asked for. */
export interface GcRequest {
  readonly by: string;
  readonly at: string;
}

/** @param readPool for what may take long and changes nothing */
export const retentionStoreIn = (pool: pg.Pool, readPool: pg.Pool): RetentionStore => ({
  experiment: (id) => readForRetention(readPool, id),
  checkpoints: (experiment, metric) => keptCheckpoints(readPool, experiment, metric),
  trials: (experiment) => trialFacts(readPool, experiment),
  held: async (experiment) => [
    ...(await awaitedTrees(readPool, experiment)).map((tree) => ({
      tree,
      reason: "replayed" as const,
    })),
    ...(await startTrees(readPool, experiment)).map((tree) => ({
      tree,
      reason: "source" as const,
    })),
  ],
  heldBy: (purged) => heldBy(readPool, purged),
  notRetained: () => notRetained(pool),
  withCheckpoints: (only) => withCheckpoints(readPool, only),
  releasedBy: (gone) => releasedBy(readPool, gone),
  empty: (experiment, told) => emptyExperiment(pool, experiment, told),
  request: async () => {
    const { rows } = await pool.query<{ value: GcRequest }>(
      "select value from settings where key = 'gc'",
    );
    return rows[0]?.value ?? null;
  },
});

/** Pins that hold, and marks that still matter. */
export async function readRetention(
  db: Queryable,
): Promise<{ pins: Pick<PinRow, "experiment_id" | "tree">[]; marks: MarksRow[] }> {
  const pins = await db.query<Pick<PinRow, "experiment_id" | "tree">>(
    "select experiment_id, tree from pins where pinned order by experiment_id, tree",
  );
  const marks = await db.query<MarksRow>(
    `select * from experiment_marks where emptied_at is null
       and (archived_at is not null or deleted_at is not null) order by experiment_id`,
  );
  return { pins: pins.rows, marks: marks.rows };
}

export interface StoredCheckpoint extends CheckpointFacts {
  readonly trialId: number;
  readonly bytes: number;
}

async function keptCheckpoints(
  db: Queryable,
  experiment: number,
  metric: string | null,
): Promise<StoredCheckpoint[]> {
  const { rows } = await db.query<{
    number: number;
    trial_id: number;
    run: number;
    step: string;
    tree: string;
    bytes: string;
    created_at: Date;
    objective: number | null;
  }>(
    `select t.number, c.trial_id, c.run, c.step, c.tree, c.bytes, c.created_at,
       (select m.value from metrics m
        where m.trial_id = c.trial_id and m.name_id = (select id from metric_names where name = $2)
          and m.step = c.step and m.run = c.run
        order by m.seq desc limit 1) as objective
     from trials t join checkpoints c on c.trial_id = t.id
     where t.experiment_id = $1 and c.deleted_at is null
     order by t.number, c.step, c.run, c.tree`,
    [experiment, metric ?? ""],
  );
  return rows.map((row) => ({
    trial: row.number,
    trialId: row.trial_id,
    run: row.run,
    step: Number(row.step),
    tree: row.tree,
    bytes: Number(row.bytes),
    savedAtMs: row.created_at.getTime(),
    objective: row.objective,
  }));
}

async function trialFacts(db: Queryable, experiment: number): Promise<Map<number, TrialFacts>> {
  const { rows } = await db.query<{
    number: number;
    over: TrialState["over"];
    checkpoint: TrialState["checkpoint"];
    restore_tree: string | null;
    start_step: string | null;
  }>(
    `select t.number, t.core->>'over' as over, t.core->'checkpoint' as checkpoint,
       a.restore_tree, a.start_step
     from trials t
     left join allocations a on a.experiment_id = t.experiment_id and a.trial_number = t.number
       and a.state <> 'ended'
     where t.experiment_id = $1`,
    [experiment],
  );
  return new Map(
    rows.map((row) => [
      row.number,
      {
        isOver: row.over !== null,
        checkpoint: row.checkpoint,
        restored:
          row.restore_tree === null
            ? null
            : { step: Number(row.start_step), tree: row.restore_tree },
      },
    ]),
  );
}

async function notRetained(db: pg.Pool): Promise<number[]> {
  const { rows } = await db.query<{ id: number }>(
    `select id from experiments e where ended_at is not null
       and not exists (select 1 from retained r where r.experiment_id = e.id and r.at is not null)
     order by id`,
  );
  return rows.map((row) => row.id);
}

export interface ExperimentForRetention {
  readonly id: number;
  readonly config: JsonObject;
  readonly ended_at: Date | null;
}

async function readForRetention(
  db: Queryable,
  id: number,
): Promise<ExperimentForRetention | undefined> {
  const { rows } = await db.query<ExperimentForRetention>(
    `select id, config, ended_at from experiments e where id = $1 and not exists
       (select 1 from experiment_marks m where m.experiment_id = e.id and m.purged_at is not null)`,
    [id],
  );
  return rows[0];
}

async function withCheckpoints(db: Queryable, only?: number): Promise<number[]> {
  const { rows } = await db.query<{ id: number }>(
    `select distinct t.experiment_id as id from checkpoints c join trials t on t.id = c.trial_id
     where c.deleted_at is null and ($1::int is null or t.experiment_id = $1) order by id`,
    [only ?? null],
  );
  return rows.map((row) => row.id);
}
