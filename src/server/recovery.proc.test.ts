/**
 * A scripted search is played once in peace, and again with the server dying or its database failing at every
 * point there is. What is left behind has to be the same, row for row: nothing acknowledged is lost, nothing
 * is applied twice, and the rest of the search is decided as if nothing had happened.
 */
import assert from "node:assert/strict";
import { test } from "node:test";
import type pg from "pg";
import { reviveExact, stringifyExact } from "../base/json.ts";
import { startSearch, stepSearch } from "../core/search/methods.ts";
import type { SearchEvent, SearchSpec } from "../core/search/search.ts";
import { ContrailError } from "../protocol/errors.ts";
import type { Database } from "../store/schema.ts";
import { withTestDatabase } from "../store/test-database.ts";
import { chainHash } from "../store/write-batch.ts";
import { crashed, everything, exited, type Script, TestCluster } from "./test-cluster.ts";

const space = `
hyperparameters:
  rate: {type: log, base: 10, minval: -4, maxval: -1}
  width: {type: int, minval: 1, maxval: 64, count: 5}
  kind: {type: categorical, vals: [b, a]}
  deep: {type: nested, when: {kind: a}, params: {z: {type: double, minval: 0, maxval: 1}, aa: 3}}
max_restarts: 1
reproducibility: {experiment_seed: 11}
entrypoint: train
`;
const ASHA = `${space}
name: asha
searcher: {name: asha, metric: loss, max_length: {epochs: 4}, max_trials: 9, divisor: 2, num_rungs: 3, max_concurrent_trials: 4}
`;
const HYPERBAND = `${space}
name: hyperband
searcher: {name: hyperband, metric: loss, max_length: {epochs: 4}, max_trials: 7, divisor: 2, straggler_factor: 8}
`;

/** Everything that can befall a program befalls one; the seventh may sleep for a while. */
const troubles = (sleepRounds: number): Script => {
  let slept = 0;
  return (program) => {
    if (program.trial !== 7 || slept >= sleepRounds) return trouble(program);
    slept += 1;
    program.step -= 1;
    return [];
  };
};

const trouble: Script = (program) => {
  const at = `${program.trial}.${program.run} at ${program.step}`;
  const metrics = (loss: number | "NaN") => ({ loss, "time.step_s": 0.25 });
  switch (at) {
    case "2.1 at 1":
      return [crashed];
    case "3.1 at 1":
    case "3.2 at 1":
      return [crashed];
    case "4.1 at 1":
      return [{ type: "report", step: 1, metrics: metrics("NaN") }];
    case "5.1 at 1":
      return [{ type: "invalid_hyperparameters", reason: "width is odd" }, crashed];
    case "6.1 at 1":
      return [exited({ kind: "runner_lost", processes: [], detail: "the runner was lost" })];
    default:
      return undefined;
  }
};

async function play(
  config: string,
  each: (cluster: TestCluster, turn: number) => Promise<void>,
  wrap: (pool: pg.Pool) => pg.Pool = (pool) => pool,
) {
  await using database = await withTestDatabase<Database>();
  const { pool } = database;
  const cluster = await TestCluster.open(
    { pool, writePool: wrap(pool) },
    troubles(config === HYPERBAND ? 80 : 0),
  );
  await untilTaken(() => cluster.create(config, { key: "k" }));
  let turn = 0;
  await cluster.finish(() => each(cluster, turn++));
  await checkChain(pool);
  await checkSearchReplays(pool);
  const { rows } = await pool.query<{ state: string; ends: Record<string, number> }>(
    `select e.state, (select jsonb_object_agg(end_reason, n) from
       (select end_reason, count(*) as n from trials group by 1) t) as ends from experiments e`,
  );
  return { left: await everything(pool), rounds: turn, outcome: rows, cluster };
}

/** As every caller does: what was not taken is sent again. */
async function untilTaken<T>(send: () => Promise<T>): Promise<T> {
  for (let attempt = 0; ; attempt++) {
    try {
      return await send();
    } catch (error) {
      const again = error instanceof ContrailError && error.code === "unavailable" && attempt < 50;
      if (!again) throw error;
    }
  }
}

/** From its log alone a search gives the same answers, and ends in the state that was saved. */
async function checkSearchReplays(pool: pg.Pool): Promise<void> {
  const { rows: experiments } = await pool.query<{
    search_spec: SearchSpec;
    search_state: unknown;
  }>("select search_spec, search_state from experiments");
  const { rows: log } = await pool.query<{
    event: SearchEvent;
    actions: unknown;
    at_ms: number;
  }>("select event, actions, at_ms from search_events order by seq");
  const [experiment] = experiments;
  assert.ok(experiment);
  const spec = reviveExact(experiment.search_spec);
  let state = startSearch(spec);
  for (const { event, actions, at_ms: atMs } of log) {
    const step = stepSearch(spec, state, reviveExact(event), atMs);
    assert.deepEqual(JSON.parse(stringifyExact(step.actions)), actions);
    state = step.state;
  }
  assert.deepEqual(JSON.parse(stringifyExact(state)), experiment.search_state);
}

