/** An import may have a million trials: no turn of the decision loop writes them, and nobody else gets their numbers. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { bundleFrom, sent } from "../import/test-bundle.ts";
import { RANDOM_CONFIG, testServer } from "./test-server.ts";

const CONFIG = RANDOM_CONFIG.replace("max_trials: 2", "max_trials: 4");

test("the turn that begins an import writes of its trials and runs the last alone, and their numbers are its own", async () => {
  await using server = await testServer({ slots: 4 });
  const { client, pool, runner } = server;
  const made = await client.createExperiment({ config: CONFIG, code: null });
  const id = made.experiment?.id ?? 0;
  for (const trial of [1, 2, 3, 4]) await runner.started(`${id}.${trial}.1`);
  const bundle = await bundleFrom(client, id);
  assert.deepEqual([bundle.about.counts.trial, bundle.about.counts.run], [4, 4]);
  const manifest = await sent(client, bundle);
  await pool.query(`
    create table written (at serial, turn xid8 default pg_current_xact_id(), place text, rows int, last int);
    create function note() returns trigger language plpgsql as $$ begin
      insert into written (place, rows, last) select tg_table_name, count(*), max(id) from added; return null; end $$;
    create function fail() returns trigger language plpgsql as $$ begin raise 'no room'; end $$;
    create trigger note after insert on trials referencing new table as added for each statement execute function note();
    create trigger note after insert on allocations referencing new table as added for each statement execute function note();
    create trigger fail before insert on decisions for each statement execute function fail()`);
  // A server that starts now counts on from the largest number that is stored, so the last comes first.
  await assert.rejects(client.importBundle(manifest), { code: "internal" });
  const { rows } = await pool.query("select place, rows, last from written order by at");
  assert.deepEqual(
    rows.map(({ place, rows: count, last }) => [place, count, last]),
    [
      ["trials", 1, 8],
      ["allocations", 1, 8],
      ["trials", 3, 7],
      ["allocations", 3, 7],
    ],
  );
  const turns = await pool.query("select count(distinct turn)::int as n from written");
  assert.equal(turns.rows[0].n, 3);
  await pool.query("drop trigger fail on decisions");
  const { experiment } = await client.importBundle(manifest);
  const { items } = await client.experimentTrials(experiment.id);
  assert.equal(items.length, 4);
});
