/** Several processes of one trial without a framework: the same curve and the same bits; and what one rank's death is. */
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { describe, test } from "node:test";
import { copyOf } from "./example-copy.ts";
import { type Stand, sharedStand } from "./support.ts";

describe("ranks of a program in TypeScript", () => {
  const shared = sharedStand({ slots: 4 });

  /** examples/spirals-typescript as one run. @returns its trial */
  async function spirals(slots: number, as: string): Promise<string> {
    const it = shared();
    const folder = await copyOf(
      it,
      "spirals-typescript",
      [
        [/learning_rate:\n.*\n.*\n.*\n.*\n/, "learning_rate: 0.02\n"],
        [/batch: 250/, "batch: 150"],
        [/name: random/, "name: single"],
        [/max_length: \{epochs: 40\}/, "max_length: {epochs: 5}"],
        [/ {2}max_trials: 4\n/, ""],
        [/slots_per_trial: 2/, `slots_per_trial: ${slots}`],
      ],
      as,
    );
    const { id } = await it.submit(readFileSync(`${folder}/config.yaml`, "utf8"), folder);
    const ended = await it.ended(id);
    assert.equal(ended.state, "completed", ended.reason);
    return `${id}.1`;
  }

  const weights = async (trial: string): Promise<string> => {
    const { checkpoint } = await shared().client.trial(trial);
    const { tree } = await shared().client.checkpoint(checkpoint?.id ?? "");
    return tree.find(({ path }) => path === "weights.f64")?.hash ?? "";
  };

  test("train the same as one, and the same bits each time (examples/spirals-typescript)", async () => {
    const it = shared();
    const one = await it.series(await spirals(1, "one"));
    assert.ok(Number(one.at(-1)?.[1]) < Number(one[0]?.[1]), "it learns");
    // 150 points by four are not even.
    for (const slots of [2, 4]) {
      const trial = await spirals(slots, `with-${slots}`);
      const { allocations } = await it.client.trial(trial);
      assert.equal(allocations[0]?.slots.length, slots);
      const curve = await it.series(trial);
      assert.equal(curve.length, one.length);
      for (const [i, [step, loss]] of curve.entries())
        assert.ok(Math.abs(Number(loss) / Number(one[i]?.[1]) - 1) < 1e-9, `step ${step}: ${loss}`);
      const again = await spirals(slots, `again-${slots}`);
      assert.deepEqual(await it.series(again), curve);
      assert.equal(await weights(again), await weights(trial));
    }
  });

  /** Kills rank 1 of a trial's first run, which holds still in the middle of training, as somebody outside would. */
  async function kill(it: Stand, trial: string): Promise<void> {
    await it.trialWhen(trial, "has saved", ({ checkpoint }) => checkpoint?.step === 7);
    const pid = it
      .processes()
      .find(({ pid, allocation }) => allocation === `${trial}.1` && rankOf(pid) === "1")?.pid;
    assert.ok(pid, JSON.stringify(it.processes()));
    process.kill(pid, "SIGKILL");
  }

  const config = (maxRestarts: number): object => ({
    ...{ name: "parallel", entrypoint: "node parallel.ts", max_restarts: maxRestarts },
    environment: { environment_variables: { E2E_HOLD_AT: "7" } },
    searcher: { name: "single", metric: "loss", max_length: { epochs: 40 } },
    resources: { slots_per_trial: 2 },
  });

  test("of which one is killed end together, say which, and go on from the checkpoint", async () => {
    const it = shared();
    const code = await it.codeFolder({}, ["parallel.ts"]);
    const { id } = await it.submit(config(1), code);
    const trial = `${id}.1`;
    await kill(it, trial);
    const ended = await it.ended(id);
    assert.equal(ended.state, "completed", ended.reason);
    const detail = await it.client.trial(trial);
    const [first, second, ...more] = detail.allocations;
    assert.deepEqual(more, []);
    assert.deepEqual([first?.end, first?.signal], ["user_error", "SIGKILL"], first?.reason);
    assert.match(
      first?.reason ?? "",
      /^rank 1 of 2 ended first, and the others with it: .*SIGKILL/,
    );
    assert.equal(second?.start_step, 7, "from its last checkpoint");
    assert.deepEqual([detail.step, detail.restarts, detail.end_reason], [40, 1, "finished"]);
    // As if nothing had happened: 1 + 1/2 a step.
    const wanted = Array.from({ length: 40 }, (_, i) => (1.5 * (i + 1) * (i + 2)) / 2);
    for (const [i, [step, loss]] of (await it.series(trial)).entries())
      assert.ok(Math.abs(Number(loss) * wanted[i]! - 1) < 1e-12, `step ${step}: ${loss}`);
    const why = await it.client.why("trial", trial);
    const retried = why.reasons.find(({ code: what }) => what === "retried");
    assert.match(retried?.text ?? "", /rank 1 of 2 ended first/);
  });

  test("of which one is killed too often fail with that one's lines first", async () => {
    const it = shared();
    const code = await it.codeFolder({}, ["parallel.ts"]);
    const { id } = await it.submit(config(0), code);
    const trial = `${id}.1`;
    await kill(it, trial);
    assert.equal((await it.ended(id)).state, "error");
    const detail = await it.client.trial(trial);
    assert.match(detail.reason, /rank 1 of 2 ended first, and the others with it: .*SIGKILL/);
    await it.allLogs(trial);
    for (const lines of [
      (await it.client.trial(trial)).last_lines,
      (await it.client.why("trial", trial)).last_lines,
    ]) {
      assert.match(lines[0] ?? "", /^rank 1: rank 1 is at step \d+$/);
      const other = lines.findIndex((line) => line.startsWith("rank 0: "));
      assert.ok(
        lines.slice(0, other).every((line) => line.startsWith("rank 1: ")),
        `${lines}`,
      );
    }
    const why = await it.contrail(["why", trial]);
    assert.match(why.stdout, /rank 1 of 2 ended first, and the others with it/);
  });
});

