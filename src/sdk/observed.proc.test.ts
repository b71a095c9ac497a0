/** What a program tells of its surroundings: with its first report, once more for what was added, and only where it is wanted. */
import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { test } from "node:test";
import { FakeRunner, goTo, surroundings, yieldNow } from "./fake-runner.ts";
import { init } from "./init.ts";

async function told(welcome: { observes?: boolean }, started: string[] = []) {
  const options = { orders: goTo(2), onWait: () => yieldNow("stop", 2), welcome };
  await using runner = await FakeRunner.start(options);
  const trial = await init({}, surroundings({ CONTRAIL_SOCKET: runner.socketPath }));
  for await (const step of trial.steps()) {
    trial.report(step, { loss: 1 / step });
    for (const program of started) await once(spawn(program), "exit");
  }
  await runner.until(() => runner.story.at(-1) === "bye");
  return runner.heard.flatMap((message) => (message.type === "observed" ? [message.facts] : []));
}

test("it is told once, with the first report, and only where it is wanted", async () => {
  assert.deepEqual(await told({}), []);
  const [first, ...more] = await told({ observes: true });
  assert.deepEqual(more, []);
  assert.equal(first?.determinism?.math_random, "not seeded");
  assert.deepEqual(first?.outside, {});
});

test("what the program reached for since is told at the end, beside the rest", async () => {
  const [first, last, ...more] = await told({ observes: true }, ["true", "echo"]);
  assert.deepEqual(more, []);
  assert.deepEqual(last, { ...first, outside: { programs: "true, echo" } });
});
