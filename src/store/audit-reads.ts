/**
 * Reading the log of changes: pages of it by any filter, one event, and the walk that verifies it.
 *
 * Rows are read as exact text (see `ChainRow`): a driver that turns a time into milliseconds, or a number into
 * the nearest double, would hide the very bytes that verification is to find.
 */
import type pg from "pg";
import {
  type Anchor,
  CHAIN_START,
  type ChainRow,
  ChainWalk,
  exactTime,
  type Misfit,
} from "./chain-walk.ts";
import type { ChainTip } from "./write-batch.ts";

/** A pool, or the one connection of somebody's transaction. */
export type Queryable = Pick<pg.ClientBase, "query">;

const COLUMNS = `seq::text as seq,
  case when isfinite(at) then (extract(epoch from at) * 1000000)::int8::text end as at_us,
  actor, experiment_id, subject, what, cause, encode(hash, 'hex') as hash`;

interface StoredRow {
  seq: string;
  at_us: string | null;
  actor: string;
  experiment_id: number | null;
  subject: string;
  what: string;
  cause: string;
  hash: string;
}

const chainRow = ({ at_us, experiment_id, ...rest }: StoredRow): ChainRow => ({
  ...rest,
  at: exactTime(at_us),
  experimentId: experiment_id,
});

export interface AuditFilter {
  readonly experiment?: number | undefined;
  /** `experiment` must be the trial's. */
  readonly trial?: number | undefined;
  readonly actor?: string | undefined;
  /** What it begins with: "granted" finds "granted cpu:0". */
  readonly what?: string | undefined;
  readonly since?: Date | undefined;
  readonly until?: Date | undefined;
  readonly order: "oldest" | "newest";
  /** The last number of the page before. */
  readonly after?: number | undefined;
  readonly limit: number;
}

export async function listAudit(db: Queryable, filter: AuditFilter): Promise<ChainRow[]> {
  const newest = filter.order === "newest";
  const subject =
    filter.trial === undefined ? null : `trial ${filter.experiment ?? 0}.${filter.trial}`;
  const { rows } = await db.query<StoredRow>(
    `select ${COLUMNS} from changes
     where ($1::int is null or experiment_id = $1) and ($2::text is null or subject = $2)
       and ($3::text is null or actor = $3) and ($4::text is null or starts_with(what, $4))
       and ($5::timestamptz is null or at >= $5) and ($6::timestamptz is null or at < $6)
       and ($7::int8 is null or seq ${newest ? "<" : ">"} $7)
     order by changes.seq ${newest ? "desc" : "asc"} limit $8`,
    [
      filter.experiment ?? null,
      subject,
      filter.actor ?? null,
      filter.what ?? null,
      filter.since ?? null,
      filter.until ?? null,
      filter.after ?? null,
      filter.limit,
    ],
  );
  return rows.map(chainRow);
}

export async function readAudit(db: Queryable, seq: number): Promise<ChainRow | undefined> {
  const { rows } = await db.query<StoredRow>(`select ${COLUMNS} from changes where seq = $1`, [
    seq,
  ]);
  return rows[0] && chainRow(rows[0]);
}

/** A row with the hash of the row before it, by which it can be verified alone. */
export interface ChainedRow extends ChainRow {
  readonly previous: string;
}

/**
 * What happened to an experiment, oldest first. @param subject with a trial: not what happened to the experiment's
 * other trials
 */
export async function listChained(
  db: Queryable,
  subject: { experiment: number; trial?: number | undefined; after: number; limit: number },
): Promise<ChainedRow[]> {
  const { experiment, trial, after, limit } = subject;
  const { rows } = await db.query<StoredRow & { previous: string | null }>(
    `select ${COLUMNS}, (select encode(p.hash, 'hex') from changes p where p.seq = changes.seq - 1) as previous
     from changes
     where experiment_id = $1 and seq > $2
       and ($3::text is null or subject = $3 or not starts_with(subject, 'trial '))
     order by changes.seq limit $4`,
    [experiment, after, trial === undefined ? null : `trial ${experiment}.${trial}`, limit],
  );
  return rows.map(({ previous, ...row }) => ({
    ...chainRow(row),
    previous: previous ?? CHAIN_START.hash.toString("hex"),
  }));
}

