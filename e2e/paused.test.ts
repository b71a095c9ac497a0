/**
 * A trial that is paused k times, k = 0 … 10, at random steps, ends with the same bits as one that never was; the PyTorch
 * ones stand in files of their own, because each starts some hundred processes.
 */
import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { cp, readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { describe, test } from "node:test";
import { promisify } from "node:util";
import { single, withPauses } from "./paused.ts";
import { ROOT, sharedStand } from "./support.ts";

const OFFER = "await trial.checkpoint(epoch, save);";
const HOLD = `
  const holdAt = process.env.E2E_HOLD_AT?.split(",")[Number(process.env.CONTRAIL_ALLOCATION?.split(".")[2]) - 1];
  while (holdAt && epoch >= Number(holdAt) && !trial.shouldStop) await new Promise((go) => setTimeout(go, 10));`;

describe("a trial that is paused up to ten times at random steps", () => {
  const shared = sharedStand({ slots: 4 });

  test("ends with the same bits: examples/language-id", async () => {
    const it = shared();
    const folder = join(it.folder, "language-id");
    await cp(join(ROOT, "examples", "language-id"), folder, { recursive: true });
    // What it trains stays as it is; a run that is to be paused does not go on to the end.
    const program = join(folder, "train.ts");
    const text = await readFile(program, "utf8");
    assert.ok(text.includes(OFFER));
    await writeFile(program, text.replace(OFFER, `${OFFER}\n${HOLD}`));
    await promisify(execFile)(process.execPath, ["data.ts", "names"], { cwd: folder });
    const added = await it.contrail(["data", "add", "language-names", "names"], { cwd: folder });
    assert.equal(added.code, 0, added.stderr);
    const steps = 36;
    const config = {
      name: "language-id",
      entrypoint: "node train.ts",
      data: { names: "language-names@latest" },
      hyperparameters: {
        features: { ngram_max: 2, buckets: 256 },
        ...{ hidden: 4, activation: "tanh", optimizer: "adam", learning_rate: 0.01 },
        ...{ rate_decay: 0.95, dropout: 0.2 },
      },
      searcher: single(steps),
      reproducibility: { experiment_seed: 11 },
    };
    await withPauses(it, { config, folder, steps });
  });
});
