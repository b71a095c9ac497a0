/**
 * Leases with real runners: two of them on this machine, each behind a line of its own that can be cut, and an engine
 * that can be made unable to tell. Everything but those lines and that one word of the engine is as in earnest.
 */
import assert from "node:assert/strict";
import { randomUUID } from "node:crypto";
import { existsSync } from "node:fs";
import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { createServer, connect as dial, type Server, type Socket } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import pino from "pino";
import { realClock as clock } from "../base/real-clock.ts";
import type { Engine, RunnerObservation } from "../engines/engine.ts";
import { localEngine } from "../engines/local/local-engine.ts";
import type { Runner, TrialDetail } from "../protocol/api.ts";
import { Client } from "../sdk/client.ts";
import type { Database } from "../store/schema.ts";
import { withTestDatabase } from "../store/test-database.ts";
import { leaseLimits } from "./leases.ts";
import { startServer } from "./server.ts";

const LIMIT_MS = 120_000;

/** A line between a runner and the server: whole, or a black hole that takes everything and answers nothing. */
class Line {
  readonly #proxy: Server;
  readonly #sockets = new Set<Socket>();
  readonly #target: () => Promise<string>;
  #cut = false;

  constructor(target: () => Promise<string>) {
    this.#target = target;
    this.#proxy = createServer((near) => void this.#join(near));
  }

