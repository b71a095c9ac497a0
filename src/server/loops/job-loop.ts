/**
 * Brings the allocations of a pool and the jobs of its engine together: core decides what is lacking or too much
 * (core/jobs), this asks the engine and tells the decision loop what came to its end without its runner's word.
 *
 * One look at a time, all jobs in one question. While the engine does not answer nothing is concluded, nothing is
 * launched, and every job of it is unknown.
 */
import type { Logger } from "pino";
import type { Clock } from "../../base/clock.ts";
import {
  JOB_LAUNCHED,
  type JobAction,
  type JobCause,
  type JobMemory,
  jobsToLaunch,
  reconcileJobs,
  type WantedJob,
} from "../../core/jobs/reconcile.ts";
import type { Sighting } from "../../core/lease/lease.ts";
import { type ProcessesEnd, untoldEnd } from "../../core/lifecycle/trial.ts";
import {
  EngineUnreachable,
  JobDeferred,
  type JobEngine,
  type JobObservation,
  JobRefused,
  type JobRequest,
} from "../../engines/job-engine.ts";
import { findLive } from "../sync.ts";
import type { World } from "../world.ts";
import type { DecisionLoop } from "./decision-loop.ts";

const LOOK_EVERY_MS = 1_000;
/** While nothing is asked of an engine whose looks clear away what is left of jobs. */
const CLEAR_EVERY_MS = 60_000;
/** Before a job that the engine did not take is offered again. */
const OFFER_AGAIN_MS = 10_000;
const OUTPUT_SHOWN_CHARACTERS = 800;

export interface JobLoopOptions {
  readonly loop: DecisionLoop;
  readonly clock: Clock;
  readonly log: Logger;
  readonly pool: string;
  readonly engine: JobEngine;
  readonly owner: string;
  /** Everything that the job needs, its files written. */
  readonly request: (allocation: string) => Promise<JobRequest>;
  /** Neither an allocation nor a job is there any more. Where it fails it is asked for again. */
  readonly gone: (allocation: string) => Promise<void>;
  /** Of which something is kept still, from servers before this one. */
  readonly kept: () => readonly string[];
}

export class JobLoop {
  readonly #options: JobLoopOptions;
  #memory: ReadonlyMap<string, JobMemory> = new Map();
  #seen: ReadonlyMap<string, JobObservation> = new Map();
  #lookedAtMs = 0;
  /** Allocations of which something is kept until neither they nor their jobs are there. */
  readonly #kept = new Set<string>();
  /** Jobs that the engine did not take when they were offered. */
  readonly #deferred = new Map<string, { readonly why: string; readonly againAtMs: number }>();
  /** Jobs that were found again, and whose files could not be written anew yet. */
  readonly #stale = new Set<string>();
  /** Why nothing is known now; null = the last look succeeded. */
  #blind: string | null = "the engine was not asked yet";
  #stopped = false;
  #looking: Promise<void> | undefined;
  #again = false;
  #cancel = (): void => {};
  #woken = (): void => {};

  constructor(options: JobLoopOptions) {
    this.#options = options;
  }

