/** The examples in small, by the commands that their pages give: from the data to the tested checkpoint. */
import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { join } from "node:path";
import { describe, test } from "node:test";
import { promisify } from "node:util";
import { copyOf, withPython } from "./example-copy.ts";
import { ROOT, type Stand, sharedStand } from "./support.ts";
import { NO_TORCH, pythonWithTorch } from "./torch-python.ts";

const run = promisify(execFile);

/** A command of `contrail` that has to succeed. @returns its JSON */
async function contrail(
  it: Stand,
  args: readonly string[],
  cwd: string,
): Promise<Record<string, unknown>> {
  const { code, stdout, stderr } = await it.contrail([...args, "--json"], { cwd });
  assert.equal(code, 0, `contrail ${args.join(" ")}: ${stderr}`);
  return JSON.parse(stdout);
}

async function search(it: Stand, folder: string): Promise<number> {
  const made = await contrail(it, ["experiment", "create", "config.yaml", "."], folder);
  const { id } = made.experiment as { id: number };
  const experiment = await it.ended(id, 240_000);
  assert.equal(experiment.state, "completed", experiment.reason);
  assert.ok(experiment.best);
  return id;
}

describe("examples", () => {
  const shared = sharedStand({ slots: 2 });

  test("language-id", async () => {
    const it = shared();
    const folder = await copyOf(it, "language-id", [
      [/max_length: \{epochs: 9\}/, "max_length: {epochs: 3}"],
      [/max_trials: 36/, "max_trials: 4"],
      [/name: adaptive_asha/, "name: asha"],
      [/\n {2}mode: standard/, ""],
    ]);
    await run(process.execPath, ["data.ts", "names"], { cwd: folder });
    const dataset = await contrail(it, ["data", "add", "language-names", "names"], folder);
    assert.equal(dataset.version, 1);
    assert.equal(
      (await contrail(it, ["data", "add", "language-names", "names"], folder)).created,
      false,
    );
    // What was registered is what is trained on; the folder is not needed any more.
    const id = await search(it, folder);
    const detail = await it.client.experiment(id);
    assert.equal((detail.data.names as { dataset: string }).dataset, "language-names@1");
    await contrail(it, ["checkpoint", "download", String(id), "--to", "best"], folder);
    const program = ["evaluate.ts", "best", "names", "--json"];
    const { stdout } = await run(process.execPath, program, { cwd: folder });
    const { accuracy } = JSON.parse(stdout) as { accuracy: number };
    // Guessing reaches 0.02; a few epochs are far above it even with poor settings.
    assert.ok(accuracy > 0.3, `accuracy ${accuracy}`);
  });

  const python = pythonWithTorch("sklearn");
  test("digits-pytorch", { skip: python === undefined ? NO_TORCH : false }, async () => {
    const it = shared();
    const folder = await copyOf(it, "digits-pytorch", [
      withPython(python ?? ""),
      [/max_length: \{ epochs: 9 \}/, "max_length: { epochs: 3 }"],
      [/max_trials: 27/, "max_trials: 3"],
    ]);
    const id = await search(it, folder);
    await contrail(it, ["checkpoint", "download", String(id), "--to", "best"], folder);
    const env = { ...process.env, PYTHONPATH: join(ROOT, "python") };
    const { stdout } = await run(python ?? "", ["evaluate.py", "best"], { cwd: folder, env });
    assert.ok(Number(/test_accuracy=([0-9.]+)/.exec(stdout)?.[1]) > 0.5, stdout);
  });
});
