/**
 * F13: random steps over everything that retention has to do with, and after them two questions to an oracle that
 * knows nothing of how it is done. Is all there that anything needs? And after a run that nothing cut off: is nothing
 * there besides?
 *
 * Real are the life cycle, the decision loop and its commands, what becomes of a runner's events, uploads with their leases,
 * the rules, and the sweeper; PostgreSQL and the folder of blobs are in memory. A crash is drawn between any two steps and
 * before any deletion of a file. `node src/sim/retention-walk.ts --steps 100000` prints its figures.
 */
import { createHash } from "node:crypto";
import { assert } from "../base/assert.ts";
import type { JsonObject } from "../base/json.ts";
import { keyed, type Random } from "../base/random.ts";
import { isOver } from "../core/lifecycle/experiment.ts";
import type { ExperimentConfig } from "../protocol/config/config.ts";
import { ContrailError } from "../protocol/errors.ts";
import type { RunnerEvent, TreeEntry } from "../protocol/runner-wire.ts";
import { loadWorld, reloadExperiments } from "../server/load.ts";
import { DecisionLoop } from "../server/loops/decision-loop.ts";
import {
  deleteCheckpoints,
  type ExperimentAct,
  markExperiment,
  noteEmptied,
  noteRetained,
  pin,
  purgeDue,
} from "../server/retention/commands.ts";
import { Sweeper } from "../server/retention/sweeper.ts";
import {
  holdFiles,
  keepSnapshot,
  missingBlobs,
  putBlob,
  saveTrees,
  uploadsDone,
} from "../server/retention/uploads.ts";
import { verdictsOn } from "../server/retention/verdicts.ts";
import { applySync } from "../server/sync.ts";
import { toSearch, toSettings } from "../server/translate.ts";
import { World } from "../server/world.ts";
import { BlobGate } from "../store/blob-gate.ts";
import { canonicalTree } from "../store/snapshot.ts";
import { chance, pick } from "./draws.ts";
import { MemoryLedger } from "./memory-ledger.ts";
import { MemoryBlobs, MemoryRetentionStore, MemoryTrees } from "./memory-retention.ts";
import { RetentionOracle } from "./retention-oracle.ts";
import { drawScenario } from "./scenario.ts";

const SLOTS = ["cpu:0", "cpu:1", "cpu:2", "cpu:3"].map((id) => ({
  ...{
    id,
    kind: "cpu" as const,
    runner: "local",
    node: "here",
    pool: "default",
    description: "a core",
  },
}));
const RUNNER = { kind: "runner", runner: "local" } as const;
const PERSON = { kind: "user", userId: 1, name: "ada", scope: "user", tokenId: "t" } as const;
const EXPERIMENTS_MAX = 8;
const LIVE_MAX = 3;
const DAY_MS = 24 * 3600 * 1000;
/** The steps of one walk; then another begins with nothing. */
const STEPS_PER_WALK = 400;

/** The process dies before it deletes a file. */
class Killed extends Error {}

interface Upload {
  readonly id: string;
  readonly fence: number;
  readonly step: number;
  readonly tree: readonly TreeEntry[];
  /** What was lacking when it was asked. */
  readonly lacking: string[];
}

export interface WalkFigures {
  steps: number;
  checkpoints: number;
  deleted: number;
  blobsDeleted: number;
  crashes: number;
  crashesInDeletion: number;
  wholeRuns: number;
  purged: number;
  pinned: number;
  lost: number;
}

export const noFigures = (): WalkFigures => ({
  ...{ steps: 0, checkpoints: 0, deleted: 0, blobsDeleted: 0, crashes: 0, crashesInDeletion: 0 },
  ...{ wholeRuns: 0, purged: 0, pinned: 0, lost: 0 },
});

export class RetentionWalk {
  readonly #random: Random;
  readonly #seed: number;
  readonly #figures: WalkFigures;
  readonly #ledger = new MemoryLedger();
  readonly #blobs = new MemoryBlobs();
  readonly #trees = new MemoryTrees(this.#ledger);
  readonly #store = new MemoryRetentionStore(this.#ledger);
  readonly #oracle = new RetentionOracle(this.#ledger, this.#store, this.#trees, this.#blobs);
  #world!: World;
  #loop!: DecisionLoop;
  #gate = new BlobGate();
  #nowMs = 1_700_000_000_000;
  readonly #seqs = new Map<string, number>();
  #uploads: Upload[] = [];
  /** Judged a while ago, and not acted on yet. */
  #stale: (() => Promise<void>)[] = [];
  #failure: unknown = null;

