/** The runner is killed with SIGKILL: nothing that it ran outlives it, and the trials go on (row F5). */
import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { curveSearch, isAlive, type Stand, sharedStand, until } from "./support.ts";

const STEPS = 60;

async function fourTrials(it: Stand): Promise<{ id: number; trials: string[] }> {
  const code = await it.codeFolder({}, ["curve.ts"]);
  const config = curveSearch(
    { name: "random", max_length: { epochs: STEPS }, max_trials: 4, max_concurrent_trials: 4 },
    {
      delayMs: 50,
      max_restarts: 0,
      // A checkpoint now and then, by the program's own will.
      entrypoint: [
        "sh",
        "-c",
        "sed 's/checkpoint(step, save)/checkpoint(step, save, { always: step % 10 === 0 })/' curve.ts > own.ts && exec node own.ts",
      ],
      environment: { E2E_TRACE: it.trace },
    },
  );
  const { id } = await it.submit(config, code);
  return { id, trials: [1, 2, 3, 4].map((n) => `${id}.${n}`) };
}

/** All four have a checkpoint on record. */
const allSaved = (it: Stand, trials: readonly string[]) =>
  Promise.all(trials.map((t) => it.trialWhen(t, "has a checkpoint", (d) => d.checkpoint !== null)));

async function pidsOf(it: Stand, trials: readonly string[]): Promise<number[]> {
  const traces = await Promise.all(trials.map((trial) => it.traced(trial)));
  return traces.map((steps) => steps.at(-1)?.pid ?? 0);
}

async function checkEnd(it: Stand, id: number, trials: readonly string[]): Promise<void> {
  const experiment = await it.ended(id);
  assert.equal(experiment.state, "completed", experiment.reason);
  for (const trial of trials) {
    const detail = await it.client.trial(trial);
    assert.equal(detail.end_reason, "finished", detail.reason);
    assert.equal(detail.restarts, 0, "max_restarts is not charged");
    assert.deepEqual(
      detail.allocations.map(({ end }) => end),
      ["node_lost", "stopped"],
    );
    const from = detail.allocations[1]?.start_step ?? 0;
    assert.ok(from >= 10 && from % 10 === 0, `goes on from a checkpoint, not from ${from}`);
    assert.deepEqual(
      (await it.series(trial)).map(([step]) => step),
      Array.from({ length: STEPS }, (_, i) => i + 1),
    );
  }
}

describe("a runner that is killed", () => {
  const shared = sharedStand({ slots: 4 });

  test("with the server there", async () => {
    const it = shared();
    const { id, trials } = await fourTrials(it);
    await allSaved(it, trials);
    const training = await pidsOf(it, trials);
    process.kill(it.runnerPid, "SIGKILL");
    await until("its training processes are gone", () => training.every((pid) => !isAlive(pid)), {
      limitMs: 5_000,
    });
    await checkEnd(it, id, trials);
  });

  test("with the server away at that moment", async () => {
    const it = shared();
    const { id, trials } = await fourTrials(it);
    await allSaved(it, trials);
    const training = await pidsOf(it, trials);
    await it.killServer();
    process.kill(it.runnerPid, "SIGKILL");
    await until("its training processes are gone", () => training.every((pid) => !isAlive(pid)), {
      limitMs: 5_000,
    });
    await it.start();
    await checkEnd(it, id, trials);
  });
});
