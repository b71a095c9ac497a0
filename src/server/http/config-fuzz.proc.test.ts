/** Mutated configurations through the whole server (rows I1 and I9): no answer is its fault, each refusal names a place. */
import assert from "node:assert/strict";
import { describe, test } from "node:test";
import fc from "fast-check";
import { mutated } from "../../protocol/config/test-mutations.ts";
import { CONTENT, CONTENT_HASH, fileAt } from "../../store/test-trees.ts";
import { testServer } from "./test-server.ts";

const SEED = Number(process.env.FUZZ_SEED ?? 20_261_128);
const RUNS = process.env.INPUTS === "full" ? 100_000 : 1_000;
const AT_ONCE = 8;
/** Names that are looked up once the file has been read: they have a path, and no line. */
const LOOKED_UP = new Set(["unknown_dataset", "unknown_pool"]);

/** Spaces and searches that could make no trial, or no end of them (row I9). */
const IMPOSSIBLE: Readonly<Record<string, string>> = {
  "grid over nothing": "searcher: {name: grid, metric: m, max_length: {steps: 1}}",
  "min above max":
    "searcher: {name: random, metric: m, max_trials: 2, max_length: {steps: 1}}\nhyperparameters: {x: {type: double, minval: 2, maxval: 1}}",
  "log without a base above one":
    "searcher: {name: random, metric: m, max_trials: 2, max_length: {steps: 1}}\nhyperparameters: {x: {type: log, base: 0, minval: -1, maxval: 1}}",
  "log of less than nothing":
    "searcher: {name: random, metric: m, max_trials: 2, max_length: {steps: 1}}\nhyperparameters: {x: {type: log, base: -10, minval: -1, maxval: 1}}",
  "count of nothing":
    "searcher: {name: grid, metric: m, max_length: {steps: 1}}\nhyperparameters: {x: {type: double, minval: 0, maxval: 1, count: 0}}",
  "choice of nothing":
    "searcher: {name: random, metric: m, max_trials: 2, max_length: {steps: 1}}\nhyperparameters: {x: {type: categorical, vals: []}}",
  "no trials":
    "searcher: {name: random, metric: m, max_trials: 0, max_length: {steps: 1}}\nhyperparameters: {x: {type: double, minval: 0, maxval: 1}}",
  "a grid of a thousand million":
    "searcher: {name: grid, metric: m, max_length: {steps: 1}}\nhyperparameters: {a: {type: int, minval: 1, maxval: 1000, count: 1000}, b: {type: int, minval: 1, maxval: 1000, count: 1000}, c: {type: int, minval: 1, maxval: 1000, count: 1000}}",
  "a condition on itself":
    "searcher: {name: random, metric: m, max_trials: 2, max_length: {steps: 1}}\nhyperparameters: {x: {type: double, minval: 0, maxval: 1, when: {x: 1}}}",
  "conditions in a circle":
    "searcher: {name: random, metric: m, max_trials: 2, max_length: {steps: 1}}\nhyperparameters: {x: {type: categorical, vals: [1, 2], when: {y: 1}}, y: {type: categorical, vals: [1, 2], when: {x: 1}}}",
};

describe("configurations that nobody would send", () => {
  test("are taken, or refused with the path of each fault; never a 5xx, and nothing is made", async (t) => {
    await using server = await testServer();
    await server.client.putBlob(CONTENT_HASH, CONTENT);
    for (const path of ["one", "two", "three"])
      for (const name of ["digits", "digits-test"])
        await server.client.createDataset({ name, tree: [fileAt(path)] });
    const seen = new Map<number, number>();
    const send = async (tree: unknown): Promise<void> => {
      const config = JSON.stringify(tree);
      const answer = await server.call("POST", "/api/v1/experiments", {
        body: { config, code: null, dry_run: true },
      });
      seen.set(answer.status, (seen.get(answer.status) ?? 0) + 1);
      const shown = `seed ${SEED}: ${config} → ${answer.status} ${answer.text.slice(0, 500)}`;
      assert.ok(answer.status < 500, shown);
      if (answer.status === 200) return;
      if (answer.problem.code !== "invalid_config") {
        // The rest is not the file's fault but does not fit here: too many slots, content that is not there.
        assert.ok(answer.problem.detail.length > 10, shown);
        return;
      }
      const issues = answer.problem.issues ?? [];
      assert.ok(issues.length > 0, shown);
      for (const { code, path, line, column } of issues) {
        assert.ok(typeof path === "string", shown);
        assert.ok(LOOKED_UP.has(code) || (line && column), shown);
      }
    };
    const trees = fc.sample(mutated, { seed: SEED, numRuns: RUNS });
    for (let at = 0; at < trees.length; at += AT_ONCE)
      await Promise.all(trees.slice(at, at + AT_ONCE).map(send));
    assert.deepEqual(
      server.troubles.filter(({ level }) => level >= 50),
      [],
    );
    for (const status of [200, 400]) assert.ok((seen.get(status) ?? 0) > RUNS / 100, `${status}`);
    assert.deepEqual((await server.client.experiments()).items, []);
    assert.deepEqual(Object.keys(Object.prototype), []);
    const list = [...seen].map(([status, count]) => `${count} × ${status}`).join(", ");
    t.diagnostic(`I1: ${RUNS} mutated configurations sent: ${list}; 0 × 5xx`);
  });

  test("with a space that makes no sense are refused before a trial is made", async (t) => {
    await using server = await testServer();
    for (const [name, text] of Object.entries(IMPOSSIBLE)) {
      const answer = await server.call("POST", "/api/v1/experiments", {
        body: { config: `name: x\nentrypoint: a\n${text}\n`, code: null },
      });
      assert.equal(answer.status, 400, `${name}: ${answer.text.slice(0, 300)}`);
      assert.equal(answer.problem.code, "invalid_config", name);
      const [issue] = answer.problem.issues ?? [];
      assert.match(String(issue?.path), /^\.(hyperparameters|searcher)/, name);
    }
    const { rows } = await server.pool.query("select count(*)::int as n from trials");
    assert.deepEqual(rows, [{ n: 0 }]);
    const count = Object.keys(IMPOSSIBLE).length;
    t.diagnostic(
      `I9: ${count} spaces without sense, ${count} refused with their path, 0 trials made`,
    );
  });
});
