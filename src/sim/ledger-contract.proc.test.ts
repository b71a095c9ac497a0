/** The ledger in memory against PostgreSQL: one script of turns on both, and what they give back afterwards. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { type JsonObject, reviveExact } from "../base/json.ts";
import { keyed } from "../base/random.ts";
import { type Ledger, LedgerMoved } from "../server/ledger.ts";
import { runnerRow } from "../server/live-runners.ts";
import { liveFrom, loadWorld } from "../server/load.ts";
import { PostgresLedger } from "../server/postgres-ledger.ts";
import { toSearch, toSettings } from "../server/translate.ts";
import { Turn, World } from "../server/world.ts";
import { ensureUser } from "../store/access-store.ts";
import type { Database } from "../store/schema.ts";
import { withTestDatabase } from "../store/test-database.ts";
import { CHAIN_START, type ChainTip, WriteBatch } from "../store/write-batch.ts";
import { MemoryLedger, stored } from "./memory-ledger.ts";
import { drawScenario } from "./scenario.ts";
import { SIZES } from "./sizes.ts";

const SLOTS = ["cpu:0", "cpu:1", "cpu:2"].map((id) => ({
  ...{
    id,
    kind: "cpu" as const,
    runner: "local",
    node: "here",
    pool: "default",
    description: "a core",
  },
}));

/** Plays the same work on a ledger: turns of a world in which trials train, save, fail, measure NaN, and people meddle. */
async function play(ledger: Ledger, seed: number): Promise<ChainTip> {
  const random = keyed(seed, "contract");
  const world = new World(SLOTS);
  await loadWorld(world, ledger);
  let tip = await ledger.takeOver();
  let nowMs = 1_700_000_000_000;
  const turn = async (work: (turn: Turn) => void): Promise<void> => {
    const next = new Turn(nowMs);
    work(next);
    world.schedule(next);
    world.finish(next);
    if (!next.batch.empty) tip = await ledger.commit(next.batch, tip);
    world.ordersDurable = Math.max(world.ordersDurable, next.ordersVersion);
  };
  await turn((t) => world.clockSteps.note(t.batch, { wallMs: t.nowMs, monotonicMs: 0 }));
  world.clockSteps.durable();
  nowMs += 3_600_000;
  await turn((t) => world.clockSteps.note(t.batch, { wallMs: t.nowMs, monotonicMs: 1_000 }));
  for (const { config, key } of drawScenario(seed, SIZES.large).submissions) {
    const { search, reason } = toSearch(config, 7);
    await turn((t) => {
      world.create(
        t,
        {
          ...{
            name: key,
            description: "a\u2028b",
            labels: ["x", "y"],
            workspace: "w",
            project: "p",
          },
          ...{ owner_id: 1, owner: "ada", config: config as unknown as JsonObject },
          ...{ config_text: key, data: { d: { value: 1 } }, seed: 4_294_967_295, code: null },
          ...{ provenance: {}, plan: {}, searcher_reason: reason, search_spec: search },
          ...{ progress: 0, best_trial: null, best_step: null, best_objective: null, steps: 0 },
          ...{ slot_ms: 0, created_at: new Date(nowMs), started_at: null, ended_at: null },
        },
        toSettings(config, search),
        { paused: false, actor: "ada" },
      );
    });
  }
  const givenUp: number[] = [];
  for (let i = 0; i < 120; i++) {
    nowMs += 300 + random.below(1000);
    if (i === 5) await turn((t) => void givenUp.push(...lose(world, t)));
    // The second word about one comes too late.
    if (i === 10 || i === 20)
      await turn((t) => {
        for (const id of givenUp)
          t.batch.lateExit(id, {
            ...{ exit_code: i, signal: null, exit_detail: { detail: "late" }, log_lines: i },
            exit_heard_at: new Date(nowMs),
          });
      });
    await turn((t) => {
      for (const live of [...world.experiments.values()]) {
        world.apply(t, live, { type: "tick" });
        for (const [trial, { run }] of [...live.allocations]) {
          const step = (live.x.trials.get(trial)?.step ?? 0) + 1;
          const loss = random.below(6) === 0 ? Number.NaN : random.unit();
          const from = { trial, run };
          switch (random.below(5)) {
            case 0:
              world.apply(t, live, { type: "checkpoint", ...from, step: step - 1, tree: "t" });
              break;
            case 1: {
              const code = random.below(2);
              const exits = [{ code, signal: null }];
              const how = { kind: "processes", exits, outOfMemory: null } as const;
              const rest = { signalsSent: [], yielded: code === 0, logLines: 3, detail: "\u0000" };
              world.apply(t, live, { type: "exited", ...from, end: { ...how, ...rest } });
              break;
            }
            default:
              t.batch.metric({
                ...{ trial: live.trials.get(trial)?.id ?? 0, name: world.metricName(t, "loss") },
                ...{ step, run, seq: step, value: loss },
              });
              world.apply(t, live, {
                type: "report",
                ...from,
                step,
                metrics: { loss, time: step },
              });
          }
        }
      }
    });
    for (const live of [...world.experiments.values()])
      if (live.x.core.endedAtMs !== null) world.release(live.id);
  }
  return tip;
}

