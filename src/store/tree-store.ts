/**
 * Which blobs are in use: each snapshot that anything may refer to is registered with the blobs it is made of (its own
 * list of files among them), and blobs that somebody is about to refer to are under lease.
 *
 * Links rather than counts: a count that was wrong once is wrong for ever, while "is there a link" cannot drift, and
 * whatever a crash leaves behind is found by asking again. Registered before anything refers to a snapshot and removed
 * after nothing does, so a blob is at worst kept too long.
 */
import type pg from "pg";
import type { TreeEntry } from "../protocol/runner-wire.ts";
import type { Queryable } from "./audit-reads.ts";
import { blobsOf } from "./tree.ts";

export interface NamedTree {
  readonly hash: string;
  /** Of the list of files itself. */
  readonly bytes: number;
  readonly entries: readonly TreeEntry[];
}

export interface TreeBlob {
  readonly blob: string;
  readonly size: number;
}

/** What uploads and deletion need of the register; PostgreSQL in earnest (`treesIn`), memory in the simulator. */
export interface TreeRegister {
  register(tree: NamedTree, at: Date): Promise<void>;
  /** Snapshots that are referred to and not registered: made before there was a register. */
  unregistered(): Promise<string[]>;
  lease(holder: LeaseHolder, blobs: readonly string[], at: Date): Promise<void>;
  /** Content that was sent; where somebody has it under lease already, that is enough. */
  leaseSent(holder: LeaseHolder, blob: string, at: Date): Promise<void>;
  /** One use of each; whoever asked twice has to end it twice. */
  endLeases(holders: readonly string[]): Promise<void>;
  /** Forgets leases that hold nothing any more. */
  dropOldLeases(now: Date): Promise<void>;
  /** Which of these somebody has under lease. */
  leased(blobs: readonly string[], now: Date): Promise<Set<string>>;
  /** Registered snapshots to which nothing refers and that are under no lease, by name after `after`. */
  unused(page: { after: string; limit: number; now: Date }): Promise<string[]>;
  /** The same of these. */
  stillUnused(trees: readonly string[], now: Date): Promise<string[]>;
  /** Blobs of these snapshots that no other snapshot has. */
  ownBlobs(trees: readonly string[]): Promise<TreeBlob[]>;
  forget(trees: readonly string[]): Promise<void>;
  /** Of these, the blobs that belong to no snapshot and are under no lease. */
  unusedBlobs(blobs: readonly string[], now: Date): Promise<string[]>;
}

export const treesIn = (pool: pg.Pool): TreeRegister => ({
  register: (tree, at) => registerTree(pool, tree, at),
  unregistered: () => unregisteredTrees(pool),
  lease: (holder, blobs, at) => leaseBlobs(pool, holder, blobs, at),
  leaseSent: (holder, blob, at) => leaseSent(pool, holder, blob, at),
  endLeases: (holders) => endLeases(pool, holders),
  dropOldLeases: (now) => dropOldLeases(pool, now),
  leased: (blobs, now) => leasedOf(pool, blobs, now),
  unused: (page) => unusedTrees(pool, page),
  stillUnused: (trees, now) => stillUnused(pool, trees, now),
  ownBlobs: (trees) => ownBlobs(pool, trees),
  forget: (trees) => forgetTrees(pool, trees),
  unusedBlobs: (blobs, now) => unusedBlobs(pool, blobs, now),
});

/** For how long content stays that a person or a runner asked about or sent, and nothing refers to yet. */
export const LEASE_MS = 24 * 3600 * 1000;

/** Is it a checkpoint that the trials of an experiment go on from? @param more conditions on that, `e` */
const startedFrom = (tree: string, more = ""): string => `exists (select 1 from experiments e
  where e.config #>> '{searcher,source_checkpoint_uuid}' = ${tree}${more} and not exists
    (select 1 from experiment_marks m where m.experiment_id = e.id and m.purged_at is not null))`;

/** Is this snapshot referred to? What an experiment's `data` resolved to is a dataset: one that was removed stays until they have ended, whatever they call it. */
const referred = (tree: string): string => `(
  exists (select 1 from checkpoints c where c.tree = ${tree} and c.deleted_at is null)
  or exists (select 1 from experiments e where e.code = ${tree} and not exists
    (select 1 from experiment_marks m where m.experiment_id = e.id and m.purged_at is not null))
  or exists (select 1 from datasets d where d.snapshot = ${tree} and (d.removed_at is null
    or exists (select 1 from experiments e where e.ended_at is null
      and e.data @? ('$.*.snapshot ? (@ == "' || d.snapshot || '")')::jsonpath)))
  or exists (select 1 from imports i where i.record = ${tree})
  or ${startedFrom(tree)}
  or exists (select 1 from allocations a where a.state <> 'ended' and a.restore_tree = ${tree}))`;

