/**
 * A day of everything, with the database itself as the witness: triggers note each change of a state and the
 * transaction that made it, and each of them has to stand in the log of changes, in that same transaction.
 * So a state that somebody changes tomorrow without saying so fails here, whichever part of the server did it.
 */
import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { describe, test } from "node:test";
import type { RunnerObservation } from "../engines/engine.ts";
import { RANDOM_CONFIG, type TestServer, testServer } from "./http/test-server.ts";

interface Watched {
  readonly subject: string;
  readonly state: readonly string[];
  /** Its rows go with those of an experiment that is purged, which was said before; here is whose they are. */
  readonly experiment?: string;
  /** A change that was said otherwise. */
  readonly said?: string;
}

/** Table → what its events are about, and the columns that are its state: a change of any of them is one. */
const WATCHED: Readonly<Record<string, Watched>> = {
  experiments: { subject: "'experiment ' || r.id", state: ["state", "ended_at"] },
  trials: {
    subject: "'trial ' || r.experiment_id || '.' || r.number",
    state: ["state", "end_reason", "restarts", "ended_at"],
  },
  allocations: {
    subject: "'trial ' || r.experiment_id || '.' || r.trial_number",
    state: ["state", "slots", "yield", "kill", "end_kind", "ended_at"],
  },
  checkpoints: {
    subject:
      "'trial ' || (select t.experiment_id || '.' || t.number from trials t where t.id = r.trial_id)",
    state: ["tree", "deleted_at"],
    experiment: "(select t.experiment_id from trials t where t.id = r.trial_id)",
  },
  pins: {
    subject: "'checkpoint ' || r.tree",
    state: ["pinned"],
    experiment: "r.experiment_id",
  },
  experiment_marks: {
    subject: "'experiment ' || r.experiment_id",
    state: ["archived_at", "deleted_at", "purged_at", "emptied_at"],
  },
  tokens: { subject: "'token ' || r.id", state: ["scope", "hash", "expires_at"] },
  users: { subject: "'user ' || r.name", state: ["password_hash"] },
  datasets: {
    subject: "'dataset ' || r.name || '@' || r.version",
    state: ["snapshot", "removed_at"],
  },
  layers: { subject: "r.kind || ' ' || r.name || '@' || r.version", state: ["removed_at"] },
  threads: { subject: "'thread ' || r.id", state: ["name", "note"] },
  verdicts: {
    subject: "'trial ' || r.experiment_id || '.' || r.trial_number",
    state: ["replay_id", "state"],
    experiment: "r.experiment_id",
  },
  runners: {
    subject: "'runner ' || r.id",
    state: ["standing", "lease"],
    // That it speaks for the first time: who started it has said so.
    said: "tg_op = 'INSERT' and r.standing = 'held'",
  },
};

/** Every other table, and why no change of it is a change of a state: a new one has to be in one of the two. */
const STATELESS: Readonly<Record<string, string>> = {
  ancestry: "whence an experiment came, written with it and never changed",
  blob_leases: "what is being uploaded",
  changes: "the log",
  decisions: "of a search; what they change is said of its trials",
  environments: "content under its hash",
  idempotency: "answers that were given",
  imports: "what an import has done so far; its experiment is said",
  logs: "output",
  metric_names: "names that were reported",
  metrics: "what was measured",
  past_tree_blobs: "content under its hash",
  records: "what was recorded of a run, written once",
  reports: "what was measured",
  retained: "up to where retention has looked",
  schema_migrations: "said by their own events, of a database that has no log yet",
  search_events: "a log of its own",
  settings: "what the server keeps for itself",
  tree_blobs: "content under its hash",
  trees: "content under its hash",
};

/** What a change of each may be called in the log, by table and the state that came out. */
const CALLED: Readonly<Record<string, RegExp>> = {
  "experiments paused": /^(created|paused)$/,
  "experiments active": /^(active|created)$/,
  "experiments stopping": /^stopping$/,
  "allocations assigned":
    /^granted |^(paused|pausing|pause|stopping|killing|stop|train|activated)$/,
  "allocations running": /^(started|paused|pausing|pause|stopping|killing|stop|train|activated)$/,
  "allocations ended": /^allocation ended: /,
  "tokens INSERT": /^(created|signed in|sign-in link made)$/,
  "tokens DELETE": /^(revoked|expired|signed in)$/,
  "users INSERT": /^created$/,
  "users UPDATE": /^password set$/,
  "datasets INSERT": /^created$/,
  "datasets UPDATE": /^removed$/,
  "layers INSERT": /^set$/,
  "layers UPDATE": /^removed$/,
  "threads INSERT": /^marked$/,
  "threads DELETE": /^unmarked$/,
  "verdicts INSERT": /^verdict: /,
  "runners UPDATE": /^(silent|heard again|lost|back)$/,
  "runners DELETE": /^removed$/,
  "checkpoints INSERT": /^checkpoint at step \d+$/,
  "checkpoints UPDATE": /^checkpoint at step \d+ deleted$/,
  "pins INSERT": /^pinned$/,
  "pins UPDATE": /^(un)?pinned$/,
  "experiment_marks INSERT": /^(archived|deleted)$/,
  "experiment_marks UPDATE": /^((un)?archived|deleted|restored|purged|emptied)$/,
};