describe("ranks of a program in Python that read records", () => {
  const shared = sharedStand({ slots: 2 });

  test("go on from what rank 0 saved, and read every record of every epoch once", async () => {
    const it = shared();
    const ids = Array.from({ length: 400 }, (_, i) => String(i));
    const rows = `id,text\n${ids.map((id) => `${id},a row of some length\n`).join("")}`;
    const code = await it.codeFolder({ "rows/all.csv": rows }, ["records.py"]);
    const steps = 12;
    const { id } = await it.submit(
      {
        ...{ name: "records", entrypoint: "python3 records.py", max_restarts: 0 },
        searcher: { name: "single", metric: "read", max_length: { epochs: steps } },
        resources: { slots_per_trial: 2 },
      },
      code,
    );
    const trial = `${id}.1`;
    await it.trialWhen(trial, "trains", ({ step }) => step >= 2);
    await it.client.changeTrial(trial, "pause");
    await it.trialWhen(trial, "is paused", ({ state }) => state === "paused");
    await it.client.changeTrial(trial, "activate");
    const ended = await it.ended(id);
    assert.equal(ended.state, "completed", ended.reason);
    assert.equal((await it.client.trial(trial)).allocations.length, 2, "the pause took effect");
    const read = (await it.allLogs(trial)).flatMap(({ text, rank }) => {
      const [word, step, ...got] = text.trim().split(" ");
      return word === "step" ? [{ rank, step: Number(step), got }] : [];
    });
    for (let step = 1; step <= steps; step++) {
      const shares = read.filter((share) => share.step === step);
      assert.deepEqual(shares.map(({ rank }) => rank).sort(), [0, 1], `step ${step}`);
      const all = shares.flatMap(({ got }) => got).sort((a, b) => Number(a) - Number(b));
      assert.deepEqual(all, ids, `step ${step}`);
    }
  });
});

const rankOf = (pid: number): string | undefined =>
  /(?:^|\0)CONTRAIL_RANK=([^\0]*)/.exec(readFileSync(`/proc/${pid}/environ`, "latin1"))?.[1];
