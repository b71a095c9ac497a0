/**
 * World, decision loop and a runner over a real database, without HTTP and on a virtual clock: the test says what
 * happens and when, so that two runs of one script can be compared row by row. A server that crashes is a world
 * that is dropped and loaded again; its runner and programs go on, as they do in earnest.
 */
import { createHash } from "node:crypto";
import type pg from "pg";
import type {
  AllocationOrders,
  RunnerEvent,
  SyncRequest,
  TreeEntry,
} from "../protocol/runner-wire.ts";
import { ensureUser } from "../store/access-store.ts";
import { BlobGate } from "../store/blob-gate.ts";
import type { BlobStore } from "../store/blobs.ts";
import { canonicalTree } from "../store/snapshot.ts";
import { treesIn } from "../store/tree-store.ts";
import { createExperiment } from "./create-experiment.ts";
import type { RouteContext } from "./http/context.ts";
import type { LiveExperiment, PastAllocation } from "./live-experiment.ts";
import { loadWorld, reloadExperiments } from "./load.ts";
import { type Committed, DecisionLoop } from "./loops/decision-loop.ts";
import { ordersFor } from "./orders.ts";
import { PostgresLedger } from "./postgres-ledger.ts";
import { VerdictBook } from "./replay/verdict-book.ts";
import { applySync, findLive, type Synced } from "./sync.ts";
import { toLaunchSettings } from "./translate.ts";
import { LOCAL_RUNNER, World } from "./world.ts";

const NO_BLOBS = {
  missing: async () => [],
  put: async () => undefined,
} as unknown as BlobStore;

export interface ClusterOptions {
  readonly pool: pg.Pool;
  /** What the decision loop writes through, where that is to fail. */
  readonly writePool?: pg.Pool;
  readonly slots?: number;
  readonly blobs?: BlobStore;
}

type Draft = RunnerEvent extends infer E
  ? E extends RunnerEvent
    ? Omit<E, "seq" | "atMs">
    : never
  : never;

/** One allocation as its runner knows it. */
export interface Program {
  readonly id: string;
  readonly trial: number;
  readonly run: number;
  readonly params: Readonly<Record<string, unknown>>;
  orders: AllocationOrders;
  step: number;
  seq: number;
  started: boolean;
  gone: boolean;
  waitedAt: number;
  /** Not acknowledged yet. */
  outbox: RunnerEvent[];
}

/** What a program does at its next step in place of training; undefined = train. */
export type Script = (program: Program) => readonly Draft[] | undefined;

export const exited = (over: Partial<Extract<Draft, { type: "exited" }>> = {}): Draft => ({
  type: "exited",
  processes: [{ rank: 0, code: 0, signal: null }],
  kind: "processes",
  outOfMemory: null,
  signalsSent: [],
  yielded: false,
  logLines: 0,
  detail: "",
  ...over,
});

export const crashed = exited({ processes: [{ rank: 0, code: 1, signal: null }] });

/** A checkpoint's only file, different at each step of each trial. */
export function savedFiles(program: Program): TreeEntry[] {
  const hash = createHash("sha256").update(`${program.trial} ${program.step}`).digest("hex");
  return [{ path: "model.bin", size: program.step, hash, executable: false }];
}

export class TestCluster {
  world!: World;
  loop!: DecisionLoop;
  readonly programs = new Map<string, Program>();
  readonly failures: unknown[] = [];
  readonly told: Committed[] = [];
  nowMs = Date.UTC(2026, 0, 5);
  /** Set apart from the other by a test in which somebody sets the clock. */
  setByMs = 0;
  ordersAfter = 0;
  readonly #options: ClusterOptions;
  readonly #script: Script;
  readonly #gate = new BlobGate();

  private constructor(options: ClusterOptions, script: Script) {
    this.#options = options;
    this.#script = script;
  }

  static async open(
    options: ClusterOptions,
    script: Script = () => undefined,
  ): Promise<TestCluster> {
    const cluster = new TestCluster(options, script);
    await ensureUser(options.pool, "ada", new Date(cluster.nowMs));
    await cluster.restart();
    return cluster;
  }

