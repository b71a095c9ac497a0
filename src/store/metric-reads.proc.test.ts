/** Series as they are read for a chart, against the same thing done by hand over all points. */
import assert from "node:assert/strict";
import { test } from "node:test";
import type pg from "pg";
import { keyed, type Random } from "../base/random.ts";
import { readCurves } from "./curve-reads.ts";
import { readBuckets, readPoints, type SeriesFilter } from "./metric-reads.ts";
import type { Database } from "./schema.ts";
import { withTestDatabase } from "./test-database.ts";
import { ALLOCATION, EXPERIMENT, TRIAL } from "./test-rows.ts";

interface Point {
  readonly name: string;
  readonly step: number;
  readonly run: number;
  readonly seq: number;
  readonly value: number;
}

interface Series {
  readonly starts: readonly number[];
  readonly points: readonly Point[];
}

const NAMES = ["loss", "acc", "__proto__"];
const ODD = [Number.NaN, Infinity, -Infinity, 1e308, -1e308, 5e-324, 0, 1e200];

/** Runs that start at checkpoints of earlier ones and repeat what lay behind; some never reported anything. */
function draw(random: Random): Series {
  const starts: number[] = [];
  const points: Point[] = [];
  let reached = 0;
  for (let run = 1; run <= 1 + random.below(4); run++) {
    const start = random.below(reached + 1);
    starts.push(start);
    const steps = random.unit() < 0.2 ? 0 : 1 + random.below(30);
    let seq = 0;
    for (let step = start + 1; step <= start + steps; step++) {
      reached = Math.max(reached, step);
      for (let again = random.below(8) === 0 ? 2 : 1; again > 0; again--) {
        seq += 1;
        for (const name of NAMES)
          if (random.unit() < 0.8) points.push({ name, step, run, seq, value: drawValue(random) });
      }
    }
  }
  return { starts, points };
}

function drawValue(random: Random): number {
  if (random.unit() < 0.1) return ODD[random.below(ODD.length)] as number;
  return (random.unit() - 0.5) * 10 ** random.below(6);
}

// ---- by hand -----------------------------------------------------------------------------------

interface Kept extends Point {
  readonly superseded: boolean;
}

function byHand({ starts, points }: Series, filter: Omit<SeriesFilter, "trialId">): Kept[] {
  const latest = new Map<string, Point>();
  for (const point of points) {
    if (filter.names && !filter.names.includes(point.name)) continue;
    if (point.step < (filter.fromStep ?? 0) || point.step > (filter.toStep ?? Infinity)) continue;
    const key = `${point.name} ${point.step} ${point.run}`;
    if (point.seq > (latest.get(key)?.seq ?? 0)) latest.set(key, point);
  }
  const reported = new Set(points.map((point) => point.run));
  const isSuperseded = ({ run, step }: Point): boolean =>
    starts.some((start, i) => i + 1 > run && reported.has(i + 1) && step > start);
  return [...latest.values()]
    .map((point) => ({ ...point, superseded: isSuperseded(point) }))
    .filter((point) => filter.superseded || !point.superseded)
    .sort((a, b) => compare(a.name, b.name) || a.step - b.step || a.run - b.run);
}

const compare = (a: string, b: string): number => (a < b ? -1 : a > b ? 1 : 0);

function bucketsByHand(series: Series, filter: Omit<SeriesFilter, "trialId">, buckets: number) {
  const kept = byHand(series, { ...filter, superseded: false });
  return NAMES.toSorted(compare).flatMap((name) => {
    const own = kept.filter((point) => point.name === name);
    const low = Math.min(...own.map((point) => point.step));
    const high = Math.max(...own.map((point) => point.step));
    const width = Math.max(1, Math.ceil((high - low + 1) / buckets));
    const groups = Map.groupBy(own, (point) => Math.floor((point.step - low) / width));
    return [...groups.values()].map((group) => ({
      name,
      step: Math.max(...group.map((point) => point.step)),
      run: Math.max(...group.map((point) => point.run)),
      value: group.at(-1)?.value,
      ...extremes(group.map((point) => point.value)),
      points: group.length,
      values: group.map((point) => point.value),
    }));
  });
}

function extremes(values: readonly number[]) {
  const finite = values.filter(Number.isFinite);
  return {
    min: finite.length === 0 ? null : Math.min(...finite),
    max: finite.length === 0 ? null : Math.max(...finite),
    not_finite: values.length - finite.length,
  };
}

// ---- in the database ---------------------------------------------------------------------------

async function store(pool: pg.Pool, trial: number, { starts, points }: Series): Promise<void> {
  const columns = Object.keys(EXPERIMENT).join(", ");
  await pool.query(
    `insert into experiments (${columns})
     select ${columns} from json_populate_record(null::experiments, $1) on conflict do nothing`,
    [JSON.stringify(EXPERIMENT)],
  );
  await pool.query("insert into trials select * from json_populate_record(null::trials, $1)", [
    JSON.stringify({ ...TRIAL, id: trial, number: trial }),
  ]);
  for (const [i, start] of starts.entries())
    await pool.query(
      "insert into allocations select * from json_populate_record(null::allocations, $1)",
      [
        JSON.stringify({
          ...ALLOCATION,
          id: trial * 100 + i,
          trial_number: trial,
          run: i + 1,
          start_step: start,
        }),
      ],
    );
  const column = (key: "step" | "run" | "seq") => points.map((point) => point[key]);
  await pool.query(
    `insert into reports (trial_id, run, seq, step, at)
     select distinct on (r.run, r.seq) $1::int, r.run, r.seq, r.step, now()
     from unnest($2::int[], $3::bigint[], $4::bigint[]) as r(run, seq, step)`,
    [trial, column("run"), column("seq"), column("step")],
  );
  await pool.query(
    `insert into metrics (trial_id, name_id, step, run, seq, value)
     select $1::int, n.id, m.step, m.run, m.seq, m.value
     from unnest($2::text[], $3::bigint[], $4::int[], $5::bigint[], $6::float8[])
       as m(name, step, run, seq, value) join metric_names n on n.name = m.name`,
    [
      trial,
      points.map((point) => point.name),
      column("step"),
      column("run"),
      column("seq"),
      points.map((point) => String(point.value)),
    ],
  );
}

