/** Why trials wait, where they were placed, and who holds the slots. */
import assert from "node:assert/strict";
import { before, describe, test } from "node:test";
import { sharedStand } from "../support.ts";
import { Asking, because, doing, says, searching } from "./asking.ts";

const SLOTS = ["cpu:0", "cpu:1"];

describe("why it waits", () => {
  const shared = sharedStand({ slots: SLOTS.length });
  let ask: Asking;
  before(async () => {
    ask = await Asking.open(shared());
  });

  test("all slots are held, and by whom; who is behind; what holds a slot; why a free one stays free", async () => {
    const [first, second] = [await ask.running(doing("hold")), await ask.running(doing("hold"))];
    const holders = [
      { slot: "cpu:0", allocation: `${first}.1` },
      { slot: "cpu:1", allocation: `${second}.1` },
    ];
    const wide = `${await ask.submit(doing("hold", { resources: { slots_per_trial: 2 } }))}.1`;
    const narrow = `${await ask.submit(doing("hold"))}.1`;
    because(await ask.why("trial", wide), {
      code: "waits_for_slots",
      text: /needs 2, and 0 of 2 are free\. It is first in the queue\. cpu:0 is held by/,
      actor: "scheduler",
      figures: { needs: 2, free: 0, total: 2, position: 1, waiting: 2, holders },
    });
    const behind = { code: "waits_behind", figures: { ahead: wide, ahead_needs: 2, position: 2 } };
    because(await ask.why("trial", narrow), behind);
    says(await ask.why("experiment", narrow.slice(0, -2)), behind);
    const held = await ask.why("slot", "cpu:1");
    because(held, {
      code: "held",
      text: /granted because: cpu:1 free, first in the queue\./,
      actor: "scheduler",
      figures: { allocation: `${second}.1` },
    });
    await ask.proven(held);

    await ask.kill(second);
    // One is free now, and the narrow trial would fit: the wide one ahead of it keeps the slot.
    because(await ask.why("trial", wide), {
      code: "waits_for_slots",
      figures: { needs: 2, free: 1, holders: holders.slice(0, 1) },
    });
    because(await ask.why("trial", narrow), behind);
    const free = await ask.why("slot", "cpu:1");
    because(free, {
      code: "free_nothing_fits",
      text: /2 trials wait, but none of them can take it now/,
      figures: { last: `${second}.1`, waiting: 2 },
    });
    says(free, { code: "waits_for_slots", figures: { needs: 2, free: 1 } });

    await ask.kill(first);
    await shared().trialWhen(wide, "runs", ({ state }) => state === "running");
    because(await ask.why("trial", wide), {
      code: "placed",
      text: /^Placed on cpu:0 cpu:1 as allocation .*: cpu:0 cpu:1 free, first in the queue\. It had waited/,
      figures: { slots: SLOTS, run: 1 },
    });
    await ask.kill(wide, narrow);
    because(await ask.why("slot", "cpu:1"), { code: "free_nothing_waits" });
  });

  test("its experiment holds as many slots as it may; who is behind it starts all the same", async () => {
    const search = { name: "random", max_length: { epochs: 9 }, max_trials: 2 };
    const bound = await ask.running(searching(search, { resources: { max_slots: 1 } }, "hold"));
    const second = bound.replace(/1$/, "2");
    because(await ask.why("trial", second), {
      code: "waits_for_max_slots",
      text: /may hold 1 slot \(resources\.max_slots\) and holds 1\. cpu:0 is held by/,
      figures: { max: 1, held: 1, holders: [{ slot: "cpu:0", allocation: `${bound}.1` }] },
    });
    const other = await ask.running(doing("hold"));
    because(await ask.why("trial", other), {
      code: "placed",
      text: /cpu:1 free, everything ahead of it waits for something else/,
      figures: { slots: ["cpu:1"] },
    });
    await ask.kill(bound, other);
  });

  test("it failed and waits for its next attempt", async () => {
    const trial = `${await ask.submit(doing("exit 1", { max_restarts: 9 }))}.1`;
    // The waits double; from the third on they last long enough to be asked about.
    await shared().trialWhen(trial, "has failed three times", ({ restarts }) => restarts >= 3);
    const answer = await ask.whyUntil("trial", trial, "waits_for_retry");
    const { figures } = because(answer, {
      code: "waits_for_retry",
      text: /waits \d+\.\d s before the next attempt\. its program ended with exit code 1; restart \d of 9 from the beginning/,
      figures: { max_restarts: 9 },
    });
    assert.ok(Number(figures.restart) >= 3);
    await ask.proven(answer);
    await ask.kill(trial);
  });

  test("a person paused it; activated, it goes on where it was", async () => {
    const trial = await ask.running(
      doing("train", { hyperparameters: { delay_ms: 20, until: 10_000 } }),
    );
    await shared().trialWhen(trial, "has trained", ({ step }) => step >= 3);
    await shared().client.changeTrial(trial, "pause");
    await shared().trialWhen(trial, "is paused", ({ state }) => state === "paused");
    const paused = await ask.why("trial", trial);
    because(paused, { code: "paused_by_user", actor: ask.user, text: /It goes on when/ });
    await ask.proven(paused);
    because(await ask.why("allocation", `${trial}.1`), {
      code: "ended_paused",
      text: new RegExp(`It was told to: paused by ${ask.user}`),
    });
    const { checkpoint } = await shared().client.trial(trial);
    await shared().client.changeTrial(trial, "activate");
    await shared().trialWhen(trial, "runs", ({ state }) => state === "running");
    const running = await ask.why("trial", trial);
    because(running, {
      code: "placed",
      text: /went on from its checkpoint/,
      figures: { run: 2, start_step: checkpoint?.step },
    });
    says(running, { code: "activated_by_user", actor: ask.user });
    await ask.kill(trial);
  });

  test("it was told to pause and has not gone yet", async () => {
    const trial = await ask.running(doing("hold"));
    // Who does not hear yet is sent away after a while.
    await ask.heard(trial, "holding");
    await shared().client.changeTrial(trial, "pause");
    because(await ask.why("trial", trial), {
      code: "pausing",
      actor: ask.user,
      text: new RegExp(`has not ended yet\\. paused by ${ask.user}\\.`),
      figures: { slots: ["cpu:0"] },
    });
    because(await ask.why("slot", "cpu:0"), {
      code: "held_until_processes_end",
      text: /that happens when the processes have ended/,
    });
    because(await ask.why("allocation", `${trial}.1`), { code: "leaving", text: /save and go/ });
    await ask.kill(trial);
  });

  test("its experiment is paused", async () => {
    const trial = await ask.running(
      doing("train", { hyperparameters: { delay_ms: 20, until: 10_000 } }),
    );
    const id = Number(trial.slice(0, -2));
    await shared().client.changeExperiment(id, "pause");
    await shared().trialWhen(trial, "is paused", ({ state }) => state === "paused");
    const answer = await ask.why("trial", trial);
    because(answer, {
      code: "experiment_paused",
      actor: ask.user,
      text: new RegExp(`experiment ${id} was paused by ${ask.user}`),
    });
    await ask.proven(answer);
    because(await ask.why("experiment", id), { code: "paused_by_user", actor: ask.user });
    await ask.kill(trial);
  });

  test("its experiment was never activated", async () => {
    const id = await ask.submit(doing("hold"), false);
    because(await ask.why("trial", `${id}.1`), { code: "never_activated", actor: ask.user });
    because(await ask.why("experiment", id), { code: "never_activated", actor: ask.user });
    await ask.kill(id);
  });

  test("what there is not is said to be not there, and the command line says the same as the server", async () => {
    const trial = await ask.running(doing("hold"));
    const typed = await shared().contrail(["why", trial]);
    assert.equal(typed.code, 0, typed.stderr);
    const [first] = (await ask.why("trial", trial)).reasons;
    assert.ok(typed.stdout.startsWith(`${first?.text}\n`), typed.stdout);
    for (const words of [["999"], ["999.1"], [`${trial}.9`], ["cpu:99"], ["searcher", "999"]]) {
      const { code, stderr } = await shared().contrail(["--json", "why", ...words]);
      assert.deepEqual([code, JSON.parse(stderr).code], [3, "not_found"], words.join(" "));
    }
    assert.equal((await shared().contrail(["why", "nonsense"])).code, 2);
    await ask.kill(trial);
  });

  test("the server stopped: it was told to save and go, and goes on when the server is back", async () => {
    const trial = await ask.running(
      doing("train", { hyperparameters: { delay_ms: 20, until: 10_000 } }),
    );
    await shared().trialWhen(trial, "has trained", ({ step }) => step >= 3);
    await shared().stop("stop");
    await shared().start();
    await shared().trialWhen(trial, "runs again", ({ state, allocations }) => {
      return state === "running" && allocations.length === 2;
    });
    const answer = await ask.why("trial", trial);
    because(answer, { code: "placed", figures: { run: 2 } });
    says(answer, { code: "paused_by_server", text: /the server stops; it goes on when/ });
    because(await ask.why("allocation", `${trial}.1`), { code: "ended_paused" });
    const log = await shared().client.audit({ order: "oldest", limit: 1000 });
    const server = log.items.filter(({ subject }) => subject === "server");
    assert.deepEqual(
      server.map(({ actor, what }) => [actor, what]),
      [
        ["contrail", "started"],
        [ask.user, "stop asked"],
        ["contrail", "stopped"],
        ["contrail", "started"],
      ],
    );
    assert.match(server[3]?.cause ?? "", /the one before had stopped in good order/);
    await ask.kill(trial);
    await shared().killServer();
    await shared().start();
    const last = await shared().client.audit({ what: "started", actor: "contrail" });
    const start = last.items.find(({ subject }) => subject === "server");
    assert.match(start?.cause ?? "", /ended without a word/);
    const verdict = await shared().client.auditVerify();
    assert.ok(verdict.ok && verdict.complete, JSON.stringify(verdict.misfit));
  });
});
