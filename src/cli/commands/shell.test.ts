/** A shell before there is a terminal on it. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { realClock } from "../../base/real-clock.ts";
import type { Terminal } from "../cli.ts";
import { cliBench } from "../test-bench.ts";
import { problem, run } from "../test-host.ts";
import { aDetail } from "../test-things.ts";

const bench = cliBench();
const TERMINAL: Terminal = { enter: () => assert.fail("there is no shell yet"), leave: () => {} };

function opened(stop: AbortController) {
  return run(["shell", "open", "3"], {
    url: bench.server.url,
    host: { terminal: () => TERMINAL, catchInterrupt: () => stop.signal },
  });
}

const shellWith = (running: number) => {
  const shell = aDetail();
  const task = { kind: "shell", idle_timeout_s: null, idle_since: null } as const;
  return { ...shell, state: "active", task, trials: { ...shell.trials, running } };
};

test("while its program cannot be reached it is said why, and asked again after a pause", async () => {
  const stop = new AbortController();
  const asked: string[] = [];
  bench.server.answer("GET /experiments/3", shellWith(1));
  bench.server.answer("GET /tasks/3/shell", (_, response) => {
    asked.push("shell");
    if (asked.filter((what) => what === "shell").length === 3) stop.abort();
    problem(response, 503, "unavailable", "256 connections are open");
  });
  const clock = {
    ...realClock,
    after: (delayMs: number, callback: () => void) => {
      if (delayMs === 400) asked.push("pause");
      return realClock.after(delayMs, callback);
    },
  };
  const ran = await run(["shell", "open", "3"], {
    url: bench.server.url,
    host: { terminal: () => TERMINAL, catchInterrupt: () => stop.signal, clock, isTTY: true },
  });
  assert.deepEqual(asked, ["shell", "pause", "shell", "pause", "shell"]);
  assert.match(ran.err, /256 connections are open/);
  assert.doesNotMatch(ran.err, /waits for slots/);
});

for (const [when, running] of [
  ["it waits for slots", 0],
  ["its program does not listen yet", 1],
] as const)
  test(`Ctrl-C while ${when} leaves it, with 130 and how to go on`, {
    timeout: 20_000,
  }, async () => {
    const stop = new AbortController();
    bench.server.answer("GET /experiments/3", shellWith(running));
    bench.server.answer("GET /tasks/3/shell", (_, response) =>
      problem(response, 503, "unavailable", "its program does not listen"),
    );
    setTimeout(() => stop.abort(), 300);
    const ran = await opened(stop);
    assert.equal(ran.code, 130, ran.err);
    assert.match(ran.err, /shell 3 goes on/);
    assert.match(ran.out + ran.err, /next: contrail shell open 3\n/);
    assert.match(ran.out + ran.err, /next: contrail task kill 3\n/);
    assert.doesNotMatch(ran.err, /error:/);
  });