async function checkChain(pool: pg.Pool): Promise<void> {
  const { rows } = await pool.query<{
    seq: number;
    at: Date;
    actor: string;
    experiment_id: number;
    subject: string;
    what: string;
    cause: string;
    hash: Buffer;
  }>("select * from changes order by seq");
  assert.ok(rows.length > 20);
  let previous: Buffer = Buffer.alloc(32);
  for (const [i, { seq, hash, experiment_id: experimentId, ...entry }] of rows.entries()) {
    assert.equal(seq, i + 1, "the chain has no gap");
    previous = chainHash(previous, seq, { ...entry, experimentId });
    assert.ok(previous.equals(hash), `change ${seq} does not follow from the one before`);
  }
}

test("the server dies after every turn: the rest of the search is the same, row for row", async () => {
  for (const config of [ASHA, HYPERBAND]) {
    const clean = await play(config, (cluster) => cluster.round());
    assert.equal(clean.outcome[0]?.state, "completed");
    const ends = Object.keys(clean.outcome[0]?.ends ?? {});
    for (const end of ["finished", "user_error", "invalid_hyperparameters", "stopped_by_search"])
      assert.ok(ends.includes(end), `nothing ended as ${end}`);
    assert.deepEqual(attemptsOf(clean.left.allocations ?? [], 3), [
      [1, "user_error", 1],
      [2, "user_error", 1],
    ]);
    const stragglers = clean.left.decisions?.filter((row) => row.includes('"straggler"')) ?? [];
    assert.equal(stragglers.length, config === HYPERBAND ? 1 : 0);
    const crashing = await play(config, async (cluster) => {
      await cluster.round();
      await cluster.restart();
    });
    assert.deepEqual(crashing.left, clean.left);
    assert.equal(crashing.rounds, clean.rounds);
    // And at single points, so that no later crash repairs what an earlier one broke.
    for (const at of config === ASHA ? [0, 1, 2, 5, 11, 17] : [30]) {
      const once = await play(config, async (cluster, turn) => {
        await cluster.round();
        if (turn === at) await cluster.restart();
      });
      assert.deepEqual(once.left, clean.left, `crash after turn ${at}`);
    }
  }
});

/** Failed attempts are kept like any other. */
const attemptsOf = (allocations: readonly string[], trial: number): unknown[] =>
  allocations
    .map((row) => JSON.parse(row))
    .filter((row) => row.trial_number === trial)
    .map((row) => [row.run, row.end_kind, row.exit_code]);

/** A pool whose clients fail at one statement of each transaction: before it is done, or after, as its answer is lost. */
class FailingPool {
  readonly #pool: pg.Pool;
  /** The statement of the next transaction that fails; Infinity = none. */
  failAt = Number.POSITIVE_INFINITY;
  /** The COMMIT happens and its answer is lost. */
  loseCommit = false;
  /** Awaited before each COMMIT. */
  beforeCommit: (client: pg.PoolClient) => unknown = () => undefined;
  statements = 0;
  failed = 0;

  constructor(pool: pg.Pool) {
    this.#pool = pool;
  }

  asPool(): pg.Pool {
    return this as unknown as pg.Pool;
  }

