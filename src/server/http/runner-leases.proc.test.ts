/** One runner, one process (row S11); what the server says of leases; and answers to words from before a loss. */
import assert from "node:assert/strict";
import { after, describe, test } from "node:test";
import type { RunnerObservation } from "../../engines/engine.ts";
import type { Runner } from "../../protocol/api.ts";
import type { SyncReply } from "../../protocol/runner-wire.ts";
import { RANDOM_CONFIG, type TestServer, testServer } from "./test-server.ts";

const LIMIT_MS = 60_000;

async function until<T>(what: string, look: () => Promise<T | undefined>): Promise<T> {
  const endMs = performance.now() + LIMIT_MS;
  for (;;) {
    const found = await look();
    if (found !== undefined) return found;
    assert.ok(performance.now() < endMs, `waited in vain until ${what}`);
    await new Promise((done) => setTimeout(done, 20));
  }
}

function speakers(server: TestServer) {
  const { token } = server.runner;
  return {
    sync: (boot: string, more: object = {}) =>
      server.call("POST", "/api/v1/runners/local/sync", {
        token,
        body: { boot, ordersAfter: 0, allocations: [], ...more },
      }),
    orders: (boot: string) =>
      server.call("GET", `/api/v1/runners/local/orders?after=0&wait_ms=0&boot=${boot}`, { token }),
    logs: (boot: string) =>
      server.call("POST", "/api/v1/runners/local/logs", {
        token,
        body: { boot, allocations: [] },
      }),
  };
}

describe("two processes with one runner's name", () => {
  let seen: RunnerObservation = { state: "alive", pid: 1, boot: "first" };
  const opened = testServer({ observe: () => seen });
  after(async () => (await opened).stop());

  test("the second is refused whatever it asks, until the engine says that the first has ended", async () => {
    const { sync, orders, logs } = speakers(await opened);
    assert.equal((await sync("first")).status, 200);
    for (const state of [seen, { state: "unknown", why: "no answer" } as const]) {
      seen = state;
      for (const answer of [await sync("second"), await orders("second"), await logs("second")]) {
        assert.equal(answer.status, 409, answer.text);
        assert.equal(answer.problem.code, "runner_taken");
        assert.match(answer.problem.detail, /runner local is another process: .*first/);
      }
      assert.equal((await orders("first")).status, 200, "the first goes on");
    }
    seen = { state: "gone", proof: "no such process" };
    assert.equal((await sync("second")).status, 200);
    seen = { state: "alive", pid: 2, boot: "second" };
    assert.equal((await sync("first")).problem.code, "runner_taken", "now that one is the second");
    assert.equal((await orders("second")).status, 200);
  });

  test("one whose requests are from before boots were told apart is heard", async () => {
    const server = await opened;
    const { token } = server.runner;
    const answer = await server.call("GET", "/api/v1/runners/local/orders?after=0&wait_ms=0", {
      token,
    });
    assert.equal(answer.status, 200);
  });
});

describe("a runner that is lost", () => {
  const lease = { silentMs: 300, leaseMs: 400, lostMs: 500 };
  const alive: RunnerObservation = { state: "alive", pid: 1, boot: "test" };
  let seen: RunnerObservation = alive;
  const opened = testServer({ lease, slots: 1, observe: () => seen });
  after(async () => (await opened).stop());
  const runner = async (): Promise<Runner> => {
    const [found] = await (await opened).client.runners();
    assert.ok(found);
    return found;
  };

  test("has to say under the new number that nothing is left, and then gets its slots back", async () => {
    const server = await opened;
    const { sync } = speakers(server);
    const request = { config: RANDOM_CONFIG, code: null, provenance: {}, activate: true };
    const { experiment } = await server.client.createExperiment({ ...request, dry_run: false });
    assert.ok(experiment);
    const held = await until("it is granted", async () => {
      await sync("test");
      return (await server.client.slots())[0]?.allocation ?? undefined;
    });
    assert.equal(held, `${experiment.id}.1.1`);
    await server.runner.started(held);
    const before = (await server.runner.orders()).lease;

    seen = { state: "unknown", why: "no answer" };
    await until("it is lost", async () => ((await runner()).state === "lost" ? true : undefined));
    const lost = await runner();
    assert.deepEqual([lost.lease, lost.lease_until, lost.allocations], [before + 1, null, []]);
    const trial = await server.client.trial(`${experiment.id}.1`);
    assert.equal(trial.state, "queued", "it goes on, when there is a slot");
    assert.equal(trial.allocations[0]?.end, "node_lost");
    const [slot] = await server.client.slots();
    assert.deepEqual([slot?.allocation, slot?.withheld?.includes("lost")], [null, true]);

    const nothing = { holds: [] };
    const words: [string, object][] = [
      ["not said", { lease: lost.lease }],
      ["said under the old lease", { lease: before, ...nothing }],
      ["said by who has heard of none", nothing],
      ["what was replaced runs still", { lease: lost.lease, holds: [held] }],
    ];
    for (const [what, words_] of words) {
      const allocations = [{ id: held, fence: 1, events: [] }];
      const answer = await sync("test", { allocations, ...words_ });
      const reply = answer.json as SyncReply;
      assert.deepEqual([reply.gone, reply.lease], [[held], lost.lease], what);
      assert.equal((await server.client.slots())[0]?.allocation, null, what);
    }
    // Its last words about the old run are kept under it, and decide nothing.
    await server.runner.report(held, 1, { loss: 0.5 });
    await server.runner.exited(held, 7);
    const kept = await server.client.trial(`${experiment.id}.1`);
    assert.deepEqual([kept.state, kept.step, kept.restarts], ["queued", 0, 0]);
    assert.equal(kept.allocations[0]?.exit_code, 7);
    assert.ok(kept.allocations[0]?.exit_heard_at);
    assert.equal(kept.allocations[0]?.end, "node_lost");

    seen = alive;
    // Said again where it has fallen silent before its word was planned by.
    await until("it has its slot", async () => {
      await sync("test", { lease: lost.lease, ...nothing });
      const [free] = await server.client.slots();
      return free?.allocation === `${experiment.id}.1.2` ? true : undefined;
    });
    assert.match((await runner()).state, /^(heard|silent)$/);
    assert.equal((await server.client.auditVerify()).ok, true);
  });

  test("an engine that vouches for it ends nothing, and is shown", async () => {
    const server = await opened;
    await until("the engine has vouched", async () => {
      const { state, alive_at: aliveAt } = await runner();
      return state === "silent" && aliveAt !== null ? true : undefined;
    });
    const [slot] = await server.client.slots();
    assert.match(slot?.withheld ?? "", /is silent/);
    const number = slot?.allocation?.split(".").slice(0, 2).join(".") ?? "";
    const trial = await server.client.trial(number);
    assert.equal(trial.silent?.runner, "local");
    assert.equal((await server.client.jobs())[0]?.silent, 1);
  });
});
