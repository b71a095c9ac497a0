/** Why the search stopped, paused and promoted: its figures against what the trials themselves reported. */
import assert from "node:assert/strict";
import { before, describe, test } from "node:test";
import type { Why, WhyReason } from "../../src/protocol/api.ts";
import { sharedStand, until } from "../support.ts";
import { Asking, because, doing, says, searching } from "./asking.ts";

describe("why the search decided so", () => {
  const shared = sharedStand({ slots: 3 });
  let ask: Asking;
  before(async () => {
    ask = await Asking.open(shared());
  });

  /** What each trial of an experiment reported at a step. */
  async function scores(experiment: number, step: number): Promise<Map<number, number>> {
    const found = new Map<number, number>();
    for (const { id, number } of await shared().trials(experiment)) {
      const point = (await shared().series(id, "score")).find(([at]) => at === step);
      if (point) found.set(number, Number(point[1]));
    }
    return found;
  }

  /** That the reason's figures are what comes out when the reports are ranked by hand. */
  async function ranked(trial: string, reason: WhyReason): Promise<void> {
    const [experiment = 0, number = 0] = trial.split(".").map(Number);
    const { step, objective, rank, of, passing, threshold, competitors } = reason.figures as {
      [name in "step" | "objective" | "rank" | "of" | "passing"]: number;
    } & { threshold: number | null; competitors: { trial: number; objective: number }[] };
    const reported = await scores(experiment, step);
    assert.equal(objective, reported.get(number), reason.text);
    for (const other of competitors)
      assert.equal(other.objective, reported.get(other.trial), reason.text);
    const field = competitors.map((other) => other.objective).toSorted((a, b) => b - a);
    // Fewer than 64 arrived, so the field holds all of them.
    assert.equal(field.length, of, reason.text);
    assert.equal(field.indexOf(objective) + 1, rank, reason.text);
    assert.equal(threshold, passing === 0 ? null : field[passing - 1], reason.text);
  }

  const byEnd = async (experiment: number, end: string): Promise<string[]> =>
    (await shared().trials(experiment))
      .filter((trial) => trial.end_reason === end)
      .map(({ id }) => id);

  test("promoting: promoted, out of the race, and trained to the end", async () => {
    const id = await ask.submit(
      searching({
        name: "asha",
        max_length: { epochs: 9 },
        divisor: 3,
        num_rungs: 3,
        max_trials: 9,
      }),
    );
    await shared().ended(id);
    const best = (await byEnd(id, "finished"))[0] as string;
    const finished = await ask.why("trial", best);
    await ranked(
      best,
      because(finished, { code: "reached_end", actor: "search", text: /as far as this search/ }),
    );
    const promotion = says(finished, {
      code: "promoted",
      text: /^Promoted from rung 1 of bracket 0: it ranked/,
      figures: { rung: 1, step: 3, target: 9 },
    });
    assert.ok(Number(promotion.figures.rank) <= Number(promotion.figures.passing));
    await ranked(best, promotion);
    await ask.proven(finished);

    const losers = await byEnd(id, "stopped_by_search");
    assert.ok(losers.length >= 6);
    let waited = 0;
    for (const loser of losers) {
      const answer = await ask.why("trial", loser);
      const reason = because(answer, {
        code: "stopped_rung_closed",
        actor: "search",
        text: /No more results will come to that rung\. It was compared with/,
      });
      assert.ok(Number(reason.figures.rank) > Number(reason.figures.passing));
      await ranked(loser, reason);
      waited += answer.reasons.filter(({ code }) => code === "waits_at_rung").length;
      says(answer, { code: "created", text: /of 9 trials made\./ });
    }
    assert.ok(waited > 0, "those who came first had to wait for the others");
    because(await ask.why("experiment", id), {
      code: "search_completed",
      text: /All trials are over: 9 ended well\./,
      actor: "search",
    });
    says(await ask.why("experiment", id), { code: "best", figures: { trial: best } });
  });

  test("stopping: below the threshold of that moment", async () => {
    const id = await ask.submit(
      searching({
        ...{ name: "asha", stop_once: true, max_length: { epochs: 4 } },
        ...{ divisor: 2, num_rungs: 2, max_trials: 8, max_concurrent_trials: 1 },
      }),
    );
    await shared().ended(id);
    const stopped = await byEnd(id, "stopped_by_search");
    assert.ok(stopped.length > 0);
    for (const trial of stopped) {
      const reason = because(await ask.why("trial", trial), {
        code: "stopped_below_threshold",
        text: /could go on, the last of them with/,
      });
      assert.ok(Number(reason.figures.objective) < Number(reason.figures.threshold));
      await ranked(trial, reason);
    }
  });

  test("waiting at a rung, and where it stands by now", async () => {
    const id = await ask.submit(
      // One of the first three is let on, and the others wait for as long as the rest holds.
      searching(
        { name: "asha", max_length: { epochs: 9 }, divisor: 3, num_rungs: 3, max_trials: 9 },
        {},
        "first 3",
      ),
    );
    let answer: Why | undefined;
    await until("a trial waits at a rung", async () => {
      const waiting = (await shared().trials(id)).find(({ state }) => state === "waiting");
      answer = waiting && (await ask.why("trial", waiting.id));
      return answer?.state === "waiting" && answer.reasons[0]?.figures.rank_now !== null;
    });
    assert.ok(answer);
    const { figures } = because(answer, {
      code: "waits_at_rung",
      actor: "search",
      text: /^Paused by the search at rung \d of bracket 0 .* Now it ranks \d of the \d who arrived\./,
    });
    assert.ok(Number(figures.of_now) >= Number(figures.of));
    assert.ok(Number(figures.rank_now) >= Number(figures.rank), "others can only come before it");
    await ranked(answer.id, says(answer, { code: "waits_at_rung" }));
    await ask.kill(id);
  });

  test("impossible hyperparameters, and the trial that was made in their place", async () => {
    const search = { name: "random", max_length: { epochs: 1 }, max_trials: 4 };
    const id = await ask.submit(searching(search, {}, "picky"));
    await shared().ended(id);
    const details = await shared().details(id);
    const refused = details.filter(({ end_reason }) => end_reason === "invalid_hyperparameters");
    assert.ok(refused.length > 0);
    for (const { id: trial, hyperparameters } of refused) {
      assert.ok(Number(hyperparameters.x) < 0.5);
      because(await ask.why("trial", trial), {
        code: "invalid_hyperparameters",
        text: /declared the hyperparameters invalid: x is below 0\.5\./,
      });
    }
    const codes = await Promise.all(
      details.map(async ({ id: trial }) => (await ask.why("trial", trial)).reasons),
    );
    const replacing = codes.filter((reasons) =>
      reasons.some(({ code }) => code === "created_as_replacement"),
    );
    assert.equal(replacing.length, refused.length);
  });

  test("the searcher: chosen for who named none, named, and a plain run", async () => {
    const length = { max_length: { epochs: 9 } };
    const chosen = await ask.submit(searching({ ...length, max_trials: 9 }), false);
    because(await ask.why("searcher", chosen), {
      code: "searcher_chosen",
      text: /No searcher was named: asha in its promoting form with divisor 3 and 9 trials/,
      figures: { searcher: "asha", metric: "score", smaller_is_better: false },
    });
    says(await ask.why("searcher", chosen), {
      code: "search_plan",
      text: /bracket 0, rung 0: 9 trials to step 1; /,
      figures: { trials_max: 9 },
    });
    const named = await ask.submit(searching({ name: "random", ...length, max_trials: 3 }), false);
    because(await ask.why("searcher", named), {
      code: "searcher_named",
      text: /is searched by random: named in the configuration: random\./,
    });
    const plain = await ask.submit(doing("hold"), false);
    because(await ask.why("searcher", plain), {
      code: "searcher_named",
      text: /asks for one run as it is/,
      figures: { searcher: "single" },
    });
    await ask.kill(chosen, named, plain);
  });
});
