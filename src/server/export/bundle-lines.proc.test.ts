/** What a bundle says of an experiment that goes on while it is read. */
import assert from "node:assert/strict";
import { test } from "node:test";
import type pg from "pg";
import type { BundleLine } from "../../protocol/bundle.ts";
import { readExperiment } from "../../store/experiment-reads.ts";
import { storeRecord } from "../../store/record-store.ts";
import { type TestServer, testServer } from "../http/test-server.ts";
import { sha256 } from "../import/test-bundle.ts";
import { bundleText } from "./bundle-lines.ts";

const CONFIG = `
name: goes on
entrypoint: "true"
searcher: {name: random, metric: loss, max_length: {steps: 2}, max_trials: 3, max_concurrent_trials: 1}
`;

/** Starts whatever has been given slots and was not before; it reports, prints, saves, is recorded and ends. */
async function trainNext(server: TestServer, seen: Set<string>): Promise<string> {
  const { client, runner } = server;
  const { orders } = await runner.orders();
  const { id = "" } = orders.find(({ id }) => !seen.has(id)) ?? {};
  assert.notEqual(id, "", "nothing was started");
  seen.add(id);
  await runner.started(id);
  await runner.print(id, "epoch 1");
  await runner.report(id, 1, {});
  await runner.report(id, 2, { loss: 1 });
  await client.putBlob(sha256(id), id);
  const tree = [{ path: "w", size: id.length, hash: sha256(id), executable: false }];
  await runner.tell(id, { type: "checkpoint", step: 2, tree, metadata: {} });
  const [experiment = 0, trial = 0, run = 0] = id.split(".").map(Number);
  const own = { captured: {}, not_applicable: [], missing: [] };
  const captured = { cpu: { model: id } };
  await storeRecord(server.pool, {
    ...{ experiment, trial, run, source: "runner", at: new Date() },
    ...{ environment: { ...own, captured }, own },
  });
  await runner.tell(id, { type: "waiting", step: 2 });
  await runner.exited(id, 0, { yielded: true });
  return id;
}

/** Lets something happen once, after the first answer to a query that looks like this. */
function interrupted(pool: pg.Pool, after: RegExp, happen: () => Promise<unknown>): pg.Pool {
  let isDone = false;
  const query = async (...words: Parameters<pg.Pool["query"]>) => {
    const result = await (pool.query as (...words: unknown[]) => Promise<unknown>)(...words);
    if (!isDone && after.test(String(words[0]))) {
      isDone = true;
      await happen();
    }
    return result;
  };
  return new Proxy(pool, {
    get: (target, name) => (name === "query" ? query : Reflect.get(target, name, target)),
  });
}

for (const [moment, table] of [
  ["trials", /from trials where/],
  ["runs", /from allocations where/],
] as const)
  test(`a run that begins when the ${moment} were listed is in no part`, async () => {
    await using server = await testServer({ slots: 1 });
    const { experiment } = await server.client.createExperiment({ config: CONFIG, code: null });
    const id = experiment?.id ?? 0;
    const seen = new Set<string>();
    await trainNext(server, seen);
    let late = "";
    const pool = interrupted(server.pool, table, async () => {
      await trainNext(server, seen);
      late = await trainNext(server, seen);
    });
    const row = await readExperiment(server.pool, id);
    assert.ok(row);
    let text = "";
    for await (const part of bundleText(pool, { experiment: id }, { row, version: "0", by: "ada" }))
      text += part;
    const lines = text
      .trim()
      .split("\n")
      .map((line) => JSON.parse(line) as BundleLine);
    assert.equal(late, `${id}.3.1`);
    const of = (part: BundleLine["part"]) =>
      lines.flatMap((line) =>
        line.part === part ? [line.row as { trial: number; run: number }] : [],
      );
    const trials = new Set(
      lines.flatMap((line) => (line.part === "trial" ? [line.row.number] : [])),
    );
    const runs = new Set(of("run").map(({ trial, run }) => `${trial}.${run}`));
    assert.ok(runs.has("1.1") && !runs.has("3.1"), [...runs].join());
    for (const { trial } of of("run")) assert.ok(trials.has(trial), `run of trial ${trial}`);
    for (const part of ["report", "checkpoint", "record", "log"] as const) {
      const rows = of(part);
      assert.ok(rows.length > 0, part);
      for (const { trial, run } of rows)
        assert.ok(runs.has(`${trial}.${run}`), `${part} of ${trial}.${run}`);
    }
    const environments = lines.flatMap((line) =>
      line.part === "environment" ? [line.row.hash] : [],
    );
    for (const line of lines)
      if (line.part === "record") assert.ok(environments.includes(line.row.environment ?? ""));
  });