async function watch(server: TestServer): Promise<void> {
  await server.pool.query(`
    create table seen_states (n int generated always as identity, tx xid8 not null, tbl text not null, op text not null,
      subject text not null, was text, became text);
    create table seen_events (n int generated always as identity, tx xid8 not null, seq bigint not null);
    create function see_event() returns trigger language plpgsql as $f$ begin
      insert into seen_events (tx, seq) values (pg_current_xact_id(), new.seq); return null; end $f$;
    create trigger see_event after insert on changes for each row execute function see_event();`);
  for (const [table, { subject, state, experiment, said: otherwise }] of Object.entries(WATCHED)) {
    const said =
      experiment === undefined
        ? (otherwise ?? "false")
        : `tg_op = 'DELETE' and exists (select 1 from experiment_marks m
             where m.experiment_id = ${experiment} and m.purged_at is not null)`;
    const columns = (row: string): string =>
      `concat_ws(' ', ${state.map((name) => `'${name}=' || ${row}.${name}::text`).join(", ")})`;
    await server.pool.query(`
      create function see_${table}() returns trigger language plpgsql as $f$
      declare r ${table}; was text; became text;
      begin
        if tg_op <> 'DELETE' then r := new; became := ${columns("new")}; end if;
        if tg_op <> 'INSERT' then was := ${columns("old")}; end if;
        if tg_op = 'DELETE' then r := old; end if;
        if was is distinct from became and not (${said}) then
          insert into seen_states (tx, tbl, op, subject, was, became)
          values (pg_current_xact_id(), '${table}', tg_op, ${subject}, was, became);
        end if;
        return null;
      end $f$;
      create trigger see_${table} after insert or update or delete on ${table}
        for each row execute function see_${table}();`);
  }
}

interface Seen {
  readonly tx: string;
  readonly tbl: string;
  readonly op: string;
  readonly subject: string;
  readonly was: string | null;
  readonly became: string | null;
  readonly events: readonly { readonly subject: string; readonly what: string }[];
}

/** Every change of a state, with the events of its own transaction. */
async function witnessed(server: TestServer): Promise<Seen[]> {
  const { rows } = await server.pool.query<Seen>(
    `select s.tx::text, s.tbl, s.op, s.subject, s.was, s.became, coalesce((
       select json_agg(json_build_object('subject', c.subject, 'what', c.what) order by c.seq)
       from seen_events e join changes c on c.seq = e.seq where e.tx = s.tx), '[]') as events
     from seen_states s order by s.n`,
  );
  return rows;
}

/** @returns what is missing, or undefined where the log says it */
function unsaid(seen: Seen): string | undefined {
  const { tbl, op, subject, became } = seen;
  const experiment = subject.replace(/^trial (\d+)\..*/, "experiment $1");
  // A trial's state can follow from what happened to its experiment alone (a pause of all).
  // What is counted by versions can go whole, under its name.
  const names = [subject, experiment, subject.replace(/@\d+$/, "")];
  const own = seen.events.filter((e) => names.includes(e.subject));
  const state = /(?:^| )state=(\w+)/.exec(became ?? "")?.[1];
  // The end of a trial is an event by the very name of its reason.
  const end = /(?:^| )end_reason=(\w+)/.exec(became ?? "")?.[1];
  if (tbl === "trials" && end !== undefined && own.some(({ what }) => what === end))
    return undefined;
  const ended = tbl === "trials" && end !== undefined ? /^$/ : undefined;
  const called = ended ?? CALLED[`${tbl} ${state}`] ?? CALLED[`${tbl} ${op}`] ?? /./;
  if (own.some(({ what }) => called.test(what))) return undefined;
  return `${tbl}: ${subject}: ${seen.was ?? "nothing"} → ${became ?? "nothing"}; in its transaction: ${JSON.stringify(seen.events)}`;
}

