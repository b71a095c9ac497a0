/** A bundle goes from one server to another: what arrives, twice the same, half of it, and what is refused. */
import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";
import type { ImportReply } from "../../protocol/api.ts";
import type { RemoteError } from "../../sdk/remote-error.ts";
import { storeRecord } from "../../store/record-store.ts";
import { canonicalTree } from "../../store/snapshot.ts";
import { bundleFrom, sealed, sent, sha256, type TestBundle } from "../import/test-bundle.ts";
import { idleEngine, type TestServer, testServer } from "./test-server.ts";

const CONFIG = `
name: travels
entrypoint: python3 train.py
labels: [far]
hyperparameters: {x: {type: double, minval: 0, maxval: 1}}
searcher: {name: asha, metric: loss, max_length: {steps: 4}, max_trials: 3, num_rungs: 2, divisor: 2}
max_restarts: 0
checkpoint_storage: {save_trial_latest: 9}
`;

const TOKEN = `hf_${"x".repeat(34)}`;
const WITH_SECRETS = `
${CONFIG.replace("train.py", `train.py --hub ${TOKEN}`).replace("{x:", `{hub: {type: const, val: ${TOKEN}}, x:`)}
environment: {environment_variables: {MY_TOKEN: s3cret, A: "1"}} # not ${TOKEN}
`;

async function put(server: TestServer, path: string, text: string) {
  await server.client.putBlob(sha256(text), text);
  return { path, size: text.length, hash: sha256(text), executable: path.endsWith(".sh") };
}

/** An experiment with output, checkpoints, a run that was repeated and odd values; its trials are over. */
async function trained(server: TestServer, config = CONFIG): Promise<number> {
  const { client, runner } = server;
  const code = [await put(server, "train.py", "print(1)\n"), await put(server, "run.sh", "exec")];
  const { experiment } = await client.createExperiment({
    ...{ config, code },
    provenance: { argv: ["run", "--token", TOKEN] },
  });
  const id = experiment?.id as number;
  const seen = new Set<string>();
  for (let i = 0; i < 40; i++) {
    const { state } = await client.experiment(id);
    if (state === "completed") break;
    const { orders } = await runner.orders();
    for (const order of orders) {
      const { id: allocation } = order;
      if (!allocation.startsWith(`${id}.`) || seen.has(allocation)) continue;
      seen.add(allocation);
      await trainOnce(server, allocation);
    }
  }
  assert.equal((await client.experiment(id)).state, "completed");
  const part = {
    captured: { interpreter: { version: "3.11.7" } },
    not_applicable: [],
    missing: [],
  };
  for (const source of ["runner", "program"] as const)
    await storeRecord(server.pool, {
      ...{ experiment: id, trial: 1, run: 1, source, at: new Date() },
      environment: source === "runner" ? part : null,
      own: { ...part, captured: { command: { argv: "python3 train.py", ranks: 1 } } },
    });
  return id;
}

async function trainOnce({ client, runner, ...server }: TestServer, allocation: string) {
  const trial = allocation.split(".").slice(0, 2).join(".");
  await runner.started(allocation);
  await runner.print(allocation, "epoch 1", new Uint8Array([0xff, 0x00, 0x41]), "ünï");
  const { target, step: from } = await client.trial(trial);
  const number = Number(trial.split(".")[1]);
  for (let step = from + 1; step <= (target ?? 1); step++) {
    await runner.report(allocation, step, {
      ...{ loss: number / step, 'odd, "name"': step === 1 ? "NaN" : "-Infinity" },
    });
    await runner.report(allocation, step, {});
  }
  const last = target ?? 1;
  const tree = [
    await put({ client, runner, ...server } as TestServer, "w.bin", `${trial} ${last}`),
  ];
  await runner.tell(allocation, { type: "checkpoint", step: last, tree, metadata: { a: 1 } });
  await runner.tell(allocation, { type: "waiting", step: last });
  await runner.exited(allocation, 0, { yielded: true });
}

/** The same bundle with one file more, or another one, of what came along from its origin, and hashes that fit. */
function withOrigin(bundle: TestBundle, path: string, text: string): TestBundle {
  const files = new Map(bundle.files).set(`origin/${path}`, Buffer.from(text));
  const tree = [...files].flatMap(([name, bytes]) =>
    name.startsWith("origin/")
      ? [{ path: name.slice(7), size: bytes.length, hash: sha256(bytes), executable: false }]
      : [],
  );
  const { bytes, hash } = canonicalTree(tree);
  files.set(`trees/${hash}.json`, Buffer.from(bytes));
  const imported = { hash, files: tree.length, bytes: 0, folder: "origin" };
  return { files, about: { ...bundle.about, imported } };
}

const everything = async (server: TestServer, id: number) => {
  const { client } = server;
  const rename = (value: unknown): unknown =>
    JSON.parse(JSON.stringify(value).replaceAll(new RegExp(`"${id}\\.`, "g"), '"N.'));
  const trials = (await client.experimentTrials(id)).items;
  const points = [];
  for await (const some of client.points({ ids: String(id), superseded: true }))
    points.push(...some.map((point) => ({ ...point, experiment: 0 })));
  const details = [];
  for (const { id: trial } of trials) {
    const { metric_names: _, ...detail } = await client.trial(trial);
    details.push({ ...detail, experiment: 0 });
  }
  return rename({
    details,
    points,
    logs: (await client.experimentLogs(id)).items.map(({ cursor: _, ...line }) => line),
    checkpoints: (await client.experimentCheckpoints(id)).items,
    decisions: (await client.experimentDecisions(id)).items,
    rungs: await client.rungs(id),
    search: (await client.searchLog(id, { limit: 1000 })).items,
    saved: (await client.searchLogHead(id)).saved,
    records: (
      await server.pool.query(
        `select trial_number, run, source, document, at, environment from records
         where experiment_id = $1 order by 1, 2, 3`,
        [id],
      )
    ).rows,
  });
};

describe("a bundle", () => {
  let here: TestServer;
  let there: TestServer;
  let id: number;
  before(async () => {
    [here, there] = await Promise.all([testServer({ slots: 4 }), testServer()]);
    id = await trained(here);
  });
  after(() => Promise.all([here.stop(), there.stop()]));

  const refused = async (bundle: TestBundle, code: string, detail: RegExp): Promise<void> => {
    const manifest = await sent(there.client, bundle);
    const error = await there.client.importBundle(manifest).then(
      () => assert.fail(`it was not refused, but ${detail} was expected`),
      (e: RemoteError) => e,
    );
    assert.equal(error.code, code, error.message);
    assert.match(error.message, detail);
  };
  const rows = async (): Promise<number[]> => {
    const tables = [
      "experiments",
      "trials",
      "allocations",
      "metrics",
      "logs",
      "imports",
      "datasets",
    ];
    const counts = tables.map(async (table) => {
      const { rows } = await there.pool.query(`select count(*)::int as n from ${table}`);
      return rows[0].n as number;
    });
    return Promise.all(counts);
  };

  test("of trials that went on from a checkpoint counts the steps after it, as where they were trained", async () => {
    const { items } = await here.client.experimentCheckpoints(id);
    const { id: tree, step } = items.find((saved) => saved.step === 4) ?? assert.fail();
    const searcher = `{name: single, metric: loss, max_length: {steps: 6}, source_checkpoint_uuid: ${tree}}`;
    const next = await trained(here, CONFIG.replace(/searcher: .*/, `searcher: ${searcher}`));
    const before = await here.client.experiment(next);
    assert.equal(before.plan.steps_max, 6 - step);
    const manifest = await sent(there.client, await bundleFrom(here.client, next));
    const { experiment } = await there.client.importBundle(manifest);
    assert.deepEqual(experiment.plan, { ...before.plan, slots: experiment.plan.slots });
  });

  test("brings everything, under a new number and with the same snapshots", async () => {
    const bundle = await bundleFrom(here.client, id);
    const before = await here.client.experiment(id);
    const manifest = await sent(there.client, bundle);
    const { experiment, created } = await there.client.importBundle(manifest);
    assert.equal(created, true);
    const after = await there.client.experiment(experiment.id);
    for (const key of ["name", "labels", "state", "reason", "code", "data", "seed", "config_text"])
      assert.deepEqual(after[key as "name"], before[key as "name"], key);
    assert.deepEqual(after.config, before.config);
    assert.deepEqual(after.best?.objective, before.best?.objective);
    assert.deepEqual(await everything(there, experiment.id), await everything(here, id));
    const path = `/api/v1/checkpoints/${bundle.about.checkpoints[0]?.hash}/archive`;
    assert.equal((await there.call("GET", path)).status, 200);
    const origin = await there.client.importOrigin(experiment.id);
    assert.deepEqual([origin.by, origin.origin.experiment], ["ada", id]);
    assert.deepEqual(
      origin.files.map(({ path }) => path),
      ["audit.jsonl", "experiment.json", "manifest.json"],
    );
    const { items } = await there.client.audit({ experiment: experiment.id, order: "oldest" });
    assert.deepEqual(
      items.map(({ what }) => what),
      ["importing", "imported"],
    );
    assert.equal((await there.client.auditVerify()).misfit, null);

    // Again, and at the same time: nothing changes.
    const counted = await rows();
    const again = await Promise.all([1, 2].map(() => there.client.importBundle(manifest)));
    for (const reply of again)
      assert.deepEqual([reply.created, reply.experiment.id], [false, experiment.id]);
    assert.deepEqual(await rows(), counted);
    // What is over stays over, and what nothing needs is not gone after a sweep.
    await assert.rejects(there.client.changeExperiment(experiment.id, "activate"));
    await there.client.startGc();
    for (let i = 0; (await there.client.gcRun()).state !== "idle"; i++) {
      assert.ok(i < 600);
      await new Promise((resolve) => setTimeout(resolve, 50));
    }
    assert.equal((await there.client.importOrigin(experiment.id)).files.length, 3);
    // One that goes the same way on is the same record, but for its number.
    const onwards = await bundleFrom(there.client, experiment.id);
    assert.equal(onwards.about.counts.points, bundle.about.counts.points);
    // What was kept where it was trained goes along, and is not taken where it is not whole.
    const log = bundle.files.get("audit.jsonl")?.toString() ?? "";
    assert.equal(onwards.files.get("origin/audit.jsonl")?.toString(), log);
    const forge = (path: string, text: string, detail: RegExp) =>
      refused(withOrigin(onwards, path, text), "invalid_bundle", detail);
    const other = log.replace("completed", "canceled");
    await forge("audit.jsonl", other, /origin\/audit\.jsonl: is not what the manifest beside it/);
    await forge("more.txt", "x", /origin\/more\.txt: does not belong to an origin/);
    await forge("origin/audit.jsonl", log, /there is no origin\/origin\/manifest\.json/);
    await forge("manifest.json", "{}", /origin\/manifest\.json: its format is/);

    await there.client.actOnExperiments("delete", [experiment.id]);
    await assert.rejects(there.client.importBundle(manifest), {
      code: "conflict",
      message: /is experiment \d+ already, which is deleted/,
    });
    await there.client.actOnExperiments("restore", [experiment.id]);
  });

  test("of one trial brings that trial, and the search that it was part of", async () => {
    const bundle = await bundleFrom(here.client, id, 2);
    const { experiment } = await there.client.importBundle(await sent(there.client, bundle));
    const { items } = await there.client.experimentTrials(experiment.id);
    assert.deepEqual(
      items.map((trial) => trial.id),
      [`${experiment.id}.2`],
    );
    assert.equal(experiment.best?.trial, `${experiment.id}.2`);
    const log = await there.client.searchLog(experiment.id, { limit: 1000 });
    assert.equal(log.items.length, bundle.about.counts.search);
  });

  test("leaves secrets behind, and nothing is trained without them", async () => {
    const own = await trained(here, WITH_SECRETS);
    const bundle = await bundleFrom(here.client, own);
    for (const [path, bytes] of bundle.files)
      assert.doesNotMatch(bytes.toString(), /hf_x|s3cret/, path);
    // Here it goes on with what was given, and its copies do.
    const copy = await here.client.fork({ of: `${own}.1`, activate: false });
    assert.match(copy.config, /MY_TOKEN: s3cret/);

    const { experiment } = await there.client.importBundle(await sent(there.client, bundle));
    const log = await there.client.searchLog(experiment.id, { limit: 1000 });
    assert.equal(log.items.length, bundle.about.counts.search);
    // It was decided again with the same answers.
    assert.equal((await there.client.searchLogHead(experiment.id)).saved.events, log.items.length);
    const of = `${experiment.id}.1`;
    await assert.rejects(there.client.fork({ of, set: [] }), {
      code: "invalid_config",
      message: /\(masked\) stands at \.entrypoint, .*MY_TOKEN.*, where a secret stayed behind/,
      hint: /contrail fork \d+\.1 .*--set 'environment\.environment_variables\.MY_TOKEN=VALUE'/,
    });
    const { reasons } = await there.client.replay(of, {});
    assert.match(reasons.join(), /\(masked\) stands at .*MY_TOKEN/);
    const given = { MY_TOKEN: "n3w", A: "1" };
    const fork = await there.client.fork({
      of,
      set: [
        { path: "entrypoint", value: "python3 train.py" },
        { path: "hyperparameters.hub", value: "n3w" },
        { path: "environment.environment_variables", value: given },
      ],
    });
    const { orders } = await there.runner.orders();
    const launched = orders.find(({ id }) => id.startsWith(`${fork.experiment?.id}.`));
    assert.match(JSON.stringify(launched), /"MY_TOKEN":"n3w"/);
    const change = fork.overrides.find(({ path }) => path.endsWith("MY_TOKEN"));
    assert.deepEqual([change?.from, change?.to], ["(masked)", "(masked)"]);
  });

  test("of what held over layers is of the pool that people wrote, for the other server's means nothing", async () => {
    const team = { name: "team", defaults: { max_restarts: 2 }, engine: idleEngine(2, () => {}) };
    await using origin = await testServer({ pools: [team] });
    await origin.client.setLayer(
      "template",
      "base",
      "entrypoint: 'true'\nresources: {resource_pool: team, priority: 7}\n",
    );
    const travel = async (config: string) => {
      const { experiment } = await origin.client.createExperiment({ config, code: null });
      const bundle = await bundleFrom(origin.client, experiment?.id ?? 0);
      const reply = await there.client.importBundle(await sent(there.client, bundle));
      const { config: arrived, layers } = await there.client.experiment(reply.experiment.id);
      const { resources, max_restarts } = arrived as Record<string, Record<string, unknown>>;
      const fields = layers.flatMap((layer) => layer.fields);
      return { id: reply.experiment.id, resources, restarts: max_restarts, fields };
    };
    const given = await travel("template: base\n");
    assert.deepEqual(
      [given.resources?.resource_pool, given.resources?.priority, given.restarts],
      ["default", 7, 2],
    );
    assert.deepEqual(given.fields, [".entrypoint", ".resources.priority", ".max_restarts"]);
    const fork = await there.client.fork({ of: String(given.id), set: [] });
    assert.deepEqual(fork.overrides, []);
    const written = "entrypoint: 'true'\nresources: {resource_pool: team}\n";
    assert.equal((await travel(written)).resources?.resource_pool, "team");
  });

  test("is refused as a whole for whatever does not fit, and nothing of it is there afterwards", async () => {
    const counted = await rows();
    const fresh = () => bundleFrom(here.client, id);
    const change = (
      bundle: TestBundle,
      path: string,
      edit: (text: string) => string,
    ): TestBundle => {
      const before = bundle.files.get(path)?.toString("utf8") ?? "";
      const after = edit(before);
      assert.notEqual(after, before, `${path} did not change`);
      bundle.files.set(path, Buffer.from(after));
      return bundle;
    };
    const lines = (text: string): string[] => text.split("\n").slice(0, -1);
    const joined = (list: readonly string[]): string => list.map((line) => `${line}\n`).join("");
    const first = (text: string, edit: (row: Record<string, unknown>) => object): string => {
      const [line = "", ...rest] = lines(text);
      return joined([JSON.stringify(edit(JSON.parse(line))), ...rest]);
    };
    const cases: readonly (readonly [string, (text: string) => string, RegExp])[] = [
      ["trials.jsonl", (t) => first(t, (row) => ({ ...row, number: 9 })), /trial 9 stands where/],
      ["trials.jsonl", (t) => joined(lines(t).slice(1)), /trials.jsonl: has 2, and the manifest/],
      ["trials.jsonl", (t) => first(t, (row) => ({ ...row, state: "flying" })), /line 1: state/],
      ["trials.jsonl", () => "not json\n", /line 1: is not JSON/],
      ["trials.jsonl", (t) => t.slice(0, -1), /ends in the middle of a line/],
      [
        "runs.jsonl",
        (t) => first(t, (row) => ({ ...row, trial: 77 })),
        /of no trial in the bundle/,
      ],
      ["decisions.jsonl", (t) => joined(lines(t).toReversed()), /out of order/],
      [
        "decisions.jsonl",
        (t) =>
          first(t, (row) => ({
            ...row,
            standing: JSON.parse(`${"[".repeat(200)}${"]".repeat(200)}`),
          })),
        /nested more than/,
      ],
      ["search.jsonl", (t) => first(t, (row) => ({ ...row, seq: 2 })), /event 2 stands where 1/],
      ["checkpoints.jsonl", (t) => `${lines(t)[0]}\n${t}`, /out of order, or there twice/],
      [
        "log.jsonl",
        (t) => first(t, (row) => ({ ...row, run: 55 })),
        /which the bundle does not have/,
      ],
      ["environments.jsonl", (t) => t.replace("3.11.7", "3.11.8"), /is not what its hash says/],
      ["records.jsonl", (t) => t.replaceAll('"run":1', '"run":77'), /which the bundle does not/],
      ["audit.jsonl", (t) => t.replace("completed", "canceled"), /does not give the hash/],
      ["audit.jsonl", (t) => first(t, (row) => ({ ...row, experiment: 99 })), /hash|another/],
      ["metrics.csv", (t) => t.replace(/\n\d+,1,/, "\n99,1,"), /which the bundle does not have/],
      ["metrics.csv", (t) => t.replace(/,loss,([\d.]+),/, ",loss,x$1,"), /is no point/],
      ["metrics.csv", (t) => joined(lines(t).slice(0, -1)), /metrics.csv: has/],
      [
        "metrics.csv",
        (t) => joined([...lines(t), lines(t).at(-1) ?? ""]),
        /out of order, or there/,
      ],
      ["experiment.json", (t) => t.replace(/"id":\d+/, '"id":12345'), /is experiment 12345/],
      [
        "experiment.json",
        (t) => t.replace("entrypoint: python3", "entrypoynt: python3"),
        /config_text/,
      ],
      ["code/train.py", (t) => `${t}#`, /is not as the snapshot/],
    ];
    for (const [path, edit, detail] of cases) {
      await refused(change(await fresh(), path, edit), "invalid_bundle", detail);
    }
    const added = await fresh();
    added.files.set("code/extra.py", Buffer.from("x"));
    await refused(added, "invalid_bundle", /does not belong to the snapshot/);
    const without = await fresh();
    without.files.delete("audit.jsonl");
    await refused(without, "invalid_bundle", /there is no audit.jsonl/);
    // Names that would lead outside a folder, under hashes that fit.
    for (const path of ["../evil", "/etc/evil", "a/../../evil", "a\\..\\evil", "COM/x"]) {
      const hostile = await fresh();
      const entry = { path, size: 1, hash: sha256("x"), executable: false };
      const twin = path === "COM/x" ? [{ ...entry, path: "com/x" }] : [];
      const { bytes, hash } = canonicalTree([entry, ...twin]);
      hostile.files.set(`trees/${hash}.json`, Buffer.from(bytes));
      hostile.files.set(`code/${path}`, Buffer.from("x"));
      hostile.about = { ...hostile.about, code: { hash, files: 1, bytes: 1, folder: "code" } };
      await refused(hostile, "invalid_bundle", /path|differs from/);
    }
    const broken = sealed(await fresh()).replace("travels", "travel5");
    await assert.rejects(there.client.importBundle(broken), /its own hash does not fit/);
    await assert.rejects(there.client.importBundle("{}"), /its format is/);
    await assert.rejects(there.client.importBundle("["), /it is not JSON/);
    const unsent = await fresh();
    unsent.files.set("log.jsonl", Buffer.from("never sent\n"));
    await assert.rejects(there.client.importBundle(sealed(unsent)), { code: "missing_blobs" });
    assert.deepEqual(await rows(), counted);
  });

  test("that fails while its rows are written leaves nothing that anybody sees", async () => {
    const bundle = await bundleFrom(here.client, id, 1);
    const manifest = await sent(there.client, bundle);
    await there.pool.query(
      `create function fail() returns trigger language plpgsql as $$ begin raise 'no room'; end $$;
       create trigger fail before insert on logs for each statement execute function fail()`,
    );
    await assert.rejects(there.client.importBundle(manifest), { code: "internal" });
    await there.pool.query("drop trigger fail on logs; drop function fail");
    const { items } = await there.client.audit({ what: "import failed" });
    assert.equal(items.length, 1);
    const lost = items[0]?.experiment as number;
    const listed = [];
    for (const show of ["current", "archived", "deleted"] as const)
      listed.push(...(await there.client.experiments({ show })).items.map((e) => e.id));
    assert.ok(!listed.includes(lost));
    assert.equal((await there.call("GET", `/api/v1/experiments/${lost}`)).status, 410);
    const { experiment, created } = await there.client.importBundle(manifest);
    assert.deepEqual([created, experiment.id > lost], [true, true]);
  });

  test("that could not even be dropped while the database was away is made anew", async () => {
    const { client, pool } = there;
    const manifest = await sent(client, await bundleFrom(here.client, id, 3));
    await pool.query(
      `create function fail() returns trigger language plpgsql as $$ begin raise 'away'; end $$;
       create trigger fail before insert on logs for each statement execute function fail();
       create trigger fail before delete on imports for each statement execute function fail()`,
    );
    await assert.rejects(client.importBundle(manifest), { code: "internal" });
    const { rows } = await pool.query("select experiment_id from imports where done_at is null");
    assert.equal(rows.length, 1);
    await pool.query("drop trigger fail on logs; drop trigger fail on imports; drop function fail");
    const { experiment, created } = await client.importBundle(manifest);
    assert.deepEqual([created, experiment.id > rows[0].experiment_id], [true, true]);
    const [dropped] = (await client.audit({ what: "import failed" })).items;
    assert.equal(dropped?.experiment, rows[0].experiment_id);
    assert.equal((await client.importBundle(manifest)).created, false);
  });

  test("that is sent anew under its key, while it is brought in or after that, is the same import", async () => {
    const manifest = await sent(here.client, await bundleFrom(here.client, id));
    const bring = async (key = "once") => {
      const headers = { "idempotency-key": key };
      const path = "/api/v1/experiments/import";
      const { json } = await here.call("POST", path, { headers, body: { manifest } });
      const { experiment, created } = json as ImportReply;
      return [experiment.id, created] as const;
    };
    const [first, again] = await Promise.all([bring(), bring()]);
    assert.deepEqual([first[1], again], [true, first]);
    assert.deepEqual(await bring(), first, "its answer may have been lost");
    assert.deepEqual(await bring("again"), [first[0], false]);
  });

  test("that was half written when the server died is dropped at the next start", async () => {
    const id = 1 + Math.max(...(await there.client.experiments()).items.map((e) => e.id));
    const { rows } = await there.pool.query(
      `insert into imports (experiment_id, content, origin, record, by, at)
       select max(experiment_id), 'half', '{}', 'none', 'ada', now() from imports
       on conflict (experiment_id) do update set done_at = null returning experiment_id`,
    );
    const half = rows[0].experiment_id as number;
    await there.pool.query(
      `insert into experiment_marks (experiment_id, deleted_at, deleted_by) values ($1, now(), 'an import that is under way')
       on conflict (experiment_id) do update set deleted_at = now(), deleted_by = excluded.deleted_by`,
      [half],
    );
    await there.restart("keep");
    assert.equal((await there.call("GET", `/api/v1/experiments/${half}`)).status, 410);
    const { items } = await there.client.audit({ what: "import failed" });
    assert.equal(items[0]?.experiment, half);
    assert.ok(id > half);
    const found = await there.pool.query("select from imports where done_at is null");
    assert.equal(found.rows.length, 0);
  });

  test("may be brought by those who may change something, and by nobody else", async () => {
    const { token } = await there.client.createToken({ name: "r", scope: "read" });
    const body = { manifest: "{}" };
    const path = "/api/v1/experiments/import";
    assert.equal((await there.call("POST", path, { token, body })).status, 403);
    assert.equal((await there.call("POST", path, { token: null, body })).status, 401);
  });
});
