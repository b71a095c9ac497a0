/**
 * What runners say, however often, however late and in whatever order: stored once, under its own allocation,
 * as it was.
 */
import assert from "node:assert/strict";
import { test } from "node:test";
import { fromWire } from "../base/json.ts";
import { keyed } from "../base/random.ts";
import type { RunnerEvent, SyncRequest } from "../protocol/runner-wire.ts";
import type { Database } from "../store/schema.ts";
import { storable } from "../store/storable.ts";
import { withTestDatabase } from "../store/test-database.ts";
import { crashed, everything, exited, TestCluster } from "./test-cluster.ts";

const RANDOM = `
name: some
entrypoint: train
searcher: {name: random, metric: loss, max_length: {epochs: 4}, max_trials: 4, max_concurrent_trials: 4}
hyperparameters: {rate: {type: double, minval: 0, maxval: 1}}
reproducibility: {experiment_seed: 3}
`;
const ASHA = `${RANDOM.replace("name: random,", "name: asha, num_rungs: 2, divisor: 2,")}`;

/** One allocation's events as they travel. */
const batch = (id: string, events: readonly RunnerEvent[]): SyncRequest => ({
  boot: "b",
  ordersAfter: 0,
  allocations: [{ id, fence: Number(id.split(".")[2]), events: [...events] }],
});

async function cleanRun(config: string) {
  await using database = await withTestDatabase<Database>();
  const cluster = await TestCluster.open({ pool: database.pool, slots: 4 });
  await cluster.create(config);
  await cluster.finish();
  return await everything(database.pool);
}

test("every batch two or three times, old ones among the new: the same as heard once, row for row", async () => {
  const clean = await cleanRun(ASHA);
  await using database = await withTestDatabase<Database>();
  const cluster = await TestCluster.open({ pool: database.pool, slots: 4 });
  await cluster.create(ASHA);
  const random = keyed(1, "late");
  const sent: SyncRequest[] = [];
  await cluster.finish(() =>
    cluster.round(async () => {
      const request = cluster.request();
      sent.push(request);
      const old = (): SyncRequest => sent[random.below(sent.length)] as SyncRequest;
      await Promise.all([cluster.sync(old()), cluster.sync(request), cluster.sync(request)]);
      await cluster.sync(old());
      await cluster.send();
    }),
  );
  assert.deepEqual(await everything(database.pool), clean);
});

test("single events, doubled and shuffled: end states and metrics as in the clean run, bit for bit", async () => {
  const tables = ["reports", "metrics", "checkpoints", "metric_names"] as const;
  const clean = await cleanRun(RANDOM);
  const cleanEnds = ends(clean.trials);
  for (const seed of [1, 2, 3]) {
    await using database = await withTestDatabase<Database>();
    const cluster = await TestCluster.open({ pool: database.pool, slots: 4 });
    await cluster.create(RANDOM);
    const random = keyed(seed, "shuffle");
    await cluster.finish(() =>
      cluster.round(async () => {
        // Nothing is thrown away before it is acknowledged, so what was lost to a gap is sent again.
        for (;;) {
          const singles = cluster
            .request()
            .allocations.flatMap(({ id, events }) =>
              events.flatMap((event) => Array(1 + random.below(3)).fill(batch(id, [event]))),
            );
          if (singles.length === 0) break;
          singles.sort(() => random.unit() - 0.5);
          const replies = await Promise.all(singles.map((single) => cluster.sync(single)));
          for (const reply of replies) cluster.take(reply);
        }
        await cluster.send();
      }),
    );
    const left = await everything(database.pool, tables);
    for (const table of tables)
      assert.deepEqual(left[table], clean[table], `${table}, seed ${seed}`);
    assert.deepEqual(ends((await everything(database.pool, ["trials"])).trials), cleanEnds);
  }
});

/** Without the sentences, which name the rank at that moment. */
function ends(trials: readonly string[] = []): unknown[] {
  return trials.map((row) => {
    const { core, reason: _reason, ...rest } = JSON.parse(row);
    const { reason: _text, ending, ...more } = core;
    return { ...rest, ...more, ending: ending.reason };
  });
}