/** Is it promised to somebody? @param since the parameter with the time from which on leases hold */
const leased = (blob: string, since: string): string => `exists (
  select 1 from blob_leases l where l.blob = ${blob} and case when l.run is null then l.at > ${since}
    else exists (select 1 from allocations a where a.experiment_id = l.experiment_id
      and a.trial_number = l.trial_number and a.run = l.run and a.state <> 'ended') end)`;

async function registerTree(db: Queryable, tree: NamedTree, at: Date): Promise<void> {
  // A file in parts is no blob: its own hash stands here for those who ask where it is, and has no bytes.
  const cut = tree.entries.filter(({ chunks }) => chunks !== undefined);
  const sizes = new Map(cut.map(({ hash }) => [hash, 0]));
  for (const { hash, size } of tree.entries.flatMap(blobsOf)) sizes.set(hash, size);
  sizes.set(tree.hash, tree.bytes);
  // One statement, so that no tree is there without its blobs.
  await db.query({
    name: "register_tree",
    text: `with t as (insert into trees (hash, at) values ($1, $2) on conflict do nothing)
      insert into tree_blobs (tree, blob, size)
      select $1, b, s from unnest($3::text[], $4::bigint[]) as u(b, s) on conflict do nothing`,
    values: [tree.hash, at, [...sizes.keys()], [...sizes.values()]],
  });
}

async function unregisteredTrees(db: Queryable): Promise<string[]> {
  const { rows } = await db.query<{ tree: string }>(
    `select distinct tree from (
       select tree from checkpoints where deleted_at is null
       union all select code from experiments e where code is not null and not exists
         (select 1 from experiment_marks m where m.experiment_id = e.id and m.purged_at is not null)
       union all select snapshot from datasets where removed_at is null
       union all select restore_tree from allocations where state <> 'ended' and restore_tree is not null
     ) as used(tree)
     where not exists (select 1 from trees t where t.hash = used.tree) order by tree`,
  );
  return rows.map((row) => row.tree);
}

export interface LeaseHolder {
  /** Whoever it is; a second lease of the same holder renews the first. */
  readonly name: string;
  /** Of an allocation: the lease ends with it. */
  readonly allocation?: {
    readonly experiment: number;
    readonly trial: number;
    readonly run: number;
  };
}

async function leaseBlobs(
  pool: pg.Pool,
  holder: LeaseHolder,
  blobs: readonly string[],
  at: Date,
): Promise<void> {
  if (blobs.length === 0) return;
  const { experiment, trial, run } = holder.allocation ?? {};
  await pool.query({
    name: "lease_blobs",
    text: `insert into blob_leases (holder, blob, experiment_id, trial_number, run, at)
      select $1, b, $3, $4, $5, $6 from unnest($2::text[]) as b
      on conflict (holder, blob) do update set at = excluded.at, uses = blob_leases.uses + 1`,
    values: [
      holder.name,
      [...new Set(blobs)].sort(),
      experiment ?? null,
      trial ?? null,
      run ?? null,
      at,
    ],
  });
}

async function leaseSent(
  pool: pg.Pool,
  holder: LeaseHolder,
  blob: string,
  at: Date,
): Promise<void> {
  await pool.query({
    name: "lease_sent",
    text: `insert into blob_leases (holder, blob, at) select $1, b, $3
      from unnest(array[$2::text]) as b where not ${leased("b", "$4")}
      on conflict (holder, blob) do update set at = excluded.at`,
    values: [holder.name, blob, at, leaseStart(at)],
  });
}

async function leasedOf(pool: pg.Pool, blobs: readonly string[], now: Date): Promise<Set<string>> {
  const { rows } = await pool.query<{ b: string }>(
    `select b from unnest($1::text[]) as b where ${leased("b", "$2")}`,
    [blobs, leaseStart(now)],
  );
  return new Set(rows.map((row) => row.b));
}

async function endLeases(pool: pg.Pool, holders: readonly string[]): Promise<void> {
  if (holders.length === 0) return;
  await pool.query(
    `update blob_leases l set uses = l.uses - h.ended
     from (select holder, count(*)::int as ended from unnest($1::text[]) as u(holder) group by 1) h
     where l.holder = h.holder`,
    [holders],
  );
  await pool.query("delete from blob_leases where holder = any($1::text[]) and uses <= 0", [
    holders,
  ]);
}

async function dropOldLeases(pool: pg.Pool, now: Date): Promise<void> {
  await pool.query(
    `delete from blob_leases l where case when l.run is null then l.at <= $1
       else not exists (select 1 from allocations a where a.experiment_id = l.experiment_id
         and a.trial_number = l.trial_number and a.run = l.run and a.state <> 'ended') end`,
    [leaseStart(now)],
  );
}

