/**
 * Records of runs at rest. An environment is the same for thousands of runs, so it is stored once, by content; what
 * belongs to one run alone lies in its row. Written beside the decision loop: nothing is decided by a record.
 */
import { createHash } from "node:crypto";
import type pg from "pg";
import { canonicalExact } from "../base/json.ts";
import type { RecordPart } from "../protocol/record-part.ts";
import { storableJson } from "./storable.ts";

export type RecordSource = "runner" | "program";

export interface StoredRecord {
  readonly run: number;
  readonly source: RecordSource;
  readonly environment: string | null;
  readonly own: RecordPart;
  readonly at: Date;
}

export interface NewRecord {
  readonly experiment: number;
  readonly trial: number;
  readonly run: number;
  readonly source: RecordSource;
  readonly environment: RecordPart | null;
  readonly own: RecordPart;
  readonly at: Date;
}

/** The same for the same facts, whatever order they were told in. */
export const environmentHash = (part: RecordPart): string =>
  createHash("sha256").update(canonicalExact(part)).digest("hex");

/** By the object, which is the same for all who brought the same (`rememberingPart`). */
const hashes = new WeakMap<RecordPart, string>();

/** Of what is stored of a part. */
function storedHash(part: RecordPart): string {
  const known = hashes.get(part);
  if (known !== undefined) return known;
  const hash = environmentHash(storableJson(part));
  hashes.set(part, hash);
  return hash;
}

/**
 * Stores it; the same again changes nothing, a later one of the same source replaces it. Of an allocation that there is
 * not, or whose experiment was purged, nothing is kept.
 */
export async function storeRecord(pool: pg.Pool, record: NewRecord): Promise<void> {
  const { environment } = record;
  // Almost always it is there. The database is asked each time: environments are dropped, and databases restored.
  if ((await insertRecord(pool, record, null)) || environment === null) return;
  await insertRecord(pool, record, JSON.stringify(storableJson(environment)));
}

/**
 * @param document of the environment; null = only if that is stored already
 * @returns whether anything was stored
 */
async function insertRecord(
  pool: pg.Pool,
  record: NewRecord,
  document: string | null,
): Promise<boolean> {
  const hash = record.environment === null ? null : storedHash(record.environment);
  const { rowCount } = await pool.query({
    name: "store_record",
    text: `with a as (
        select experiment_id, trial_number, run from allocations
        where experiment_id = $1 and trial_number = $2 and run = $3 and not exists
          (select 1 from experiment_marks m where m.experiment_id = $1 and m.purged_at is not null)),
      known as (
        -- Locked, so that it is not dropped before the record names it.
        select hash from environments where hash = $5::text and $6::jsonb is null for key share),
      e as (
        insert into environments (hash, document, at)
        select $5::text, $6::jsonb, $8::timestamptz from a where $6::jsonb is not null
        on conflict do nothing)
      insert into records (experiment_id, trial_number, run, source, environment, document, at)
      select experiment_id, trial_number, run, $4::text, $5::text, $7::jsonb, $8::timestamptz from a
      where $5::text is null or $6::jsonb is not null or exists (select from known)
      on conflict (experiment_id, trial_number, run, source) do update
        set environment = excluded.environment, document = excluded.document, at = excluded.at`,
    values: [
      ...[record.experiment, record.trial, record.run, record.source, hash],
      document,
      JSON.stringify(storableJson(record.own)),
      record.at,
    ],
  });
  return rowCount !== 0;
}

/** All parts of a trial's records, oldest run first; of one run what the runner told before what the program did. */
export async function readRecords(
  pool: pg.Pool,
  experiment: number,
  trial: number,
): Promise<StoredRecord[]> {
  const { rows } = await pool.query<StoredRecord>(
    `select run, source, environment, document as own, at from records
     where experiment_id = $1 and trial_number = $2 order by run, source = 'program'`,
    [experiment, trial],
  );
  return rows;
}

export async function readEnvironment(
  pool: pg.Pool,
  hash: string,
): Promise<RecordPart | undefined> {
  const { rows } = await pool.query<{ document: RecordPart }>(
    "select document from environments where hash = $1",
    [hash],
  );
  return rows[0]?.document;
}

/** What a trial's latest recorded run was in. */
export interface RanIn {
  readonly run: number;
  /** As it was asked for. */
  readonly image: string;
  /** Of what it stood for. */
  readonly digest: string;
}

/** @returns undefined where no run of it was in a container that is known by what it consists of */
export async function readContainer(
  pool: pg.Pool,
  experiment: number,
  trial: number,
): Promise<RanIn | undefined> {
  const { rows } = await pool.query<RanIn>(
    `select r.run, c->>'image' as image, c->>'digest' as digest
     from records r join environments e on e.hash = r.environment,
       jsonb_extract_path(e.document, 'captured', 'container') c
     where r.experiment_id = $1 and r.trial_number = $2 and c->>'reference' is not null
     order by r.run desc limit 1`,
    [experiment, trial],
  );
  return rows[0];
}

/** Of runs that were on several nodes: how these call themselves, the first of the ranks first; by run. */
export async function readNodes(
  pool: pg.Pool,
  experiment: number,
  trial: number,
): Promise<ReadonlyMap<number, readonly string[]>> {
  const { rows } = await pool.query<{ run: number; nodes: string }>(
    `select run, document #>> '{captured,command,nodes}' as nodes from records
     where experiment_id = $1 and trial_number = $2 and source = 'runner'
       and document #>> '{captured,command,nodes}' is not null`,
    [experiment, trial],
  );
  return new Map(rows.map(({ run, nodes }) => [run, nodes.split(" ")]));
}

/** Environments that no record has any more, and that no experiment is to be run in. */
export async function dropUnusedEnvironments(pool: pg.Pool): Promise<void> {
  await pool.query(
    `delete from environments e where not exists (select 1 from records r where r.environment = e.hash)
       and not exists (select 1 from experiments x where e.hash in (x.config #>> '{environment,rebuild}', x.config #>> '{environment,require}')
         and not exists (select 1 from experiment_marks m where m.experiment_id = x.id and m.purged_at is not null))`,
  );
}

/** The allocations of a trial, oldest first. */
export async function listRuns(
  pool: pg.Pool,
  experiment: number,
  trial: number,
): Promise<{ run: number; state: string; started_at: Date | null }[]> {
  const { rows } = await pool.query<{ run: number; state: string; started_at: Date | null }>(
    `select run, state, started_at from allocations
     where experiment_id = $1 and trial_number = $2 order by run`,
    [experiment, trial],
  );
  return rows;
}
