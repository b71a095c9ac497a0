/** What else people ask: one thing after another to the same trial, numbers that are none, and answers that stay. */
import assert from "node:assert/strict";
import { before, describe, test } from "node:test";
import type { Why, WhyKind } from "../../src/protocol/api.ts";
import { sharedStand } from "../support.ts";
import { Asking, because, doing, says, searching } from "./asking.ts";

describe("why, asked about", () => {
  const shared = sharedStand({ slots: 3 });
  let ask: Asking;
  before(async () => {
    ask = await Asking.open(shared());
  });

  test("a program that is to stop and does not; then killed for good", async () => {
    const trial = await ask.running(doing("deaf"));
    await ask.heard(trial, "holding");
    const id = Number(trial.slice(0, -2));
    const slot = (await shared().client.trial(trial)).allocations[0]?.slots[0] ?? "";
    await shared().client.changeExperiment(id, "cancel");
    const told = await ask.whyUntil("trial", trial, "stopping");
    because(told, {
      code: "stopping",
      actor: ask.user,
      text: /was told to stop, and its program has not ended yet/,
      figures: { by: ask.user },
    });
    because(await ask.why("allocation", `${trial}.1`), { code: "leaving", text: /told to stop/ });
    because(await ask.why("slot", slot), {
      code: "held_until_processes_end",
      figures: { allocation: `${trial}.1` },
    });
    because(await ask.why("experiment", id), {
      code: "stopping",
      actor: ask.user,
      text: /1 trial of it still has processes/,
    });
    await ask.kill(id);
    const answer = await ask.why("trial", trial);
    because(answer, { code: "killed", actor: ask.user, figures: { signal: "SIGKILL" } });
    says(answer, { code: "stopping", actor: ask.user, text: /End asked by/ });
    because(await ask.why("experiment", id), { code: "killed", actor: ask.user });
    because(await ask.whyUntil("slot", slot, "free_nothing_waits"), {
      code: "free_nothing_waits",
      text: new RegExp(`The last to hold it was ${trial}\\.1`),
    });
    await ask.proven(answer);
  });

  test("SIGKILL from somebody else's hand", async () => {
    const answer = await ask.why("trial", await ask.over(doing("signal 9")));
    because(answer, {
      code: "failed_user_error",
      text: /was killed by SIGKILL, which Contrail did not send/,
      figures: { signal: "SIGKILL", exit_code: null },
    });
  });

  test("it failed as often as it may", async () => {
    const trial = await ask.over(doing("exit 4", { max_restarts: 1 }));
    const answer = await ask.why("trial", trial);
    because(answer, {
      code: "failed_user_error",
      text: /exit code 4; max_restarts \(1\) are used up/,
      figures: { restarts: 1, max_restarts: 1, exit_code: 4 },
    });
    says(answer, { code: "retried", text: /restart 1 of 1/ });
    says(answer, { code: "placed", text: /began again at step 0/, figures: { run: 2 } });
    for (const run of [1, 2])
      because(await ask.why("allocation", `${trial}.${run}`), { code: "ended_user_error" });
  });

  test("an objective that is not a number: ranked behind all that are", async () => {
    const id = await ask.submit(
      searching(
        { name: "asha", max_length: { epochs: 4 }, max_trials: 6, divisor: 2, num_rungs: 2 },
        {},
        "nan",
      ),
    );
    await shared().ended(id);
    const trials = await shared().trials(id);
    const none = trials.filter(({ hyperparameters }) => Number(hyperparameters.x) < 0.5);
    assert.ok(none.length > 0 && none.length < trials.length, "the seed draws both kinds");
    for (const { id: trial } of none) {
      const answer = await ask.why("trial", trial);
      const reason = answer.reasons.find(({ figures }) => figures.objective === "NaN");
      assert.ok(reason, JSON.stringify(answer));
      assert.match(reason.text, /with NaN/);
      const { competitors, rank } = reason.figures as {
        competitors: { objective: number | string }[];
        rank: number;
      };
      const numbers = competitors.filter(({ objective }) => typeof objective === "number");
      assert.ok(rank > numbers.length, `rank ${rank} behind ${numbers.length} numbers`);
    }
    const best = says(await ask.why("experiment", id), { code: "best" });
    assert.equal(typeof best.figures.objective, "number");
    because(await ask.why("experiment", id), { code: "search_completed", actor: "search" });
  });

  test("a search of which some failed, and some did not", async () => {
    const id = await ask.submit(
      searching({ name: "random", max_length: { epochs: 1 }, max_trials: 4 }, {}, "half"),
    );
    await shared().ended(id);
    const answer = await ask.why("experiment", id);
    because(answer, { code: "search_completed", actor: "search" });
    const trials = await shared().trials(id);
    const failed = trials.filter(({ hyperparameters }) => Number(hyperparameters.x) < 0.5);
    assert.ok(failed.length > 0 && failed.length < trials.length, "the seed draws both kinds");
    says(answer, {
      code: "trials",
      text: new RegExp(`${trials.length - failed.length} completed, ${failed.length} failed`),
    });
    says(answer, { code: "searcher_named", text: /is searched by random/ });
    for (const { id: trial } of trials) {
      const bad = failed.some((each) => each.id === trial);
      const own = await ask.why("trial", trial);
      if (bad) because(own, { code: "failed_user_error", text: /exit code 1/ });
      else because(own, { code: "reached_end", text: /trained to step 1, as far as this search/ });
    }
  });

  test("canceled while it waits for its next attempt: it had no processes", async () => {
    const id = await ask.submit(doing("exit 5", { max_restarts: 9 }));
    await ask.whyUntil("trial", `${id}.1`, "waits_for_retry");
    // Takes all slots and comes first, so that the attempt does not begin before the order is there.
    const all = await ask.running(
      doing("hold", { resources: { slots_per_trial: 3, priority: 1 } }),
    );
    await shared().client.changeExperiment(id, "cancel");
    await shared().ended(id);
    await ask.kill(all);
    const answer = await ask.why("trial", `${id}.1`);
    because(answer, {
      code: "canceled",
      actor: ask.user,
      text: /It had no processes then/,
      figures: { by: ask.user },
    });
    says(answer, { code: "retried", text: /exit code 5/ });
  });

  test("all of it again, after the server was killed: every answer is the same", async () => {
    const last = (await shared().client.experiments()).items[0]?.id ?? 0;
    const asked: [WhyKind, string][] = [];
    for (let id = 1; id <= last; id++) {
      asked.push(["experiment", String(id)], ["searcher", String(id)]);
      for (const { id: trial, allocations } of await shared().details(id)) {
        asked.push(["trial", trial]);
        // An answer has the last lines, which may still be on their way.
        await shared().allLogs(trial);
        for (const allocation of allocations) asked.push(["allocation", allocation.id]);
      }
    }
    assert.ok(asked.length > 30);
    const answers = (): Promise<Why[]> => Promise.all(asked.map(([kind, id]) => ask.why(kind, id)));
    const earlier = await answers();
    await shared().killServer();
    await shared().start();
    assert.deepEqual(await answers(), earlier);
    // And in the terminal: the first sentence, as it stands in the answer.
    for (const at of [0, 2]) {
      const [, id] = asked[at] as [WhyKind, string];
      const typed = await shared().contrail(["why", id]);
      assert.equal(typed.code, 0, typed.stderr);
      assert.ok(typed.stdout.startsWith(`${earlier[at]?.reasons[0]?.text}\n`), typed.stdout);
    }
  });
});