  start(): void {
    for (const id of this.#options.kept()) this.#kept.add(id);
    this.wake();
  }

  async stop(): Promise<void> {
    this.#stopped = true;
    this.#cancel();
    await this.#looking;
  }

  /** Why nothing is known of any job now; null = the engine answers. */
  get blind(): string | null {
    return this.#blind;
  }

  /** Something of this pool was committed. */
  wake(): void {
    if (this.#stopped) return;
    this.#again = true;
    this.#woken();
    this.#looking ??= this.#lookUntilStill();
  }

  /** The engine's word on the runner of an allocation, as of the last look. */
  sighting(allocation: string): Sighting {
    if (this.#blind !== null) return { state: "unknown", why: this.#blind };
    const seen = this.#seen.get(allocation);
    if (seen === undefined) return { state: "unknown", why: "its job was not launched yet" };
    if (seen.state === "ended") return { state: "gone", proof: seen.end.text };
    return { state: "alive", boot: null };
  }

  /** Whether nobody can have spoken for it yet: its job waits. */
  waits(allocation: string): boolean {
    const seen = this.#seen.get(allocation);
    return seen === undefined
      ? this.#memory.get(allocation)?.launched === true || this.#deferred.has(allocation)
      : seen.state === "queued";
  }

  /** What the engine says of an allocation that has not started, for people. */
  why(allocation: string): string | null {
    const { engine } = this.#options;
    if (this.#blind !== null) return `${engine.name} does not answer: ${this.#blind}`;
    const seen = this.#seen.get(allocation);
    if (seen?.state === "queued") return `its job waits in ${engine.name}: ${seen.why}`;
    if (seen?.state === "running") return `its job runs on ${seen.nodes.join(", ")}`;
    const deferred = this.#deferred.get(allocation);
    return deferred === undefined ? null : `its job waits for ${engine.name}: ${deferred.why}`;
  }

  async #lookUntilStill(): Promise<void> {
    while (this.#again && !this.#stopped) {
      this.#again = false;
      await this.#look().catch((error) =>
        this.#options.log.error({ err: error }, "a look at jobs failed; trying again"),
      );
    }
    this.#looking = undefined;
    this.#cancel();
    if (!this.#stopped) this.#cancel = this.#options.clock.after(LOOK_EVERY_MS, () => this.wake());
  }

  async #look(): Promise<void> {
    const { clock, engine, pool } = this.#options;
    const woken = this.#nextWake();
    const asked = await this.#wanted();
    const isIdle = asked.length === 0 && this.#kept.size === 0 && this.#blind === null;
    if (isIdle && !this.#hasToClear()) return;
    this.#lookedAtMs = clock.monotonicMs();
    await this.#launchNew(asked);
    let seen: ReadonlyMap<string, JobObservation>;
    try {
      seen = await this.#list(woken);
    } catch (error) {
      if (!(error instanceof EngineUnreachable)) throw error;
      this.#sayBlind(error.message);
      return;
    }
    if (this.#blind !== null) this.#options.log.info({ pool }, `${engine.name} answers`);
    this.#blind = null;
    this.#seen = seen;
    const wanted = await this.#wanted();
    const before = this.#memory;
    // Found again by a server that may have another address than the one that launched them: their runners read it anew.
    for (const { id } of wanted)
      if (seen.has(id) && (!before.has(id) || this.#stale.has(id))) await this.#prepareAnew(id);
    const { actions, memory } = reconcileJobs({
      ...{ wanted, seen, memory: before, nowMs: clock.monotonicMs() },
    });
    this.#memory = memory;
    for (const action of actions) await this.#perform(action);
    for (const id of memory.keys()) this.#kept.add(id);
    for (const id of this.#kept) if (!memory.has(id)) await this.#forget(id);
  }

  /** What cannot be written now is tried at the next look, and holds up nothing else. */
  async #prepareAnew(id: string): Promise<void> {
    try {
      await this.#options.request(id);
      this.#stale.delete(id);
    } catch (error) {
      const why = ownTrouble(error);
      if (why === undefined) throw error;
      if (!this.#stale.has(id))
        this.#options.log.warn({ allocation: id, why }, "the files of its job stay old for now");
      this.#stale.add(id);
    }
  }

  /** What cannot be forgotten now, for want of a database, is tried at the next look, and holds up nothing else. */
  async #forget(allocation: string): Promise<void> {
    try {
      await this.#options.gone(allocation);
      this.#kept.delete(allocation);
      this.#stale.delete(allocation);
    } catch (error) {
      this.#options.log.warn({ err: error, allocation }, "what is kept of a job stays for now");
    }
  }

  #hasToClear(): boolean {
    const { clock, engine } = this.#options;
    const isDue = clock.monotonicMs() - this.#lookedAtMs >= CLEAR_EVERY_MS;
    return isDue && engine.clearsByLooks === true && this.#seen.size > 0;
  }

  #wanted(): Promise<WantedJob[]> {
    const { loop, pool } = this.#options;
    return loop.read((world) => wantedJobs(world, pool));
  }

  #nextWake(): Promise<void> {
    return new Promise((resolve) => {
      this.#woken = resolve;
    });
  }

  /**
   * A look can be a second away, since engines do not like to be asked; what is wanted meanwhile does not wait for it.
   * @param woken asked for before what is wanted was read, as each after it: what is committed during a launch is not missed
   */
  async #list(woken: Promise<void>): Promise<ReadonlyMap<string, JobObservation>> {
    const { engine, owner } = this.#options;
    const listing = engine.list(owner);
    let isOver = false;
    const end = (): void => {
      isOver = true;
    };
    const over = listing.then(end, end);
    let next = woken;
    while (!isOver) {
      await Promise.race([over, next]);
      if (isOver || this.#stopped) break;
      next = this.#nextWake();
      await this.#launchNew(await this.#wanted());
    }
    return await listing;
  }

  async #launchNew(wanted: readonly WantedJob[]): Promise<void> {
    const memory = new Map(this.#memory);
    this.#memory = memory;
    const lacking = jobsToLaunch({ wanted, memory });
    const again = this.#nextDeferred(lacking);
    for (const id of lacking) {
      if (this.#deferred.has(id) && id !== again) continue;
      memory.set(id, JOB_LAUNCHED);
      try {
        await this.#launch(id);
      } catch (error) {
        // It was not taken, or nobody knows whether it was: asked for again, it starts once.
        memory.delete(id);
        const why = error instanceof JobDeferred ? error.message : ownTrouble(error);
        if (why !== undefined) {
          this.#defer(id, why);
          continue;
        }
        if (!(error instanceof EngineUnreachable)) throw error;
        // The others would wait for an answer one after the other.
        return this.#sayBlind(error.message);
      }
    }
  }

  /** One at a time, the one that waits longest: a hundred of them would keep an engine busy with saying no. */
  #nextDeferred(lacking: readonly string[]): string | undefined {
    for (const id of this.#deferred.keys()) if (!lacking.includes(id)) this.#deferred.delete(id);
    const [first] = this.#deferred;
    const nowMs = this.#options.clock.monotonicMs();
    return first !== undefined && first[1].againAtMs <= nowMs ? first[0] : undefined;
  }

  #sayBlind(why: string): void {
    if (this.#blind === null)
      this.#options.log.warn({ pool: this.#options.pool, why }, "the engine does not answer");
    this.#blind = why;
  }

  /** What the engine refuses for good is how its allocation ends. */
  async #launch(id: string): Promise<void> {
    const { engine, log, request } = this.#options;
    try {
      const { adopted } = await engine.launch(await request(id));
      log.info({ allocation: id, adopted }, adopted ? "found its job" : "launched its job");
      this.#again = true;
    } catch (error) {
      if (!(error instanceof JobRefused)) throw error;
      const nearest = error.nearest === null ? "" : ` ${error.nearest}`;
      await this.#end(id, "never_started", `${error.message}${nearest}`);
    }
  }

  #defer(id: string, why: string): void {
    const { clock, log } = this.#options;
    if (!this.#deferred.has(id))
      log.info({ allocation: id, why }, "the engine does not take its job now");
    // To the end of the row.
    this.#deferred.delete(id);
    this.#deferred.set(id, { why, againAtMs: clock.monotonicMs() + OFFER_AGAIN_MS });
  }

  async #perform(action: JobAction): Promise<void> {
    const { engine, owner, log } = this.#options;
    const { id } = action;
    try {
      if (action.type === "end") await this.#end(id, action.cause, action.text);
      else await engine.cancel(owner, id);
    } catch (error) {
      // A refusal to take a job away says nothing of its end; the next look asks again.
      if (error instanceof JobRefused)
        return log.warn({ allocation: id, why: error.message }, "its job was not cancelled");
      if (!(error instanceof EngineUnreachable)) throw error;
      this.#sayBlind(error.message);
    }
  }

  async #end(id: string, cause: JobCause, text: string): Promise<void> {
    const { loop, engine } = this.#options;
    const started = findLive(loop.world, id)?.allocation.startedAtMs != null;
    const told = started || cause === "not_needed" ? "" : await this.#lastWords(id);
    await loop.submit({
      name: "job ended",
      run: (world, turn) => {
        const found = findLive(world, id);
        if (!found) return;
        const { live, number, allocation } = found;
        const words = `${engine.name}: ${text}${told}`;
        const at = { trial: number, run: allocation.run };
        if (cause === "preempted" || cause === "node_lost" || (cause === "forgotten" && started))
          world.apply(turn, live, { type: "lost", ...at, reason: words });
        else
          world.apply(turn, live, {
            ...{ type: "exited", ...at, end: endOf(cause, words, started) },
          });
      },
    });
  }

  async #lastWords(id: string): Promise<string> {
    const { engine, request } = this.#options;
    try {
      const text = await engine.output(await request(id));
      const end = text.trimEnd().slice(-OUTPUT_SHOWN_CHARACTERS);
      return end === "" ? "; it printed nothing" : `; it printed last: ${end}`;
    } catch (error) {
      return `; what it printed cannot be read: ${(error as Error).message}`;
    }
  }
}