  /** The server dies and comes back: nothing but the database is left of it. */
  async restart(): Promise<void> {
    const { pool, writePool = pool, slots = 3 } = this.#options;
    const world = new World(
      Array.from({ length: slots }, (_, i) => ({
        id: `cpu:${i}`,
        kind: "cpu" as const,
        runner: "local",
        node: "here",
        pool: "default",
        description: "a core",
      })),
    );
    const ledger = new PostgresLedger(pool);
    await loadWorld(world, ledger);
    this.world = world;
    this.loop = new DecisionLoop({
      world,
      ledger: new PostgresLedger(writePool),
      tip: await ledger.takeOver(),
      nowMs: () => this.nowMs,
      monotonicMs: () => this.nowMs - this.setByMs,
      reload: (ids) => reloadExperiments(world, ledger, ids),
      onCommitted: (committed) => void this.told.push(committed),
      onFailure: (_what, error) => void this.failures.push(error),
    });
  }

  get context(): RouteContext {
    const { pool, blobs = NO_BLOBS } = this.#options;
    const clock = { nowMs: () => this.nowMs };
    const { world, loop } = this;
    const trees = treesIn(pool);
    const shared = {
      ...{ world, loop, pool, readPool: pool, blobs, gate: this.#gate, trees, clock },
      verdicts: new VerdictBook(),
    };
    return shared as unknown as RouteContext;
  }

  create(config: string, more: { key?: string; dryRun?: boolean; paused?: boolean } = {}) {
    return createExperiment(this.context, {
      request: {
        config,
        code: null,
        provenance: {},
        activate: more.paused !== true,
        dry_run: more.dryRun === true,
      },
      owner: { userId: 1, name: "ada" },
      idempotencyKey: more.key,
    });
  }

  live(id = 1): LiveExperiment {
    const live = this.world.experiments.get(id);
    if (!live) throw new Error(`experiment ${id} does not live`);
    return live;
  }

  user(verb: "activate" | "pause" | "cancel" | "kill", trial?: number, id = 1): Promise<void> {
    return this.loop.submit({
      name: verb,
      run: (world, turn) => {
        const live = world.experiments.get(id);
        const whom = trial === undefined ? {} : { trial };
        if (live) world.apply(turn, live, { type: "user", verb, actor: "ada", ...whom });
      },
    });
  }

  tick(): Promise<void> {
    return this.loop.submit({
      name: "tick",
      run: (world, turn) => {
        turn.slotsChanged.value = true;
        for (const live of world.experiments.values()) world.apply(turn, live, { type: "tick" });
      },
    });
  }

  // ---- the runner ------------------------------------------------------------------------------

  /** A second passes: the runner hears its orders, each program does one thing, everything is sent. */
  async round(send = (): Promise<unknown> => this.send()): Promise<void> {
    this.nowMs += 1000;
    this.hear();
    for (const program of this.programs.values()) this.act(program);
    await send();
  }

  /** Rounds until no experiment lives. @returns how many it took */
  async finish(each: () => Promise<void> = () => this.round(), roundsMax = 300): Promise<number> {
    for (let rounds = 0; rounds < roundsMax; rounds++) {
      if (this.world.experiments.size === 0) return rounds;
      await each();
    }
    throw new Error(`still running after ${roundsMax} rounds`);
  }

  async send(): Promise<void> {
    const [synced] = await Promise.all([this.sync(this.request()), this.tick()]);
    this.take(synced);
  }

  hear(): void {
    const context = {
      world: this.world,
      launchSettings: toLaunchSettings,
      allocationToken: (id: string) => `ca_${id}`,
    };
    const { orders, ordersVersion } = ordersFor(context, LOCAL_RUNNER, this.ordersAfter);
    this.ordersAfter = ordersVersion;
    for (const order of orders) {
      const known = this.programs.get(order.id);
      if (known) known.orders = order;
      else if (order.launch) this.#launch(order);
    }
  }

  #launch(orders: AllocationOrders): void {
    const [, trial = 0, run = 0] = orders.id.split(".").map(Number);
    this.programs.set(orders.id, {
      id: orders.id,
      trial,
      run,
      params: orders.launch?.params ?? {},
      orders,
      step: orders.launch?.restore?.step ?? 0,
      seq: 0,
      started: false,
      gone: false,
      waitedAt: -1,
      outbox: [],
    });
  }

