/**
 * The server is killed with SIGKILL in the middle of a search, and is away for a while: training goes on, is taken
 * up again, and the search decides as if nothing had happened (rows F1, F7 and the window of F5).
 */
import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { renamedTo, story } from "./story.ts";
import { curveSearch, isAlive, sharedStand, until } from "./support.ts";

/** One at a time, so that the order in which things are known is the same in every run. */
const SERIAL = {
  ...{ name: "asha", max_length: { epochs: 9 }, divisor: 3, num_rungs: 3 },
  ...{ max_trials: 6, max_concurrent_trials: 1 },
};

describe("a server that is killed", () => {
  const shared = sharedStand({ slots: 2 });

  test("a search whose server is killed ends like one whose server was not", async () => {
    const it = shared();
    const code = await it.codeFolder({}, ["curve.ts"]);
    const config = curveSearch(SERIAL, { delayMs: 30, environment: { E2E_TRACE: it.trace } });
    const quiet = await it.submit(config, code);
    assert.equal((await it.ended(quiet.id)).state, "completed");
    const killed = await it.submit(config, code);
    const runner = it.runnerPid;
    // Twice: once early and once late in the search.
    for (const trial of [`${killed.id}.2`, `${killed.id}.5`]) {
      const [begun] = await until(`trial ${trial} trains`, async () => {
        const steps = await it.traced(trial);
        return steps.length > 0 ? steps : undefined;
      });
      await it.killServer();
      assert.ok(isAlive(runner), "the runner outlives the server");
      await it.start();
      assert.equal(it.runnerPid, runner, "the runner that lives is adopted");
      const traced = await it.traced(trial);
      const steps = new Set(traced.map(({ step }) => step));
      // It may have been let on by now, by another process; what was begun has not begun again.
      assert.deepEqual([traced[0], steps.size], [begun, traced.length]);
    }
    assert.equal((await it.ended(killed.id)).state, "completed");
    assert.deepEqual(
      renamedTo(quiet.id, killed.id, await story(it, killed.id)),
      await story(it, quiet.id),
    );
    for (const trial of await it.details(killed.id)) {
      assert.equal(trial.restarts, 0);
      for (const allocation of trial.allocations)
        assert.ok(
          ["paused", "stopped", "finished"].includes(allocation.end ?? ""),
          allocation.reason,
        );
    }
  });

  test("what is reported while the server is away is neither lost nor counted twice", async () => {
    const it = shared();
    const code = await it.codeFolder({}, ["curve.ts"]);
    const searcher = { name: "random", max_length: { epochs: 250 }, max_trials: 2 };
    const config = curveSearch(searcher, { delayMs: 20, environment: { E2E_TRACE: it.trace } });
    const { id } = await it.submit(config, code);
    const trials = [`${id}.1`, `${id}.2`];
    const reached = (step: number) =>
      until(`both have trained to step ${step}`, async () => {
        const traces = await Promise.all(trials.map((trial) => it.traced(trial)));
        return traces.every((steps) => steps.length >= step);
      });
    await reached(10);
    await it.killServer();
    await reached(200);
    await it.start();
    const experiment = await it.ended(id);
    assert.equal(experiment.state, "completed", experiment.reason);
    assert.equal(experiment.spent.steps, 500);
    for (const trial of trials) {
      const steps = (await it.series(trial)).map(([step]) => step);
      assert.deepEqual(
        steps,
        Array.from({ length: 250 }, (_, i) => i + 1),
      );
      const lines = (await it.allLogs(trial)).filter(({ text }) => text.startsWith("step "));
      assert.deepEqual(
        lines.map(({ text }) => text),
        steps.map((step) => `step ${step}`),
      );
      const { allocations } = await it.client.trial(trial);
      assert.equal(allocations.length, 1);
      assert.equal(new Set((await it.traced(trial)).map(({ pid }) => pid)).size, 1);
    }
  });
});
