/** A clock that is set while trials run uses up no budget: not now, not after a failed commit, not after a restart. */
import assert from "node:assert/strict";
import { test } from "node:test";
import type pg from "pg";
import type { Database } from "../store/schema.ts";
import { withTestDatabase } from "../store/test-database.ts";
import { PostgresLedger } from "./postgres-ledger.ts";
import { TestCluster } from "./test-cluster.ts";

const HOUR_MS = 3_600_000;
const DAY_MS = 24 * HOUR_MS;

const CONFIG = `name: clock
entrypoint: node train.mjs
searcher: {name: random, metric: loss, max_trials: 2, max_length: 100}
hyperparameters: {x: {type: double, minval: 0, maxval: 1}}
budget: {slot_hours: 4}
`;

/** A turn that writes something whatever the time is. */
const turn = (cluster: TestCluster): Promise<unknown> =>
  cluster.loop.submit({
    name: "anything",
    run: (_world, { batch }) => {
      const change = { actor: "a", experimentId: null, subject: "s", what: "w", cause: "c" };
      batch.change({ at: new Date(0), ...change });
    },
  });

function setForward(cluster: TestCluster): void {
  cluster.nowMs += 3 * DAY_MS;
  cluster.setByMs += 3 * DAY_MS;
}

async function overtaken(pool: pg.Pool, cluster: TestCluster): Promise<void> {
  await new PostgresLedger(pool).takeOver();
  await assert.rejects(turn(cluster));
}

test("a clock that is set while trials run uses up no budget", async () => {
  await using database = await withTestDatabase<Database>();
  const { pool } = database;
  const cluster = await TestCluster.open({ pool });
  await cluster.create(CONFIG);
  await cluster.round();
  assert.equal(cluster.live().x.live.size, 2);
  setForward(cluster);
  await cluster.tick();
  assert.equal(cluster.live().x.core.run, "active");
  setForward(cluster);
  await overtaken(pool, cluster);
  await cluster.tick();
  assert.equal(cluster.live().x.core.run, "active", "the turn that noticed it was not written");
  await cluster.restart();
  cluster.nowMs += HOUR_MS;
  await cluster.tick();
  assert.equal(cluster.live().x.core.run, "active", "after a restart");
  cluster.nowMs += HOUR_MS;
  await cluster.tick();
  assert.equal(cluster.live().x.core.run, "stopping");
  assert.match(cluster.live().x.core.reason, /4\.00\d of 4 slot-hours/);
});