test("a gap is not acknowledged, and nothing behind it is taken", async () => {
  await using database = await withTestDatabase<Database>();
  const cluster = await TestCluster.open({ pool: database.pool });
  await cluster.create(RANDOM);
  const report = (seq: number): RunnerEvent => ({
    type: "report",
    seq,
    atMs: 0,
    step: seq,
    metrics: { loss: seq },
  });
  const table: [number[], number][] = [
    [[2, 3], 0],
    [[1, 3], 1],
    [[1], 1],
    [[3, 4], 1],
    [[1, 2, 3], 3],
    [[2, 3, 4, 6], 4],
  ];
  for (const [seqs, acked] of table) {
    const reply = await cluster.sync(batch("1.1.1", seqs.map(report)));
    assert.deepEqual(reply, { acked: { "1.1.1": acked }, gone: [] }, String(seqs));
    const { rows } = await database.pool.query("select seq from reports order by seq");
    assert.equal(rows.length, acked);
  }
});

test("the late word of an allocation that is over is stored under it and changes nothing else", async () => {
  await using database = await withTestDatabase<Database>();
  const { pool } = database;
  const cluster = await TestCluster.open({ pool, slots: 5 });
  await cluster.create(RANDOM);
  await cluster.round();
  const program = cluster.programs.get("1.1.1");
  assert.ok(program);
  cluster.say(program, crashed);
  await cluster.round();
  await cluster.round();
  assert.equal(cluster.live().x.trials.get(1)?.run, 2, "a second run is under way");
  const but = ["experiments", "trials", "decisions", "search_events"] as const;
  const before = await everything(pool, but);
  const events: RunnerEvent[] = [
    { type: "report", seq: 3, atMs: 5, step: 4, metrics: { loss: -9 } },
    { type: "checkpoint", seq: 4, atMs: 5, step: 4, tree: [], metadata: {} },
    { type: "waiting", seq: 5, atMs: 5, step: 4 },
    { ...exited(), seq: 6, atMs: 5 } as RunnerEvent,
  ];
  const late = () => cluster.sync(batch("1.1.1", events));
  const replies = [...(await Promise.all([late(), late()])), await late()];
  for (const reply of replies) assert.deepEqual(reply, { acked: { "1.1.1": 6 }, gone: ["1.1.1"] });
  assert.deepEqual(await everything(pool, but), before);
  const changes = await pool.query("select subject, what from changes where what like '%step 4'");
  assert.deepEqual(changes.rows, [{ subject: "trial 1.1", what: "checkpoint at step 4" }]);
  const stored = await pool.query(
    "select run, seq, step from reports where trial_id = 1 and run = 1 and seq > 2",
  );
  assert.deepEqual(stored.rows, [{ run: 1, seq: 3, step: 4 }]);
  const saved = await pool.query(
    "select run, step from checkpoints where trial_id = 1 and run = 1",
  );
  assert.deepEqual(saved.rows, [{ run: 1, step: 4 }]);
  assert.deepEqual(await cluster.sync(batch("1.1.9", events)), { acked: {}, gone: ["1.1.9"] });
  assert.deepEqual(await cluster.sync(batch("7.1.1", events)), { acked: {}, gone: ["7.1.1"] });
  const impostor = { ...batch("1.1.2", events), allocations: [{ id: "1.1.2", fence: 1, events }] };
  assert.deepEqual((await cluster.sync(impostor)).gone, ["1.1.2"], "an id with another's fence");
  assert.deepEqual(await everything(pool, but), before);
});