export interface ChainVerdict {
  /** Rows that fit. */
  readonly checked: number;
  /** The last row that fits, or where the walk started. */
  readonly last: ChainTip;
  /** False when the limit was reached: go on from `last`. */
  readonly complete: boolean;
  readonly misfit: Misfit | null;
}

/** So few at once that hashing them does not hold up the server's other work for long. */
const BATCH_ROWS = 1000;

/**
 * @param options.start the beginning of the chain, or the `last` of an earlier verdict
 * @param options.limit how many rows to look at in this call
 */
export async function verifyChanges(
  db: Queryable,
  options: { start: ChainTip; anchors?: readonly Anchor[]; limit?: number },
): Promise<ChainVerdict> {
  const { start, anchors = [], limit = Number.POSITIVE_INFINITY } = options;
  const walk = new ChainWalk(start, anchors);
  const verdict = (complete: boolean, misfit: Misfit | undefined): ChainVerdict => ({
    checked: walk.checked,
    last: walk.last,
    complete,
    misfit: misfit ?? null,
  });
  const early = walk.begin();
  if (early) return verdict(false, early);
  for (;;) {
    const wanted = Math.min(BATCH_ROWS, limit - walk.checked);
    if (wanted <= 0) return verdict(false, undefined);
    // From the very start without a lower bound: a number may have been made zero or negative.
    const { rows } = await db.query<StoredRow>(
      `select ${COLUMNS} from changes where ($1::int8 is null or seq > $1)
       order by changes.seq limit $2`,
      [walk.last.seq === 0 ? null : walk.last.seq, wanted],
    );
    for (const row of rows) {
      const misfit = walk.take(chainRow(row));
      if (misfit) return verdict(false, misfit);
    }
    if (rows.length < wanted) return verdict(true, walk.end());
  }
}

export interface SubjectChange {
  readonly seq: number;
  readonly at: Date;
  readonly actor: string;
  readonly what: string;
  readonly cause: string;
}

/**
 * What was decided about one thing, oldest first; the newest `limit` where there are more. Saved checkpoints
 * and started programs are left out: they happen often and decide nothing.
 */
export async function decidingChanges(
  db: Queryable,
  of: { readonly experiment: number; readonly subject: string; readonly limit: number },
): Promise<SubjectChange[]> {
  const { rows } = await db.query<SubjectChange>(
    `select seq, at, actor, what, cause from changes
     where experiment_id = $1 and subject = $2
       and what <> 'started' and not starts_with(what, 'checkpoint at')
     order by seq desc limit $3`,
    [of.experiment, of.subject, of.limit],
  );
  return rows.reverse();
}

/** The latest grant of one slot, of whatever experiment: its allocation, and how that ended. */
export async function lastGrant(
  db: Queryable,
  slot: string,
): Promise<{ allocation: string; ended_at: Date | null; reason: string } | undefined> {
  const { rows } = await db.query<{ allocation: string; ended_at: Date | null; reason: string }>(
    `select experiment_id || '.' || trial_number || '.' || run as allocation, ended_at, reason
     from allocations where $1 = any(slots) order by id desc limit 1`,
    [slot],
  );
  return rows[0];
}

/** The first trials of an experiment that failed, by number. */
export async function failedTrials(
  db: Queryable,
  experiment: number,
  limit: number,
): Promise<{ number: number; end_reason: string | null; reason: string }[]> {
  const { rows } = await db.query<{ number: number; end_reason: string | null; reason: string }>(
    `select number, end_reason, reason from trials
     where experiment_id = $1 and state = 'error' order by number limit $2`,
    [experiment, limit],
  );
  return rows;
}
