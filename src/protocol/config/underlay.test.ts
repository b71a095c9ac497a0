import assert from "node:assert/strict";
import { test } from "node:test";
import type { JsonObject } from "../../base/json.ts";
import { underlay } from "./underlay.ts";

test("what the experiment says wins, what it leaves out comes from the pool, and each such value is named", () => {
  const { value, given } = underlay(
    { entrypoint: "train", resources: { slots_per_trial: 2, priority: 3 }, labels: [] },
    {
      resources: { priority: 50, shm_size: "1g" },
      labels: ["shared"],
      environment: { image: "team/train:3" },
    },
  );
  assert.deepEqual(value, {
    entrypoint: "train",
    resources: { slots_per_trial: 2, priority: 3, shm_size: "1g" },
    labels: [],
    environment: { image: "team/train:3" },
  });
  assert.deepEqual(given, [".resources.shm_size", ".environment.image"]);
});

test("variables are joined by name, mounts by their place in the container", () => {
  const { value, given } = underlay(
    {
      environment: { environment_variables: { A: 1 } },
      bind_mounts: [{ host_path: "/mine", container_path: "/data" }],
    },
    {
      environment: { environment_variables: ["A=0", "B=2"] },
      bind_mounts: [
        { host_path: "/theirs", container_path: "/data" },
        { host_path: "/cache", container_path: "/cache" },
      ],
    },
  );
  assert.deepEqual(value.environment, { environment_variables: { A: 1, B: "2" } });
  assert.deepEqual(
    (value.bind_mounts as { host_path: string }[]).map(({ host_path: path }) => path),
    ["/mine", "/cache"],
  );
  assert.deepEqual(given, [".environment.environment_variables.B", ".bind_mounts[1]"]);
});

test("of another searcher only what every searcher has is taken, and a space is taken whole", () => {
  const lower = {
    searcher: { name: "random", metric: "loss", max_trials: 9 },
    hyperparameters: { lr: 1, wd: 2 },
  };
  const other = underlay({ searcher: { name: "single" }, hyperparameters: { lr: 3 } }, lower);
  assert.deepEqual(other.value, {
    searcher: { name: "single", metric: "loss" },
    hyperparameters: { lr: 3 },
  });
  const same = underlay({ searcher: { name: "random", max_trials: 4 } }, lower);
  assert.deepEqual(same.value.searcher, { name: "random", metric: "loss", max_trials: 4 });
});

test("a length is one or the other, and so is a login", () => {
  const lower = {
    searcher: { name: "random", max_time: 60, time_metric: "s", metric: "loss" },
    environment: { registry_auth: { username: "team", password: "x" } },
  };
  const { value } = underlay(
    {
      searcher: { max_length: { epochs: 3 } },
      environment: { registry_auth: { sealed: "y" } },
    },
    lower,
  );
  assert.deepEqual(value, {
    searcher: { max_length: { epochs: 3 }, name: "random", metric: "loss" },
    environment: { registry_auth: { sealed: "y" } },
  });
});

test("a field that stands without a searcher's name goes only to a searcher that has it", () => {
  const lower = { searcher: { max_trials: 9, metric: "loss" } };
  const under = (name: string) => underlay({ searcher: { name } }, lower);
  assert.deepEqual(under("single").value.searcher, { name: "single", metric: "loss" });
  assert.deepEqual(under("single").given, [".searcher.metric"]);
  assert.deepEqual(under("random").value.searcher, {
    ...{ name: "random", metric: "loss" },
    max_trials: 9,
  });
});

test("a variable that is null is one that is not there, on either side", () => {
  const over = (own: JsonObject, lower: JsonObject) => {
    const variables = (side: JsonObject) => ({ environment: { environment_variables: side } });
    const { value, given } = underlay(variables(own), variables(lower));
    return [(value.environment as JsonObject).environment_variables, given];
  };
  const B = ".environment.environment_variables.B";
  assert.deepEqual(over({ A: 1 }, { B: null }), [{ A: 1 }, []]);
  assert.deepEqual(over({ A: 1, B: null }, { B: 2 }), [{ A: 1, B: "2" }, [B]]);
  assert.deepEqual(over({ A: 1, B: null }, { C: null }), [{ A: 1 }, []]);
});