/** The runner is lost, all its allocations are given up, and it is back. @returns their row ids */
function lose(world: World, turn: Turn): number[] {
  const ids: number[] = [];
  for (const live of [...world.experiments.values()])
    for (const [trial, { id, run }] of [...live.allocations]) {
      ids.push(id);
      world.apply(turn, live, { type: "lost", trial, run, reason: "nobody knows" });
    }
  const runner = world.runners.get("local");
  runner.lease = { ...runner.lease, number: 2, boot: "b", cause: "back", sinceMs: turn.nowMs };
  turn.batch.put("runners", { ...runnerRow(runner) });
  return ids;
}

const EXITS = [
  "id",
  "end_kind",
  "exit_code",
  "signal",
  "exit_detail",
  "log_lines",
  "exit_heard_at",
];

test("both ledgers give back the same", async () => {
  await using database = await withTestDatabase<Database>();
  const { pool } = database;
  await ensureUser(pool, "ada", new Date(0));
  let trials = 0;
  let late = 0;
  for (const seed of [3, 5, 8, 13]) {
    await pool.query(
      "truncate experiments, trials, allocations, search_events, decisions, metric_names, reports, metrics, checkpoints, changes, runners cascade",
    );
    const [real, memory] = [new PostgresLedger(pool), new MemoryLedger()];
    const tips = [await play(real, seed), await play(memory, seed)];
    assert.deepEqual(tips[1], tips[0]);
    const ids = memory.rows<{ id: number }>("experiments").map(({ id }) => id);
    const exits = await pool.query(`select ${EXITS.join(", ")} from allocations order by id`);
    const rows = memory
      .rows<Record<string, unknown>>("allocations")
      .sort((a, b) => Number(a.id) - Number(b.id));
    late += rows.filter((row) => row.log_lines === 10).length;
    assert.deepEqual(
      stored(rows.map((row) => Object.fromEntries(EXITS.map((name) => [name, row[name]])))),
      stored(exits.rows),
    );
    // Of trials `load` gives JSON as it is stored; whoever revives them does so with this.
    const loaded = [reviveExact(await real.load(ids)), await memory.load(ids)] as const;
    trials += loaded[0].reduce((sum, experiment) => sum + experiment.trials.length, 0);
    assert.deepEqual(stored(loaded[1]), stored(loaded[0]));
    for (const [i, row] of loaded[0].entries())
      assert.deepEqual(liveFrom(loaded[1][i] as typeof row), liveFrom(row));
    assert.deepEqual(await memory.load(), reviveExact(await real.load()), "those that live");
    assert.deepEqual(sorted(await memory.counters()), sorted(await real.counters()));
    const takenOver = await Promise.all([real.takeOver(), memory.takeOver()]);
    assert.deepEqual(takenOver[1], takenOver[0]);
    const [{ seq, hash }] = takenOver;
    const places = [
      ...[CHAIN_START, { seq, hash }, { seq, hash: CHAIN_START.hash }],
      ...[
        { seq: seq - 1, hash },
        { seq: seq + 1, hash },
      ],
    ];
    for (const ledger of [real, memory])
      assert.deepEqual(await Promise.all(places.map((place) => ledger.holds(place))), [
        ...[true, true, false],
        ...[false, false],
      ]);
  }
  assert.ok(trials > 10, `${trials} trials: the script has become empty`);
  assert.ok(late > 2, `${late} late exits: the script has become empty`);
});

const sorted = <T extends { metricNames: readonly { id: number }[] }>(counters: T): T => ({
  ...counters,
  metricNames: counters.metricNames.toSorted((a, b) => a.id - b.id),
});

test("a writer that was overtaken is refused, and what is there twice where it may not be", async () => {
  await using database = await withTestDatabase<Database>();
  const { pool } = database;
  const first = new PostgresLedger(pool);
  const second = new PostgresLedger(pool);
  const batch = (): WriteBatch => {
    const made = new WriteBatch();
    const change = { actor: "a", experimentId: null, subject: "s", what: "w", cause: "c" };
    made.change({ at: new Date(0), ...change });
    return made;
  };
  const before = await first.takeOver();
  const tip = await second.takeOver();
  await assert.rejects(first.commit(batch(), before), LedgerMoved);
  const next = await second.commit(batch(), tip);
  assert.equal(next.seq, 1);
  await assert.rejects(first.commit(batch(), before), LedgerMoved);
  assert.deepEqual(await first.takeOver(), next);

  await ensureUser(pool, "ada", new Date(0));
  const twice = (): WriteBatch => {
    const made = new WriteBatch();
    const row = { user_id: 1, key: "k", request_hash: "\\x00", reply: {}, created_at: new Date(0) };
    made.put("idempotency", row, "refuse");
    return made;
  };
  const memory = new MemoryLedger();
  for (const ledger of [first, memory] as const) {
    const at = await ledger.takeOver();
    await ledger.commit(twice(), at);
    await assert.rejects(ledger.commit(twice(), at), { code: "23505" });
  }
});