describe("every change of a state", () => {
  test("stands in the log, in the transaction that made it", async (t) => {
    await using server = await testServer();
    await watch(server);
    await people(server);
    await trials(server);
    await ends(server);
    await restarts(server);
    await tidying(server);
    await notes(server);
    const seen = await witnessed(server);
    assert.deepEqual(
      seen.flatMap((each) => unsaid(each) ?? []),
      [],
    );
    // Runners are held here for an hour: another test has them.
    for (const table of Object.keys(WATCHED).filter((name) => name !== "runners"))
      assert.ok(
        seen.some(({ tbl }) => tbl === table),
        `the day changes no ${table}`,
      );
    const states = new Set(
      seen
        .filter(({ tbl }) => tbl === "trials")
        .map(({ became }) => /state=(\w+)/.exec(became ?? "")?.[1]),
    );
    for (const state of [
      "queued",
      "starting",
      "running",
      "pausing",
      "paused",
      "waiting",
      "stopping",
      "completed",
      "error",
      "canceled",
    ])
      assert.ok(states.has(state), `no trial of the day was ${state}: ${[...states]}`);
    await eventsOfNothing(server);
    const { rows } = await server.pool.query(
      "select count(distinct tx)::int as n from seen_states",
    );
    t.diagnostic(
      `log: ${seen.length} changes of state in ${rows[0]?.n} transactions, seen by triggers; without their event: 0`,
    );
  });

  test("of any table: each is watched here, or has no state", async () => {
    await using server = await testServer();
    const { rows } = await server.pool.query<{ name: string }>(
      "select table_name as name from information_schema.tables where table_schema = 'public' order by 1",
    );
    assert.deepEqual(
      rows.map(({ name }) => name),
      [...Object.keys(WATCHED), ...Object.keys(STATELESS)].sort(),
    );
  });

  test("of a runner that falls silent, is lost and comes back", async () => {
    let seen: RunnerObservation = { state: "alive", pid: 1, boot: "test" };
    const lease = { silentMs: 300, leaseMs: 400, lostMs: 500 };
    await using server = await testServer({ lease, observe: () => seen });
    await watch(server);
    // Somebody has to have spoken for it.
    await server.runner.orders();
    seen = { state: "unknown", why: "no answer" };
    const local = async () => (await server.client.runners())[0];
    for (let looks = 0; (await local())?.state !== "lost"; looks++) {
      assert.ok(looks < 1_500, "it is never lost");
      await new Promise((done) => setTimeout(done, 20));
    }
    const said = { boot: "test", lease: (await local())?.lease, holds: [] };
    const back = await server.call("POST", "/api/v1/runners/local/sync", {
      token: server.runner.token,
      body: { ...said, ordersAfter: 0, allocations: [] },
    });
    assert.equal(back.status, 200, back.text);
    const changes = await witnessed(server);
    assert.deepEqual(
      changes.flatMap((each) => unsaid(each) ?? []),
      [],
    );
    const became = changes.filter(({ tbl }) => tbl === "runners").map((change) => change.became);
    for (const state of ["silent", "lost", "held"])
      assert.ok(
        became.some((text) => text?.startsWith(`standing=${state}`)),
        `${state}: ${became}`,
      );
  });

  test("that is made behind the log's back is noticed by this very check", async () => {
    await using server = await testServer();
    await watch(server);
    await server.client.createExperiment({ config: RANDOM_CONFIG, code: null });
    await server.pool.query("update trials set state = 'running' where number = 1");
    await server.pool.query("update users set password_hash = 'x'");
    const missing = (await witnessed(server)).flatMap((each) => unsaid(each) ?? []);
    assert.equal(missing.length, 2, missing.join("\n"));
    assert.match(missing.join(), /trial 1\.1: .*state=running.*user ada/s);
  });
});

/** Events of experiments, trials, checkpoints, tokens, users and data sets that no row in their transaction bears out. */
async function eventsOfNothing(server: TestServer): Promise<void> {
  const { rows } = await server.pool.query<{ subject: string; what: string }>(
    `select c.subject, c.what from seen_events e join changes c on c.seq = e.seq
     where c.subject ~ '^(experiment|trial|checkpoint|token|dataset) ' and not exists (
       select 1 from seen_states s where s.tx = e.tx and (s.subject = c.subject
         or s.subject like replace(c.subject, 'experiment ', 'trial ') || '.%'))
     order by e.n`,
  );
  assert.deepEqual(rows, []);
}

// ---- the day -----------------------------------------------------------------------------------

