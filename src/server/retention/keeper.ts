/**
 * Applies retention: to an experiment when it ends and, no more often than is worth it, while it runs; empties deleted
 * experiments when their time is over; and sees to it that the bytes go. One thing at a time, beside the decision
 * loop, through which everything goes that is to be known: deletion of a checkpoint is a row and an entry in the log
 * of changes first, and then, whenever that may be, bytes that go (`sweeper.ts`).
 *
 * Nothing here has to be remembered: what is left to do is asked of the database at the start, so that a kill costs time
 * alone. Only that a person asked for a whole run is written down, because the answer was "yes".
 */
import type { Logger } from "pino";
import type { Clock } from "../../base/clock.ts";
import { RESTORABLE_MS } from "../../core/retention/retention.ts";
import type { BlobGate } from "../../store/blob-gate.ts";
import type { BlobStore } from "../../store/blobs.ts";
import type { GcRequest, RetentionStore } from "../../store/retention-store.ts";
import type { TreeRegister } from "../../store/tree-store.ts";
import type { DecisionLoop } from "../loops/decision-loop.ts";
import { recordIn } from "../recorded.ts";
import type { World } from "../world.ts";
import { deleteCheckpoints, judgeAgain, noteEmptied, noteRetained, purgeDue } from "./commands.ts";
import { type GcPlan, planGc } from "./gc-plan.ts";
import { type GcStatus, GcTally } from "./gc-run.ts";
import { LeastTime } from "./least-time.ts";
import { type Freed, Sweeper } from "./sweeper.ts";
import { Undeleted } from "./undeleted.ts";
import { verdictsOn } from "./verdicts.ts";

export interface KeeperOptions {
  readonly loop: DecisionLoop;
  readonly store: RetentionStore;
  readonly trees: TreeRegister;
  readonly blobs: BlobStore;
  readonly gate: BlobGate;
  readonly clock: Clock;
  readonly log: Pick<Logger, "info" | "error">;
  /** How long after its deletion an experiment is purged; default 7 days. */
  readonly restorableMs?: number;
}

const LOOK_EVERY_MS = 1_000;
/** Between two looks at an experiment that runs. */
const REST_MS = 5_000;
/** And it gets a twentieth of the time at most. */
const REST_FACTOR = 20;
/** Also from the start to the first purge: a machine may start with a wrong clock, and it is set right soon after. */
const PURGE_EVERY_MS = 3_600_000;
const ORPHANS_EVERY_MS = 24 * 3_600_000;
const CHECKPOINTS_PER_TURN = 200;
/** From the first failure in a row to delete bytes; each further one doubles it. */
const RETRY_MS = 1_000;
const RETRY_MAX_MS = 600_000;

/** The server stops; what is left is found again. */
class Stopping extends Error {}

export class RetentionKeeper {
  readonly #options: KeeperOptions;
  readonly #sweeper: Sweeper;
  /** Experiments to look at, and from when on (monotonic). */
  readonly #due = new Map<number, number>();
  readonly #restUntilMs = new Map<number, number>();
  #request: GcRequest | null = null;
  #tally = new GcTally(null, 0);
  readonly #leastTime: LeastTime;
  readonly #restorableMs: number;
  /** Before that nothing is purged unless a person asks for a run; what was purged already is emptied. */
  readonly #purgeFromMs: number;
  #lookAtMs = 0;
  #orphansAtMs: number;
  /** Snapshots that were let go; all of them are looked through at the start. */
  #loose = new Set<string>();
  #sweepAll = true;
  /** What keeps bytes from going is seldom over a second later, and each attempt looks through all of them. */
  #tryFromMs = 0;
  #failures = 0;
  /** It rests because of files that cannot be deleted: what is given up now does not wait for those. */
  #isStuck = false;
  /** The run that was asked for has been through all experiments; what becomes superfluous since goes as always. */
  #isApplied = false;
  /** Each walks over everything, and whoever cannot wait so long asks again. */
  readonly #plans = new Map<number | undefined, Promise<GcPlan>>();
  #stopped = false;
  #working: Promise<void> = Promise.resolve();
  #cancelTimer = (): void => undefined;

