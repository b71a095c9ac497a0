/** Who gets the slots, and why the others wait. */
import assert from "node:assert/strict";
import { describe, test } from "node:test";
import type { RemoteError } from "../src/sdk/remote-error.ts";
import { curveSearch, sharedStand, until } from "./support.ts";

const long = (trials: number, resources: object): object =>
  curveSearch(
    { name: "random", max_length: { epochs: 5000 }, max_trials: trials, max_concurrent_trials: 8 },
    { delayMs: 50, resources },
  );

describe("two slots", () => {
  const shared = sharedStand({ slots: 2 });

  /** Trials that hold slots, by slot. */
  const holders = async (): Promise<string[]> =>
    (await shared().client.slots())
      .flatMap(({ allocation }) => allocation ?? [])
      .map((id) => id.split(".").slice(0, 2).join("."))
      .sort();

  const held = (what: string, wanted: readonly string[]) =>
    until(
      what,
      async () => JSON.stringify(await holders()) === JSON.stringify([...wanted].sort()),
      {
        state: holders,
      },
    );

  test("go by priority, then by the order of submission; every wait has its reason", async () => {
    const it = shared();
    const code = await it.codeFolder({}, ["curve.ts"]);
    const first = await it.submit(long(4, { priority: 50 }), code);
    await held("the first two start", [`${first.id}.1`, `${first.id}.2`]);
    const later = await it.submit(long(1, { priority: 50 }), code);
    const urgent = await it.submit(long(2, { priority: 10 }), code);
    const jobs = await it.client.jobs();
    assert.deepEqual(
      jobs.map((job) => [job.experiment, job.running, job.queued, job.slots_held]),
      [
        [urgent.id, 0, 2, 0],
        [first.id, 2, 2, 2],
        [later.id, 0, 1, 0],
      ],
    );
    const waits = jobs.flatMap((job) => job.waiting);
    assert.equal(waits.length, 5);
    assert.equal(waits[0]?.reason, "needs 1 slot; 0 of 2 are free");
    for (const { trial, reason } of waits.slice(1)) {
      assert.equal(reason, `behind ${urgent.id}.1, which needs 1 slot`);
      assert.equal((await it.client.trial(trial)).reason, reason);
    }
    const order = [
      `${urgent.id}.1`,
      `${urgent.id}.2`,
      `${first.id}.3`,
      `${first.id}.4`,
      `${later.id}.1`,
    ];
    let holding = [`${first.id}.1`, `${first.id}.2`];
    for (const next of order) {
      const [gone, stays] = holding as [string, string];
      await it.client.changeTrial(gone, "kill");
      holding = [stays, next];
      await held(`${next} follows ${gone}`, holding);
    }
    for (const { id } of [first, later, urgent]) {
      await it.client.changeExperiment(id, "kill").catch((error: RemoteError) => error.code);
      await it.ended(id);
    }
  });

  test("a trial of two slots gets both or none, and what is free is kept for it", async () => {
    const it = shared();
    const program = `import * as contrail from "contrail";
      const trial = await contrail.init();
      console.log(\`rank \${trial.rank} of \${trial.size}\`);
      for await (const step of trial.steps()) trial.report(step, { loss: 1 / step });`;
    const code = await it.codeFolder({ "ranks.ts": program }, ["curve.ts"]);
    const narrow = await it.submit(long(2, { priority: 50 }), code);
    await held("both slots are taken", [`${narrow.id}.1`, `${narrow.id}.2`]);
    const wide = await it.submit(
      curveSearch(
        { name: "random", max_length: { epochs: 3 }, max_trials: 1 },
        { entrypoint: "node ranks.ts", resources: { slots_per_trial: 2, priority: 50 } },
      ),
      code,
    );
    const behind = await it.submit(long(1, { priority: 50 }), code);
    await it.client.changeTrial(`${narrow.id}.1`, "kill");
    await held("one slot is free and stays free", [`${narrow.id}.2`]);
    await it.trialWhen(`${narrow.id}.1`, "is over", (trial) => trial.ended_at !== null);
    assert.equal((await it.client.trial(`${wide.id}.1`)).reason, "needs 2 slots; 1 of 2 are free");
    assert.equal(
      (await it.client.trial(`${behind.id}.1`)).reason,
      `behind ${wide.id}.1, which needs 2 slots`,
    );
    assert.deepEqual(await holders(), [`${narrow.id}.2`]);
    await it.client.changeTrial(`${narrow.id}.2`, "kill");
    assert.equal((await it.ended(wide.id)).state, "completed");
    const trial = await it.client.trial(`${wide.id}.1`);
    assert.deepEqual(
      trial.allocations.map(({ slots }) => slots.length),
      [2],
    );
    const lines = await it.allLogs(trial.id);
    assert.deepEqual(lines.map(({ rank, text }) => `${rank}: ${text}`).sort(), [
      "0: rank 0 of 2",
      "1: rank 1 of 2",
    ]);
    assert.deepEqual(
      (await it.series(trial.id)).map(([step]) => step),
      [1, 2, 3],
      "rank 0 speaks for all",
    );
    await held("then the narrow one starts", [`${behind.id}.1`]);
    await it.client.changeExperiment(behind.id, "kill");
    await it.ended(behind.id);
  });

  test("a request that can never fit is refused with the largest that would", async () => {
    const it = shared();
    const config = long(1, { slots_per_trial: 3 });
    await assert.rejects(it.submit(config), (error: RemoteError) => {
      assert.equal(error.code, "slots_unavailable");
      assert.match(error.message, /each trial needs 3 slots; there are 2/);
      assert.match(JSON.stringify(error), /largest resources\.slots_per_trial that fits is 2/);
      return true;
    });
  });

  test("resources.max_slots holds an experiment back, and says so", async () => {
    const it = shared();
    const code = await it.codeFolder({}, ["curve.ts"]);
    const { id } = await it.submit(long(2, { max_slots: 1 }), code);
    await held("one of them starts", [`${id}.1`]);
    const { reason, state } = await it.client.trial(`${id}.2`);
    assert.equal(state, "queued");
    assert.equal(reason, "its experiment holds 1 slots and resources.max_slots is 1");
    await it.client.changeExperiment(id, "kill");
    await it.ended(id);
  });
});
