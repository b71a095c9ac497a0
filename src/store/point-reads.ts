/**
 * Every point of many trials, for files: in order of experiment, trial, name, step, run and report, as typed columns.
 *
 * Page by page, each a statement of its own, rather than one cursor: a reader that is slow, or asleep, then holds no
 * connection and no snapshot of the database, and a page takes a fraction of a second however long the whole is. Points
 * are never changed, so pages fit each other. Trials with few points are read by the group, those with many alone, from
 * where the page before ended; both are walks over the key of `metrics`, never a sort.
 */
import type pg from "pg";
import { BATCH_POINTS, type Halves, PointBatch, putWhole, wholeAt } from "../export/point-batch.ts";
import { copyOut } from "./copy-out.ts";
import { lastStepsOf } from "./metric-reads.ts";
import { inTransaction } from "./transaction.ts";

export interface PointsFilter {
  /** By number of experiment: all of its trials, or these. */
  readonly trials: ReadonlyMap<number, "all" | readonly number[]>;
  /** Ids of names; absent = all. */
  readonly names?: readonly number[] | undefined;
  readonly fromStep?: number | undefined;
  readonly toStep?: number | undefined;
  /** Also points in whose place a later report counts. */
  readonly superseded: boolean;
}

const GROUP_TRIALS = 64;
/** As many points of each trial are read with its group. */
const GROUP_POINTS = BATCH_POINTS / GROUP_TRIALS;
const TRIALS_AT_ONCE = 1000;

/**
 * Batches of `BATCH_POINTS`, the last of them shorter; none where there is no point. It is the same batch again and again:
 * whoever takes one is through with it before asking for the next.
 */
export async function* readAllPoints(
  pool: pg.Pool,
  filter: PointsFilter,
): AsyncGenerator<PointBatch> {
  const out = new PointBatch(BATCH_POINTS);
  for await (const part of oneAhead(pagesOf(pool, filter))) {
    for (const { from, to } of filter.superseded ? [part] : counting(part)) {
      for (let start = from; start < to; ) {
        const end = Math.min(to, start + BATCH_POINTS - out.length);
        out.append(part.points, start, end);
        start = end;
        if (out.length < BATCH_POINTS) continue;
        yield out;
        out.length = 0;
      }
    }
  }
  if (out.length > 0) yield out;
}

/** The stretches of a part in which no point is superseded. */
function* counting({ points, from, to }: Part): Generator<{ from: number; to: number }> {
  let start = from;
  for (let i = from; i <= to; i++) {
    if (i < to && points.superseded[i] !== 1) continue;
    if (i > start) yield { from: start, to: i };
    start = i + 1;
  }
}

/** The database reads the next part while this one is made into a file. */
async function* oneAhead<T>(source: AsyncGenerator<T>): AsyncGenerator<T> {
  let next = source.next();
  try {
    for (;;) {
      const { done, value } = await next;
      if (done) return;
      next = source.next();
      // Heard where it is awaited; until then it must not count as unhandled.
      next.catch(() => undefined);
      yield value;
    }
  } finally {
    await next.catch(() => undefined);
    await source.return(undefined);
  }
}

interface Trial {
  readonly id: number;
  readonly experiment_id: number;
  readonly number: number;
}

/** A page as it was read: `points`, and beside them what they are in the database. */
interface Page {
  readonly points: PointBatch;
  /** Of each point, the place of its trial in the statement, from 1. */
  readonly place: Int32Array;
  readonly nameId: Int32Array;
}

/** Points `from` to before `to` of a page. */
interface Part extends Page {
  readonly from: number;
  readonly to: number;
}

async function* pagesOf(pool: pg.Pool, filter: PointsFilter): AsyncGenerator<Part> {
  const reader = new PageReader(pool, filter);
  for await (const group of groups(trialsOf(pool, filter))) {
    const cuts = await cutsOf(pool, group);
    const page = await reader.read("group", group, cuts, firstOfEach(group, filter));
    let from = 0;
    for (const [i, trial] of group.entries()) {
      let to = from;
      while (to < page.points.length && page.place[to] === i + 1) to += 1;
      if (to - from <= GROUP_POINTS) yield { ...page, from, to };
      else {
        // One more than asked for: there are others. That one is read again, as the first of the next page.
        yield { ...page, from, to: to - 1 };
        yield* restOf(reader, trial, cuts, { page, last: to - 2 });
      }
      from = to;
    }
  }
}