  constructor(options: KeeperOptions) {
    this.#options = options;
    this.#sweeper = new Sweeper(options);
    this.#leastTime = new LeastTime(options.clock);
    this.#restorableMs = options.restorableMs ?? RESTORABLE_MS;
    this.#purgeFromMs = options.clock.monotonicMs() + Math.min(PURGE_EVERY_MS, this.#restorableMs);
    // Not at each start: it walks over every file.
    this.#orphansAtMs = options.clock.monotonicMs() + ORPHANS_EVERY_MS;
  }

  get #world(): World {
    return this.#options.loop.world;
  }

  /** A checkpoint of these may have become superfluous. */
  mark(experiments: Iterable<number>): void {
    for (const id of experiments)
      if (!this.#due.has(id)) this.#due.set(id, this.#restUntilMs.get(id) ?? 0);
  }

  /** Takes up what is left to do. */
  async start(): Promise<void> {
    const { store, clock } = this.#options;
    this.mark(await store.notRetained());
    this.mark(this.#world.experiments.keys());
    this.#request = await store.request();
    if (this.#request) this.#tally = new GcTally(this.#request, clock.nowMs());
    this.#wait();
  }

  async stop(): Promise<void> {
    this.#stopped = true;
    this.#cancelTimer();
    await this.#working;
  }

  #wait(): void {
    if (this.#stopped) return;
    this.#cancelTimer = this.#options.clock.after(LOOK_EVERY_MS, () => {
      this.#working = this.#work().finally(() => this.#wait());
    });
  }

  async #work(): Promise<void> {
    try {
      const request = this.#request;
      const rests = this.#rests;
      if (request && !rests) return await this.#attempt(() => this.#wholeRun(request));
      await this.#someWork();
      if (!rests) await this.#attempt(() => this.#someSweeping());
      else if (this.#isStuck) await this.#attempt(() => this.#sweepLoose());
    } catch (error) {
      if (error instanceof Stopping) return;
      // Nothing is lost: it is tried again. A whole run tells whoever asked.
      this.#options.log.error({ err: error }, "retention failed; it is tried again");
      if (this.#request) this.#tally.problem = (error as Error).message;
    }
  }

  get #rests(): boolean {
    return this.#options.clock.monotonicMs() < this.#tryFromMs;
  }

  /** @param work that makes bytes go; after a failure it rests */
  async #attempt(work: () => Promise<void>): Promise<void> {
    const rests = this.#rests;
    try {
      await work();
      // What went well in the meantime says nothing of what failed.
      if (!rests) this.#failures = 0;
    } catch (error) {
      this.#isStuck = error instanceof Undeleted;
      const restMs = Math.min(RETRY_MS * 2 ** this.#failures++, RETRY_MAX_MS);
      this.#tryFromMs = this.#options.clock.monotonicMs() + restMs;
      throw error;
    }
  }

  async #someWork(): Promise<void> {
    const { clock } = this.#options;
    const nowMs = clock.monotonicMs();
    for (const [id, fromMs] of [...this.#due]) if (fromMs <= nowMs) await this.#applyTo(id);
    if (nowMs >= this.#lookAtMs) {
      const purges = nowMs >= this.#purgeFromMs;
      this.#lookAtMs = purges ? nowMs + PURGE_EVERY_MS : this.#purgeFromMs;
      if (purges) await this.#purge();
      await this.#empty();
      // Also for what was wanted by somebody when it was looked at the last time.
      this.#sweepAll = true;
    }
  }

  /** What retention gave up just now. What of it cannot be deleted waits with all that cannot. */
  async #sweepLoose(): Promise<void> {
    const freed = { blobs: 0, bytes: 0 };
    for (const tree of [...this.#loose]) {
      this.#told();
      if (await leftBy(this.#sweeper.sweepThese([tree], freed))) this.#sweepAll = true;
      this.#loose.delete(tree);
    }
    this.#tell(freed);
  }

  async #someSweeping(): Promise<void> {
    const nowMs = this.#options.clock.monotonicMs();
    const freed = { blobs: 0, bytes: 0 };
    let left: Undeleted | undefined;
    if (this.#sweepAll) {
      left = await leftBy(this.#sweeper.sweepTrees(freed, this.#told));
      this.#sweepAll = left !== undefined;
      this.#loose.clear();
    }
    await this.#sweepLoose();
    if (nowMs >= this.#orphansAtMs) {
      const own = await leftBy(this.#sweeper.sweepOrphans(freed, this.#told));
      this.#orphansAtMs = nowMs + ORPHANS_EVERY_MS;
      left = left?.and(own) ?? own;
    }
    this.#tell(freed);
    if (left) throw left;
  }

  #tell(freed: Freed): void {
    if (freed.blobs > 0) this.#options.log.info(freed, "freed the bytes of what was deleted");
  }

  readonly #told = (): void => {
    if (this.#stopped) throw new Stopping();
  };

  /** @returns how many checkpoints were given up */
  async #applyTo(id: number): Promise<number> {
    const { store, loop, clock } = this.#options;
    const sinceMs = clock.monotonicMs();
    this.#due.delete(id);
    try {
      const experiment = await store.experiment(id);
      if (!experiment) return 0;
      const { pinned, replays } = await loop.read(({ retention }) => ({
        pinned: new Set(retention.pinned(id)),
        replays: retention.replays(id),
      }));
      const { policy, verdicts } = await verdictsOn(store, experiment, pinned);
      const doomed = verdicts.filter(({ keep }) => keep.length === 0).map((v) => v.checkpoint);
      let count = 0;
      for (let at = 0; policy && at < doomed.length; at += CHECKPOINTS_PER_TURN) {
        this.#told();
        const part = doomed.slice(at, at + CHECKPOINTS_PER_TURN);
        const gone = await loop.submit({
          name: "retention",
          run: (world, turn) => {
            const why = { doomed: part, policy, actor: "retention", replays };
            return deleteCheckpoints(world, turn, id, why);
          },
        });
        count += gone.length;
        for (const { tree } of gone) this.#loose.add(tree);
      }
      if (this.#world.retention.replays(id) !== replays) this.mark([id]);
      if (experiment.ended_at !== null)
        await loop.submit({
          name: "note retention",
          run: (world, turn) => {
            // Something came in the meantime: it is looked at again, also after a restart.
            if (!this.#due.has(id) && !turn.retention.has(id)) noteRetained(world, turn, id);
          },
        });
      const tookMs = clock.monotonicMs() - sinceMs;
      if (experiment.ended_at !== null) this.#restUntilMs.delete(id);
      else this.#restUntilMs.set(id, sinceMs + tookMs + Math.max(REST_MS, REST_FACTOR * tookMs));
      return count;
    } catch (error) {
      this.mark([id]);
      throw error;
    }
  }

  async #purge(): Promise<void> {
    const due = { after: this.#restorableMs, nowMs: this.#leastTime.nowMs };
    await this.#options.loop.submit({
      name: "purge",
      run: (world, turn) => purgeDue(world, turn, due),
    });
  }

  /** @returns how many experiments were emptied, of those that are purged */
  async #empty(): Promise<number> {
    const { loop, store } = this.#options;
    const purged = await loop.read((world) =>
      world.retention.deleted().filter(({ purged_at }) => purged_at !== null),
    );
    if (purged.length > 0) this.#sweepAll = true;
    for (const { experiment_id: id } of purged) {
      const sources = await store.heldBy(id);
      const rows = await store.empty(id, this.#told);
      await loop.submit({
        name: "note an emptied experiment",
        run: (world, turn) => {
          noteEmptied(world, turn, id, rows);
          for (const source of sources) judgeAgain(turn, source);
        },
      });
    }
    return purged.length;
  }

  // ---- whole runs, as people ask for them --------------------------------------------------------

  /** What a run would delete now, or as one that is being planned sees it. @param only in this experiment */
  plan(only?: number): Promise<GcPlan> {
    const begun = this.#plans.get(only);
    if (begun) return begun;
    const own = { sweeper: this.#sweeper, leastTime: this.#leastTime };
    const end = (): void => void this.#plans.delete(only);
    const plan = planGc({ ...this.#options, ...own, only }).finally(end);
    this.#plans.set(only, plan);
    return plan;
  }

  get status(): GcStatus {
    return this.#tally.status(this.#request !== null);
  }

  /** Asks for a run; where one is under way already, that is the one, and where it rests it begins anew. */
  async ask(actor: string): Promise<GcStatus> {
    // What became superfluous, or due, since it went through them is part of what is asked for now.
    if (this.#rests) this.#isApplied = false;
    this.#tryFromMs = 0;
    this.#failures = 0;
    this.#tally.problem = null;
    if (this.#request) return this.status;
    const { loop, clock } = this.#options;
    const request = { by: actor, at: new Date(clock.nowMs()).toISOString() };
    this.#request = request;
    this.#tally = new GcTally(request, clock.nowMs());
    try {
      await recordIn(loop)("ask for gc", async (client) => {
        await client.query(
          `insert into settings (key, value) values ('gc', $1::jsonb)
           on conflict (key) do update set value = excluded.value`,
          [JSON.stringify(request)],
        );
        const change = { actor, subject: "storage", what: "gc asked" };
        return { value: null, changes: [{ ...change, cause: "what nothing needs is to go" }] };
      });
    } catch (error) {
      this.#request = null;
      throw error;
    }
    return this.status;
  }

  async #wholeRun(request: GcRequest): Promise<void> {
    const { loop, clock, log } = this.#options;
    const tally = this.#tally;
    const told = (): void => this.#told();
    tally.problem = null;
    if (!this.#isApplied) await this.#applyToAll(tally);
    this.#isApplied = true;
    tally.begin("snapshots", null);
    const left = await leftBy(this.#sweeper.sweepTrees(tally.freed, told));
    tally.begin("leftovers", null);
    const orphans = this.#sweeper.sweepOrphans(tally.freed, told);
    const count = (halfWritten: number): void => {
      tally.halfWritten += halfWritten;
    };
    const others = await leftBy(orphans.then(count));
    if (left ?? others) throw left?.and(others) ?? others;
    const cause = tally.sentence;
    await recordIn(loop)("gc done", async (client) => {
      await client.query("delete from settings where key = 'gc'");
      const change = { actor: "contrail", subject: "storage", what: "gc done", cause };
      return { value: null, changes: [{ ...change, cause: `asked by ${request.by}; ${cause}` }] };
    });
    log.info({ by: request.by }, cause);
    tally.end(clock.nowMs());
    this.#request = null;
    this.#isApplied = false;
  }

  async #applyToAll(tally: GcTally): Promise<void> {
    const ids = await this.#options.store.withCheckpoints();
    tally.begin("checkpoints", ids.length);
    for (const id of ids) {
      tally.checkpoints += await this.#applyTo(id);
      tally.step();
      this.#told();
    }
    tally.begin("experiments", null);
    await this.#purge();
    tally.experiments += await this.#empty();
  }
}

/** @returns what could not be deleted, with which the work came to its end */
async function leftBy(work: Promise<unknown>): Promise<Undeleted | undefined> {
  try {
    await work;
    return undefined;
  } catch (error) {
    if (error instanceof Undeleted) return error;
    throw error;
  }
}
