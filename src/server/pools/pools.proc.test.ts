/** What a pool puts under the experiments that are submitted to it. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { idleEngine, testServer } from "../http/test-server.ts";

test("defaults of a pool hold where an experiment says nothing, are told, kept, and do not change a copy", async () => {
  const defaults = {
    resources: { priority: 7 },
    environment: { environment_variables: { TEAM: "b" } },
  };
  const engine = idleEngine(1, () => undefined);
  await using server = await testServer({ pools: [{ name: "team", defaults, engine }] });
  const submit = (config: string) => server.client.createExperiment({ config, code: null });
  const text = "entrypoint: 'true'\nresources: {resource_pool: team}\n";
  const { experiment, layers } = await submit(text);
  const fields = [".resources.priority", ".environment.environment_variables.TEAM"];
  assert.deepEqual(layers, [{ kind: "pool", name: "team", version: null, fields }]);
  assert.ok(experiment);
  const detail = await server.client.experiment(experiment.id);
  assert.equal(detail.priority, 7);
  assert.deepEqual(detail.layers, layers);
  const said = await submit(`${text.replace("}", ", priority: 9}")}`);
  assert.equal((await server.client.experiment(said.experiment?.id ?? 0)).priority, 9);
  const elsewhere = await submit("entrypoint: 'true'\n");
  assert.equal((await server.client.experiment(elsewhere.experiment?.id ?? 0)).priority, 42);
});
