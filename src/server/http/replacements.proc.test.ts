/** Trials in place of impossible ones, as they are told apart from those that the limit of a search counts. */
import assert from "node:assert/strict";
import { test } from "node:test";
import type { Experiment } from "../../protocol/api.ts";
import { RANDOM_CONFIG, testServer } from "./test-server.ts";

test("a search with impossible hyperparameters makes more trials than its limit, and says how many stand in for others", async () => {
  await using server = await testServer({ slots: 2 });
  const { client, runner } = server;
  await client.createExperiment({ config: RANDOM_CONFIG, code: null });
  const impossible = { type: "invalid_hyperparameters", reason: "x is too large" };
  await runner.started("1.1.1");
  await runner.tell("1.1.1", impossible);
  await runner.exited("1.1.1");
  const counted = ({ trials, plan }: Experiment) => [
    ...[trials.total, trials.replacements, plan.trials_max],
  ];
  const { items } = await client.experiments();
  assert.deepEqual(items.map(counted), [[3, 1, 2]]);
  for await (const { event, data } of client.experimentStream(1)) {
    if (event !== "experiment") continue;
    assert.deepEqual(counted(data), [3, 1, 2], "as the page follows it");
    break;
  }
  const why = await client.why("experiment", "1");
  assert.match(
    why.reasons.find(({ code }) => code === "trials")?.text ?? "",
    /^Of at most 2 trials, 2 were made, and 1 in place of ones with impossible hyperparameters: /,
  );
  // Elsewhere and over, it is the database alone that knows.
  for (const id of ["1.2.1", "1.3.1"]) {
    await runner.started(id);
    await runner.report(id, 4, { loss: 1 });
    await runner.exited(id);
  }
  assert.deepEqual(counted(await client.experiment(1)), [3, 1, 2]);
});
