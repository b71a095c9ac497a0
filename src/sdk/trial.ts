/**
 * The loop of a trial: which step comes next, when a checkpoint is due, and when to end.
 *
 * The one rule that users rely on: the body of the loop trains ONE step and reports it; everything the
 * platform wants happens between two bodies, when the model is whole. So an offer of a checkpoint made
 * in the body is only remembered there and taken, or not, when the body is over. (Taking it inside the
 * body would save whatever half of the step had been done by then, and pausing would change the result.)
 */
import { mkdirSync, mkdtempSync, readdirSync, rmSync } from "node:fs";
import { join } from "node:path";
import type { JsonObject } from "../base/json.ts";
import type { Orders } from "../protocol/trial-socket.ts";
import { wireMetadata } from "./metric-json.ts";
import type { Platform, Warn } from "./platform.ts";
import { InvalidHyperparameters, shown, TrialError } from "./trial-errors.ts";

/** Writes the model's files into `folder`, which is new and empty. */
export type Save = (folder: string) => void | Promise<void>;
/** Reads what `Save` wrote; `folder` is read-only. */
export type Restore = (folder: string, step: number) => void | Promise<void>;

export interface StepsOptions {
  /** Called before the first step when the trial goes on from a checkpoint. */
  readonly restore?: Restore;
  /** Called when the platform needs a checkpoint; `checkpoint` in the body does the same per step. */
  readonly save?: Save;
}

export interface CheckpointOptions {
  /** Save now, whether the platform needs it or not. */
  readonly always?: boolean;
  /** Kept with the checkpoint and shown beside it. */
  readonly metadata?: JsonObject;
}

export interface TrialHost {
  readonly warn: Warn;
  readonly monotonicMs: () => number;
  /** A checkpoint on offer is taken when the last one is older than this. */
  readonly checkpointIntervalMs: number;
}

export class Trial<Params = JsonObject> {
  readonly #platform: Platform;
  readonly #host: TrialHost;
  readonly params: Params;
  #restoredRead = false;
  #looping = false;
  /** The step whose body runs now; null between bodies and outside the loop. */
  #current: number | null = null;
  /** What was offered last, and what was said of it: the note is that of one step, the function may save any. */
  #save: Save | null = null;
  #metadata: JsonObject = {};
  /** What was saved at once last: where nothing is on offer, a pause is better saved by this. */
  #atOnce: { readonly step: number; readonly save: Save; readonly note: JsonObject } | null = null;
  readonly #wanted: ReadonlySet<number>;
  /** The last step that is safe in a checkpoint. */
  #savedStep: number;
  #savedAtMs: number;
  /** A checkpoint that the body asked for and may not have awaited. */
  #taking: Promise<void> = Promise.resolve();

  constructor(platform: Platform, params: Params, host: TrialHost) {
    this.#platform = platform;
    this.#host = host;
    this.params = params;
    this.#wanted = new Set(platform.session.checkpointSteps);
    this.#savedStep = platform.session.restore?.step ?? 0;
    this.#savedAtMs = host.monotonicMs();
  }

  /** For example 3.12; null when the script runs alone. */
  get id(): string | null {
    return this.#platform.session.trial;
  }
  /** Give it to every random generator: same seed, same trial. */
  get seed(): number {
    return this.#platform.session.seed;
  }
  /** This process among the trial's processes, from 0. Only rank 0 reports and saves. */
  get rank(): number {
    return this.#platform.session.rank;
  }
  get size(): number {
    return this.#platform.session.size;
  }
  /** Name in `data` of the configuration → absolute path, or the free-form value. */
  get data(): JsonObject {
    return this.#platform.session.data;
  }
  /** The checkpoint that the trial goes on from, or null. Its folder is read-only. */
  get restored(): { readonly step: number; readonly path: string } | null {
    this.#restoredRead = true;
    return this.#platform.session.restore;
  }
  /** True once the platform wants the slots back (pause) or the trial over (stop); `steps` ends by
   *  itself then. Changes only while the event loop turns. */
  get shouldStop(): boolean {
    return this.#platform.orders.yield !== null;
  }

  /** Sends metrics at a step. Never waits and never throws for the platform's sake.
   *  @throws TrialError step_invalid, metrics_invalid */
  report(step: number, metrics: { readonly [name: string]: number }): void {
    checkStep("report()", step);
    if (typeof metrics !== "object" || metrics === null || Array.isArray(metrics))
      throw new TrialError("metrics_invalid", { value: shown(metrics), example: "{ loss: 0.5 }" });
    if (this.rank === 0) this.#platform.report(step, metrics);
  }

