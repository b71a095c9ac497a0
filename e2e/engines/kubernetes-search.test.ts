/** A search through `contrail up` whose pool is a cluster: pods that run runners, one of them evicted on the way. */
import assert from "node:assert/strict";
import { mkdirSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { describe, test } from "node:test";
import { curveSearch, ROOT, type Stand, stand, until } from "../support.ts";
import { missingForContainers } from "./kubernetes-mock/containers.ts";
import { MockKubernetes } from "./kubernetes-mock/mock-kubernetes.ts";

const STEPS = 30;

/** A trial over two nodes, one pod each; one of them is evicted on the way. */
async function spread(it: Stand, mock: MockKubernetes): Promise<void> {
  const code = await it.codeFolder({}, ["parallel.ts"]);
  const { id } = await it.submit(
    {
      ...{ name: "parallel", entrypoint: "node parallel.ts" },
      hyperparameters: { delay_ms: 50 },
      // The first run holds there until it is evicted.
      environment: { environment_variables: { E2E_HOLD_AT: "7" } },
      searcher: { name: "single", metric: "loss", max_length: { epochs: STEPS } },
      ...{ resources: { slots_per_trial: 2 }, max_restarts: 0 },
    },
    code,
  );
  const trial = `${id}.1`;
  const podsOf = (run: number) =>
    mock.store
      .list("pods")
      .filter(({ metadata }) => metadata.labels?.["contrail.allocation"] === `${trial}.${run}`);
  await it.trialWhen(trial, "has saved, with both", ({ checkpoint }) => checkpoint?.step === 7);
  const pods = podsOf(1);
  assert.deepEqual(pods.map(({ spec }) => spec.nodeName).sort(), ["k1", "k2"]);
  const second = pods.find(({ metadata }) => metadata.labels?.["contrail.rank"] === "1");
  mock.evict(second?.metadata.name ?? "");
  const ended = await it.ended(id, 180_000);
  assert.equal(ended.state, "completed", ended.reason);
  const { allocations, restarts } = await it.client.trial(trial);
  assert.deepEqual([allocations.length, restarts], [2, 0], JSON.stringify(allocations));
  assert.match(allocations[0]?.reason ?? "", /takes its node away|evict/i);
  assert.ok((allocations[1]?.start_step ?? 0) >= 7, "from a checkpoint, and not from the start");
  // 1 + 1/2 a step: the ranks of both have added up.
  const series = await it.series(trial);
  assert.equal(series.length, STEPS);
  for (const [step, loss] of series)
    assert.ok(Math.abs(Number(loss) * 0.75 * step * (step + 1) - 1) < 1e-12, `step ${step}`);
  const said = await it.allLogs(trial);
  for (const rank of [0, 1])
    assert.ok(said.some(({ text }) => text === `rank ${rank} is at step ${STEPS}`));
}

describe("a search on Kubernetes", { skip: missingForContainers() ?? false }, () => {
  test("ends right, though a node was drained: the trial comes again from its checkpoint, and nothing is charged", async () => {
    const nodes = ["k1", "k2"].map((name) => ({ name, cpu: "2" }));
    // The image: this machine's files, and the Node that runs this.
    const env = { PATH: `${dirname(process.execPath)}:/usr/local/bin:/usr/bin:/bin` };
    await using mock = await MockKubernetes.start({ nodes, env });
    const pool = {
      ...{ engine: "kubernetes", image: "contrail:test", kubeconfig: mock.kubeconfig() },
      ...{ slots_per_node: 1, grace: "15s", node_binary: process.execPath, repository: ROOT },
    };
    await using it = await stand({
      env: (dataDir) => {
        mkdirSync(dataDir, { recursive: true, mode: 0o711 });
        writeFileSync(join(dataDir, "pools.yaml"), JSON.stringify({ pools: { cluster: pool } }));
        return {};
      },
    });
    const code = await it.codeFolder({}, ["curve.ts"]);
    const searcher = {
      ...{ name: "random", max_trials: 3, max_length: { epochs: 14 }, max_concurrent_trials: 2 },
    };
    // The first run of the first trial holds there until it is evicted.
    const holds = 'case "$CONTRAIL_TRIAL" in *.1) export E2E_HOLD_AT=7;; esac; exec node curve.ts';
    const more = {
      ...{ entrypoint: ["sh", "-c", holds], delayMs: 50, saveEvery: 2, max_restarts: 0 },
    };
    const pod_spec = { metadata: { labels: { team: "vision" } } };
    const config = { ...curveSearch(searcher, more), environment: { pod_spec } };
    const { id } = await it.submit(config, code);
    await it.trialWhen(`${id}.1`, "has saved", ({ checkpoint }) => checkpoint?.step === 6);
    const [victim] = mock.store
      .list("pods")
      .filter(({ metadata }) => metadata.labels?.["contrail.allocation"] === `${id}.1.1`);
    assert.ok(victim, "its allocation is a pod");
    assert.equal(victim.metadata.labels?.team, "vision", "of the experiment's pod_spec");
    mock.evict(victim.metadata.name);
    const wrong = { spec: { containers: [{ name: "contrail", command: ["x"] }], hostPID: true } };
    await assert.rejects(
      it.submit({ ...config, environment: { pod_spec: wrong } }, code),
      (error) => {
        assert.ok(error instanceof Error);
        assert.match(
          error.message,
          /line \d+, column \d+: \.environment\.pod_spec\.spec\.containers\[0\]\.command is \["x"\]; it must be left out/,
        );
        return error.message.includes("(and 1 more)");
      },
    );
    const experiment = await it.ended(id, 180_000);
    assert.equal(experiment.state, "completed", experiment.reason);
    for (const trial of await it.details(id)) {
      assert.equal(trial.state, "completed", `${trial.id}: ${trial.reason}`);
      assert.deepEqual([trial.step, trial.restarts], [14, 0], trial.id);
      const steps = (await it.series(trial.id)).map(([step]) => step);
      assert.deepEqual(
        steps,
        Array.from({ length: 14 }, (_, i) => i + 1),
        trial.id,
      );
    }
    const { allocations } = await it.client.trial(`${id}.1`);
    assert.equal(allocations.length, 2, JSON.stringify(allocations));
    assert.ok((allocations[1]?.start_step ?? 0) >= 6, "from a checkpoint, and not from the start");
    const lines = (await it.allLogs(`${id}.1`)).map(({ text }) => text);
    assert.ok(lines.some((line) => line.startsWith(`begin ${id}.1 at 0`)));
    const allEnded = () =>
      mock.store
        .list("pods")
        .every(({ status }) => ["Succeeded", "Failed"].includes(status?.phase));
    await until("all its pods have ended", allEnded);
    const gone = `runner cluster.${id}.1.1`;
    await until("the runner of its first job is gone, and the log has it", async () => {
      const { items } = await it.client.audit({ limit: 200 });
      return items.some(({ subject, what }) => subject === gone && what === "removed");
    });
    await spread(it, mock);
    await until("the pods of both nodes have ended", allEnded);
  });
});
