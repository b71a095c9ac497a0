/** Every point of many trials, page by page, against one plain statement over everything. */
import assert from "node:assert/strict";
import { test } from "node:test";
import type pg from "pg";
import { BATCH_POINTS } from "../export/point-batch.ts";
import { type PointsFilter, readAllPoints } from "./point-reads.ts";
import type { Database } from "./schema.ts";
import { withTestDatabase } from "./test-database.ts";
import { ALLOCATION, EXPERIMENT, insertRows, TRIAL } from "./test-rows.ts";

/** Points of each trial of experiment 1, around every border: of a group's share, of a page. */
const POINTS = [
  ...[0, 1, 511, 512, 513, 514, BATCH_POINTS, 2 * BATCH_POINTS + 777, 0, 3],
  ...Array.from({ length: 130 }, (_, i) => i % 5),
];

/** Two experiments whose trials alternate by id; each trial has two runs, of which the second repeats from step 100 on. */
async function fill(pool: pg.Pool): Promise<void> {
  await pool.query("insert into users (name, created_at) values ('ada', now())");
  await pool.query("insert into metric_names values (1, 'loss'), (2, 'acc'), (3, 'unused')");
  await insertRows(pool, "experiments", [EXPERIMENT, { ...EXPERIMENT, id: 2 }]);
  const trials = POINTS.flatMap((_, i) => [
    { ...TRIAL, id: 2 * i + 1, number: i + 1 },
    ...(i < 5 ? [{ ...TRIAL, experiment_id: 2, id: 2 * i + 2, number: i + 1 }] : []),
  ]);
  await insertRows(pool, "trials", trials);
  await insertRows(
    pool,
    "allocations",
    trials.flatMap(({ id, experiment_id, number }) =>
      [0, 100].map((start_step, i) => ({
        ...{ ...ALLOCATION, id: 2 * id + i, experiment_id, trial_number: number },
        ...{ run: i + 1, start_step },
      })),
    ),
  );
  for (const [i, count] of [...POINTS.entries(), ...[2, 3, 4, 600, 5].entries()]) {
    const id = i < POINTS.length && count === POINTS[i] ? 2 * i + 1 : 2 * i + 2;
    // Four values a report and step; every tenth report is of the step before once more.
    await pool.query(
      `insert into metrics select $1::int, 1 + (k % 2), k / 4 - case when (k / 4) % 10 = 0 then 1 else 0 end,
         1 + (k / 2) % 2, 1 + k / 4,
         case k % 7 when 0 then 'NaN' when 1 then 'Infinity' when 2 then '-Infinity' when 3 then '-0'
           else k / 3.0 end
       from generate_series(4, 3 + $2::int) k on conflict do nothing`,
      [id, count],
    );
    await pool.query(
      `insert into reports select distinct trial_id, run, seq, step, timestamptz '2026-11-01Z' + seq * interval '1.001 s'
       from metrics where trial_id = $1 on conflict do nothing`,
      [id],
    );
  }
  await pool.query("analyze");
}

/** Everything at once, with a window in place of looking ahead and a join in place of arrays. */
const ALL = `select t.experiment_id as experiment, t.number as trial, m.run, m.seq::text as seq, m.step::text as step,
    floor(extract(epoch from r.at) * 1000)::int8::text as time, n.name, m.value::text as value,
    m.step > coalesce(c.cut, 9e18) or m.seq < max(m.seq) over (partition by m.trial_id, m.name_id, m.step, m.run)
      as superseded
  from metrics m join trials t on t.id = m.trial_id join metric_names n on n.id = m.name_id
  join reports r on r.trial_id = m.trial_id and r.run = m.run and r.seq = m.seq
  left join (
    select e.id, e.run, min(l.start_step) as cut
    from (select t.id, a.experiment_id, a.trial_number, a.run from allocations a join trials t
      on t.experiment_id = a.experiment_id and t.number = a.trial_number) e
    join allocations l on l.experiment_id = e.experiment_id and l.trial_number = e.trial_number and l.run > e.run
    where exists (select from reports o where o.trial_id = e.id and o.run = l.run) group by 1, 2) c
    on c.id = m.trial_id and c.run = m.run`;

const pgText = (value: number): string =>
  Object.is(value, -0) ? "-0" : Number.isFinite(value) ? String(value) : String(value);

async function* rowsOf(pool: pg.Pool, filter: PointsFilter) {
  for await (const points of readAllPoints(pool, filter)) {
    assert.ok(points.length > 0 && points.length <= BATCH_POINTS);
    for (let i = 0; i < points.length; i++)
      yield {
        ...{ experiment: points.experiment[i], trial: points.trial[i], run: points.run[i] },
        ...{ seq: String(points.seq[i]), step: String(points.step[i]) },
        ...{ time: String(points.timeMs[i]), name: points.name[i] },
        value: pgText(points.value[i] as number),
        superseded: points.superseded[i] === 1,
      };
  }
}

test("every point once, in order, whatever the sizes of trials; the same as one plain statement", async () => {
  const database = await withTestDatabase<Database>();
  const { pool } = database;
  try {
    await fill(pool);
    const all = new Map<number, "all">([
      [2, "all"],
      [1, "all"],
    ]);
    const cases: readonly (readonly [PointsFilter, string])[] = [
      [{ trials: all, superseded: true }, "true"],
      [{ trials: all, superseded: false }, "not superseded"],
      [
        { trials: new Map([[1, [8, 3, 200]]]), superseded: true },
        "experiment = 1 and trial in (3, 8)",
      ],
      [{ trials: all, superseded: true, names: [2] }, "name = 'acc'"],
      [{ trials: all, superseded: true, names: [] }, "false"],
      [{ trials: new Map(), superseded: true }, "false"],
      [
        { trials: all, superseded: true, fromStep: 90, toStep: 9000 },
        "step::int8 between 90 and 9000",
      ],
    ];
    for (const [filter, where] of cases) {
      const { rows } = await pool.query(
        `select * from (${ALL}) p where ${where}
         order by experiment, trial, name <> 'loss', step::int8, run, seq::int8`,
      );
      let at = 0;
      for await (const row of rowsOf(pool, filter)) {
        const wanted = rows[at++];
        if (wanted) wanted.value = pgText(Number(wanted.value));
        // As text: comparing them as objects takes a minute.
        assert.equal(JSON.stringify(row), JSON.stringify(wanted), `${where}, point ${at}`);
      }
      assert.equal(at, rows.length, where);
    }
  } finally {
    await database.drop();
  }
});

test("a reader that goes away in the middle leaves no connection behind", async () => {
  const database = await withTestDatabase<Database>();
  const { pool } = database;
  try {
    await fill(pool);
    for await (const points of readAllPoints(pool, {
      trials: new Map([[1, "all"]]),
      superseded: true,
    })) {
      assert.equal(points.length, BATCH_POINTS);
      break;
    }
    assert.equal(pool.idleCount, pool.totalCount);
  } finally {
    await database.drop();
  }
});
