/** A trial run again from its record: the same parameters, or where they part, or why nobody can tell. */
import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { chmod, cp, readFile, rm, symlink, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { describe, test } from "node:test";
import { promisify } from "node:util";
import type { Experiment, Verdict } from "../src/protocol/api.ts";
import { curveSearch, ROOT, type Stand, sharedStand, stand } from "./support.ts";
import { NO_TORCH, pythonWithTorch } from "./torch-python.ts";

const run = promisify(execFile);

interface Replayed {
  readonly code: number | null;
  readonly experiment: Experiment | null;
  readonly verdict: Verdict | null;
  readonly stderr: string;
}

/** As a person asks for it, and waits. */
async function replay(it: Stand, trial: string, ...more: string[]): Promise<Replayed> {
  const { code, stdout, stderr } = await it.contrail(["replay", trial, ...more, "--json"]);
  if (stdout === "") return { code, experiment: null, verdict: null, stderr };
  return { code, stderr, ...(JSON.parse(stdout) as Pick<Replayed, "experiment" | "verdict">) };
}

describe("a replay", () => {
  const shared = sharedStand({ slots: 2 });

  test("of a network in TypeScript comes out identical (examples/language-id in small)", async () => {
    const it = shared();
    const folder = join(it.folder, "language-id");
    await cp(join(ROOT, "examples", "language-id"), folder, { recursive: true });
    const config = join(folder, "config.yaml");
    const text = (await readFile(config, "utf8"))
      .replace("name: adaptive_asha", "name: asha")
      .replace("\n  mode: standard", "")
      .replace("max_length: {epochs: 9}", "max_length: {epochs: 3}")
      .replace("max_trials: 36", "max_trials: 3");
    await writeFile(config, text);
    await run(process.execPath, ["data.ts", "names"], { cwd: folder });
    const added = await it.contrail(["data", "add", "language-names", "names"], { cwd: folder });
    assert.equal(added.code, 0, added.stderr);
    const made = await it.contrail(["experiment", "create", "config.yaml", ".", "--json"], {
      cwd: folder,
    });
    assert.equal(made.code, 0, made.stderr);
    const { id } = (JSON.parse(made.stdout) as { experiment: Experiment }).experiment;
    const ended = await it.ended(id, 240_000);
    const best = ended.best?.trial ?? "";
    // Nothing of it is needed any more.
    await rm(folder, { recursive: true });
    const { code, verdict, stderr } = await replay(it, best);
    assert.equal(code, 0, stderr);
    assert.equal(verdict?.state, "identical");
    assert.ok((verdict?.detail.compared.checkpoints ?? 0) >= 1);
    assert.equal((await it.client.trial(best)).verdict?.state, "identical");
    const list = await it.contrail(["experiment", "list", "--filter", "verdict:identical"]);
    assert.match(list.stdout, /identical/);
  });

  test("of a trial that waited at rungs and was preempted comes out identical", async () => {
    const it = shared();
    const code = await it.codeFolder({}, ["curve.ts"]);
    const searcher = { name: "asha", divisor: 3, num_rungs: 3, max_length: { epochs: 27 } };
    const { id } = await it.submit(
      // With one slot it has to go for the others at both rungs, and its third run is that to the last one.
      curveSearch(
        { ...searcher, max_trials: 9, max_concurrent_trials: 2 },
        {
          byNumber: true,
          resources: { max_slots: 1 },
          environment: { E2E_HOLD_AT: [28, 28, 12].join(",") },
        },
      ),
      code,
    );
    const first = `${id}.1`;
    await it.trialWhen(first, "is on the way to its last rung", ({ step }) => step >= 12);
    await it.client.changeTrial(first, "pause");
    await it.trialWhen(first, "is paused", ({ state }) => state === "paused");
    await it.client.changeTrial(first, "activate");
    await it.ended(id);
    const trial = await it.client.trial(first);
    assert.equal(trial.allocations.length, 4, "it went on at both rungs, and after the pause");
    const { code: exit, verdict, experiment, stderr } = await replay(it, first);
    assert.equal(exit, 0, stderr);
    assert.equal(verdict?.state, "identical");
    const saved = new Set((await it.client.trialCheckpoints(first)).items.map(({ step }) => step));
    assert.equal(verdict?.detail.compared.checkpoints, saved.size);
    assert.ok(saved.size >= 4, "at three rungs, and where it was preempted");
    const again = await it.client.trial(`${experiment?.id}.1`);
    assert.equal(again.allocations.length, 1);
    assert.equal(again.checkpoint?.id, trial.checkpoint?.id);
    const why = await it.contrail(["why", `${experiment?.id}.1`]);
    assert.match(why.stdout, new RegExp(`a replay of trial ${first}`));
    const shown = await it.contrail(["trial", "show", first]);
    assert.match(shown.stdout, /verdict +identical: /);
  });

  test("of a program that draws what no seed decides says from which step, in which tensor, by how much", async () => {
    const it = shared();
    const code = await it.codeFolder({}, ["drift.ts"]);
    const config = (from: number) => ({
      name: "drift",
      entrypoint: "node drift.ts",
      hyperparameters: { drifts_from: from },
      searcher: { name: "single", metric: "loss", max_length: { epochs: 5 } },
      checkpoint_storage: { save_trial_latest: 9 },
    });
    const steady = await it.submit(config(0), code);
    const adrift = await it.submit(config(3), code);
    await it.ended(steady.id);
    await it.ended(adrift.id);
    const same = await replay(it, `${steady.id}.1`);
    assert.equal(same.code, 0, same.stderr);
    assert.deepEqual(same.verdict?.detail.compared.checkpoints, 5);
    const { code: exit, verdict } = await replay(it, `${adrift.id}.1`);
    assert.equal(exit, 7);
    assert.equal(verdict?.state, "differs");
    assert.match(
      verdict?.text ?? "",
      /^from step 3, tensor \S* ?of weights\.npy, by 0\.\d+ \(1 of 8 elements\)$/,
    );
    const seen = await it.contrail(["replay", `${adrift.id}.1`]);
    assert.equal(seen.code, 7);
    assert.match(seen.stdout, /differs from step 3/);
    assert.match(seen.stdout, /the 2 checkpoints before are the same/);
    assert.equal((await it.client.experiment(adrift.id)).verdict?.state, "differs");
  });

  test("of a trial whose interpreter is gone is not started, and says so", async () => {
    const it = shared();
    const code = await it.codeFolder({}, ["drift.ts"]);
    const tools = await it.codeFolder({});
    const node = join(tools, "node");
    await symlink(process.execPath, node);
    const { id } = await it.submit(
      {
        name: "by a tool of one's own",
        entrypoint: [node, "drift.ts"],
        searcher: { name: "single", metric: "loss", max_length: { epochs: 2 } },
      },
      code,
    );
    await it.ended(id);
    assert.equal((await replay(it, `${id}.1`)).code, 0);
    await rm(tools, { recursive: true });
    const { code: exit, verdict, experiment } = await replay(it, `${id}.1`);
    assert.equal(exit, 8);
    assert.equal(verdict?.state, "not_comparable");
    assert.ok(verdict?.text.includes(node), verdict?.text);
    const { allocations, step } = await it.client.trial(`${experiment?.id}.1`);
    assert.deepEqual([allocations[0]?.end, step], ["launch_failed", 0]);
    // The latest verdict is shown, and the earlier one stays.
    assert.equal((await it.client.trial(`${id}.1`)).verdict?.state, "not_comparable");
    assert.deepEqual(
      (await it.client.verdicts(`${id}.1`)).map(({ state }) => state),
      ["not_comparable", "identical"],
    );
  });

  test("is not begun where data that stays elsewhere has changed, and the file is named", async () => {
    const it = shared();
    const data = await it.codeFolder({ "a.csv": "1,2\n", "b.csv": "3,4\n" });
    const added = await it.contrail(["data", "add", "outside", data, "--reference"]);
    assert.equal(added.code, 0, added.stderr);
    const code = await it.codeFolder({}, ["drift.ts"]);
    const { id } = await it.submit(
      {
        ...{ name: "on data elsewhere", entrypoint: "node drift.ts" },
        data: { numbers: "outside@1" },
        searcher: { name: "single", metric: "loss", max_length: { epochs: 2 } },
      },
      code,
    );
    await it.ended(id);
    assert.equal((await replay(it, `${id}.1`, "--rebuild")).code, 0);
    await writeFile(join(data, "b.csv"), "3,5\n");
    const { code: exit, experiment, verdict } = await replay(it, `${id}.1`);
    assert.deepEqual([exit, experiment], [8, null]);
    assert.match(verdict?.text ?? "", /its data outside@1 is not what it was: b\.csv/);
  });

  test("is not begun on a machine with another GPU, unless it is asked for, and then the verdict says so", async () => {
    const it = shared();
    const code = await it.codeFolder({}, ["drift.ts"]);
    const { id } = await it.submit(
      {
        ...{ name: "without a GPU", entrypoint: "node drift.ts" },
        searcher: { name: "single", metric: "loss", max_length: { epochs: 2 } },
      },
      code,
    );
    await it.ended(id);
    const bundle = join(it.folder, "to a GPU");
    const made = await it.contrail(["export", `${id}.1`, bundle, "--with-checkpoints"]);
    assert.equal(made.code, 0, made.stderr);
    // What the driver of such a machine says.
    const tools = await it.codeFolder({
      "nvidia-smi": [
        "#!/bin/sh",
        'case "$1" in',
        "  --query-gpu*) echo '0, NVIDIA H100 80GB HBM3, GPU-1, 81559, 550.90.07, 96.00, Disabled' ;;",
        "  *) echo '| NVIDIA-SMI 550.90.07  Driver Version: 550.90.07  CUDA Version: 12.4 |' ;;",
        "esac",
      ].join("\n"),
    });
    await chmod(join(tools, "nvidia-smi"), 0o755);
    await using other = await stand({
      slots: 1,
      env: () => ({ PATH: `${tools}:${process.env.PATH}` }),
    });
    const imported = await other.contrail(["import", bundle, "--json"]);
    assert.equal(imported.code, 0, imported.stderr);
    const there = (JSON.parse(imported.stdout) as { experiment: Experiment }).experiment.id;
    const refused = await replay(other, `${there}.1`);
    assert.equal(refused.code, 8, refused.stderr);
    assert.match(
      refused.verdict?.text ?? "",
      /there was no GPU, and here is NVIDIA H100 80GB HBM3/,
    );
    const { allocations, step } = await other.client.trial(`${refused.experiment?.id}.1`);
    assert.deepEqual([allocations[0]?.end, step], ["launch_failed", 0]);
    const anyway = await replay(other, `${there}.1`, "--anyway");
    assert.deepEqual([anyway.code, anyway.verdict?.state], [0, "identical"], anyway.stderr);
    assert.ok(
      anyway.verdict?.detail.notes.some((note) =>
        /^gpu\.0\.model was not there, now NVIDIA/.test(note),
      ),
      JSON.stringify(anyway.verdict?.detail.notes),
    );
  });

  const python = pythonWithTorch("sklearn");
  test("of a network in PyTorch comes out identical (examples/digits-pytorch in small)", {
    skip: python === undefined ? NO_TORCH : false,
  }, async () => {
    const it = shared();
    const folder = join(it.folder, "digits-pytorch");
    await cp(join(ROOT, "examples", "digits-pytorch"), folder, { recursive: true });
    const text = (await readFile(join(folder, "config.yaml"), "utf8"))
      .replace("entrypoint: python3 train.py", `entrypoint: [${JSON.stringify(python)}, train.py]`)
      .replace("max_length: { epochs: 9 }", "max_length: { epochs: 3 }")
      .replace("max_trials: 27", "max_trials: 3");
    const { id } = await it.submit(text, folder);
    const ended = await it.ended(id, 240_000);
    const { code, verdict, stderr } = await replay(it, ended.best?.trial ?? "");
    assert.equal(code, 0, stderr);
    assert.equal(verdict?.state, "identical");
    assert.ok((verdict?.detail.compared.tensors ?? 0) > 0, "by tensor");
  });

  test("of what saves nothing and reports nothing is not begun", async () => {
    const it = shared();
    const done = await it.contrail(["run", "--no-code", "--json", "--", "echo", "hello"]);
    assert.equal(done.code, 0, done.stderr);
    const [experiment] = (await it.client.experiments({ limit: 1 })).items;
    const { code, experiment: made, verdict } = await replay(it, `${experiment?.id}.1`);
    assert.deepEqual([code, made], [8, null]);
    assert.match(verdict?.text ?? "", /saved no checkpoint and reported no metric/);
  });
});
