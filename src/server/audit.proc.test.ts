/** Every change of anything is in the log, with who did it, and nothing in it is secret. */
import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { createHash } from "node:crypto";
import { readFileSync } from "node:fs";
import { after, before, describe, test } from "node:test";
import type { AuditChange, AuditVerdict } from "../protocol/api.ts";
import { readMigrations } from "../store/migrate.ts";
import { RANDOM_CONFIG, type TestServer, testServer } from "./http/test-server.ts";
import { PostgresLedger } from "./postgres-ledger.ts";

describe("the log of everything", () => {
  let server: TestServer;
  before(async () => {
    server = await testServer();
  });
  after(() => server.stop());

  const log = async (query: object = {}): Promise<AuditChange[]> =>
    (await server.client.audit({ order: "oldest", limit: 1000, ...query })).items;
  const told = (items: readonly AuditChange[]) =>
    items.map(
      ({ actor, subject, what }) => `${actor}: ${subject.replace(/token .*/, "token")} ${what}`,
    );
  const verify = (query: object = {}): Promise<AuditVerdict> => server.client.auditVerify(query);

  test("the start: migrations, the server, its runner, the first user and the sign-in", async () => {
    const migrations = await readMigrations();
    assert.deepEqual(told(await log()), [
      ...migrations.map(({ name }) => `contrail: database migrated ${name}`),
      "contrail: server started",
      "contrail: runner local started",
      "contrail: user ada created",
      "contrail: token sign-in link made",
      "ada: token signed in",
    ]);
  });

  test("tokens, passwords, failed sign-ins, datasets: each with its actor, none with its secret", async () => {
    const from = (await log()).at(-1)?.seq ?? 0;
    const secrets = [server.token, server.oneTimeToken, "correct horse", "wrong horse"];
    const made = await server.client.createToken({ name: "for the lab" });
    secrets.push(made.token);
    await server.client.revokeToken(made.id);
    await assert.rejects(server.client.revokeToken(made.id));
    await server.client.setPassword("correct horse");
    secrets.push((await server.client.login({ user: "ada", password: "correct horse" })).token);
    await assert.rejects(server.client.login({ user: "ada", password: "wrong horse" }));
    await assert.rejects(server.client.login({ one_time_token: server.oneTimeToken }));
    await assert.rejects(
      server.client.login({ user: "x\u0000\ud800".slice(0, 1), password: "wrong horse" }),
    );
    const bytes = Buffer.from("1,2,3\n");
    const hash = createHash("sha256").update(bytes).digest("hex");
    await server.client.putBlob(hash, bytes);
    const tree = [{ path: "a.csv", hash, size: bytes.length, executable: false }] as never;
    assert.equal((await server.client.createDataset({ name: "digits", tree })).created, true);
    assert.equal((await server.client.createDataset({ name: "digits", tree })).created, false);
    const events = (await log()).filter(({ seq }) => seq > from);
    assert.deepEqual(told(events), [
      "ada: token created",
      "ada: token revoked",
      "ada: user ada password set",
      "ada: token signed in",
      "address 127.0.0.1: user ada sign-in refused",
      "address 127.0.0.1: server sign-in refused",
      "address 127.0.0.1: user x sign-in refused",
      "ada: dataset digits@1 created",
    ]);
    assert.ok(events.every(({ experiment }) => experiment === null));
    const text = JSON.stringify(await log());
    const { rows } = await server.pool.query("select password_hash from users");
    secrets.push(rows[0].password_hash, server.runner.token);
    for (const secret of secrets) {
      assert.ok(!text.includes(secret));
      assert.ok(!text.includes(secret.slice(3)));
      assert.ok(!text.includes(createHash("sha256").update(secret).digest("hex")));
    }
  });

  test("every state that a trial and an experiment went through has an event of its own", async () => {
    const { experiment } = await server.client.createExperiment({
      config: RANDOM_CONFIG,
      code: null,
    });
    assert.ok(experiment);
    const { id } = experiment;
    const [one, two] = [`${id}.1.1`, `${id}.2.1`];
    await server.runner.started(one);
    await server.runner.report(one, 1, { loss: 0.5 });
    await server.client.changeTrial(`${id}.1`, "pause");
    const hash = createHash("sha256").update("abc").digest("hex");
    await server.client.putBlob(hash, "abc");
    await server.runner.tell(one, {
      ...{ type: "checkpoint", step: 1, metadata: {} },
      tree: [{ path: "w", hash, size: 3, executable: false }],
    });
    await server.runner.exited(one, 0, { yielded: true });
    await server.client.changeTrial(`${id}.1`, "activate");
    await server.client.changeExperiment(id, "kill");
    await server.runner.exited(two, 0, { signalsSent: ["SIGTERM"] });
    await server.runner.exited(`${id}.1.2`, 0, { signalsSent: ["SIGTERM"] });
    const of = (subject: string, items: readonly AuditChange[]) =>
      items
        .filter((item) => item.subject === subject)
        .map(({ actor, what }) => `${actor}: ${what}`);
    const events = await log({ experiment: id });
    assert.deepEqual(of(`experiment ${id}`, events), [
      "ada: created",
      "ada: active",
      "ada: stopping",
      "contrail: canceled",
    ]);
    assert.deepEqual(of(`trial ${id}.1`, events), [
      "search: create",
      "scheduler: granted cpu:0",
      "runner: started",
      "ada: paused",
      "runner: checkpoint at step 1",
      "runner: allocation ended: paused",
      "ada: activated",
      "scheduler: granted cpu:0",
      "ada: killing",
      "runner: allocation ended: killed",
      "contrail: killed_by_user",
    ]);
    assert.deepEqual(
      await log({ trial: `${id}.1` }),
      events.filter(({ subject }) => subject === `trial ${id}.1`),
    );
  });

  test("pages join, one event can be read by its number, and what is not there is not there", async () => {
    const all = await log();
    let cursor: string | undefined;
    const paged: AuditChange[] = [];
    do {
      const page = await server.client.audit({ limit: 7, cursor });
      paged.push(...page.items);
      cursor = page.next_cursor ?? undefined;
    } while (cursor !== undefined);
    assert.deepEqual(paged, all.toReversed());
    assert.deepEqual(await server.client.auditEvent(3), all[2]);
    for (const path of [
      "/audit/999999",
      "/audit/0",
      "/audit/x",
      "/audit?cursor=-1",
      "/audit?since=now",
    ])
      assert.ok([400, 404].includes((await server.call("GET", `/api/v1${path}`)).status), path);
  });

  test("verification: whole, in pieces, and held to an end that was noted", async () => {
    const whole = await verify();
    assert.deepEqual([whole.ok, whole.complete, whole.checked], [true, true, whole.last.seq]);
    const half = await verify({ limit: 10 });
    assert.deepEqual([half.ok, half.complete, half.last.seq], [true, false, 10]);
    const rest = await verify({ after_seq: 10, after_hash: half.last.hash });
    assert.deepEqual(
      [rest.complete, rest.checked, rest.last],
      [true, whole.checked - 10, whole.last],
    );
    const noted = { expect_seq: whole.last.seq, expect_hash: whole.last.hash };
    assert.equal((await verify(noted)).ok, true);
    const wrong = await verify({ ...noted, expect_hash: "0".repeat(64) });
    assert.deepEqual([wrong.ok, wrong.misfit?.kind], [false, "anchor"]);
    const future = await verify({ ...noted, expect_seq: whole.last.seq + 5 });
    assert.deepEqual([future.ok, future.misfit?.kind], [false, "truncated"]);
    assert.equal((await server.call("GET", "/api/v1/audit/verify?expect_seq=3")).status, 400);
  });

  test("the running server remembers its last event: an end cut off under it is noticed", async () => {
    const { last } = await verify();
    const { rows } = await server.pool.query("delete from changes where seq = $1 returning *", [
      last.seq,
    ]);
    const cut = await verify();
    assert.deepEqual([cut.ok, cut.misfit?.kind, cut.misfit?.seq], [false, "truncated", last.seq]);
    await server.pool.query(
      "insert into changes select * from json_populate_recordset(null::changes, $1)",
      [JSON.stringify(rows.map((row) => ({ ...row, hash: `\\x${row.hash.toString("hex")}` })))],
    );
    assert.equal((await verify()).ok, true);
  });

  test("also when the server has lost its turn since, and written on behind the cut", async () => {
    await using other = await testServer();
    const { last } = await other.client.auditVerify();
    await other.pool.query("delete from changes where seq > $1", [last.seq - 3]);
    // What a lost connection does: the next turn fails, and the one after asks where the log ends.
    await new PostgresLedger(other.pool).takeOver();
    await assert.rejects(other.client.createToken({ name: "lost" }), { code: "unavailable" });
    for (let i = 0; i < 4; i++) await other.client.createToken({ name: `token ${i}` });
    const { ok, misfit } = await other.client.auditVerify();
    assert.deepEqual(
      [ok, misfit?.kind, misfit?.seq, misfit?.expected],
      [false, "anchor", last.seq, last.hash],
    );
    const said = other.troubles.map((line) => JSON.stringify(line)).join("\n");
    assert.match(said, new RegExp(`event ${last.seq} with the hash ${last.hash} was written`));
  });

  test("a third party can compute the chain from an export, by the words of docs/audit.md", async () => {
    let hash = Buffer.alloc(32);
    for (const e of await log()) {
      const fields = JSON.stringify([
        e.seq,
        e.at,
        e.actor,
        e.experiment,
        e.subject,
        e.what,
        e.cause,
      ]);
      hash = createHash("sha256").update(hash).update(fields, "utf8").digest();
      assert.equal(e.hash, hash.toString("hex"));
    }
  });

  test("the verifier that docs/audit.md shows finds an untouched export good, and a changed one not", async () => {
    const page = readFileSync(new URL("../../docs/audit.md", import.meta.url), "utf8");
    const program = /```python\n(.*?)```/s.exec(page)?.[1] ?? "";
    const items = await log();
    const python = (list: readonly AuditChange[]) =>
      spawnSync("python3", ["-c", program], {
        input: JSON.stringify({ items: list }),
        encoding: "utf8",
      });
    const good = python(items);
    assert.equal(good.stdout.trim(), `ok: ${items.length}:${items.at(-1)?.hash}`, good.stderr);
    const bad = python(items.map((item) => (item.seq === 9 ? { ...item, cause: "else" } : item)));
    assert.deepEqual([bad.status, bad.stderr.trim()], [1, "event 9 does not fit"]);
  });

  test("who asked the server to stop, before it does", async () => {
    await server.call("POST", "/api/v1/shutdown", { body: { trials: "keep" } });
    const last = (await log()).at(-1);
    assert.deepEqual(
      [last?.actor, last?.subject, last?.what, last?.cause],
      ["ada", "server", "stop asked", "over HTTP; trials: keep"],
    );
  });
});
