/** TypeScript, Python, and the program without a helper in docs/trial-api.md tell the runner the same story. */
import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { fileURLToPath } from "node:url";
import { FakeRunner, goTo, type Kept, yieldNow } from "./fake-runner.ts";

const SDK = new URL("./index.ts", import.meta.url).href;
const PYTHON = fileURLToPath(new URL("../../python", import.meta.url));
const PAGE = readFileSync(new URL("../../docs/trial-api.md", import.meta.url), "utf8");
const WITHOUT_HELPER = /```python\n(import json, os, socket[\s\S]*?)```/.exec(PAGE)![1]!;

const TYPESCRIPT = `
import { readFileSync, writeFileSync } from "node:fs";
import { init } from ${JSON.stringify(SDK)};
const trial = await init();
let weight = 0;
const restore = (folder) => { weight = Number(readFileSync(folder + "/weight", "utf8")); };
for await (const step of trial.steps({ restore })) {
  weight += trial.params.learning_rate * (3 - weight);
  trial.report(step, { loss: (3 - weight) ** 2 });
  await trial.checkpoint(step, (folder) => writeFileSync(folder + "/weight", String(weight)));
}`;

const WITH_HELPER = `
import contrail
trial = contrail.init()
weight = 0.0
def restore(path, step):
    global weight
    weight = float((path / "weight").read_text())
for step in trial.steps(restore=restore):
    weight += trial.params["learning_rate"] * (3 - weight)
    trial.report(step, loss=(3 - weight) ** 2)
    trial.checkpoint(step, lambda path: (path / "weight").write_text(repr(weight)))
`;

const PROGRAMS: readonly [string, string, ...string[]][] = [
  ["typescript", process.execPath, "--input-type=module-typescript", "-e", TYPESCRIPT],
  ["python", "python3", "-c", WITH_HELPER],
  ["python without a helper", "python3", "-c", WITHOUT_HELPER],
];

async function session(program: readonly [string, ...string[]], from: Kept | null) {
  const runner = await FakeRunner.start({
    orders: goTo(from === null ? 2 : from.step),
    welcome: {
      params: { learning_rate: 0.5 },
      restore: from && { step: from.step, path: from.path },
    },
    onWait: (step) =>
      step === 2
        ? goTo(4)
        : step === 4
          ? from === null
            ? yieldNow("pause")
            : goTo(5)
          : yieldNow("stop"),
  });
  const [file, ...args] = program;
  const child = spawn(file, args, {
    env: { PATH: process.env.PATH, PYTHONPATH: PYTHON, CONTRAIL_SOCKET: runner.socketPath },
    stdio: ["ignore", "inherit", "pipe"],
  });
  let stderr = "";
  child.stderr.setEncoding("utf8").on("data", (part: string) => {
    stderr += part;
  });
  const [exitCode] = await once(child, "close");
  await runner.until(() => runner.story.at(-1) === "bye");
  return { runner, exitCode, stderr };
}

for (const [name, ...program] of PROGRAMS) {
  test(`${name}: trains, pauses, goes on in a new process, ends`, async () => {
    const first = await session(program as [string, ...string[]], null);
    await using one = first.runner;
    const second = await session(program as [string, ...string[]], one.kept.at(-1)!);
    await using two = second.runner;
    assert.deepEqual([first.exitCode, first.stderr], [0, ""]);
    assert.deepEqual([second.exitCode, second.stderr], [0, ""]);
    const story = (runner: FakeRunner) => runner.story.filter((line) => line !== "checkpoint 4");
    assert.deepEqual(
      [...story(one), ...story(two)],
      [
        ...[
          "report 1",
          "report 2",
          "checkpoint 2",
          "wait 2",
          "report 3",
          "report 4",
          "wait 4",
          "bye",
        ],
        ...["wait 4", "report 5", "checkpoint 5", "wait 5", "bye"],
      ],
    );
    const losses = [...one.reports, ...two.reports].map(({ metrics }) => metrics.loss);
    assert.deepEqual(losses, [2.25, 0.5625, 0.140625, 0.03515625, 0.0087890625]);
    assert.equal(Number(readFileSync(join(two.kept.at(-1)!.path, "weight"), "utf8")), 2.90625);
  });
}