  /**
   * Offers a checkpoint of `step`. Inside the loop it is decided when the body is over: taken when the
   * step is the target or one that the experiment wants kept, when a pause or a stop was ordered, or when the last one
   * is older than the interval; else it costs nothing. Outside the loop it is decided at once; with `always` it is taken at once.
   * @throws TrialError step_invalid, metadata_invalid, checkpoint_step_mismatch, checkpoint_empty; and whatever `save` throws
   */
  async checkpoint(step: number, save: Save, options: CheckpointOptions = {}): Promise<void> {
    checkStep("checkpoint()", step);
    if (this.#current !== null && step !== this.#current)
      throw new TrialError("checkpoint_step_mismatch", { step, current: this.#current });
    // It never saves, so nothing has to be made of its note.
    if (this.rank !== 0) return;
    const note = wireMetadata(options.metadata ?? {});
    if (options.always) {
      // No offer, so that it takes nobody's place.
      this.#atOnce = { step, save, note };
    } else {
      this.#save = save;
      this.#metadata = note;
      if (this.#current !== null || !this.#due(step, this.#platform.orders)) return;
    }
    this.#taking = this.#take(step, save, note);
    await this.#taking;
  }

  /**
   * The numbers of the steps to train, from the one after the checkpoint to wherever the search wants.
   * @throws TrialError steps_twice, restore_missing, checkpoint_empty; and whatever restore and save throw
   */
  async *steps(options: StepsOptions = {}): AsyncGenerator<number, void, undefined> {
    if (this.#looping) throw new TrialError("steps_twice");
    this.#looping = true;
    if (options.save) this.#save = options.save;
    let step = await this.#restore(options.restore);
    this.#savedAtMs = this.#host.monotonicMs();
    try {
      while (await this.#goesPast(step)) {
        step += 1;
        this.#current = step;
        this.#metadata = {};
        yield step;
        this.#current = null;
      }
      this.#platform.bye();
    } finally {
      this.#current = null;
      await this.#platform.flush();
    }
  }

  /** Says that these hyperparameters cannot work, so that the search replaces the trial. Always throws
   *  InvalidHyperparameters; let it end the program. */
  async invalidHyperparameters(reason: string): Promise<never> {
    this.#platform.invalidHyperparameters(reason);
    await this.#platform.flush();
    throw new InvalidHyperparameters(reason);
  }

  async #restore(restore: Restore | undefined): Promise<number> {
    const from = this.#platform.session.restore;
    if (from === null) return 0;
    if (restore) await restore(from.path, from.step);
    else if (!this.#restoredRead) throw new TrialError("restore_missing", { step: from.step });
    return from.step;
  }

  /** Between two bodies: saves what is due, waits for the search at the target, decides. */
  async #goesPast(step: number): Promise<boolean> {
    await this.#taking;
    for (;;) {
      await this.#platform.turn();
      // Ranks must leave the loop together, whenever each of them hears of it.
      const orders = this.size === 1 ? this.#platform.orders : await this.#platform.agree();
      const atTarget = orders.target !== null && step >= orders.target;
      // Also before a stop: the order may overtake the last step's checkpoint, which is the trial's result.
      if (this.#due(step, orders)) await this.#take(step, ...this.#offer(step));
      if (orders.yield !== null) {
        if (orders.yield === "pause") this.#warnUnlessSaved(step);
        return false;
      }
      if (!atTarget) return true;
      if (!(await this.#platform.wait(step))) return false;
    }
  }

  #offer(step: number): [Save | null, JsonObject] {
    const { save, note, step: of } = this.#atOnce ?? {};
    if (this.#save !== null || !save) return [this.#save, this.#metadata];
    return [save, of === step && note ? note : {}];
  }

  #due(step: number, { target, yield: yielding }: Orders): boolean {
    if (this.rank !== 0 || step <= this.#savedStep) return false;
    const atTarget = target !== null && step >= target;
    const ageMs = this.#host.monotonicMs() - this.#savedAtMs;
    const wanted = atTarget || yielding !== null || this.#wanted.has(step);
    return wanted || ageMs >= this.#host.checkpointIntervalMs;
  }

  /** Saves and hands over. A folder that the platform cannot keep is a warning: the model in memory is
   *  whole, and an older checkpoint is still there. */
  async #take(step: number, save: Save | null, metadata: JsonObject): Promise<void> {
    if (this.rank !== 0 || save === null) return;
    const below = this.#platform.session.checkpointDir;
    mkdirSync(below, { recursive: true });
    const path = mkdtempSync(join(below, `new-step-${step}-`));
    try {
      await save(path);
      if (readdirSync(path).length === 0) throw new TrialError("checkpoint_empty", { step, path });
    } catch (fault) {
      rmSync(path, { recursive: true, force: true });
      throw fault;
    }
    // From here on the folder belongs to the platform, even if it cannot keep it.
    const error = await this.#platform.checkpoint(step, path, metadata);
    if (error === null) this.#savedStep = step;
    else this.#host.warn(`the checkpoint of step ${step} was not kept: ${error}`);
    this.#savedAtMs = this.#host.monotonicMs();
  }

  #warnUnlessSaved(step: number): void {
    if (this.rank !== 0 || step <= this.#savedStep) return;
    const from = this.#savedStep === 0 ? "from the start" : `from step ${this.#savedStep}`;
    this.#host.warn(
      `paused at step ${step} without a checkpoint of it; the trial will go on ${from}. Pass save to steps(), or call checkpoint() in the loop`,
    );
  }
}

function checkStep(call: string, step: unknown): void {
  if (!Number.isSafeInteger(step) || (step as number) < 0)
    throw new TrialError("step_invalid", { call, value: shown(step) });
}
