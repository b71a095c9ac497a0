/** What people see of runners that are not heard: in the lists, beside a trial's state, and in what `up` takes. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { fakeServer, run } from "../test-host.ts";
import { aRunner, aTrialDetail } from "../test-things.ts";

const AT = "2026-11-23T09:00:00.000Z";
const slot = (id: string, withheld: string | null) => ({
  ...{ id, kind: "cpu", node: "here", description: "a core", runner: "b" },
  ...{ allocation: null, since: null, withheld },
});

test("a runner that is lost is shown with why, and its slots as held back, the reason once", async () => {
  const why = "its runner b is lost";
  const server = await fakeServer({
    "GET /runners": {
      items: [
        aRunner(),
        aRunner({ id: "b", state: "lost", reason: "nobody knows", lease_until: null }),
      ],
    },
    "GET /slots": { items: [slot("b/cpu:0", why), slot("b/cpu:1", why), slot("cpu:0", null)] },
  });
  try {
    const runners = await run(["runner", "list"], { url: server.url });
    assert.match(runners.out, /local .* heard .* 3\.2\.1/);
    assert.match(runners.out, /b .* lost .* nobody knows/);
    const slots = await run(["slot", "list"], { url: server.url });
    assert.equal(slots.out.match(/held back/g)?.length, 2);
    assert.match(slots.out, /nothing is granted on b\/cpu:0 b\/cpu:1: its runner b is lost/);
    assert.match(slots.out, /cpu:0 .* free/);
  } finally {
    await server.close();
  }
});

test("silence is a flag beside a trial's state, and a late exit is said to be late", async () => {
  const silent = { runner: "b", since: AT, heard_at: AT, alive_at: AT };
  const trial = aTrialDetail({ state: "running", silent });
  const [allocation] = trial.allocations;
  assert.ok(allocation);
  const late = { ...allocation, exit_heard_at: "2026-11-23T10:00:00.000Z", exit_code: 143 };
  const server = await fakeServer({ "GET /trials/3.2": { ...trial, allocations: [late] } });
  try {
    const { out } = await run(["trial", "show", "3.2"], { url: server.url });
    assert.match(out, /state\s+running/);
    assert.match(out, /runner b is not heard since .*; the engine said .* that it lives/);
    assert.match(out, /143 \(late\)/);
  } finally {
    await server.close();
  }
});

test("the lengths of leases are checked before anything is started", async () => {
  for (const [option, value, says] of [
    ["--runner-lease", "1s", /--runner-lease is "1s".* from 5s to 604800s/],
    ["--runner-lease", "soon", /such as --runner-lease 90s, 10m or 2h/],
    ["--runner-lost", "30s", /--runner-lost is "30s".* from 60s/],
  ] as const) {
    const ran = await run(["up", option, value]);
    assert.equal(ran.code, 2, value);
    assert.match(ran.err, says);
  }
});