  act(program: Program): void {
    if (program.gone) return;
    const { target, yield: leave, kill } = program.orders;
    if (!program.started) {
      program.started = true;
      return this.say(program, { type: "started", pid: 1000 + program.trial });
    }
    if (kill)
      return this.say(
        program,
        exited({
          processes: [{ rank: 0, code: null, signal: "SIGTERM" }],
          signalsSent: ["SIGTERM"],
        }),
      );
    if (leave !== null) {
      if (leave === "pause") this.save(program);
      return this.say(program, exited({ yielded: true }));
    }
    if (target !== null && program.step >= target) {
      if (program.waitedAt === program.step) return;
      program.waitedAt = program.step;
      return this.say(program, { type: "waiting", step: program.step });
    }
    program.step += 1;
    const other = this.#script(program);
    if (other) for (const draft of other) this.say(program, draft);
    else this.train(program);
  }

  /** One step: a loss that falls, better for some trials than for others. */
  train(program: Program): void {
    const { trial, step } = program;
    const loss = ((trial * 7) % 10) + 1 / step;
    this.say(program, { type: "report", step, metrics: { loss, "time.step_s": 0.25 } });
    if (step % 2 === 1) this.save(program);
  }

  save(program: Program): void {
    const { step } = program;
    this.say(program, { type: "checkpoint", step, tree: savedFiles(program), metadata: { step } });
  }

  say(program: Program, draft: Draft): void {
    program.seq += 1;
    if (draft.type === "exited") program.gone = true;
    program.outbox.push({ ...draft, seq: program.seq, atMs: this.nowMs } as RunnerEvent);
  }

  /** Everything that is not acknowledged. */
  request(): SyncRequest {
    const allocations = [...this.programs.values()].map(({ id, run, outbox }) => ({
      id,
      fence: run,
      events: [...outbox],
    }));
    return { boot: "b", allocations, ordersAfter: this.ordersAfter };
  }

  async sync(request: SyncRequest): Promise<Synced> {
    const past = await this.#past(request);
    const said = { runner: "local", ...request };
    return this.loop.submit({
      name: "sync",
      run: (world, turn) => applySync(world, turn, said, past, (tree) => canonicalTree(tree).hash),
    });
  }

  take({ acked, gone }: Synced): void {
    for (const [id, seq] of Object.entries(acked)) {
      const program = this.programs.get(id);
      if (program) program.outbox = program.outbox.filter((event) => event.seq > seq);
    }
    for (const id of gone) if (this.programs.get(id)?.outbox.length === 0) this.programs.delete(id);
  }

  async #past(request: SyncRequest): Promise<Map<string, PastAllocation>> {
    const past = new Map<string, PastAllocation>();
    for (const { id } of request.allocations) {
      if (findLive(this.world, id)) continue;
      const [experiment, number, run] = id.split(".").map(Number);
      const { rows } = await this.#options.pool.query<{
        id: number;
        acked: number;
        trial: number;
        unseen: boolean;
      }>(
        `select a.id, a.acked, a.exit_heard_at is null as unseen, t.id as trial from allocations a
         join trials t on t.experiment_id = a.experiment_id and t.number = a.trial_number
         where a.experiment_id = $1 and a.trial_number = $2 and a.run = $3`,
        [experiment, number, run],
      );
      const row = rows[0];
      if (row)
        past.set(id, {
          id: row.id,
          run: run ?? 0,
          trialId: row.trial,
          trial: `${experiment}.${number}`,
          acked: row.acked,
          unseen: row.unseen,
        });
    }
    return past;
  }
}

const TABLES = {
  experiments: "id",
  trials: "id",
  allocations: "id",
  search_events: "experiment_id, seq",
  decisions: "experiment_id, trial_number, seq",
  metric_names: "id",
  reports: "trial_id, run, seq",
  metrics: "trial_id, name_id, step, run, seq",
  checkpoints: "trial_id, run, step, tree",
  changes: "seq",
} as const;

/**
 * Everything that an experiment leaves behind, as text to compare. Left out is what only counts or saves time:
 * versions of orders, and how far the saved search lags behind its log.
 */
export async function everything(
  pool: pg.Pool,
  tables: readonly (keyof typeof TABLES)[] = Object.keys(TABLES) as (keyof typeof TABLES)[],
): Promise<Record<string, string[]>> {
  const found: Record<string, string[]> = {};
  for (const table of tables) {
    const { rows } = await pool.query<{ row: Record<string, unknown> }>(
      `select to_jsonb(t) as row from ${table} t order by ${TABLES[table]}`,
    );
    found[table] = rows.map(({ row }) => {
      const {
        orders_version: _version,
        search_state: _state,
        search_events: _events,
        ...rest
      } = row;
      return JSON.stringify(rest);
    });
  }
  return found;
}
