/** Every order in every state, as far as real processes have a say in it (row F22). */
import assert from "node:assert/strict";
import { describe, test } from "node:test";
import type { TrialState } from "../src/protocol/api.ts";
import type { RemoteError } from "../src/sdk/remote-error.ts";
import { curveSearch, isAlive, type Stand, sharedStand, until } from "./support.ts";

const VERBS = ["pause", "activate", "cancel", "kill"] as const;
type Verb = (typeof VERBS)[number];

/** Trials that train for as long as a test may take. */
const long = (trials: number, more: Record<string, unknown> = {}): object =>
  curveSearch(
    { name: "random", max_length: { epochs: 5000 }, max_trials: trials, max_concurrent_trials: 16 },
    { delayMs: 50, ...more },
  );

/** `end` = the states of which one has to come; a refusal is its error code. */
const TRIAL_ORDERS: Readonly<Record<string, Readonly<Record<Verb, readonly string[]>>>> = {
  queued: { pause: ["paused"], activate: ["queued"], cancel: ["canceled"], kill: ["canceled"] },
  running: { pause: ["paused"], activate: ["running"], cancel: ["canceled"], kill: ["canceled"] },
  paused: { pause: ["paused"], activate: ["running"], cancel: ["canceled"], kill: ["canceled"] },
  waiting: { pause: ["paused"], activate: ["waiting"], cancel: ["canceled"], kill: ["canceled"] },
  ended: { pause: ["conflict"], activate: ["conflict"], cancel: ["canceled"], kill: ["canceled"] },
};

const inState = (it: Stand, id: string, state: TrialState) =>
  it.trialWhen(id, `is ${state}`, (trial) => trial.state === state);

