/** Whole processes: a script that uses the trial API ends by itself, with the code it would have had. */
import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { test } from "node:test";
import { FakeRunner, type FakeRunnerOptions, goTo, yieldNow } from "./fake-runner.ts";

const SDK = new URL("./index.ts", import.meta.url).href;

function start(text: string, runner: FakeRunner) {
  const source = `import { init } from ${JSON.stringify(SDK)};\n${text}`;
  return spawn(process.execPath, ["--input-type=module-typescript", "-e", source], {
    env: { PATH: process.env.PATH, CONTRAIL_SOCKET: runner.socketPath },
    stdio: ["ignore", "pipe", "pipe"],
  });
}

/** Runs a module's text to its end. */
async function run(text: string, options: FakeRunnerOptions) {
  const runner = await FakeRunner.start(options);
  const child = start(text, runner);
  child.stdout.resume();
  let stderr = "";
  child.stderr.setEncoding("utf8").on("data", (part: string) => {
    stderr += part;
  });
  const [exitCode] = await once(child, "close");
  return { runner, exitCode, stderr };
}

const LOOP = `
const trial = await init();
for await (const step of trial.steps()) {
  for (const end = performance.now() + 5; performance.now() < end; );
  trial.report(step, { loss: 1 / step });
}`;

test("a synchronous loop reports everything, ends with 0 and needs no exit call", async () => {
  const options = { orders: goTo(20), onWait: () => yieldNow("stop") };
  const { runner, exitCode, stderr } = await run(LOOP, options);
  await using _ = runner;
  assert.deepEqual({ exitCode, stderr }, { exitCode: 0, stderr: "" });
  await runner.until(() => runner.story.at(-1) === "bye");
  assert.equal(runner.reports.length, 20);
});

test("a synchronous loop hears a stop between two steps", async () => {
  const options = { orders: goTo(1_000), onReport: () => yieldNow("stop") };
  const { runner, exitCode } = await run(LOOP, options);
  await using _ = runner;
  assert.equal(exitCode, 0);
  assert.ok(runner.reports.length < 1_000);
});

test("leaving the loop waits for reports that the runner has not taken yet", async () => {
  await using runner = await FakeRunner.start({
    orders: goTo(1),
    onWait: () => {
      runner.setDeaf(true);
      return goTo(5);
    },
  });
  const child = start(
    `const trial = await init();
    for await (const step of trial.steps()) {
      trial.report(step, { loss: 1 });
      if (step < 2) continue;
      for (let i = 0; i < 10_000; i++) trial.report(step, { i });
      console.log("leaving");
      break;
    }
    process.exit(0);`,
    runner,
  );
  child.stderr.resume();
  await once(child.stdout, "data");
  runner.setDeaf(false);
  await once(child.stdout.resume(), "close");
  await runner.until(() => runner.reports.length === 10_002);
});

test("an exception keeps its exit code, and what was reported before it has arrived", async () => {
  const text = `${LOOP.replace("trial.report", "if (step === 3) throw new Error('mine'); trial.report")}`;
  const { runner, exitCode, stderr } = await run(text, { orders: goTo(20) });
  await using _ = runner;
  assert.equal(exitCode, 1);
  assert.match(stderr, /Error: mine/);
  await runner.until(() => runner.reports.length === 2);
  assert.deepEqual(runner.story, ["report 1", "report 2"]);
});

test("a report right before process.exit has left", async () => {
  const text = `const trial = await init(); trial.report(1, { loss: 1 }); process.exit(7);`;
  const { runner, exitCode } = await run(text, { orders: goTo(20) });
  await using _ = runner;
  assert.equal(exitCode, 7);
  await runner.until(() => runner.reports.length === 1);
});

test("a script that only reports, without the loop, ends by itself", async () => {
  const text = `const trial = await init(); for (let s = 1; s < 4; s++) trial.report(s, { loss: 1 });`;
  const { runner, exitCode } = await run(text, { orders: goTo(20) });
  await using _ = runner;
  assert.equal(exitCode, 0);
  await runner.until(() => runner.reports.length === 3);
});

test("an invalid choice is said before the process ends", async () => {
  const text = `const trial = await init(); await trial.invalidHyperparameters("too wide");`;
  const { runner, exitCode, stderr } = await run(text, { orders: goTo(20) });
  await using _ = runner;
  assert.equal(exitCode, 1);
  assert.match(stderr, /invalid_hyperparameters: these hyperparameters cannot work: too wide/);
  await runner.until(() => runner.story.length === 1);
  assert.deepEqual(runner.heard, [{ type: "invalid_hyperparameters", reason: "too wide" }]);
});

test("a wait holds the process until the answer comes", async () => {
  await using runner = await FakeRunner.start({ orders: goTo(1) });
  const child = start(LOOP, runner);
  child.stdout.resume();
  child.stderr.resume();
  await runner.until(() => runner.story.includes("wait 1"));
  assert.equal(child.exitCode, null);
  runner.push(yieldNow("stop"));
  const [exitCode] = await once(child, "close");
  assert.equal(exitCode, 0);
});
