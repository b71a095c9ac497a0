/**
 * One line from one process to several (`resources.slots_per_trial`), with the PyTorch example as it ships: the same
 * curve; and search, several processes, preemption, record and replay all at once.
 */
import assert from "node:assert/strict";
import { readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { describe, test } from "node:test";
import type { Experiment, TrialDetail, Verdict } from "../src/protocol/api.ts";
import { copyOf, DIGITS_TOLERANCE, digitsOnce, withPython } from "./example-copy.ts";
import { type Stand, sharedStand, until } from "./support.ts";
import { NO_TORCH, pythonWithTorch } from "./torch-python.ts";

const python = pythonWithTorch("sklearn");
const skip = python === undefined ? NO_TORCH : false;

const LIMIT_MS = 300_000;
const OFFER = "        trial.checkpoint(step, save)\n";
const HOLD = (gate: string): string => `        import os, time
        while step == 3 and not os.path.exists("${gate}") and not trial.should_stop:
            time.sleep(0.01)
`;

const submitted = async (it: Stand, folder: string): Promise<Experiment> =>
  it.submit(await readFile(join(folder, "config.yaml"), "utf8"), folder);

describe("examples/digits-pytorch", () => {
  const shared = sharedStand({ slots: 4 });

  test("trains the same with 1, 2 and 4 processes, and one line says how many", {
    skip,
  }, async () => {
    const it = shared();
    const curves = new Map<number, { loss: number[]; accuracy: number[] }>();
    const texts: string[] = [];
    for (const slots of [1, 2, 4]) {
      const folder = await digitsOnce(it, { python: python ?? "", slots, epochs: 4 });
      texts.push(await readFile(join(folder, "config.yaml"), "utf8"));
      const { id } = await submitted(it, folder);
      const ended = await it.ended(id, LIMIT_MS);
      assert.equal(ended.state, "completed", ended.reason);
      const trial = await it.client.trial(`${id}.1`);
      assert.equal(trial.allocations[0]?.slots.length, slots);
      const values = async (name: string): Promise<number[]> =>
        (await it.series(trial.id, name)).map(([, value]) => Number(value));
      curves.set(slots, { loss: await values("loss"), accuracy: await values("accuracy") });
    }
    const lines = texts.map((text) => text.split("\n"));
    for (const [i, line] of lines[0]!.entries())
      if (new Set(lines.map((all) => all[i])).size > 1) assert.match(line, /slots_per_trial/);
    const alone = curves.get(1)!;
    assert.equal(alone.loss.length, 4);
    assert.ok(alone.loss.at(-1)! < alone.loss[0]! / 2, `it learns: ${alone.loss}`);
    for (const slots of [2, 4])
      for (const [step, loss] of curves.get(slots)!.loss.entries()) {
        const what = `step ${step + 1}: ${slots} processes ${loss}, one ${alone.loss[step]}`;
        assert.ok(Math.abs(loss / alone.loss[step]! - 1) < DIGITS_TOLERANCE, what);
        assert.ok(
          Math.abs(curves.get(slots)!.accuracy[step]! - alone.accuracy[step]!) < 0.01,
          what,
        );
      }
  });

  test("2 processes in an adaptive search, preempted once, are replayed bit for bit", {
    skip,
  }, async () => {
    const it = shared();
    const folder = await copyOf(it, "digits-pytorch", [
      withPython(python ?? ""),
      [/name: asha/, "name: adaptive_asha\n  max_rungs: 2"],
      [/max_length: \{ epochs: 9 \}/, "max_length: { epochs: 24 }"],
      [/max_trials: 27/, "max_trials: 3"],
      [/slots_per_trial: 1/, "slots_per_trial: 2"],
    ]);
    // No trial goes beyond its third epoch before one was preempted there.
    const gate = join(it.folder, "gate");
    const program = join(folder, "train.py");
    const text = await readFile(program, "utf8");
    assert.ok(text.includes(OFFER));
    await writeFile(program, text.replace(OFFER, `${HOLD(gate)}${OFFER}`));
    const { id } = await submitted(it, folder);
    const preempted = await preempt(it, id);
    await writeFile(gate, "");
    const ended = await it.ended(id, LIMIT_MS);
    assert.equal(ended.state, "completed", ended.reason);
    const trial = await it.client.trial(preempted);
    const taken = trial.allocations.filter(({ end }) => end === "paused");
    assert.ok(taken.length >= 1, JSON.stringify(trial.allocations));
    assert.ok(trial.allocations.every(({ slots }) => slots.length === 2));
    const { code, stdout, stderr } = await it.contrail(["replay", preempted, "--json"]);
    assert.equal(code, 0, stderr);
    const replay = JSON.parse(stdout) as { experiment: Experiment; verdict: Verdict };
    assert.equal(replay.verdict.state, "identical", JSON.stringify(replay.verdict, null, 2));
    assert.ok(replay.verdict.detail.compared.tensors > 0);
    const again = await it.client.trial(`${replay.experiment.id}.1`);
    assert.equal(again.step, trial.step);
    assert.ok(again.allocations.every(({ slots }) => slots.length === 2));
    for (const name of ["loss", "accuracy"])
      assert.deepEqual(await it.series(again.id, name), await it.series(trial.id, name), name);
  });
});

/** Takes the slots from a trial in the middle of a rung, and gives it some again. @returns which */
async function preempt(it: Stand, experiment: number): Promise<string> {
  const isBetween = ({ state, step, target, allocations }: TrialDetail): boolean => {
    const from = allocations.at(-1)?.start_step ?? 0;
    return state === "running" && step > from && (target === null || step < target - 1);
  };
  return await until(
    "a trial was preempted between two rungs",
    async () => {
      for (const trial of await it.details(experiment)) {
        if (!isBetween(trial)) continue;
        await it.client.changeTrial(trial.id, "pause");
        const settled = await it.trialWhen(
          trial.id,
          "has left its slots",
          ({ state, ended_at }) => state === "paused" || ended_at !== null,
          LIMIT_MS,
        );
        if (settled.ended_at !== null) continue;
        await it.client.changeTrial(trial.id, "activate");
        const short = settled.step < (settled.target ?? Number.POSITIVE_INFINITY);
        if (short) return trial.id;
      }
      return undefined;
    },
    { limitMs: LIMIT_MS },
  );
}