describe("orders", () => {
  const shared = sharedStand({ slots: 12 });

  /** Four trials in a state, one for each verb. */
  async function fourIn(state: string): Promise<{ id: number; trials: string[] }> {
    const it = shared();
    const code = await it.codeFolder({}, ["curve.ts"]);
    const four = (id: number, from = 1) => [0, 1, 2, 3].map((n) => `${id}.${from + n}`);
    if (state === "waiting") {
      // The first rung is reached at once, and never closed: the others of the search hold, and who is there waits.
      const program =
        'case "$CONTRAIL_TRIAL" in *.[1-4]) exec node curve.ts;; *) exec sleep 1000;; esac';
      const searcher = { name: "asha", max_length: { epochs: 900 }, divisor: 30, num_rungs: 3 };
      const { id } = await it.submit(
        curveSearch(
          { ...searcher, max_trials: 40, max_concurrent_trials: 2 },
          { entrypoint: ["sh", "-c", program], resources: { max_slots: 2 } },
        ),
        code,
      );
      for (const trial of four(id)) await inState(it, trial, "waiting");
      return { id, trials: four(id) };
    }
    const { id } = await it.submit(
      long(state === "queued" ? 5 : 4, { resources: { max_slots: state === "queued" ? 1 : 4 } }),
      code,
    );
    const trials = four(id, state === "queued" ? 2 : 1);
    if (state !== "queued") for (const trial of trials) await inState(it, trial, "running");
    if (state === "paused") {
      for (const trial of trials) await it.client.changeTrial(trial, "pause");
      for (const trial of trials) await inState(it, trial, "paused");
    }
    if (state === "ended") {
      for (const trial of trials) await it.client.changeTrial(trial, "kill");
      for (const trial of trials) await inState(it, trial, "canceled");
    }
    return { id, trials };
  }

  for (const [state, wanted] of Object.entries(TRIAL_ORDERS))
    test(`to a trial that is ${state}`, async () => {
      const it = shared();
      const { id, trials } = await fourIn(state);
      for (const [i, verb] of VERBS.entries()) {
        const trial = trials[i] as string;
        const refused = await it.client.changeTrial(trial, verb).then(
          () => undefined,
          (error: RemoteError) => error.code,
        );
        if (refused !== undefined) {
          assert.deepEqual([refused], wanted[verb], `${verb}: ${refused}`);
          continue;
        }
        const end = await it.trialWhen(trial, `${verb} → ${wanted[verb]}`, (seen) =>
          wanted[verb].includes(seen.state),
        );
        assert.notEqual(end.reason, "");
        if (end.state === "canceled" && state !== "ended")
          assert.equal(end.end_reason, verb === "cancel" ? "canceled_by_user" : "killed_by_user");
      }
      await it.client.changeExperiment(id, "kill").catch((error: RemoteError) => error.code);
      assert.equal((await it.ended(id)).ended_at !== null, true);
      await slotsFree(it, id);
    });

  test("to an experiment: pause gives the slots back, activate goes on from the checkpoints", async () => {
    const it = shared();
    const code = await it.codeFolder({}, ["curve.ts"]);
    const { id } = await it.submit(long(2, { environment: { E2E_TRACE: it.trace } }), code);
    const trials = [`${id}.1`, `${id}.2`];
    for (const trial of trials) await it.trialWhen(trial, "trains", (t) => t.step >= 3);
    for (const verb of ["pause", "pause"] as const)
      assert.equal((await it.client.changeExperiment(id, verb)).state, "paused");
    for (const trial of trials) {
      const paused = await inState(it, trial, "paused");
      assert.equal(paused.checkpoint?.step, paused.step, "it saved before it went");
    }
    await slotsFree(it, id);
    for (const verb of ["activate", "activate"] as const)
      assert.equal((await it.client.changeExperiment(id, verb)).state, "active");
    for (const trial of trials) {
      const before = await it.client.trial(trial);
      await it.trialWhen(
        trial,
        "goes on",
        (t) => t.allocations.length === 2 && t.step > before.step,
      );
      const steps = (await it.traced(trial)).map(({ step }) => step);
      assert.deepEqual(steps, [...new Set(steps)], "no step is trained twice");
    }
    assert.equal(
      (await it.client.changeExperiment(id, "cancel")).reason,
      `canceled by ${(await it.client.me()).user}`,
    );
    const ended = await it.ended(id);
    assert.equal(ended.state, "canceled");
    for (const trial of await it.trials(id)) assert.equal(trial.end_reason, "canceled_by_user");
    for (const verb of ["pause", "activate"] as const)
      await assert.rejects(it.client.changeExperiment(id, verb), { code: "conflict" });
    for (const verb of ["cancel", "kill"] as const)
      assert.equal((await it.client.changeExperiment(id, verb)).state, "canceled");
    await slotsFree(it, id);
  });

  test("to an experiment that is paused before it has started: nothing starts, and it ends at once", async () => {
    const it = shared();
    const code = await it.codeFolder({}, ["curve.ts"]);
    for (const verb of ["cancel", "kill"] as const) {
      const { id } = await it.submit(long(2), code, false);
      assert.equal((await it.client.experiment(id)).state, "paused");
      assert.equal((await it.client.changeExperiment(id, verb)).state, "canceled");
      for (const trial of await it.details(id)) assert.deepEqual(trial.allocations, []);
    }
  });

  test("kill ends a trial that ignores SIGTERM, with everything that it has started", async () => {
    const it = shared();
    const stubborn = `trap '' TERM
      sh -c "trap '' TERM; echo child $$; sleep 600; true" &
      setsid sh -c "trap '' TERM; sleep 601; true" &
      echo ready
      while :; do sleep 1; done`;
    const config = {
      name: "stubborn",
      entrypoint: ["sh", "-c", stubborn],
      searcher: { name: "single" },
    };
    const { id } = await it.submit(config);
    await until("it is ready", async () =>
      (await it.logs(`${id}.1`)).some((l) => l.text === "ready"),
    );
    const mine = () => it.processes().filter(({ command }) => /sleep 60[01]/.test(command));
    const pids = (await until("its children run", () => mine().length >= 2 && mine())).map(
      (p) => p.pid,
    );
    await it.client.changeTrial(`${id}.1`, "kill");
    const trial = await it.trialWhen(`${id}.1`, "is over", (t) => t.ended_at !== null);
    assert.equal(trial.end_reason, "killed_by_user");
    assert.equal(trial.allocations[0]?.end, "killed");
    assert.ok(pids.every((pid) => !isAlive(pid)));
    await slotsFree(it, id);
  });

  test("a program that leaves a child behind ends all the same, and the child with it", async () => {
    const it = shared();
    const leaves = "sleep 602 & echo gone";
    const { id } = await it.submit({
      ...{ name: "leaves", entrypoint: ["sh", "-c", leaves], searcher: { name: "single" } },
    });
    const experiment = await it.ended(id);
    assert.equal(experiment.state, "completed", experiment.reason);
    assert.deepEqual(
      it.processes().filter(({ command }) => command.includes("sleep 602")),
      [],
    );
    assert.deepEqual(
      (await it.allLogs(`${id}.1`)).map((line) => line.text),
      ["gone"],
    );
  });
});

async function slotsFree(it: Stand, experiment: number): Promise<void> {
  await until(`experiment ${experiment} holds no slot`, async () =>
    (await it.client.slots()).every(({ allocation }) => !allocation?.startsWith(`${experiment}.`)),
  );
}