  query(...args: unknown[]): unknown {
    return (this.#pool.query as (...args: unknown[]) => unknown).apply(this.#pool, args);
  }

  async connect(): Promise<unknown> {
    const client = await this.#pool.connect();
    this.statements = 0;
    const lost = (): Error => {
      this.failed += 1;
      return new Error("Connection terminated unexpectedly");
    };
    return {
      query: async (query: string | pg.QueryConfig) => {
        if (this.statements++ === this.failAt) throw lost();
        if (query === "commit") await this.beforeCommit(client);
        const result = await client.query(query);
        if (query === "commit" && this.loseCommit) throw lost();
        return result;
      },
      on: client.on.bind(client),
      off: client.off.bind(client),
      release: (broken?: boolean) => client.release(broken),
    };
  }
}

test("a write that fails at any statement, or whose commit is never answered, loses and doubles nothing", async () => {
  const clean = await play(ASHA, (cluster) => cluster.round());
  let failing: FailingPool | undefined;
  const wrap = (pool: pg.Pool): pg.Pool => {
    failing = new FailingPool(pool);
    return failing.asPool();
  };
  let failures = 0;
  const broken = await play(
    ASHA,
    async (cluster, turn) => {
      const pool = failing as FailingPool;
      // Each turn fails at one statement after the other and then loses its commit; every third only the latter.
      let next = turn % 3 === 0 ? 0 : Number.POSITIVE_INFINITY;
      pool.loseCommit = turn % 2 === 0;
      await cluster.round(() =>
        untilTaken(async () => {
          pool.failAt = next++;
          try {
            await cluster.send();
          } finally {
            if (pool.statements < pool.failAt) pool.loseCommit = false;
          }
        }),
      );
      failures += pool.failed;
      pool.failed = 0;
      pool.failAt = Number.POSITIVE_INFINITY;
    },
    wrap,
  );
  assert.ok(failures > 60, `only ${failures} failures`);
  assert.deepEqual(broken.left, clean.left);
});

test("a commit without an answer: what happened is told once it is known, and a creation is found again", async () => {
  await using database = await withTestDatabase<Database>();
  const pool = new FailingPool(database.pool);
  const cluster = await TestCluster.open({ pool: database.pool, writePool: pool.asPool() });
  pool.loseCommit = true;
  await assert.rejects(cluster.create(ASHA, { key: "once" }), { code: "unavailable" });
  assert.equal(cluster.told.length, 0);
  assert.equal(cluster.world.ordersDurable, 1, "no runner hears of what may not have happened");
  pool.loseCommit = false;
  await cluster.tick();
  assert.deepEqual([...(cluster.told[0]?.runners ?? [])], ["local"]);
  assert.deepEqual([...(cluster.told[0]?.experiments ?? [])], [1]);
  cluster.hear();
  assert.equal(cluster.programs.size, 3, "its first trials have started");
  const again = await cluster.create(ASHA, { key: "once" });
  assert.equal(again.experiment?.id, 1);
});

test("what a search is loaded from is the state before its log, even when it was made a moment ago", async () => {
  await using database = await withTestDatabase<Database>();
  const cluster = await TestCluster.open({ pool: database.pool });
  await cluster.create(ASHA);
  const { rows } = await database.pool.query("select search_state, search_events from experiments");
  const initial = startSearch(cluster.live().x.spec.search);
  assert.deepEqual(rows, [{ search_state: initial, search_events: 0 }]);
});

test("no runner is told of orders before they are durable, nor of a version that a crash would take back", async () => {
  await using database = await withTestDatabase<Database>();
  const pool = new FailingPool(database.pool);
  const cluster = await TestCluster.open({ pool: database.pool, writePool: pool.asPool() });
  const gate = Promise.withResolvers<void>();
  pool.beforeCommit = () => gate.promise;
  const creating = cluster.create(ASHA);
  await until(() => cluster.world.experiments.size === 1);
  cluster.hear();
  assert.equal(cluster.programs.size, 0, "decided, but not yet durable");
  gate.resolve();
  await creating;
  cluster.hear();
  assert.equal(cluster.programs.size, 3);
  // Orders that never became durable count up in memory; the runner must not get ahead of the database.
  pool.failAt = 1;
  for (let i = 0; i < 5; i++) await assert.rejects(cluster.user("pause"), { code: "unavailable" });
  pool.failAt = Number.POSITIVE_INFINITY;
  await cluster.tick();
  cluster.hear();
  await cluster.restart();
  await cluster.user("kill", 2);
  cluster.hear();
  const orders = [...cluster.programs.values()].map((p) => [
    p.trial,
    p.orders.yield,
    p.orders.kill,
  ]);
  assert.deepEqual(orders, [
    [1, null, false],
    [2, null, true],
    [3, null, false],
  ]);
});

async function until(holds: () => boolean): Promise<void> {
  while (!holds()) await new Promise(setImmediate);
}

test("a connection that breaks in the middle of a turn ends neither the process nor the loop", async () => {
  await using database = await withTestDatabase<Database>();
  const pool = new FailingPool(database.pool);
  const cluster = await TestCluster.open({ pool: database.pool, writePool: pool.asPool() });
  pool.beforeCommit = async (client) => {
    const { processID } = client as unknown as { processID: number };
    const gone = new Promise((resolve) => client.once("end", resolve));
    await database.pool.query("select pg_terminate_backend($1)", [processID]);
    await gone;
  };
  await assert.rejects(cluster.create(ASHA), { code: "unavailable" });
  pool.beforeCommit = () => undefined;
  const { experiment } = await cluster.create(ASHA);
  assert.equal(experiment?.id, 1, "nothing was made the first time");
});

test("names of metrics survive a failed turn that touched no experiment", async () => {
  await using database = await withTestDatabase<Database>();
  const pool = new FailingPool(database.pool);
  const cluster = await TestCluster.open({ pool: database.pool, writePool: pool.asPool() });
  await cluster.create(ASHA);
  cluster.hear();
  const program = cluster.programs.get("1.1.1");
  assert.ok(program);
  cluster.say(program, { type: "started", pid: 7 });
  cluster.say(program, crashed);
  await cluster.send();
  const late = { type: "report", seq: 3, atMs: 0, step: 1, metrics: { late: 4 } } as const;
  const request = {
    boot: "b",
    ordersAfter: 0,
    allocations: [{ id: "1.1.1", fence: 1, events: [late] }],
  };
  pool.failAt = 1;
  await assert.rejects(cluster.sync(request), { code: "unavailable" });
  pool.failAt = Number.POSITIVE_INFINITY;
  assert.deepEqual(await cluster.sync(request), { acked: { "1.1.1": 3 }, gone: ["1.1.1"] });
  const { rows } = await database.pool.query(
    "select n.name, m.value from metrics m join metric_names n on n.id = m.name_id",
  );
  assert.deepEqual(rows, [{ name: "late", value: 4 }]);
});
