/** Verbs of notebooks, given the number of something else. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { cliBench } from "../test-bench.ts";
import { aDetail } from "../test-things.ts";

const bench = cliBench();
const asked = (path: string): boolean =>
  bench.server.requests.some((request) => request.path === path);

test("stop and logs leave alone what is no notebook", async () => {
  bench.server.answer("GET /experiments/3", aDetail());
  for (const verb of ["stop", "logs"]) {
    const ran = await bench.cli("notebook", verb, "3");
    assert.match(ran.err, /3 is an experiment, and no notebook/, verb);
    assert.notEqual(ran.code, 0, verb);
  }
  assert.ok(!asked("/experiments/3/kill"));
});

test("stop ends a notebook", async () => {
  const task = { kind: "notebook", idle_timeout_s: null, idle_since: null } as const;
  bench.server.answer("GET /experiments/3", { ...aDetail(), task });
  const ran = await bench.cli("notebook", "stop", "3");
  assert.equal(ran.code, 0, ran.err);
  assert.ok(asked("/experiments/3/kill"));
});
