/** Why trials ended: the exit as the kernel told it, and who asked for it. */
import assert from "node:assert/strict";
import { before, describe, test } from "node:test";
import { sharedStand, until } from "../support.ts";
import { Asking, because, doing, says, searching } from "./asking.ts";

describe("why it ended", () => {
  const shared = sharedStand({ slots: 3 });
  let ask: Asking;
  before(async () => {
    ask = await Asking.open(shared());
  });

  test("its program ended with an exit code: the code and its last lines", async () => {
    const trial = await ask.over(doing("exit 3"));
    await shared().allLogs(trial);
    const answer = await ask.why("trial", trial);
    because(answer, {
      code: "failed_user_error",
      text: /ended with exit code 3; max_restarts \(0\) are used up/,
      figures: { exit_code: 3, signal: null, restarts: 0, max_restarts: 0 },
    });
    // The line before them is the helper's own: how far it trains where the search sets no length.
    const own = answer.last_lines.filter((line) => !line.startsWith("contrail: "));
    assert.deepEqual(own.toSorted(), ["the last but one line", "the last line"]);
    await ask.proven(answer);
    const experiment = await ask.why("experiment", trial.slice(0, -2));
    because(experiment, { code: "search_error", text: /ended in error.*1 errored/ });
    says(experiment, { code: "trial_failed", text: /exit code 3/, figures: { trial } });
  });

  test("a signal that nobody of us sent", async () => {
    const answer = await ask.why("trial", await ask.over(doing("signal 11")));
    because(answer, {
      code: "failed_user_error",
      text: /was killed by SIGSEGV, which Contrail did not send/,
      figures: { exit_code: null, signal: "SIGSEGV" },
    });
  });

  test("memory: said by the runtime's last words", async () => {
    const answer = await ask.why("trial", await ask.over(doing("memory")));
    const { figures } = because(answer, {
      code: "failed_out_of_memory",
      text: /ran out of memory/,
    });
    assert.match(String(figures.out_of_memory), /Python said so on stderr/);
  });

  test("silence: no report and no checkpoint within its progress_deadline, at each attempt", async () => {
    const trial = await ask.over(doing("hold", { progress_deadline: 1, max_restarts: 1 }));
    const answer = await ask.why("trial", trial);
    const { figures } = because(answer, {
      code: "failed_no_progress",
      text: /neither reported nor saved for .* s, longer than its progress_deadline, so its runner ended it; max_restarts \(1\)/,
      figures: { restarts: 1, max_restarts: 1, signal: "SIGTERM" },
    });
    assert.ok(Number(figures.silent_ms) > 1000);
    says(answer, { code: "retried", text: /restart 1 of 1 from the beginning/, actor: "contrail" });
    because(await ask.why("allocation", `${trial}.1`), {
      code: "ended_no_progress",
      text: /It was sent SIGTERM\./,
    });
    await ask.proven(answer);
  });

  test("a program that is not there", async () => {
    const trial = await ask.over(doing("none", { entrypoint: ["no-such-program"] }));
    because(await ask.why("trial", trial), {
      code: "failed_launch_failed",
      text: /there is no program no-such-program on the PATH/,
    });
  });

  test("it failed once and was retried from its checkpoint", async () => {
    const trial = await ask.over(
      doing("fail-at 3", {
        max_restarts: 2,
        searcher: { name: "single", metric: "score", max_length: { epochs: 4 } },
      }),
    );
    const answer = await ask.why("trial", trial);
    because(answer, { code: "reached_end", text: /trained to step 4/ });
    says(answer, {
      code: "retried",
      text: /exit code 1; restart 1 of 2 from the checkpoint at step 2/,
      actor: "contrail",
    });
    says(answer, {
      code: "placed",
      text: /went on from its checkpoint at step 2/,
      figures: { run: 2, start_step: 2 },
    });
    because(await ask.why("allocation", `${trial}.1`), {
      code: "ended_user_error",
      figures: { exit_code: 1 },
    });
    await ask.proven(answer);
  });

  test("it finished by itself", async () => {
    const trial = await ask.over(doing("train", { hyperparameters: { until: 2 } }));
    because(await ask.why("trial", trial), {
      code: "finished_by_itself",
      text: /ended by itself with exit code 0/,
      figures: { exit_code: 0, step: 2 },
    });
  });

  test("a person killed it; it heard SIGTERM", async () => {
    const trial = await ask.running(doing("hold"));
    await shared().client.changeTrial(trial, "kill");
    await shared().ended(Number(trial.slice(0, -2)));
    const answer = await ask.why("trial", trial);
    because(answer, {
      code: "killed",
      actor: ask.user,
      text: new RegExp(`was killed by ${ask.user} at .* \\(killed by ${ask.user}\\)`),
      figures: { by: ask.user, signals_sent: ["SIGTERM"], signal: "SIGTERM" },
    });
    await ask.proven(answer);
  });

  test("a person killed its experiment; it ignored SIGTERM", async () => {
    const trial = await ask.running(doing("deaf"));
    await shared().trialWhen(trial, "holds", () => true);
    await ask.heard(trial, "holding");
    await ask.kill(trial);
    because(await ask.why("trial", trial), {
      code: "killed",
      text: /the experiment was killed by/,
      figures: { by: ask.user, signals_sent: ["SIGTERM", "SIGKILL"], signal: "SIGKILL" },
    });
    because(await ask.why("experiment", trial.slice(0, -2)), {
      code: "killed",
      actor: ask.user,
      figures: { by: ask.user },
    });
    because(await ask.why("allocation", `${trial}.1`), {
      code: "ended_killed",
      text: /It was sent SIGTERM, then SIGKILL\./,
    });
  });

  test("a person canceled it: it stopped when told", async () => {
    const trial = await ask.running(doing("train", { hyperparameters: { delay_ms: 20 } }));
    // Who does not hear yet is told by a signal after a while.
    await shared().trialWhen(trial, "trains", ({ step }) => step > 0);
    await shared().client.changeExperiment(Number(trial.slice(0, -2)), "cancel");
    await shared().ended(Number(trial.slice(0, -2)));
    because(await ask.why("trial", trial), {
      code: "canceled",
      actor: ask.user,
      text: /ended by itself when told, with exit code 0/,
      figures: { by: ask.user, exit_code: 0 },
    });
    because(await ask.why("experiment", trial.slice(0, -2)), { code: "canceled", actor: ask.user });
  });

  test("a person killed it before it had any slots", async () => {
    const id = await ask.submit(doing("hold"), false);
    await ask.kill(id);
    because(await ask.why("trial", `${id}.1`), {
      code: "killed",
      text: /It had no processes then/,
      figures: { by: ask.user, signals_sent: [] },
    });
  });

  test("it never reported its objective", async () => {
    const trial = await ask.over(
      searching({ name: "random", max_length: { epochs: 2 }, max_trials: 1 }, {}, "mute"),
    );
    because(await ask.why("trial", trial), {
      code: "objective_missing",
      text: /"score" \(searcher.metric\) was not reported by step 2; reported were: other/,
    });
  });

  test("a budget was reached", async () => {
    const search = { name: "random", max_length: { epochs: 500 }, max_trials: 3 };
    const trial = await ask.over(
      searching(search, { budget: { steps: 10 }, hyperparameters: { delay_ms: 10 } }),
    );
    const steps = (await shared().trials(Number(trial.slice(0, -2)))).map(({ step }) => step);
    assert.ok(steps.reduce((a, b) => a + b) >= 10);
    because(await ask.why("trial", trial), {
      code: "budget_reached",
      actor: "budget",
      text: /10/,
      figures: { step: steps[0] },
    });
    because(await ask.why("experiment", trial.slice(0, -2)), {
      code: "budget_reached",
      figures: { by: "budget" },
    });
  });

  test("its runner was lost, which is charged to nobody", async () => {
    const trial = await ask.running(
      doing("train", { hyperparameters: { delay_ms: 30, until: 1000 } }),
    );
    process.kill(shared().runnerPid, "SIGKILL");
    await shared().trialWhen(trial, "runs again", ({ state, allocations }) => {
      return state === "running" && allocations.length === 2;
    });
    const answer = await ask.why("trial", trial);
    because(answer, { code: "placed", figures: { run: 2 } });
    says(answer, { code: "node_lost", text: /not charged to max_restarts/, actor: "runner" });
    assert.equal((await shared().client.trial(trial)).restarts, 0);
    because(await ask.why("allocation", `${trial}.1`), { code: "ended_node_lost" });
    // It is noted beside what its trials do, and may come a moment later.
    await until("the new runner is in the log", async () => {
      const replaced = await shared().client.audit({ what: "replaced" });
      return replaced.items[0]?.subject === "runner local";
    });
    await ask.kill(trial);
  });
});