async function* restOf(
  reader: PageReader,
  trial: Trial,
  cuts: Cuts,
  start: { page: Page; last: number },
): AsyncGenerator<Part> {
  let { page, last } = start;
  for (;;) {
    const rest = restAfter(trial, keyOf(page, last), reader.filter);
    page = await reader.read("rest", [trial], cuts, rest);
    const more = page.points.length > BATCH_POINTS;
    const to = more ? BATCH_POINTS : page.points.length;
    yield { ...page, from: 0, to };
    if (!more) return;
    last = to - 1;
  }
}

const keyOf = ({ nameId, points }: Page, i: number): string =>
  `${nameId[i]}, ${points.step[i]}, ${points.run[i]}, ${points.seq[i]}`;

/** By trial: of each run, from 1, the last step that counts. */
type Cuts = ReadonlyMap<number, readonly number[]>;

async function cutsOf(pool: pg.Pool, trials: readonly Trial[]): Promise<Cuts> {
  const last = await lastStepsOf(
    pool,
    trials.map(({ id }) => id),
  );
  return new Map([...last].map(([id, steps]) => [id, steps.map(Number)]));
}

const newPage = (): Page => ({
  // One more point of each trial than is asked for, to see whether there are others.
  points: new PointBatch(BATCH_POINTS + GROUP_TRIALS),
  place: new Int32Array(BATCH_POINTS + GROUP_TRIALS),
  nameId: new Int32Array(BATCH_POINTS + GROUP_TRIALS),
});

/**
 * Reads pages, and remembers the names of metrics. Two pages of each kind take turns: while one is made into a file the
 * next is read, and it is through before the one after that is asked for (`oneAhead`).
 */
class PageReader {
  readonly filter: PointsFilter;
  readonly #pool: pg.Pool;
  readonly #names = new Map<number, string>();
  readonly #pages = { group: [newPage(), newPage()], rest: [newPage(), newPage()] };

  constructor(pool: pg.Pool, filter: PointsFilter) {
    this.#pool = pool;
    this.filter = filter;
  }

  async read(
    kind: "group" | "rest",
    trials: readonly Trial[],
    cuts: Cuts,
    select: string,
  ): Promise<Page> {
    const page = this.#pages[kind].shift() ?? newPage();
    this.#pages[kind].push(page);
    await inTransaction(
      this.#pool,
      async ({ client }) => {
        page.points.length = 0;
        await client.query(BY_THE_KEY);
        await copyOut(client, `copy (${select}) to stdout (format binary)`, (row) =>
          take(row, page, trials),
        );
      },
      { readOnly: true },
    );
    await this.#nameAll(page);
    judge(page, trials, cuts);
    return page;
  }

  async #nameAll({ points, nameId }: Page): Promise<void> {
    const unknown = new Set<number>();
    for (let i = 0; i < points.length; i++)
      if (!this.#names.has(nameId[i] as number)) unknown.add(nameId[i] as number);
    if (unknown.size > 0) {
      const { rows } = await this.#pool.query<{ id: number; name: string }>(
        "select id, name from metric_names where id = any($1::int[])",
        [[...unknown]],
      );
      for (const { id, name } of rows) this.#names.set(id, name);
    }
    for (let i = 0; i < points.length; i++)
      points.name[i] = this.#names.get(nameId[i] as number) ?? "";
  }
}

/** What remains then are walks over indexes that have the order already; the others would sort, or read all reports. */
const BY_THE_KEY = `set local enable_hashjoin = off; set local enable_mergejoin = off;
  set local enable_seqscan = off; set local enable_bitmapscan = off`;

const COLUMNS = "m.name_id, m.step, m.run, m.seq, m.value, r.at";
const ORDER = "m.name_id, m.step, m.run, m.seq";

function conditions({ names, fromStep, toStep }: PointsFilter): string {
  return [
    ...(names === undefined ? [] : [`and m.name_id = any('{${names.join(",")}}'::int[])`]),
    ...(fromStep === undefined ? [] : [`and m.step >= ${fromStep}`]),
    ...(toStep === undefined ? [] : [`and m.step <= ${toStep}`]),
  ].join(" ");
}

