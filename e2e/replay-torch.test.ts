/**
 * A PyTorch trial is run again after what it ran in is gone: with a package missing, with the whole environment missing
 * (both refused before the program starts, with the reason), and in an environment that is built anew from the record.
 */
import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { existsSync, mkdtempSync, readdirSync, rmSync } from "node:fs";
import { rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { after, describe, test } from "node:test";
import type { Experiment, Verdict } from "../src/protocol/api.ts";
import { sharedStand } from "./support.ts";
import { NO_TORCH, pythonWithTorch } from "./torch-python.ts";

const python = pythonWithTorch();
const installed = python === undefined ? undefined : dirname(dirname(python));
const isVenv = installed !== undefined && existsSync(join(installed, "pyvenv.cfg"));
const skip = isVenv
  ? false
  : python === undefined
    ? NO_TORCH
    : `${python} is in no venv of its own`;

const scratch = mkdtempSync(join(tmpdir(), "contrail-replay-torch-"));
after(() => rmSync(scratch, { recursive: true, force: true }));

describe("a replay of a PyTorch trial", () => {
  const shared = sharedStand({ slots: 1 });

  test("is refused without its packages, and identical in an environment built anew", {
    skip,
  }, async () => {
    const it = shared();
    // The same files under other names: a gigabyte, and any of them may go.
    const venv = join(scratch, "venv");
    execFileSync("cp", ["-al", installed ?? "", venv]);
    const [lib = ""] = readdirSync(join(venv, "lib"));
    const packages = join(venv, "lib", lib, "site-packages");
    const code = await it.codeFolder({}, ["torch_bits.py"]);
    const { id } = await it.submit(
      {
        name: "torch that goes away",
        entrypoint: [join(venv, "bin", "python"), "torch_bits.py"],
        hyperparameters: { network: "mlp", dropout: 0.4 },
        searcher: { name: "single", metric: "loss", max_length: { batches: 6 } },
        checkpoint_storage: { save_trial_latest: 3 },
        max_restarts: 0,
      },
      code,
    );
    const ended = await it.ended(id, 240_000);
    assert.equal(ended.state, "completed", ended.reason);
    const record = await it.client.trialRecord(`${id}.1`);
    assert.match(String(record.captured.packages_observed?.["pip:torch"]), /^2\./);
    const replay = async (...options: string[]) => {
      const {
        code: exit,
        stdout,
        stderr,
      } = await it.contrail([...["replay", `${id}.1`, "--json", ...options]]);
      assert.notEqual(stdout, "", stderr);
      const { experiment, verdict } = JSON.parse(stdout) as {
        experiment: Experiment;
        verdict: Verdict;
      };
      return { exit, experiment, verdict };
    };
    const refused = async (reason: string) => {
      const { exit, experiment, verdict } = await replay();
      assert.deepEqual([exit, verdict.state], [8, "not_comparable"]);
      assert.ok(verdict.text.includes(reason), verdict.text);
      const { step, allocations } = await it.client.trial(`${experiment.id}.1`);
      assert.deepEqual([step, allocations[0]?.end], [0, "launch_failed"]);
      assert.deepEqual(await it.allLogs(`${experiment.id}.1`), [], "its program was not started");
    };

    const there = await replay();
    assert.deepEqual([there.exit, there.verdict.state], [0, "identical"], there.verdict.text);
    for (const name of readdirSync(packages).filter((entry) => /^numpy(?:[-.]|$)/.test(entry)))
      await rm(join(packages, name), { recursive: true });
    await refused("numpy");
    await rm(venv, { recursive: true });
    await refused(join(venv, "bin", "python"));

    const rebuilt = await replay("--rebuild");
    assert.equal(rebuilt.verdict.state, "identical", rebuilt.verdict.text);
    assert.equal(rebuilt.exit, 0);
    assert.ok(rebuilt.verdict.detail.compared.tensors > 0, "tensor by tensor");
    const lines = (await it.allLogs(`${rebuilt.experiment.id}.1`)).map(({ text }) => text);
    assert.match(lines.join("\n"), /the recorded environment is built/);
    const again = await it.client.trialRecord(`${rebuilt.experiment.id}.1`);
    assert.deepEqual(again.captured.packages_observed, record.captured.packages_observed);
    assert.notEqual(again.captured.interpreter?.path, record.captured.interpreter?.path);
  });
});
