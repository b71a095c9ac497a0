/** A search on paper that takes long: it says how far it is, and Ctrl-C ends it. */
import assert from "node:assert/strict";
import { readFileSync, writeFileSync } from "node:fs";
import { test } from "node:test";
import { realClock } from "../../base/real-clock.ts";
import { runCli } from "../run-cli.ts";
import { cliBench } from "../test-bench.ts";
import { testHost } from "../test-host.ts";

const bench = cliBench();

/** Each look at the clock finds a second gone, so that a small search takes long. */
function slowHost() {
  let nowMs = 0;
  const clock = {
    ...realClock,
    monotonicMs: () => (nowMs += 1_000),
    after: (_: number, then: () => void) => realClock.after(0, then),
  };
  return testHost({ clock, cwd: bench.folder });
}

/** Of 400 trials, which is some hundred happenings. */
function many(): string[] {
  const file = bench.fresh();
  const text = readFileSync(bench.config, "utf8").replace("max_trials: 4", "max_trials: 400");
  writeFileSync(file, text);
  return ["search", "simulate", file];
}

test("a plan without the template of its configuration says so", async () => {
  const file = bench.fresh();
  writeFileSync(file, `template: base\n${readFileSync(bench.config, "utf8")}`);
  for (const verb of ["preview", "simulate"]) {
    const { code, err } = await bench.cli("search", verb, file);
    assert.equal(code, 0, err);
    assert.ok(err.includes(`${file} was read without its template base; over it: contrail`), err);
  }
});

test("it says how far it is", async () => {
  const host = slowHost();
  assert.equal(await runCli(many(), host), 0, host.stderr.text());
  assert.match(host.stderr.text(), /playing the search · [\d,]+ of 400 trials, [\d,]+ epochs/);
  assert.match(host.stdout.text(), /^spent /m);
});

test("Ctrl-C ends it, as it ends any command", async () => {
  const host = slowHost();
  host.interrupt.abort();
  assert.equal(await runCli(many(), host), 130);
  assert.equal(host.stdout.text(), "");
});
