/** Records over HTTP: what runners bring is stored once by content, put together, and goes with its experiment. */
import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";
import pg from "pg";
import { dropUnusedEnvironments } from "../../store/record-store.ts";
import { RANDOM_CONFIG, type TestServer, testServer } from "./test-server.ts";

const DAY_MS = 24 * 3600 * 1000;

const part = (captured: object, missing: object[] = []) => ({
  ...{ captured, missing, not_applicable: [] },
});
const environment = part({
  interpreter: { language: "python", path: "/p", version: "3.12.1", build: "b" },
  packages_observed: { "pip:numpy": "2.1.0" },
});

describe("records", () => {
  let server: TestServer;
  before(async () => {
    server = await testServer({ slots: 16 });
  });
  after(() => server.stop());

  async function begun(): Promise<{ id: number; one: string; two: string }> {
    const { experiment } = await server.client.createExperiment({
      config: RANDOM_CONFIG,
      code: null,
      provenance: { user: "ada", host: "h", argv: ["x"], git: { commit: "c0ffee", clean: true } },
    });
    assert.ok(experiment);
    const { id } = experiment;
    return { id, one: `${id}.1.1`, two: `${id}.2.1` };
  }

  test("two runs with the same surroundings have one environment; each has its own part", async () => {
    const { id, one, two } = await begun();
    for (const [who, line] of [
      [one, "first"],
      [two, "second"],
    ] as const) {
      await server.runner.started(who);
      await server.runner.tell(who, {
        ...{ type: "record", source: "runner", environment },
        own: part({ command: { line } }, [{ what: "gpu", why: "nvidia-smi is ill" }]),
      });
    }
    await server.runner.tell(one, {
      ...{ type: "record", source: "program" },
      own: part({ frameworks: { imported_torch: "2.13.0" } }),
    });
    const [a, b] = [
      await server.client.trialRecord(`${id}.1`),
      await server.client.trialRecord(`${id}.2`, { run: 1 }),
    ];
    assert.equal(a.environment, b.environment);
    assert.deepEqual([a.captured.command?.line, b.captured.command?.line], ["first", "second"]);
    assert.equal(a.captured.interpreter?.version, "3.12.1");
    assert.equal(a.captured.frameworks?.imported_torch, "2.13.0");
    assert.equal(a.captured.code?.git_commit, "c0ffee");
    assert.ok(a.missing.some(({ what, why }) => what === "gpu" && why === "nvidia-smi is ill"));
    assert.equal(a.completeness, a.items.captured / a.items.applicable);
    assert.deepEqual(a.runs, [
      {
        ...{ run: 1, allocation: one, captured_at: a.captured_at, environment: a.environment },
      },
    ]);
    const { rows } = await server.pool.query("select hash from environments");
    assert.deepEqual(rows, [{ hash: a.environment }]);
    const alone = await server.client.environment(a.environment ?? "");
    assert.deepEqual(alone.captured.packages_observed, { "pip:numpy": "2.1.0" });
  });

  test("an environment travels to the database once, and again when it was dropped meanwhile", async (t) => {
    const { id, one, two } = await begun();
    const other = part({ interpreter: { version: "travels" } });
    const event = { type: "record", source: "runner", environment: other, own: part({}) };
    const query = t.mock.method(pg.Client.prototype, "query");
    const documents = (): number => {
      const sent = query.mock.calls.filter(({ arguments: [asked] }) =>
        JSON.stringify((asked as { values?: unknown } | undefined)?.values ?? null).includes(
          "travels",
        ),
      );
      query.mock.resetCalls();
      return sent.length;
    };
    for (const who of [one, two]) await server.runner.started(who);
    await server.runner.tell(one, event);
    assert.equal(documents(), 1);
    await server.runner.tell(two, event);
    assert.equal(documents(), 0);
    const { environment: hash } = await server.client.trialRecord(`${id}.2`);
    await server.pool.query("delete from records where environment = $1", [hash]);
    await dropUnusedEnvironments(server.pool);
    await server.runner.tell(two, event);
    assert.equal(documents(), 1);
    const again = await server.client.trialRecord(`${id}.2`);
    assert.equal(again.environment, hash);
    assert.equal(again.captured.interpreter?.version, "travels");
  });

  test("heard twice it changes nothing; of an allocation that there is not, nothing is kept", async () => {
    const { id, one } = await begun();
    await server.runner.started(one);
    const event = {
      type: "record",
      source: "runner",
      environment,
      own: part({}),
      seq: 2,
      atMs: 1e12,
    };
    for (let i = 0; i < 2; i++) {
      const answer = await server.runner.send(one, event);
      assert.equal(answer.status, 200, answer.text);
    }
    const answer = await server.runner.send(`${id}.77.1`, { ...event, seq: 1 });
    assert.equal(answer.status, 200, answer.text);
    const { rows } = await server.pool.query(
      "select trial_number, at from records where experiment_id = $1",
      [id],
    );
    assert.deepEqual(rows, [{ trial_number: 1, at: new Date(1e12) }]);
  });

  test("what is no record is refused, with nothing taken of it", async () => {
    const { one } = await begun();
    await server.runner.started(one);
    for (const own of [
      { captured: { nonsense: { a: 1 } } },
      { captured: { cpu: { a: { b: 1 } } } },
      { captured: { cpu: { a: null } } },
      { missing: [{ what: "x" }] },
      { captured: { cpu: { a: "x".repeat(20_000) } } },
    ]) {
      const answer = await server.runner.send(one, { type: "record", source: "runner", own });
      assert.equal(answer.status, 400, JSON.stringify(own));
    }
    const record = await server.client.trialRecord(one.replace(/\.1$/, ""));
    assert.equal(record.captured_at, null);
    assert.ok(record.missing.some(({ why }) => why === "its runner has not told yet"));
  });

  test("an experiment may name a recorded environment, and no other", async () => {
    const { id, one } = await begun();
    await server.runner.started(one);
    const other = part({ interpreter: { version: "rebuilt" } });
    const event = { type: "record", source: "runner", environment: other, own: part({}) };
    await server.runner.tell(one, event);
    const { environment: hash } = await server.client.trialRecord(`${id}.1`);
    const config = (rebuild: string) => `${RANDOM_CONFIG}\nenvironment: {rebuild: "${rebuild}"}\n`;
    await assert.rejects(
      server.client.createExperiment({ config: config("0".repeat(64)), code: null }),
      /no run that is recorded here had that environment/,
    );
    const { experiment } = await server.client.createExperiment({
      config: config(hash ?? ""),
      code: null,
    });
    const orders = (await server.runner.orders()).orders;
    const launched = orders.find(({ id: name }) => name.startsWith(`${experiment?.id}.`));
    assert.equal(launched?.launch?.rebuild, hash);
    // It stays for as long as that experiment does, whatever becomes of the run that had it.
    await purge(id);
    assert.ok(await server.client.environment(hash ?? ""));
    await purge(experiment?.id ?? 0);
    await assert.rejects(server.client.environment(hash ?? ""), { status: 404 });
  });

  async function purge(id: number): Promise<void> {
    await server.client.changeExperiment(id, "kill");
    const names = await server.pool.query<{ name: string }>(
      `select experiment_id || '.' || trial_number || '.' || run as name from allocations
       where experiment_id = $1 and state <> 'ended'`,
      [id],
    );
    for (const { name } of names.rows)
      await server.runner.exited(name, 0, { signalsSent: ["SIGTERM"] });
    const deleted = await server.client.actOnExperiments("delete", [id]);
    assert.deepEqual(deleted.items[0]?.problem, null);
    // A clock that only jumped makes nothing due; a server that starts then takes it at its word.
    server.clock.advance(8 * DAY_MS);
    await server.restart("keep");
    for (let i = 0; i < 600; i++) {
      await server.client.startGc().catch(() => undefined);
      const { rows } = await server.pool.query(
        "select 1 from experiment_marks where experiment_id = $1 and emptied_at is not null",
        [id],
      );
      if (rows.length > 0) return;
      await new Promise((resolve) => setTimeout(resolve, 50));
    }
    throw new Error(`experiment ${id} was never purged`);
  }
});
