/** A whole search over real programs in both languages: what is decided, what is trained, what is written down. */
import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { curveSearch, type Stand, sharedStand } from "./support.ts";

const ASHA = {
  ...{ name: "asha", max_length: { epochs: 9 }, divisor: 3, num_rungs: 3 },
  ...{ max_trials: 9, max_concurrent_trials: 3 },
};

const programs = [
  { file: "curve.ts", entrypoint: "node curve.ts" },
  { file: "curve.py", entrypoint: ["python3", "curve.py"] },
];

describe("a search", () => {
  const shared = sharedStand({ slots: 3 });
  for (const { file, entrypoint } of programs)
    test(`asha over ${file}: promotes from checkpoints and ends with everything on record`, async () => {
      const it = shared();
      const code = await it.codeFolder({}, [file]);
      const { id } = await it.submit(curveSearch(ASHA, { entrypoint, byNumber: true }), code);
      const experiment = await it.ended(id);
      assert.equal(experiment.state, "completed", experiment.reason);
      assert.equal(experiment.progress, 1);
      assert.deepEqual(experiment.trials.total, 9);
      const trials = await it.details(id);
      for (const trial of trials) {
        assert.equal(trial.state, "completed", `${trial.id}: ${trial.reason}`);
        assert.equal(trial.restarts, 0);
        // Every step once, from the first to the last, over all its allocations.
        const steps = (await it.series(trial.id)).map(([step]) => step);
        assert.deepEqual(steps, count(trial.step), trial.id);
        await checkLogs(it, trial.id);
      }
      await checkRungs(it, id);
      // A promotion is a second allocation that begins where the first one stopped.
      const promoted = trials.filter((trial) => trial.step > 1);
      assert.ok(promoted.length >= 3, "a third of nine is promoted at least");
      for (const trial of promoted) {
        const { allocations } = trial;
        for (const [i, allocation] of allocations.entries())
          if (i > 0) assert.ok([1, 3].includes(allocation.start_step), `${allocation.id}`);
      }
      // The third is among the best of all nine, which is known long after it was paused.
      assert.ok(trials.some(({ number, allocations }) => number === 3 && allocations.length > 1));
      assert.equal(
        experiment.spent.steps,
        trials.reduce((sum, trial) => sum + trial.step, 0),
        "no step was trained twice",
      );
    });
});

const count = (to: number): number[] => Array.from({ length: to }, (_, i) => i + 1);

/** Lines of each stream in order, none lost, with their rank and bytes. */
async function checkLogs(it: Stand, trial: string): Promise<void> {
  const { step } = await it.client.trial(trial);
  const lines = await it.allLogs(trial);
  for (const [stream, word] of [
    ["stdout", "step"],
    ["stderr", "note"],
  ] as const) {
    const own = lines.filter((line) => line.stream === stream && line.text.startsWith(word));
    assert.deepEqual(
      own.map((line) => line.text),
      count(step).map((n) => `${word} ${n}`),
    );
    assert.ok(own.every((line) => line.rank === 0 && line.complete && line.bytes === undefined));
  }
}

/** Every decision at a rung carries the standing it was taken by. */
async function checkRungs(it: Stand, id: number): Promise<void> {
  const rungs = await it.client.rungs(id);
  assert.deepEqual(
    rungs.map((rung) => rung.step),
    [1, 3, 9],
  );
  assert.equal(rungs[0]?.entries.length, 9);
  const promotions = rungs.flatMap(({ entries }) =>
    entries.filter((e) => e.outcome === "promoted"),
  );
  const decisions = (await it.details(id)).flatMap((trial) => trial.decisions);
  const standings = decisions.filter((d) => d.what === "train" && d.standing !== null);
  assert.equal(standings.length, promotions.length);
  for (const { standing, text } of standings) {
    assert.ok(standing && standing.rank <= standing.passing && standing.of > 0, text);
    assert.ok(standing.competitors.length > 0, text);
  }
}