async function people({ client, clock }: TestServer): Promise<void> {
  const made = await client.createToken({ name: "lab" });
  await client.revokeToken(made.id);
  await client.createToken({ name: "short", lifetime_s: 60 });
  clock.advance(1);
  await client.setPassword("correct horse");
  await client.login({ user: "ada", password: "correct horse" });
  await client.login({ user: "ada", password: "wrong horse" }).catch(() => undefined);
  const bytes = Buffer.from("1,2\n");
  const hash = createHash("sha256").update(bytes).digest("hex");
  await client.putBlob(hash, bytes);
  await client.createDataset({
    name: "rows",
    tree: [{ path: "a.csv", hash, size: bytes.length, executable: false }],
  });
}

const config = (searcher: string, more = ""): string =>
  `name: day\nentrypoint: "true"\nhyperparameters: {x: {type: double, minval: 0, maxval: 1}}\nsearcher: {${searcher}}\n${more}`;
const random = (trials: number, steps: number): string =>
  `name: random, metric: loss, max_length: {steps: ${steps}}, max_trials: ${trials}`;

async function submit({ client }: TestServer, text: string, activate = true): Promise<number> {
  const made = await client.createExperiment({ config: text, code: null, activate });
  return made.experiment?.id ?? assert.fail("no experiment");
}

/** Trains until it is told to go, or there is no more to do. */
async function train(
  { client, runner }: TestServer,
  id: string,
  steps: number,
  loss: number,
): Promise<void> {
  await runner.started(id);
  // A checkpoint that is told of without its files does not exist.
  const bytes = Buffer.from(`${id} ${steps}`);
  const hash = createHash("sha256").update(bytes).digest("hex");
  await client.putBlob(hash, bytes);
  for (let step = 1; step <= steps; step++) await runner.report(id, step, { loss });
  const tree = [{ path: "m", size: bytes.length, hash, executable: false }];
  await runner.tell(id, { type: "checkpoint", step: steps, tree, metadata: {} });
  await runner.tell(id, { type: "waiting", step: steps });
}

async function trials(server: TestServer): Promise<void> {
  const { client, runner } = server;
  const id = await submit(server, config(random(2, 4)));
  await train(server, `${id}.1.1`, 2, 1);
  await client.changeTrial(`${id}.1`, "pause");
  await runner.exited(`${id}.1.1`, 0, { yielded: true });
  await client.changeTrial(`${id}.1`, "activate");
  await client.changeExperiment(id, "pause");
  await runner.exited(`${id}.2.1`, 0, { yielded: true });
  await runner.exited(`${id}.1.2`, 0, { yielded: true });
  await client.changeExperiment(id, "activate");
  await train(server, `${id}.1.3`, 4, 1);
  await runner.exited(`${id}.1.3`, 0);
  await client.changeTrial(`${id}.2`, "kill");
  await runner.exited(`${id}.2.2`, 0, { signalsSent: ["SIGTERM"] });
  // Rungs: the first waits for company, then the better one is promoted, and the other is out.
  const asha = await submit(
    server,
    config(
      "name: asha, metric: loss, max_length: {steps: 4}, max_trials: 4, divisor: 2, num_rungs: 2, max_concurrent_trials: 2",
    ),
  );
  for (let round = 0; round < 40; round++) {
    const { state } = await client.experiment(asha);
    if (state !== "active" && state !== "stopping") break;
    for (const order of (await runner.orders()).orders) {
      if (!order.id.startsWith(`${asha}.`) || order.launch === null) continue;
      const target = order.target ?? 4;
      await train(server, order.id, target, Number(order.id.split(".")[1]));
      await runner.exited(order.id, 0, { yielded: true });
    }
  }
  assert.equal((await client.experiment(asha)).state, "completed");
}

