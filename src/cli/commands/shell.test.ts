/** A shell before there is a terminal on it. */
import assert from "node:assert/strict";
import { test } from "node:test";
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