const firstOfEach = (trials: readonly Trial[], filter: PointsFilter): string => `
  select u.place::int4, ${COLUMNS}
  from unnest('{${trials.map(({ id }) => id).join(",")}}'::int4[]) with ordinality u(id, place)
  cross join lateral (
    select m.* from metrics m where m.trial_id = u.id ${conditions(filter)}
    order by ${ORDER} limit ${GROUP_POINTS + 1}) m
  left join reports r on r.trial_id = u.id and r.run = m.run and r.seq = m.seq
  order by u.place, ${ORDER}`;

const restAfter = ({ id }: Trial, key: string, filter: PointsFilter): string => `
  select 1::int4, ${COLUMNS}
  from (
    select m.* from metrics m
    where m.trial_id = ${id} and (m.name_id, m.step, m.run, m.seq) > (${key}) ${conditions(filter)}
    order by ${ORDER} limit ${BATCH_POINTS + 1}) m
  left join reports r on r.trial_id = ${id} and r.run = m.run and r.seq = m.seq
  order by ${ORDER}`;

const MS_FROM_1970_TO_2000 = 946_684_800_000;

/** Each field is its length in four bytes, then itself; all lengths are known, but that of a time that is not there. */
function take(row: Buffer, { points, place, nameId }: Page, trials: readonly Trial[]): void {
  const i = points.length++;
  const of = row.readInt32BE(6);
  const trial = trials[of - 1] as Trial;
  place[i] = of;
  points.experiment[i] = trial.experiment_id;
  points.trial[i] = trial.number;
  nameId[i] = row.readInt32BE(14);
  take64(points.stepHalves, i, row, 22);
  points.run[i] = row.readInt32BE(34);
  take64(points.seqHalves, i, row, 42);
  points.value[i] = row.readDoubleBE(54);
  // Of an experiment that is being emptied reports may go before their points.
  const hasTime = row.readInt32BE(62) === 8;
  const us = hasTime ? row.readInt32BE(66) * 2 ** 32 + row.readUInt32BE(70) : 0;
  putWhole(points.timeHalves, i, hasTime ? Math.floor(us / 1000) + MS_FROM_1970_TO_2000 : 0);
}

function take64(halves: Halves, i: number, row: Buffer, at: number): void {
  halves[2 * i + 1] = row.readInt32BE(at);
  halves[2 * i] = row.readInt32BE(at + 4);
}

/** Marks each point in whose place another counts: a later run's, or a later report's of the same step and run. */
function judge({ points, place, nameId }: Page, trials: readonly Trial[], cuts: Cuts): void {
  const { length, stepHalves, run, superseded } = points;
  for (let i = 0; i < length; i++) {
    const own = cuts.get((trials[(place[i] as number) - 1] as Trial).id);
    const cut = own?.[(run[i] as number) - 1];
    const step = wholeAt(stepHalves, i);
    const isRepeated =
      i + 1 < length &&
      step === wholeAt(stepHalves, i + 1) &&
      run[i] === run[i + 1] &&
      nameId[i] === nameId[i + 1] &&
      place[i] === place[i + 1];
    superseded[i] = isRepeated || (cut !== undefined && step > cut) ? 1 : 0;
  }
}

async function* trialsOf(pool: pg.Pool, { trials }: PointsFilter): AsyncGenerator<Trial> {
  const experiments = [...trials.keys()].sort((a, b) => a - b);
  for (const experiment of experiments) {
    const wanted = trials.get(experiment);
    const only = wanted === "all" || wanted === undefined ? null : wanted;
    let after = 0;
    for (;;) {
      const { rows } = await pool.query<Trial>(
        `select id, experiment_id, number from trials
         where experiment_id = $1 and number > $2 and ($3::int[] is null or number = any($3))
         order by number limit $4`,
        [experiment, after, only, TRIALS_AT_ONCE],
      );
      yield* rows;
      const last = rows.at(-1);
      if (last === undefined || rows.length < TRIALS_AT_ONCE) break;
      after = last.number;
    }
  }
}

async function* groups(trials: AsyncIterable<Trial>): AsyncGenerator<Trial[]> {
  let group: Trial[] = [];
  for await (const trial of trials) {
    group.push(trial);
    if (group.length < GROUP_TRIALS) continue;
    yield group;
    group = [];
  }
  if (group.length > 0) yield group;
}
