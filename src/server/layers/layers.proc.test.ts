/** Templates and defaults of workspaces over HTTP, on a real database. */
import assert from "node:assert/strict";
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { after, before, describe, test } from "node:test";
import type { RemoteError } from "../../sdk/remote-error.ts";
import { idleEngine, type TestServer, testServer } from "../http/test-server.ts";

describe("layers", () => {
  let server: TestServer;
  before(async () => {
    const defaults = { resources: { priority: 7, max_slots: 2 }, preemption_timeout: 9 };
    const engine = idleEngine(2, () => undefined);
    server = await testServer({ pools: [{ name: "team", defaults, engine }] });
  });
  after(() => server.stop());

  const submit = (config: string, more: { template?: string; dry_run?: boolean } = {}) =>
    server.client.createExperiment({ config, code: null, ...more });
  const refused = async (promise: Promise<unknown>): Promise<RemoteError> => {
    const error = await promise.then(
      () => undefined,
      (failure: unknown) => failure,
    );
    assert.ok(error instanceof Error, "nothing was refused");
    return error as RemoteError;
  };
  const changes = async (subject: string) =>
    (await server.client.audit({ limit: 100, order: "oldest" })).items.filter((item) =>
      item.subject.startsWith(subject),
    );

  test("submission, template, workspace, pool, in this order; a copy hangs on none of them", async () => {
    const { client } = server;
    await client.setLayer(
      "template",
      "base",
      "# ours\nentrypoint: 'true'\nworkspace: vision\nproject: digits\nresources: {resource_pool: team}\nmax_restarts: 2\ndescription: t\n",
    );
    await client.setLayer(
      "workspace",
      "vision",
      "max_restarts: 3\nresources: {priority: 20}\npreemption_timeout: 30\n",
    );
    const text = "template: base # what we share\ndescription: mine\n";
    const dry = await submit(text, { dry_run: true });
    const { experiment, layers } = await submit(text);
    assert.deepEqual(dry.layers, layers);
    assert.deepEqual(layers, [
      {
        ...{ kind: "template", name: "base", version: 1 },
        fields: [
          ".entrypoint",
          ".workspace",
          ".project",
          ".resources.resource_pool",
          ".max_restarts",
        ],
      },
      {
        ...{ kind: "workspace", name: "vision", version: 1 },
        fields: [".resources.priority", ".preemption_timeout"],
      },
      { ...{ kind: "pool", name: "team", version: null }, fields: [".resources.max_slots"] },
    ]);
    assert.ok(experiment);
    const detail = await client.experiment(experiment.id);
    assert.deepEqual(detail.layers, layers);
    assert.equal(detail.config_text, text);
    const config = detail.config as Record<string, unknown>;
    assert.deepEqual(
      ["template", "workspace", "description", "max_restarts", "preemption_timeout"].map(
        (field) => config[field],
      ),
      [null, "vision", "mine", 2, 30],
    );
    // Another template of that name, other defaults, and none at all: nothing of it is heard of in a copy.
    await client.setLayer("template", "base", "entrypoint: 'false'\nmax_restarts: 9\n");
    await client.removeLayer("workspace", "vision");
    const fork = await client.fork({ of: String(experiment.id), set: [] });
    assert.deepEqual([fork.overrides, fork.layers], [[], []]);
    assert.doesNotMatch(fork.config, /template/);
    const copy = await client.experiment(fork.experiment?.id ?? 0);
    assert.deepEqual(copy.config, detail.config);
    // The one that was used can still be read, and used.
    assert.match((await client.layer("template", "base", 1)).config, /^# ours/);
    const first = await submit("{}", { template: "base@1" });
    const newest = await submit("template: base@1\n", { template: "base" });
    const restarts = async (id = 0) =>
      ((await client.experiment(id)).config as { max_restarts: number }).max_restarts;
    assert.deepEqual(
      [await restarts(first.experiment?.id), await restarts(newest.experiment?.id)],
      [2, 9],
    );
    const set = await changes("template base");
    assert.deepEqual(
      set.map(({ subject, what, actor }) => [subject, what, actor === ""]),
      [
        ["template base@1", "set", false],
        ["template base@2", "set", false],
      ],
    );
    assert.match(set[1]?.cause ?? "", /says entrypoint, max_restarts; in place of version 1/);
    assert.deepEqual(
      (await changes("workspace vision")).map(({ what }) => what),
      ["set", "removed"],
    );
  });

  test("what is wrong by itself is refused when it is set, and what held holds on", async () => {
    const { client } = server;
    await client.setLayer("template", "kept", "max_restarts: 1\n");
    const failure = await refused(
      client.setLayer("template", "kept", "labels: [a]\nresources: {prority: 3}\ntemplate: base\n"),
    );
    assert.equal(failure.code, "invalid_config");
    assert.deepEqual(
      failure.toProblem().issues?.map(({ line, column, path }) => [line, column, path]),
      [
        [2, 13, ".resources.prority"],
        [3, 1, ".template"],
      ],
    );
    const same = await client.setLayer("template", "kept", "max_restarts: 1\n");
    assert.deepEqual([same.version, same.created], [1, false]);
    for (const name of ["Kept", "a b", "-x", "x".repeat(129)])
      assert.equal((await refused(client.setLayer("template", name, "{}"))).status, 400, name);
  });

  test("a workspace with a name that cannot be stored is refused where it stands", async () => {
    const { issues } = await refused(
      submit("entrypoint: 'true'\nworkspace: \"\\0\"\n", { dry_run: true }),
    );
    assert.deepEqual(
      issues.map(({ code, path, line }) => ({ code, path, line })),
      [{ code: "unstorable", path: ".workspace", line: 2 }],
    );
  });

  test("a template that is not there is named with what is near; one that makes a whole wrong too", async () => {
    const { client } = server;
    await client.setLayer(
      "template",
      "narrow",
      "resources: {max_slots: 1, resource_pool: team}\nentrypoint: 'true'\n",
    );
    const absent = (await refused(submit("name: x\ntemplate: narow\n"))).toProblem();
    assert.deepEqual(
      absent.issues?.map(({ code, line, column, suggestion }) => [code, line, column, suggestion]),
      [["unknown_template", 2, 1, "narrow"]],
    );
    assert.match((await refused(submit("{}", { template: "narrow@7" }))).message, /narrow@7/);
    const wrong = (
      await refused(submit("template: narrow\nresources: {slots_per_trial: 2}\n"))
    ).toProblem();
    const [issue] = wrong.issues ?? [];
    assert.equal(issue?.line, undefined);
    assert.match(issue?.message ?? "", /\.resources\.max_slots comes from template narrow@1\.$/);
    assert.match(wrong.hint, /read over template narrow@1, the defaults of pool team/);
    const elsewhere = await refused(
      submit("template: boxed\n").catch(async () => {
        await client.setLayer(
          "template",
          "boxed",
          "entrypoint: 'true'\nresources: {shm_size: 1g}\n",
        );
        return submit("template: boxed\n");
      }),
    );
    assert.match(elsewhere.message, /shm_size is for containers.*comes from template boxed@1\.$/);
    await client.removeLayer("template", "narrow");
    assert.match((await refused(submit("template: narrow\n"))).message, /was removed by/);
    assert.equal((await refused(client.removeLayer("template", "narrow"))).status, 404);
    assert.equal((await refused(client.layer("template", "narrow"))).status, 404);
    assert.equal((await client.layer("template", "narrow", 1)).removed?.by, "ada");
    const again = await client.setLayer("template", "narrow", "entrypoint: 'true'\n");
    assert.equal(again.version, 2);
  });

  test("whatever a layer's value is refused for, it is said whence that value comes", async () => {
    const { client } = server;
    const absent = "a".repeat(64);
    const values: [name: string, value: string, field: string][] = [
      ["old-pool", "resources: {resource_pool: gone}", ".resources.resource_pool"],
      ["old-environment", `environment: {require: ${absent}}`, ".environment.require"],
      ["old-data", "data: {digits: digits@1}", ".data.digits"],
      [
        "old-start",
        `searcher: {name: single, source_checkpoint_uuid: ${absent}}`,
        ".searcher.source_checkpoint_uuid",
      ],
    ];
    for (const [name, value, field] of values) {
      const text = `entrypoint: 'true'\n${value}\n`;
      const alone = (await refused(submit(text))).toProblem();
      await client.setLayer("template", name, text);
      const under = (await refused(submit(`template: ${name}\n`))).toProblem();
      assert.doesNotMatch(alone.detail, /comes from/);
      assert.ok(under.detail.endsWith(`${field} comes from template ${name}@1.`), under.detail);
      assert.deepEqual([under.code, under.hint], [alone.code, alone.hint]);
    }
  });

  test("lists show what holds by name, and every version of one", async () => {
    const { client } = server;
    for (const text of ["name: a\n", "name: b\n"])
      await client.setLayer("workspace", "A b.c", text);
    await client.setLayer("workspace", "z", "name: z\n");
    await client.setLayer("workspace", "gone", "name: z\n");
    await client.removeLayer("workspace", "gone");
    const all: string[] = [];
    let cursor: string | undefined;
    do {
      const page = await client.layers("workspace", { limit: 1, cursor });
      all.push(...page.items.map(({ name, version }) => `${name}@${version}`));
      cursor = page.next_cursor ?? undefined;
    } while (cursor !== undefined);
    assert.deepEqual(
      all.filter((name) => !name.startsWith("vision")),
      ["A b.c@2", "z@1"],
    );
    const one = await client.layers("workspace", { name: "A b.c" });
    assert.deepEqual(
      one.items.map(({ version }) => version),
      [2, 1],
    );
  });

  test("a login in a template is sealed before it is kept, and nobody can say where values came from", async () => {
    const { client } = server;
    await client.setLayer(
      "template",
      "private",
      "environment: {registry_auth: {username: ada, password: hunter2hunter2}} # ours\n",
    );
    const { config } = await client.layer("template", "private");
    assert.doesNotMatch(config, /hunter2/);
    assert.match(config, /sealed: [0-9a-f]{64}/);
    const logins = join(server.dataDir, "logins");
    assert.ok(
      readdirSync(logins).some((file) => readFileSync(join(logins, file), "utf8").includes("ada")),
    );
    const { experiment } = await client.createExperiment({
      ...{
        config:
          "entrypoint: 'true'\npreemption_timeout: 1\nresources: {resource_pool: team, priority: 1, max_slots: 1}\n",
      },
      ...{ code: null, provenance: { layers: [{ kind: "template", name: "forged" }] } },
    });
    const detail = await client.experiment(experiment?.id ?? 0);
    assert.deepEqual(detail.layers, [{ kind: "pool", name: "team", version: null, fields: [] }]);
  });

  test("a token that may only read reads", async () => {
    const { token } = await server.client.createToken({ name: "r", scope: "read" });
    const headers = { authorization: `Bearer ${token}` };
    for (const noun of ["templates", "workspaces"]) {
      const call = (method: string, body?: object) =>
        server.call(method, `/api/v1/${noun}/x`, { headers, ...(body ? { body } : {}) });
      assert.equal((await call("PUT", { config: "name: x" })).status, 403);
      assert.equal((await call("DELETE")).status, 403);
      assert.equal((await server.call("GET", `/api/v1/${noun}`, { headers })).status, 200);
    }
  });
});