  constructor(seed: number, figures: WalkFigures) {
    this.#seed = seed;
    this.#random = keyed(seed, "retention");
    this.#figures = figures;
    this.#blobs.beforeDelete = () => {
      if (this.#killAt === 0) throw new Killed();
      this.#killAt -= 1;
      this.#figures.blobsDeleted += 1;
    };
  }

  /** Files until the process dies; below 0 = it does not. */
  #killAt = -1;

  async walk(steps = STEPS_PER_WALK): Promise<void> {
    await this.#start();
    for (let i = 0; i < steps; i++) {
      this.#nowMs += this.#random.below(60_000);
      await this.#step();
      this.#figures.steps += 1;
      if (this.#failure) throw this.#failure;
      if (i % 5 === 0) this.#oracle.needed(this.#nowMs);
    }
    await this.#wholeRun();
  }

  async #start(): Promise<void> {
    const world = new World(SLOTS);
    const ledger = this.#ledger;
    const tip = await ledger.takeOver();
    await loadWorld(world, ledger);
    this.#world = world;
    this.#gate = new BlobGate();
    this.#loop = new DecisionLoop({
      ...{ world, ledger, tip, nowMs: () => this.#nowMs, monotonicMs: () => this.#nowMs },
      reload: (ids) => reloadExperiments(world, ledger, ids),
      onCommitted: () => undefined,
      onFailure: (_what, error) => {
        this.#failure ??= error;
      },
    });
  }

  get #context() {
    const clock = { nowMs: () => this.#nowMs } as never;
    return {
      ...{ world: this.#world, blobs: this.#blobs, gate: this.#gate, trees: this.#trees, clock },
    };
  }

  async #step(): Promise<void> {
    const random = this.#random;
    const draw = random.below(100);
    if (draw < 6) return this.#submit();
    if (draw < 34) return this.#train();
    if (draw < 48) return this.#offer();
    if (draw < 62) return this.#commit();
    if (draw < 69) return this.#exit();
    if (draw < 77) return this.#user();
    if (draw < 81) return this.#pin();
    if (draw < 85) return this.#mark();
    if (draw < 88) return this.#crash();
    if (draw < 89) {
      this.#nowMs += random.below(6 * DAY_MS);
      return;
    }
    if (draw < 91) return this.#abandon();
    if (draw < 95) return this.#judge();
    if (draw < 97) return void (await this.#stale.shift()?.());
    if (draw < 99) return this.#cutOff();
    return this.#wholeRun();
  }

  // ---- work ------------------------------------------------------------------------------------

  async #submit(): Promise<void> {
    const random = this.#random;
    const count = this.#ledger.table("experiments").size;
    if (count >= EXPERIMENTS_MAX || this.#world.experiments.size >= LIVE_MAX) return this.#train();
    const drawn = drawScenario(this.#seed * 10 + count).submissions[0]?.config;
    assert(drawn, "every scenario submits something");
    const kept = (): number => random.below(random.below(4) + 1);
    const config: ExperimentConfig = {
      ...drawn,
      budget: null,
      checkpoint_storage: {
        save_experiment_best: kept(),
        save_trial_best: kept(),
        save_trial_latest: kept(),
      },
    };
    const files = this.#files(`code ${random.below(3)}`, 1);
    await this.#send(files, PERSON);
    const { held } = await holdFiles(this.#context, files);
    using code = await keepSnapshot(this.#context, files, held);
    this.#oracle.manifest(code.hash, files);
    const { search, reason } = toSearch(config, 7);
    await this.#loop.submit({
      name: "create",
      run: (world, turn) =>
        world.create(
          turn,
          {
            ...{ name: "walk", description: null, labels: [], workspace: "w", project: "p" },
            ...{ owner_id: 1, owner: "ada", config: config as unknown as JsonObject },
            ...{ config_text: "", data: {}, seed: 7, code: code.hash, provenance: {}, plan: {} },
            ...{ searcher_reason: reason, search_spec: search, progress: 0, best_trial: null },
            ...{ best_step: null, best_objective: null, steps: 0, slot_ms: 0 },
            ...{ created_at: new Date(turn.nowMs), started_at: null, ended_at: null },
          },
          toSettings(config, search),
          { paused: false, actor: "ada" },
        ),
    });
  }

  /** Many share blobs: a frozen layer, a few heads, and what is the same by chance. */
  #files(name: string, kinds = 6): TreeEntry[] {
    const random = this.#random;
    const file = (path: string, content: string): TreeEntry => ({
      ...{ path, size: 10 + content.length, executable: false },
      hash: createHash("sha256").update(content).digest("hex"),
    });
    return [
      file("frozen", "frozen"),
      file("head", `head ${random.below(kinds)}`),
      file("model", chance(random, 0.3) ? `model ${random.below(4)}` : name),
    ];
  }

  async #send(files: readonly TreeEntry[], caller: typeof PERSON | typeof RUNNER): Promise<void> {
    const hashes = files.map(({ hash }) => hash);
    for (const hash of await missingBlobs(this.#context, caller, { hashes }))
      await this.#put(hash, caller);
  }

  async #put(hash: string, caller: typeof PERSON | typeof RUNNER): Promise<void> {
    async function* body() {
      yield Buffer.from(hash);
    }
    await putBlob(this.#context, caller, { hash, body: body() });
  }

  #allocations(): { id: string; live: number; trial: number; run: number }[] {
    return [...this.#world.experiments.values()].flatMap((live) =>
      [...live.allocations].map(([trial, { run }]) => ({
        ...{ id: `${live.id}.${trial}.${run}`, live: live.id, trial, run },
      })),
    );
  }

  async #tell(id: string, fence: number, ...events: readonly object[]): Promise<void> {
    let seq = this.#seqs.get(id) ?? 0;
    const numbered = events.map(
      (event) => ({ seq: ++seq, atMs: this.#nowMs, ...event }) as RunnerEvent,
    );
    const body = {
      ...{ runner: RUNNER.runner, boot: "walk", ordersAfter: 0 },
      allocations: [{ id, fence, events: numbered }],
    };
    const [experiment = 0, trial = 0, run = 0] = id.split(".").map(Number);
    const past = this.#ledger.past({ experiment, trial, run });
    using saved = await saveTrees(this.#context, body);
    await this.#loop.submit({
      name: "sync",
      run: (world, turn) =>
        applySync(world, turn, body, new Map(past ? [[id, past]] : []), saved.nameOf),
    });
    for (const { events: told } of body.allocations)
      for (const event of told)
        if (event.type === "checkpoint") {
          if (saved.nameOf(event.tree) === null) this.#figures.lost += 1;
          else this.#figures.checkpoints += 1;
        }
    await uploadsDone(this.#context, saved.done);
    this.#seqs.set(id, seq);
  }

  async #train(): Promise<void> {
    const allocation = pick(this.#random, this.#allocations());
    if (!allocation) return;
    const { id, live, trial, run } = allocation;
    const x = this.#world.experiments.get(live)?.x;
    const state = x?.trials.get(trial);
    if (!x || !state) return;
    const atTarget = state.target !== null && state.step >= state.target;
    if (atTarget) return this.#tell(id, run, { type: "waiting", step: state.step });
    const draw = this.#random.below(10);
    const loss = draw === 0 ? "NaN" : draw === 1 ? 0.5 : this.#random.unit();
    const metrics = { ...(draw === 2 ? {} : { loss }), time: state.step + 1 };
    await this.#tell(id, run, { type: "report", step: state.step + 1, metrics });
  }

  /** A runner begins to send a checkpoint: asks, and sends some of what is lacking. */
  async #offer(): Promise<void> {
    const allocation = pick(this.#random, this.#allocations());
    if (!allocation) return;
    const { id, live, trial, run: fence } = allocation;
    const step = this.#world.experiments.get(live)?.x.trials.get(trial)?.step ?? 0;
    const tree = this.#files(`model of ${id} at ${step} ${this.#random.below(2)}`);
    const { hash } = canonicalTree(tree);
    this.#oracle.manifest(hash, tree);
    const hashes = [...tree.map((entry) => entry.hash), hash];
    const lacking = await missingBlobs(this.#context, RUNNER, {
      hashes,
      for: { allocation: id, tree: hash },
    });
    const upload = { id, fence, step, tree, lacking: lacking.filter((blob) => blob !== hash) };
    this.#oracle.told(
      upload,
      hashes.filter((blob) => !lacking.includes(blob)),
    );
    this.#uploads.push(upload);
    if (chance(this.#random, 0.5)) await this.#sendSome(upload);
  }

  async #sendSome(upload: Upload): Promise<void> {
    for (const blob of upload.lacking.splice(0, 1 + this.#random.below(3))) {
      await this.#put(blob, RUNNER);
      this.#oracle.told(upload, [blob]);
    }
  }

  /** All of it is sent, and then told. */
  async #commit(): Promise<void> {
    if (this.#uploads.length === 0) await this.#offer();
    // A runner sends one checkpoint of an allocation after the other, and tells of them in that order.
    const drawn = pick(this.#random, this.#uploads);
    const upload = this.#uploads.find(({ id }) => id === drawn?.id);
    if (!upload) return;
    this.#uploads = this.#uploads.filter((other) => other !== upload);
    while (upload.lacking.length > 0) await this.#sendSome(upload);
    const { id, fence, step, tree } = upload;
    const isLive = this.#allocations().some((a) => a.id === id);
    const lostBefore = this.#figures.lost;
    await this.#tell(id, fence, { type: "checkpoint", step, tree: [...tree], metadata: {} });
    this.#oracle.forget(upload);
    if (isLive && this.#figures.lost > lostBefore)
      throw new Error(`a checkpoint of ${id}, which lives, was lost`);
  }

  async #exit(): Promise<void> {
    const allocation = pick(this.#random, this.#allocations());
    if (!allocation) return;
    const { id, run, live, trial } = allocation;
    const state = this.#world.experiments.get(live)?.x.trials.get(trial)?.allocation;
    const yielding = state?.yield !== null || state.kill;
    if (!yielding && chance(this.#random, 0.7)) return;
    const code = yielding ? 0 : this.#random.below(2);
    await this.#tell(id, run, {
      ...{ type: "exited", kind: chance(this.#random, 0.2) ? "runner_lost" : "processes" },
      ...{ processes: [{ rank: 0, code, signal: null }], outOfMemory: null, signalsSent: [] },
      ...{ yielded: yielding, logLines: 0, detail: "" },
    });
    // What it had begun to send is never told of, or much later.
    for (const upload of this.#uploads) if (upload.id === id) this.#oracle.forget(upload);
    if (chance(this.#random, 0.7)) this.#uploads = this.#uploads.filter((u) => u.id !== id);
  }

  // ---- people ----------------------------------------------------------------------------------

  async #user(): Promise<void> {
    const random = this.#random;
    const live = pick(random, [...this.#world.experiments.values()]);
    if (!live) return;
    const mild = chance(random, 0.85);
    const verb = pick(random, mild ? ["pause", "activate", "activate"] : ["cancel", "kill"]);
    const number = chance(random, 0.85) ? pick(random, [...live.x.trials.keys()]) : undefined;
    const whom = number === undefined ? {} : { trial: number };
    await this.#loop.submit({
      name: "user",
      run: (world, turn) =>
        world.apply(turn, live, { type: "user", verb: verb as "pause", actor: "ada", ...whom }),
    });
    for (const other of [...this.#world.experiments.values()])
      if (isOver(other.x.core)) this.#world.release(other.id);
  }

  async #pin(): Promise<void> {
    const random = this.#random;
    const id = this.#someExperiment();
    const row = pick(random, await this.#store.checkpoints(id, null));
    if (!row) return;
    const pinned = chance(random, 0.5);
    const changed = await this.#act((world, turn) =>
      pin(world, turn, { experiment: id, tree: row.tree }, { pinned, actor: "ada" }),
    );
    if (changed && pinned) this.#figures.pinned += 1;
  }

  async #mark(): Promise<void> {
    const id = this.#someExperiment();
    if (!(await this.#store.experiment(id))) return;
    const acts = ["delete", "delete", "restore", "archive", "unarchive"] as const;
    const act = pick(this.#random, acts) as ExperimentAct;
    await this.#act((world, turn) => markExperiment(world, turn, id, { act, actor: "ada" }));
  }

  #someExperiment(): number {
    return 1 + this.#random.below(Math.max(1, this.#ledger.table("experiments").size));
  }

  /** What is refused is refused. */
  async #act<T>(run: (world: World, turn: import("../server/world.ts").Turn) => T) {
    return this.#loop.submit({ name: "act", run }).catch((error: unknown) => {
      if (error instanceof ContrailError) return undefined;
      throw error;
    });
  }

  /** Somebody sends a folder and submits nothing. */
  async #abandon(): Promise<void> {
    await this.#send(this.#files(`abandoned ${this.#random.uint32()}`), PERSON);
  }

  async #crash(): Promise<void> {
    this.#figures.crashes += 1;
    this.#stale = [];
    await this.#start();
  }

  // ---- retention -------------------------------------------------------------------------------

  async #judge(): Promise<void> {
    const id = this.#someExperiment();
    const apply = await this.#judged(id);
    if (chance(this.#random, 0.5)) await apply();
    else this.#stale.push(apply);
  }

  /** As `RetentionKeeper.#applyTo`, in two parts: whatever happens between them must do no harm. */
  async #judged(id: number): Promise<() => Promise<void>> {
    const experiment = await this.#store.experiment(id);
    if (!experiment) return async () => undefined;
    const pinned = new Set(this.#world.retention.pinned(id));
    const replays = this.#world.retention.replays(id);
    const { policy, verdicts } = await verdictsOn(this.#store, experiment, pinned);
    const doomed = verdicts.filter(({ keep }) => keep.length === 0).map((v) => v.checkpoint);
    return async () => {
      if (policy === null) return;
      const gone = await this.#loop.submit({
        name: "retention",
        run: (world, turn) =>
          deleteCheckpoints(world, turn, id, { doomed, policy, actor: "retention", replays }),
      });
      this.#figures.deleted += gone.length;
      if (experiment.ended_at !== null)
        await this.#loop.submit({ name: "note", run: (w, turn) => noteRetained(w, turn, id) });
      this.#oracle.needed(this.#nowMs);
    };
  }

  #sweeper(): Sweeper {
    return new Sweeper(this.#context);
  }

  async #sweep(): Promise<void> {
    const freed = { blobs: 0, bytes: 0 };
    const sweeper = this.#sweeper();
    await sweeper.sweepTrees(freed);
    await sweeper.sweepOrphans(freed);
  }

  /** The process dies at some file. */
  async #cutOff(): Promise<void> {
    this.#killAt = this.#random.below(6);
    try {
      await this.#sweep();
    } catch (error) {
      if (!(error instanceof Killed)) throw error;
      this.#figures.crashesInDeletion += 1;
      this.#stale = [];
      await this.#start();
    } finally {
      this.#killAt = -1;
    }
    this.#oracle.needed(this.#nowMs);
  }

  /** With nothing that cuts it off: everything goes that nothing needs. */
  async #wholeRun(): Promise<void> {
    this.#figures.wholeRuns += 1;
    const ids = this.#ledger.rows<{ id: number }>("experiments").map(({ id }) => id);
    for (const id of ids) await (await this.#judged(id))();
    const purged = await this.#loop.submit({ name: "purge", run: (w, turn) => purgeDue(w, turn) });
    for (const id of purged) {
      const rows = await this.#store.empty(id);
      await this.#loop.submit({ name: "empty", run: (w, turn) => noteEmptied(w, turn, id, rows) });
      this.#figures.purged += 1;
    }
    await this.#sweep();
    this.#oracle.needed(this.#nowMs);
    this.#oracle.nothingElse(this.#nowMs);
  }
}

/** @returns what was done in all */
export async function retentionWalks(steps: number, first = 1): Promise<WalkFigures> {
  const figures = noFigures();
  for (let seed = first; figures.steps < steps; seed++)
    try {
      await new RetentionWalk(seed, figures).walk(Math.min(STEPS_PER_WALK, steps - figures.steps));
    } catch (cause) {
      throw new Error(`walk ${seed}: ${(cause as Error).message}`, { cause });
    }
  return figures;
}

if (import.meta.filename === process.argv[1]) {
  const at = process.argv.indexOf("--steps");
  const steps = at === -1 ? 100_000 : Number(process.argv[at + 1]);
  console.log(JSON.stringify(await retentionWalks(steps), null, 2));
}
