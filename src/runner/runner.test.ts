/** The runner on a node that is not there, with a server that answers nothing. */
import assert from "node:assert/strict";
import { test } from "node:test";
import type { Machine, RunnerClient } from "./machine.ts";
import { Runner } from "./runner.ts";

function runnerWith(tidy: Machine["tidy"]) {
  const said: string[] = [];
  let hangUp = (_: Error): void => {};
  const silence = new Promise<never>((_, reject) => {
    hangUp = reject;
  });
  silence.catch(() => {});
  const client: Partial<RunnerClient> = {
    ...{ runnerId: "local", json: () => silence },
    close: () => {},
  };
  const machine: Partial<Machine> = { leftovers: () => [], tidy, release: () => {} };
  const runner = new Runner({
    clock: { nowMs: () => 0, monotonicMs: () => 0, after: () => () => {} },
    client: client as RunnerClient,
    machine: machine as Machine,
    boot: "boot-1",
    say: (text) => said.push(text),
  });
  const stop = async () => {
    hangUp(new Error("hung up"));
    await runner.stop();
  };
  return { runner, said, stop };
}

test("a runner is there while its housekeeping still waits", async () => {
  let tidying = false;
  const { runner, stop } = runnerWith(() => {
    tidying = true;
    return new Promise(() => {});
  });
  await runner.start();
  assert.ok(tidying);
  await stop();
});

test("housekeeping that fails is told, and the runner is there all the same", async () => {
  const { runner, said, stop } = runnerWith(async () => {
    throw new Error("EIO: the disk is ill");
  });
  await runner.start();
  assert.match(said.join("\n"), /could not be cleared away: Error: EIO: the disk is ill/);
  await stop();
});
