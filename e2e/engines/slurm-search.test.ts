/** Whole experiments on a real cluster of four nodes, from submission to the end, while nodes, controller and server fail. */
import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";
import type { TrialDetail } from "../../src/protocol/api.ts";
import { curveSearch, type Stand, stand, until } from "../support.ts";
import { cannotRunSlurm, SlurmCluster } from "./slurm-cluster.ts";
import { testsOverNodes } from "./slurm-nodes.ts";

const LIMIT_MS = 300_000;
const skip = (await cannotRunSlurm()) ?? false;

describe("experiments on Slurm", { skip }, () => {
  let cluster: SlurmCluster;
  let it: Stand;
  before(async () => {
    cluster = await SlurmCluster.start({ cpusPerNode: 2, gpusPerNode: 0 });
    const pool = { engine: "slurm", conf: cluster.conf, memory_per_slot: "1500M", grace: "15s" };
    it = await stand({ pools: { cluster: pool } });
  });
  after(async () => {
    try {
      await it?.[Symbol.asyncDispose]();
    } finally {
      await cluster?.[Symbol.asyncDispose]();
    }
  });

  const runs = ({ allocations }: TrialDetail): string =>
    allocations.map(({ run, end, state }) => `${run}:${end ?? state}`).join(" ");
  const why = async (trial: string): Promise<string> => {
    const { code, stdout, stderr } = await it.contrail(["why", trial]);
    assert.equal(code, 0, stderr);
    return stdout;
  };
  /** Names and nodes of the jobs that run. */
  const running = async (): Promise<{ allocation: string; node: string }[]> => {
    const text = await cluster.run("squeue", "-h", "-t", "running", "-o", "%j %N");
    return text.split("\n").flatMap((line) => {
      const [, allocation, node] = /^contrail:\w+:(\S+) (\S+)$/.exec(line) ?? [];
      return allocation !== undefined && node !== undefined ? [{ allocation, node }] : [];
    });
  };
  const jobName = async (allocation: string): Promise<string> => {
    const names = (await cluster.run("squeue", "-h", "-t", "all", "-o", "%j")).split("\n");
    return names.find((name) => name.endsWith(`:${allocation}`)) ?? "";
  };
  const steps = async (trial: string): Promise<number[]> =>
    (await it.series(trial)).map(([step]) => step);
  const count = (to: number): number[] => Array.from({ length: to }, (_, i) => i + 1);

  test("an adaptive search ends right although a node, the controller and the server die on its way", async () => {
    const search = {
      ...{ name: "adaptive_asha", max_length: { epochs: 9 }, divisor: 3, max_rungs: 2 },
      ...{ max_trials: 9, max_concurrent_trials: 5, mode: "standard" },
    };
    const code = await it.codeFolder({}, ["curve.ts"]);
    // The first run of the first trial holds there until its node dies.
    const holds = 'case "$CONTRAIL_TRIAL" in *.1) export E2E_HOLD_AT=1;; esac; exec node curve.ts';
    const more = {
      ...{ entrypoint: ["sh", "-c", holds], delayMs: 1200 },
      ...{ saveEvery: 1, byNumber: true, max_restarts: 0 },
    };
    const { id } = await it.submit(curveSearch(search, more), code);

    const lost = `${id}.1`;
    await it.trialWhen(lost, "has saved", ({ checkpoint }) => checkpoint?.step === 1, LIMIT_MS);
    const victim = (await running()).find(({ allocation }) => allocation === `${lost}.1`);
    assert.ok(victim, "its job runs");
    await cluster.killNode(victim.node);
    await cluster.markDown(victim.node);
    const after = await it.trialWhen(
      lost,
      "its node is known to be lost",
      ({ allocations }) => allocations.some(({ end }) => end === "node_lost"),
      LIMIT_MS,
    );
    assert.match(after.allocations.map(({ reason }) => reason).join("; "), /NODE_FAIL/);
    assert.match(await why(victim.allocation), /NODE_FAIL/);

    await cluster.stateIsSaved();
    await cluster.killController();
    const trouble = async () =>
      (await it.client.pools()).find(({ name }) => name === "cluster")?.trouble ?? undefined;
    assert.match(await until("the server is told", trouble), /slurm/i);
    await cluster.startController();
    await it.killServer();
    await it.start();
    await cluster.startNode(victim.node);

    const experiment = await it.ended(id, LIMIT_MS);
    assert.equal(experiment.state, "completed", experiment.reason);
    const trials = await it.details(id);
    assert.equal(trials.length, 9);
    for (const trial of trials) {
      assert.equal(trial.state, "completed", `${trial.id}: ${trial.reason}`);
      assert.equal(trial.restarts, 0, `${trial.id}: ${runs(trial)}`);
      assert.deepEqual(await steps(trial.id), count(trial.step), trial.id);
      for (const { end, reason } of trial.allocations)
        assert.ok(
          end !== "user_error" && end !== "launch_failed",
          `${trial.id}: ${runs(trial)}: ${reason}`,
        );
    }
    // The runner of the last one leaves when the end was heard, which is what ended the experiment.
    await until(
      "no job is left",
      async () => (await cluster.run("squeue", "-h", "-o", "%j")).trim() === "",
      { limitMs: LIMIT_MS },
    );
  });

  test("who makes room for a job of higher priority saves, waits with Slurm's reason, and goes on uncharged", async () => {
    const code = await it.codeFolder({}, ["curve.ts"]);
    // Longer than anybody waits: it is stopped when it has shown that it goes on.
    const single = { name: "single", max_length: { epochs: 10_000 } };
    const more = {
      ...{ hyperparameters: { rate: 0.1, delay_ms: 250 }, max_restarts: 0 },
      slurm: { partition: "cancel", sbatch_args: ["--nice=7"] },
    };
    const { id } = await it.submit(curveSearch(single, more), code);
    const trial = `${id}.1`;
    await it.trialWhen(trial, "it trains", ({ step }) => step >= 3, LIMIT_MS);
    const own = ["-h", "-n", await jobName(`${trial}.1`), "-o", "%P"];
    assert.equal((await cluster.run("squeue", ...own)).trim(), "cancel");
    const all = ["--exclusive", "--nodes=4", "--output=/dev/null", "--wrap=sleep 600"];
    const high = (await cluster.run("sbatch", "--parsable", "--partition=high", ...all)).trim();
    const waiting = await it.trialWhen(
      trial,
      "it waits again, for Slurm's reason",
      ({ allocations, reason }) => allocations.length === 2 && /Slurm: \w+/.test(reason),
      LIMIT_MS,
    );
    const [first] = waiting.allocations;
    assert.match(first?.reason ?? "", /takes its node away|PREEMPTED|made room/, runs(waiting));
    assert.ok(waiting.step >= 3);
    await cluster.run("scancel", high);
    const further = ({ step }: TrialDetail): boolean => step >= waiting.step + 3;
    await it.trialWhen(trial, "it goes on", further, LIMIT_MS);
    await it.client.changeExperiment(id, "cancel");
    const experiment = await it.ended(id, LIMIT_MS);
    assert.equal(experiment.state, "canceled", experiment.reason);
    const [over] = await it.details(id);
    assert.ok(over);
    assert.equal(over.restarts, 0, runs(over));
    assert.equal(over.allocations.length, 2, runs(over));
    // Saved when it was told to go: no step was trained twice.
    assert.equal(over.allocations[1]?.start_step, waiting.step);
    assert.deepEqual(await steps(trial), count(over.step));
    assert.equal(experiment.spent.steps, over.step);
    assert.match(await why(`${trial}.1`), /takes its node away|PREEMPTED|made room/);
  });

  testsOverNodes(() => ({ cluster, it }));

  test("what no node has is refused when it is submitted, with the nearest that would fit", async () => {
    const single = { name: "single", max_length: { epochs: 1 } };
    const wide = curveSearch(single, {
      ...{ hyperparameters: { rate: 0.1 }, resources: { slots_per_trial: 7 } },
    });
    await assert.rejects(it.submit(wide), (error: Error & { hint?: string }) => {
      assert.match(error.message, /4 nodes with up to 2 slots each, over which 7 cannot be shared/);
      assert.match(error.hint ?? "", /nearest resources.slots_per_trial that fit are 6 and 8/);
      return true;
    });
    const array = curveSearch(single, {
      ...{ hyperparameters: { rate: 0.1 }, slurm: { sbatch_args: ["--array=0-3"] } },
    });
    await assert.rejects(it.submit(array), /--array=0-3: an allocation is one job/);
  });
});