  async open(): Promise<string> {
    await new Promise<void>((done) => this.#proxy.listen(0, "127.0.0.1", done));
    const address = this.#proxy.address();
    assert.ok(address !== null && typeof address === "object");
    return `http://127.0.0.1:${address.port}`;
  }

  cut(): void {
    this.#cut = true;
    for (const socket of this.#sockets) socket.unpipe().pause();
  }

  /** What was under way is lost, what comes goes through. */
  mend(): void {
    this.#cut = false;
    for (const socket of this.#sockets) socket.destroy();
  }

  async close(): Promise<void> {
    this.mend();
    await new Promise((done) => this.#proxy.close(done));
  }

  async #join(near: Socket): Promise<void> {
    this.#keep(near);
    if (this.#cut) return void near.pause();
    const { hostname, port } = new URL(await this.#target());
    const far = dial(Number(port), hostname);
    this.#keep(far);
    near.pipe(far).pipe(near);
  }

  #keep(socket: Socket): void {
    this.#sockets.add(socket);
    socket.on("error", () => undefined);
    socket.on("close", () => this.#sockets.delete(socket));
  }
}

class Stand implements AsyncDisposable {
  readonly dataDir: string;
  readonly lines = new Map<string, Line>();
  /** What the engine says in place of the truth. */
  blind = false;
  client!: Client;
  #close: () => Promise<void> = async () => undefined;

  private constructor(dataDir: string) {
    this.dataDir = dataDir;
  }

  static async open(lease: ReturnType<typeof leaseLimits>): Promise<Stand> {
    const stand = new Stand(await mkdtemp(join(tmpdir(), "contrail-lease-")));
    const database = await withTestDatabase<Database>();
    const files = new Map<string, string>();
    const target = async (): Promise<string> =>
      JSON.parse(await readFile(join(stand.dataDir, "server.json"), "utf8")).url;
    for (const id of ["local", "b"]) {
      const line = new Line(target);
      const file = join(stand.dataDir, `line-${id}.json`);
      await writeFile(file, JSON.stringify({ url: await line.open() }));
      stand.lines.set(id, line);
      files.set(id, file);
    }
    const server = await startServer({
      ...{ dataDir: stand.dataDir, clock, host: "127.0.0.1", port: 0, version: "0", user: "ada" },
      ...{ databaseUrl: database.url, lease, log: pino({ level: "silent" }) },
      pools: [{ name: "default", engine: stand.#engine(files) }],
      onStopWanted: () => undefined,
    });
    const common = { url: server.url, clock, newKey: randomUUID };
    const { token } = await new Client(common).login({ one_time_token: server.oneTimeToken });
    stand.client = new Client({ ...common, token });
    stand.#close = async () => {
      for (const line of stand.lines.values()) line.mend();
      await server.stop("stop");
      for (const line of stand.lines.values()) await line.close();
      await database.drop();
      await rm(stand.dataDir, { recursive: true, force: true });
    };
    return stand;
  }

  /** The local engine, twice, with two slots of one core each. */
  #engine(files: ReadonlyMap<string, string>): Engine {
    const local = localEngine({ clock, environment: process.env, slots: 1 });
    const slot = { kind: "cpu" as const, name: "a core", memoryBytes: null, device: null };
    return {
      ...local,
      capacity: async () => ({
        ...{ node: "here", reason: "as the test says" },
        slots: [
          { ...slot, id: "cpu:0", runner: "local" },
          { ...slot, id: "b/cpu:0", runner: "b" },
        ],
      }),
      ensureRunner: (spec) =>
        local.ensureRunner({ ...spec, serverFile: files.get(spec.runnerId) ?? "" }),
      observe: (dataDir): RunnerObservation =>
        this.blind ? { state: "unknown", why: "its node does not answer" } : local.observe(dataDir),
    };
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.#close();
  }

  async runner(id: string): Promise<Runner> {
    const found = (await this.client.runners()).find((runner) => runner.id === id);
    assert.ok(found);
    return found;
  }

  async submit(steps: number, program = PROGRAM): Promise<string> {
    const config = JSON.stringify({
      ...{ name: "cut-off", entrypoint: ["python3", "-c", program], max_restarts: 0 },
      hyperparameters: { x: 1 },
      searcher: { name: "single", metric: "loss", max_length: { epochs: steps } },
    });
    const request = { config, code: null, provenance: {}, activate: true, dry_run: false };
    const { experiment } = await this.client.createExperiment(request);
    assert.ok(experiment);
    return `${experiment.id}.1`;
  }

  trialWhen(id: string, what: string, is: (trial: TrialDetail) => boolean): Promise<TrialDetail> {
    return until(what, async () => {
      const trial = await this.client.trial(id);
      return is(trial) ? trial : undefined;
    });
  }

  async series(trial: string): Promise<{ step: number; run: number; value: unknown }[]> {
    const { series } = await this.client.metrics(trial, { names: "loss", superseded: true });
    return series.flatMap(({ points }) =>
      points.map(({ step, run, value }) => ({ step, run, value })),
    );
  }

  async changesOf(subject: string): Promise<string[]> {
    const { items } = await this.client.audit({ limit: 500, order: "oldest" });
    return items.filter((item) => item.subject === subject).map(({ what }) => what);
  }
}

/** Saves at every tenth step, and at its end. */
const PROGRAM = `
import os, time, contrail
trial = contrail.init(params={"x": 1})
def save(folder):
    open(os.path.join(folder, "model"), "w").write(str(trial.seed))
for step in trial.steps(restore=lambda folder, step: None):
    time.sleep(0.1)
    trial.report(step, loss=1 / step)
    trial.checkpoint(step, save, always=step % 10 == 0)
`;

async function until<T>(what: string, look: () => Promise<T | undefined>): Promise<T> {
  const endMs = clock.monotonicMs() + LIMIT_MS;
  for (;;) {
    const found = await look();
    if (found !== undefined) return found;
    if (clock.monotonicMs() > endMs) throw new Error(`waited ${LIMIT_MS} ms in vain until ${what}`);
    await new Promise<void>((done) => clock.after(50, done));
  }
}

test("a cut shorter than the lease costs nothing", async () => {
  await using it = await Stand.open(leaseLimits(60_000));
  const [go, done] = [join(it.dataDir, "go"), join(it.dataDir, "done")];
  // Held until the line is cut, so that nothing is under way then that the server could still take.
  const program = PROGRAM.replace(
    "    trial.report(",
    `    while step == 4 and not os.path.exists("${go}"): time.sleep(0.05)\n    trial.report(`,
  );
  const id = await it.submit(30, `${program}    if step == 30: open("${done}", "w")\n`);
  await it.trialWhen(id, "it has begun", ({ step }) => step === 3);
  it.lines.get("local")?.cut();
  await writeFile(go, "");
  await until("all is trained, with nobody listening", async () => existsSync(done) || undefined);
  assert.equal((await it.client.trial(id)).step, 3, "the line is cut");
  it.lines.get("local")?.mend();
  const ended = await it.trialWhen(id, "it has ended", (trial) => trial.ended_at !== null);
  assert.equal(ended.end_reason, "finished", ended.reason);
  assert.equal(ended.allocations.length, 1);
  assert.deepEqual(
    await it.series(id),
    Array.from({ length: 30 }, (_, i) => ({ step: i + 1, run: 1, value: 1 / (i + 1) })),
  );
  assert.ok(!(await it.changesOf("runner local")).includes("lost"));
});

test("a runner that is cut off: silent, then lost; its trial goes on elsewhere; it comes back and is told", async () => {
  await using it = await Stand.open(leaseLimits(5_000, 7_000));
  const id = await it.submit(150);
  const begun = await it.trialWhen(id, "it has a checkpoint", (t) => t.checkpoint !== null);
  const [first] = begun.allocations;
  assert.ok(first);
  const line = it.lines.get(first.runner);
  const other = first.runner === "local" ? "b" : "local";
  const [slot = ""] = first.slots;
  line?.cut();

  const silent = await it.trialWhen(id, "it is flagged", (trial) => trial.silent !== undefined);
  assert.equal(silent.state, "running", "a flag, not a state");
  assert.equal(silent.silent?.runner, first.runner);
  const whySilent = await it.client.why("trial", id);
  assert.equal(whySilent.reasons[1]?.code, "runner_silent");
  await until("the engine has vouched for it", async () => {
    const { state, alive_at: aliveAt } = await it.runner(first.runner);
    return state === "silent" && aliveAt !== null ? true : undefined;
  });
  // Well beyond the second limit, too: what lives by the engine's word is not given up.
  await new Promise<void>((done) => clock.after(8_000, done));
  assert.equal((await it.client.trial(id)).allocations.length, 1);

  it.blind = true;
  const moved = await it.trialWhen(id, "it goes on elsewhere", (t) => t.allocations.length === 2);
  const [old, now] = moved.allocations;
  assert.deepEqual([old?.end, old?.exit_heard_at, now?.runner], ["node_lost", null, other]);
  assert.match(
    old?.reason ?? "",
    /lost: last heard .* lease of 5\.0 s has run out; .*node does not answer/,
  );
  assert.ok((now?.start_step ?? 0) >= 10, "from its last checkpoint");
  assert.equal(moved.restarts, 0);
  assert.equal((await it.runner(first.runner)).state, "lost");
  assert.equal((await it.client.slots()).find((s) => s.id === slot)?.allocation, null);
  const held = await it.client.why("slot", slot);
  assert.deepEqual([held.state, held.reasons[0]?.code], ["withheld", "withheld_lost"]);

  // Nobody gets it: a second trial waits although the slot is free, and says why.
  const second = await it.submit(1);
  const waiting = await it.trialWhen(second, "it waits", ({ state }) => state === "queued");
  assert.match(waiting.reason, /0 of 2 are free; \d slots? (is|are) held back/);

  line?.mend();
  it.blind = false;
  const late = await it.trialWhen(id, "the old processes are told of", ({ allocations }) =>
    allocations.some(({ run, exit_heard_at: at }) => run === 1 && at !== null),
  );
  const [stopped] = late.allocations;
  assert.equal(stopped?.end, "node_lost", "the end stays what it was");
  assert.ok(stopped.signal !== null || stopped.exit_code !== null);
  assert.ok((stopped.exit_heard_at ?? "") > (stopped.ended_at ?? ""));
  await it.trialWhen(second, "it got its slot", (trial) => trial.end_reason === "finished");
  await until("the runner is as it was", async () =>
    (await it.runner(first.runner)).state === "heard" ? true : undefined,
  );

  const ended = await it.trialWhen(id, "it has ended", (trial) => trial.ended_at !== null);
  assert.equal(ended.end_reason, "finished", ended.reason);
  assert.deepEqual([ended.restarts, ended.allocations.length], [0, 2]);
  const points = await it.series(id);
  const of = (run: number) => points.filter((point) => point.run === run).map(({ step }) => step);
  const all = Array.from({ length: 150 }, (_, i) => i + 1);
  const start = now?.start_step ?? 0;
  assert.deepEqual(of(2), all.slice(start), "the second run, whole");
  assert.ok(of(1).length > start, "what the first measured alone is kept, under its own run");
  assert.deepEqual(of(1), all.slice(0, of(1).length));
  const log = await it.changesOf(`runner ${first.runner}`);
  const steps = log.filter((what) => ["silent", "lost", "back"].includes(what));
  assert.deepEqual(steps.slice(0, 3), ["silent", "lost", "back"]);
  assert.equal(steps.filter((what) => what === "lost").length, 1);
  assert.ok((await it.changesOf(`trial ${id}`)).includes("late exit"));
});