test("an old allocation's word that shares a turn with refused data is still stored", async () => {
  await using database = await withTestDatabase<Database>();
  const { pool } = database;
  const cluster = await TestCluster.open({ pool });
  await cluster.create(RANDOM);
  await cluster.round();
  const program = cluster.programs.get("1.1.1");
  assert.ok(program);
  cluster.say(program, crashed);
  await cluster.round();
  const late = batch("1.1.1", [{ type: "report", seq: 3, atMs: 0, step: 1, metrics: { loss: 2 } }]);
  const [stored, refused] = await Promise.allSettled([
    cluster.sync(late),
    cluster.loop.submit({
      name: "bad",
      run: (_world, turn) =>
        turn.batch.put("metric_names", { id: 999, name: "a\u0000b" }, "nothing"),
    }),
  ]);
  assert.equal(refused.status, "rejected");
  assert.deepEqual(stored.status === "fulfilled" && stored.value.acked, { "1.1.1": 3 });
  const { rows } = await pool.query("select value from metrics where run = 1 and seq = 3");
  assert.deepEqual(rows, [{ value: 2 }]);
});

test("any name and any number comes back as it was sent; what cannot be text is marked as such", async () => {
  await using database = await withTestDatabase<Database>();
  const { pool } = database;
  const cluster = await TestCluster.open({ pool });
  await cluster.create(RANDOM);
  const metrics: Record<string, number | "NaN" | "Infinity" | "-Infinity"> = JSON.parse(
    '{"__proto__": 1, "constructor": 2, "toString": 3, "prototype": 4, "": 5}',
  );
  Object.assign(metrics, {
    loss: "NaN",
    up: "Infinity",
    down: "-Infinity",
    zero: -0,
    huge: Number("1e400"),
    largest: Number.MAX_VALUE,
    smallest: Number.MIN_VALUE,
    third: 1 / 3,
    beyond: 2 ** 53 + 2,
    "nul\u0000": 6,
    "half \ud800 a pair": 7,
    "ünï\u2028 \u{1f680}": 8,
  });
  const refused: Record<string, string> = JSON.parse('{"__proto__": "a string", "x": "null"}');
  const tree = [{ path: "a", size: 1, hash: "a".repeat(64), executable: false }];
  const metadata = JSON.parse('{"__proto__": {"a\\u0000": "\\ud800"}}');
  const reply = await cluster.sync(
    batch("1.1.1", [
      { type: "started", seq: 1, atMs: Number.NaN, pid: 1 },
      { type: "report", seq: 2, atMs: 1e300, step: 1, metrics, refused },
      { type: "checkpoint", seq: 3, atMs: -1, step: 1, tree, metadata },
      { type: "invalid_hyperparameters", seq: 4, atMs: 0, reason: "\u0000 \udfff" },
      {
        ...exited({ detail: "a\u0000", outOfMemory: "\ud800", signalsSent: ["\u0000"] }),
        seq: 5,
        atMs: 0,
      } as RunnerEvent,
    ]),
  );
  assert.deepEqual(reply.acked, { "1.1.1": 5 });
  const stored = await pool.query<{ name: string; value: number }>(
    "select n.name, m.value from metrics m join metric_names n on n.id = m.name_id",
  );
  const expected = Object.entries(metrics).map(([name, value]) => [
    storable(name),
    fromWire(value),
  ]);
  const byName = (a: unknown[], b: unknown[]): number => (String(a[0]) < String(b[0]) ? -1 : 1);
  assert.deepEqual(
    stored.rows.map(({ name, value }) => [name, value]).sort(byName),
    expected.sort(byName),
  );
  const { rows } = await pool.query("select refused_metrics from trials where number = 1");
  assert.deepEqual(
    Object.entries(rows[0].refused_metrics).sort(byName),
    Object.entries(refused).sort(byName),
  );
  const saved = await pool.query("select metadata, created_at from checkpoints");
  assert.deepEqual(Object.entries(saved.rows[0].metadata), [
    ["__proto__", { "a\ufffd": "\ufffd" }],
  ]);
  assert.equal(saved.rows[0].created_at.getTime(), cluster.nowMs);
  assert.equal(Object.getOwnPropertyNames(Object.prototype).includes("a\ufffd"), false);
  await cluster.restart();
  await cluster.finish();
});