async function openSeries(): Promise<{ pool: pg.Pool } & AsyncDisposable> {
  const database = await withTestDatabase<Database>();
  await database.pool.query("insert into users (name, created_at) values ('ada', now())");
  for (const [i, name] of NAMES.entries())
    await database.pool.query("insert into metric_names values ($1, $2)", [i + 1, name]);
  return { pool: database.pool, [Symbol.asyncDispose]: () => database.drop() };
}

test("which points count, and their buckets, as found by hand over all points", async () => {
  await using opened = await openSeries();
  const { pool } = opened;
  for (let seed = 1; seed <= 12; seed++) {
    const random = keyed(seed, "series");
    const series = draw(random);
    await store(pool, seed, series);
    const filters: Omit<SeriesFilter, "trialId">[] = [
      { superseded: false },
      { superseded: true },
      { superseded: false, names: ["acc", "no such name"] },
      { superseded: false, fromStep: random.below(20), toStep: 10 + random.below(20) },
    ];
    for (const filter of filters) {
      const what = `seed ${seed}, ${JSON.stringify(filter)}`;
      const expected = byHand(series, filter);
      const points = await readPoints(pool, { trialId: seed, ...filter });
      assert.deepEqual(
        points,
        expected.map(({ seq: _seq, ...point }) => point),
        what,
      );
      if (filter.superseded) continue;
      for (const buckets of [1, 2, 7, 1000]) {
        await checkBuckets(pool, { trialId: seed, ...filter }, series, buckets);
        await checkCurves(pool, { trialId: seed, ...filter }, series, buckets);
      }
    }
  }
});

async function checkBuckets(
  pool: pg.Pool,
  filter: SeriesFilter,
  series: Series,
  buckets: number,
): Promise<void> {
  const got = await readBuckets(pool, filter, buckets);
  const expected = bucketsByHand(series, filter, buckets);
  assert.deepEqual(
    got.map(({ mean: _mean, ...rest }) => rest),
    expected.map(({ values: _values, ...rest }) => rest),
  );
  for (const [i, { mean }] of got.entries()) {
    const { values } = expected[i] as (typeof expected)[number];
    const wanted = values.reduce((sum, value) => sum + value / values.length, 0);
    const scale = Math.max(...values.map(Math.abs));
    const close = Math.abs(mean - wanted) <= scale * 1e-12 + 1e-290;
    assert.ok(Object.is(mean, wanted) || close, `mean of ${values}: ${mean}, by hand ${wanted}`);
  }
  for (const own of Map.groupBy(got, (bucket) => bucket.name).values())
    assert.ok(own.length <= buckets, "never more points than were asked for");
}

/** The curves of many trials hold the last point of each bucket, whichever way they are read. */
async function checkCurves(
  pool: pg.Pool,
  filter: SeriesFilter,
  series: Series,
  pointsMax: number,
): Promise<void> {
  const { trialId: number, fromStep: from, toStep: to } = filter;
  for (const metric of NAMES) {
    const expected = bucketsByHand(series, { ...filter, names: [metric] }, pointsMax);
    assert.deepEqual(
      await readCurves(pool, { experiment: 1, trials: [number], metric, pointsMax, from, to }),
      expected.map(({ step, value }) => ({ number, step, value })),
      `${metric} of trial ${number} in ${pointsMax} points, ${from} … ${to}`,
    );
  }
}

test("the curve of a trial that began again is as fine as what holds of it allows", async () => {
  await using opened = await openSeries();
  const { pool } = opened;
  const pointsOf = (run: number, count: number): Point[] =>
    Array.from({ length: count }, (_, i) => ({
      ...{ name: "loss", step: i + 1, run, seq: i + 1, value: run },
    }));
  await store(pool, 1, { starts: [0, 0], points: [...pointsOf(1, 1000), ...pointsOf(2, 8)] });
  const curve = await readCurves(pool, {
    experiment: 1,
    trials: [1],
    metric: "loss",
    pointsMax: 8,
  });
  assert.deepEqual(
    curve.map(({ step, value }) => [step, value]),
    pointsOf(2, 8).map(({ step, value }) => [step, value]),
  );
});

test("a loss that diverges beyond all bounds can still be drawn", async () => {
  await using opened = await openSeries();
  const { pool } = opened;
  const values = [1, 1e100, -1e200, 1.7e308, 1.7e308, 1.7e308, 5e-324];
  const points = values.map((value, i) => ({ name: "loss", step: i, run: 1, seq: i + 1, value }));
  await store(pool, 1, { starts: [0], points });
  const [bucket] = await readBuckets(pool, { trialId: 1, superseded: false }, 1);
  assert.deepEqual([bucket?.min, bucket?.max, bucket?.value], [-1e200, 1.7e308, 5e-324]);
  const mean = bucket?.mean ?? 0;
  assert.ok(Math.abs(mean / (1.7e308 * (3 / 7)) - 1) < 1e-12, String(mean));
});