async function ends(server: TestServer): Promise<void> {
  const { client, runner } = server;
  const alone = (more = ""): Promise<number> => submit(server, config(random(1, 4), more));
  const crashed = await alone("max_restarts: 1\n");
  await runner.started(`${crashed}.1.1`);
  await runner.exited(`${crashed}.1.1`, 1);
  server.clock.advance(600_000);
  await client.changeTrial(`${crashed}.1`, "pause");
  await client.changeTrial(`${crashed}.1`, "activate");
  await runner.exited(`${crashed}.1.2`, 1);
  const memory = await alone("max_restarts: 0\n");
  await runner.exited(`${memory}.1.1`, 1, { outOfMemory: "the kernel said so" });
  const launch = await alone("max_restarts: 0\n");
  await runner.exited(`${launch}.1.1`, 0, { kind: "launch_failed", processes: [], detail: "none" });
  const lost = await alone("max_restarts: 0\n");
  await runner.started(`${lost}.1.1`);
  await runner.exited(`${lost}.1.1`, 0, { kind: "runner_lost", processes: [], detail: "gone" });
  await client.changeExperiment(lost, "kill");
  await runner.exited(`${lost}.1.2`, 0, { signalsSent: ["SIGTERM"] });
  const invalid = await alone();
  await runner.tell(`${invalid}.1.1`, { type: "invalid_hyperparameters", reason: "too large" });
  await runner.exited(`${invalid}.1.1`, 1);
  await client.changeExperiment(invalid, "kill");
  for (const order of (await runner.orders()).orders)
    if (order.id.startsWith(`${invalid}.`))
      await runner.exited(order.id, 0, { signalsSent: ["SIGTERM"] });
  const mute = await alone();
  await runner.started(`${mute}.1.1`);
  await runner.report(`${mute}.1.1`, 4, { other: 1 });
  await runner.exited(`${mute}.1.1`, 0);
  const budget = await submit(server, config(random(2, 50), "budget: {steps: 3}\n"));
  await runner.started(`${budget}.1.1`);
  await runner.report(`${budget}.1.1`, 3, { loss: 1 });
  for (const trial of [1, 2]) await runner.exited(`${budget}.${trial}.1`, 0, { yielded: true });
  const canceled = await alone();
  await runner.started(`${canceled}.1.1`);
  await client.changeExperiment(canceled, "cancel");
  await client.changeExperiment(canceled, "kill");
  await runner.exited(`${canceled}.1.1`, 0, { signalsSent: ["SIGTERM"] });
  const never = await submit(server, config(random(1, 4)), false);
  await client.changeExperiment(never, "kill");
  for (const { id, state } of (await client.experiments()).items)
    assert.ok(["completed", "error", "canceled"].includes(state), `${id} is ${state}`);
}

/** The server stops in both ways with a trial running, and a runner that comes back late speaks for what is over. */
async function restarts(server: TestServer): Promise<void> {
  const { client, runner } = server;
  const id = await submit(server, config(random(1, 9)));
  await train(server, `${id}.1.1`, 2, 1);
  await server.restart("keep");
  await runner.report(`${id}.1.1`, 3, { loss: 1 });
  const stopping = server.restart("stop");
  for (;;) {
    const [order] = (await runner.orders()).orders.filter((each) => each.id === `${id}.1.1`);
    if (order?.yield === "pause") break;
  }
  await runner.exited(`${id}.1.1`, 0, { yielded: true });
  await stopping;
  await train(server, `${id}.1.2`, 9, 1);
  await runner.exited(`${id}.1.2`, 0);
  assert.equal((await client.experiment(id)).state, "completed");
  server.clock.advance(3_600_000);
  await server.restart("keep");
}

/** Templates, threads, and a verdict: on a trial that nothing was saved of. */
async function notes(server: TestServer): Promise<void> {
  const { client, runner } = server;
  await client.setLayer("template", "base", "max_restarts: 1\n");
  await client.setLayer("template", "base", "max_restarts: 2\n");
  await client.removeLayer("template", "base");
  const id = await submit(server, config("name: single", "max_restarts: 0\n"));
  await runner.started(`${id}.1.1`);
  await runner.exited(`${id}.1.1`, 0);
  const thread = await client.markThread({ experiment: id, name: "ours", note: "begun" });
  await client.unmarkThread(thread.id);
  const { verdict } = await client.replay(`${id}.1`);
  assert.equal(verdict?.state, "not_comparable");
}

/** Pins, the archive, the bin; and what retention gives up by itself and at the end of the seven days. */
async function tidying(server: TestServer): Promise<void> {
  const { client, clock } = server;
  const tidy = async (): Promise<void> => {
    await client.startGc();
    while ((await client.gcRun()).state !== "idle")
      await new Promise((resolve) => setTimeout(resolve, 20));
    assert.equal((await client.gcRun()).problem, null);
  };
  await tidy();
  const [first] = (await client.experiments()).items;
  assert.ok(first);
  const kept = (await client.experimentCheckpoints(first.id)).items.find((c) => c.deleted === null);
  assert.ok(kept, "a checkpoint is left");
  await client.pinCheckpoint(kept.id, true, first.id);
  await client.pinCheckpoint(kept.id, false, first.id);
  for (const act of ["archive", "unarchive", "delete", "restore", "delete"] as const)
    assert.equal((await client.actOnExperiments(act, [first.id])).items.length, 1);
  clock.advance(8 * 86_400_000);
  await tidy();
}