/** What our own disk or system says, which is about no engine: what it says of one job holds up no other. */
function ownTrouble(error: unknown): string | undefined {
  const { code, syscall, message } = error as NodeJS.ErrnoException;
  const isOwn = typeof syscall === "string" && /^E[A-Z0-9]+$/.test(code ?? "");
  return isOwn ? `the server cannot prepare it: ${message}` : undefined;
}

function wantedJobs(world: World, pool: string): WantedJob[] {
  const wanted: WantedJob[] = [];
  for (const live of world.experiments.values()) {
    if (live.pool !== pool) continue;
    for (const [number, allocation] of live.allocations) {
      const asked = live.x.trials.get(number)?.allocation;
      wanted.push({
        id: `${live.id}.${number}.${allocation.run}`,
        leaves: asked != null && (asked.yield !== null || asked.kill),
        started: allocation.startedAtMs !== null,
      });
    }
  }
  return wanted;
}

/** What its engine knows of an end that no runner has told. */
function endOf(cause: JobCause, detail: string, started: boolean): ProcessesEnd {
  // It was told to go and nothing of it ran: nothing failed either.
  if (cause === "not_needed") return { ...untoldEnd("processes", detail), yielded: true };
  if (cause === "out_of_memory") return { ...untoldEnd("job_ended", detail), outOfMemory: detail };
  return untoldEnd(started ? "job_ended" : "launch_failed", detail);
}