const leaseStart = (now: Date): Date => new Date(now.getTime() - LEASE_MS);

async function unusedTrees(
  db: Queryable,
  page: { readonly after: string; readonly limit: number; readonly now: Date },
): Promise<string[]> {
  const { rows } = await db.query<{ hash: string }>(
    `select t.hash from trees t where t.hash > $1 and not ${referred("t.hash")}
       and not ${leased("t.hash", "$3")}
     order by t.hash limit $2`,
    [page.after, page.limit, leaseStart(page.now)],
  );
  return rows.map((row) => row.hash);
}

async function stillUnused(db: Queryable, trees: readonly string[], now: Date): Promise<string[]> {
  const { rows } = await db.query<{ hash: string }>(
    `select t.hash from trees t where t.hash = any($1::text[]) and not ${referred("t.hash")}
       and not ${leased("t.hash", "$2")}`,
    [trees, leaseStart(now)],
  );
  return rows.map((row) => row.hash);
}

async function ownBlobs(db: Queryable, trees: readonly string[]): Promise<TreeBlob[]> {
  const { rows } = await db.query<{ blob: string; size: string }>(
    `select distinct on (b.blob) b.blob, b.size from tree_blobs b where b.tree = any($1::text[])
       and not exists (select 1 from tree_blobs o where o.blob = b.blob and o.tree <> all($1::text[]))
     order by b.blob`,
    [trees],
  );
  return rows.map((row) => ({ blob: row.blob, size: Number(row.size) }));
}

/** Of what a checkpoint speaks of it stays known which files it was: somebody may have a copy. */
async function forgetTrees(db: Queryable, trees: readonly string[]): Promise<void> {
  await db.query(
    `with kept as (
       insert into past_tree_blobs (tree, blob, size)
       select b.tree, b.blob, b.size from tree_blobs b
       where b.tree = any($1::text[]) and exists (select 1 from checkpoints c where c.tree = b.tree)
       on conflict do nothing)
     delete from trees where hash = any($1::text[])`,
    [trees],
  );
}

async function unusedBlobs(db: Queryable, blobs: readonly string[], now: Date): Promise<string[]> {
  const { rows } = await db.query<{ b: string }>(
    `select b from unnest($1::text[]) as b
     where not exists (select 1 from tree_blobs t where t.blob = b) and not ${leased("b", "$2")}`,
    [blobs, leaseStart(now)],
  );
  return rows.map((row) => row.b);
}

export interface Gone {
  readonly checkpoints: readonly {
    readonly trialId: number;
    readonly run: number;
    readonly step: number;
    readonly tree: string;
  }[];
  readonly experiments: readonly number[];
}

/** Of the snapshots of these checkpoints and experiments, those to which nothing else would refer without them. */
export async function releasedBy(db: Queryable, gone: Gone): Promise<string[]> {
  const { checkpoints, experiments } = gone;
  const { rows } = await db.query<{ tree: string }>(
    `with gone as (
       select * from unnest($1::int[], $2::int[], $3::bigint[], $4::text[]) as g(trial_id, run, step, tree)
       union all select c.trial_id, c.run, c.step, c.tree from checkpoints c
         join trials t on t.id = c.trial_id
         where t.experiment_id = any($5::int[]) and c.deleted_at is null)
     select tree from (select tree from gone
       union select config #>> '{searcher,source_checkpoint_uuid}' from experiments
         where id = any($5::int[]) and config #>> '{searcher,source_checkpoint_uuid}' is not null
       union select code from experiments where id = any($5::int[]) and code is not null) as used(tree)
     where not exists (select 1 from checkpoints c where c.tree = used.tree and c.deleted_at is null
         and not exists (select 1 from gone g where g.trial_id = c.trial_id and g.run = c.run
           and g.step = c.step and g.tree = c.tree))
       and not exists (select 1 from experiments e where e.code = used.tree and e.id <> all($5::int[])
         and not exists (select 1 from experiment_marks m where m.experiment_id = e.id and m.purged_at is not null))
       and not exists (select 1 from datasets d where d.snapshot = used.tree and d.removed_at is null)
       and not exists (select 1 from imports i where i.record = used.tree and i.experiment_id <> all($5::int[]))
       and not ${startedFrom("used.tree", " and e.id <> all($5::int[])")}
       and not exists (select 1 from allocations a where a.state <> 'ended' and a.restore_tree = used.tree)`,
    [
      checkpoints.map((c) => c.trialId),
      checkpoints.map((c) => c.run),
      checkpoints.map((c) => c.step),
      checkpoints.map((c) => c.tree),
      experiments,
    ],
  );
  return rows.map((row) => row.tree);
}
