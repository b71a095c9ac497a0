/** What the commands behind the charts say. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { ANSWERS } from "../test-bench.ts";
import { fakeServer, run } from "../test-host.ts";
import { aDetail, aProgress, aTrial } from "../test-things.ts";

async function told(words: readonly string[], answers: typeof ANSWERS): Promise<string> {
  const server = await fakeServer({ ...ANSWERS, ...answers });
  try {
    const ran = await run(words, { url: server.url });
    assert.equal(ran.code, 0, ran.err);
    return ran.out;
  } finally {
    await server.close();
  }
}

test("what is judged by no metric is not said to have reported none of no name", async () => {
  const curves = { experiment: 3, metric: "", unit: "steps", smaller_is_better: true };
  const none = { ...aProgress(), metric: "", items: [] };
  const answers = {
    "GET /experiments/3/curves": { ...curves, trials_total: 1, items: [] },
    "GET /experiments/3/progress": none,
  };
  for (const noun of ["curves", "progress"])
    assert.match(
      await told(["experiment", noun, "3"], answers),
      /^Experiment 3 is judged by no metric/,
    );
  const named = { "GET /experiments/3/curves": { ...curves, metric: "loss", items: [] } };
  assert.equal(
    await told(["experiment", "curves", "3", "--from-step", "9"], named),
    "No trial of experiment 3 has reported loss within --from-step 9.\n",
  );
});

test("importance names the method, the trials behind it and how sure it is", async () => {
  const space = {
    lr: { type: "log", base: 10, minval: -3, maxval: 0 },
    idle: { type: "double", minval: 0, maxval: 1 },
  };
  const trials = Array.from({ length: 40 }, (_, i) =>
    aTrial({
      id: `3.${i + 1}`,
      number: i + 1,
      hyperparameters: { lr: 10 ** (-3 + (3 * i) / 40), idle: ((i * 7) % 40) / 40 },
      best: { step: 1, objective: i / 40 },
    }),
  );
  const answers = {
    "GET /experiments/3": aDetail({ config: { hyperparameters: space } }),
    "GET /experiments/3/trials": { items: trials, next_cursor: null },
  };
  const text = await told(["experiment", "importance", "3"], answers);
  assert.match(text, /^lr +\d+ % +\d+ % to \d+ % +40$/m);
  assert.match(text, /PED-ANOVA: the best 4 of 40 trials against all; in \d+ % of 100 resamples/);
  const json = JSON.parse(await told(["experiment", "importance", "3", "--json"], answers));
  assert.equal(json.items[0].name, "lr");
  assert.equal(json.metric, "accuracy");
});

test("importance of too few trials says how many it needs", async () => {
  const text = await told(["experiment", "importance", "3"], {});
  assert.match(text, /^Experiment 3 has 2 trials with a value; importance needs 10\./);
});

test("progress says what a search without early stopping would have spent", async () => {
  const text = await told(["experiment", "progress", "3"], {});
  assert.match(text, /spent: 14 epochs, 20 s, 38 s of slots/);
  assert.match(
    text,
    /without early stopping: 81 epochs \(5\.8 times as many\); at the measured pace 1 min 56 s, 3 min 40 s of slots/,
  );
  assert.doesNotMatch(text, /thinned/);
  const thinned = await told(["experiment", "progress", "3"], {
    "GET /experiments/3/progress": aProgress({ total: 1_234 }),
  });
  assert.match(thinned, /^thinned: 1 of 1,234 improvements; --points shows up to 2,000$/m);
  const none = await told(["experiment", "progress", "3"], {
    "GET /experiments/3/progress": aProgress({ items: [] }),
  });
  assert.match(none, /^No trial of experiment 3 has reported a finite accuracy yet\./);
});
