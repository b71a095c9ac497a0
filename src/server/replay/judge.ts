/**
 * Compares replays that have ended with what they repeat, one at a time and beside the decision loop, and writes down what
 * came of it. What is left to judge is asked of the database at the start, so a server that dies in the middle of a
 * comparison begins it again. One that cannot be compared just now is tried again in a time of its own, and holds up no other.
 */
import type pg from "pg";
import type { Logger } from "pino";
import type { Clock } from "../../base/clock.ts";
import type { TrialRecord, VerdictDetail } from "../../protocol/api.ts";
import type { ExperimentConfig } from "../../protocol/config/config.ts";
import type { BlobStore } from "../../store/blobs.ts";
import { readExperimentHead, readTrial } from "../../store/experiment-reads.ts";
import { diffMetrics, type MetricDifference } from "../../store/metric-diff.ts";
import { namesOfTrial } from "../../store/metric-reads.ts";
import { readTree } from "../../store/read-tree.ts";
import type { TrialRow } from "../../store/schema.ts";
import {
  keptFor,
  type PendingReplay,
  pendingReplays,
  savedPlaces,
} from "../../store/verdict-store.ts";
import type { DecisionLoop } from "../loops/decision-loop.ts";
import { type CheckpointFinding, compareCheckpoints } from "./compare-checkpoints.ts";
import { compareMetrics, firstOf } from "./compare-metrics.ts";
import { otherSurroundings } from "./other-surroundings.ts";
import { verdictText } from "./sentences.ts";
import { type NewVerdict, NOTHING_COMPARED, writeVerdict } from "./verdict.ts";
import type { VerdictBook } from "./verdict-book.ts";

export interface JudgeOptions {
  readonly loop: DecisionLoop;
  readonly readPool: pg.Pool;
  readonly blobs: BlobStore;
  readonly book: VerdictBook;
  /** Of a trial. @throws ContrailError */
  readonly record: (trial: string) => Promise<TrialRecord>;
  readonly clock: Clock;
  readonly log: Pick<Logger, "info" | "error">;
}

/** After a failure that is no fault of the replay: the database away, a disk that cannot be read. Doubles with each in a row. */
const AGAIN_AFTER_MS = 10_000;
const AGAIN_AFTER_MS_MAX = 600_000;

export class Judge {
  readonly #options: JudgeOptions;
  readonly #pending = new Set<number>();
  readonly #due = new Set<number>();
  /** How often in a row each could not be compared. */
  readonly #failures = new Map<number, number>();
  /** Those whose time to be tried again has not come, with what cancels it. */
  readonly #later = new Map<number, () => void>();
  readonly #stopping = new AbortController();
  #working: Promise<void> | undefined;

  constructor(options: JudgeOptions) {
    this.#options = options;
  }

  /** Takes up what is left to judge. */
  async start(): Promise<void> {
    for (const { replay } of await pendingReplays(this.#options.readPool))
      this.#pending.add(replay);
    this.committed(this.#pending);
  }

  async stop(): Promise<void> {
    this.#stopping.abort();
    for (const cancel of this.#later.values()) cancel();
    await this.#working;
  }

  /** A replay was made. */
  expect(replay: number): void {
    this.#pending.add(replay);
    this.committed([replay]);
  }

  /** These have changed; those that are over live no longer. */
  committed(experiments: Iterable<number>): void {
    if (this.#pending.size === 0) return;
    const lives = this.#options.loop.world.experiments;
    for (const id of experiments)
      if (this.#pending.has(id) && !this.#later.has(id) && !lives.has(id)) this.#due.add(id);
    if (this.#due.size > 0 && !this.#stopping.signal.aborted) this.#working ??= this.#work();
  }

  async #work(): Promise<void> {
    try {
      for (const id of this.#due) {
        if (this.#stopping.signal.aborted) return;
        this.#due.delete(id);
        try {
          await this.#judge(id);
          this.#failures.delete(id);
        } catch (error) {
          if (!this.#stopping.signal.aborted) this.#tryLater(id, error);
        }
      }
    } finally {
      this.#working = undefined;
    }
  }

  #tryLater(id: number, error: unknown): void {
    const { clock, log } = this.#options;
    const before = this.#failures.get(id) ?? 0;
    this.#failures.set(id, before + 1);
    const delayMs = Math.min(AGAIN_AFTER_MS * 2 ** before, AGAIN_AFTER_MS_MAX);
    log.error(
      { err: error, replay: id },
      `replay ${id} could not be compared; it is tried again in ${delayMs / 1000} s`,
    );
    const again = (): void => {
      this.#later.delete(id);
      this.committed([id]);
    };
    this.#later.set(id, clock.after(delayMs, again));
  }

  async #judge(id: number): Promise<void> {
    const { readPool, loop, book, log } = this.#options;
    const [pending] = await pendingReplays(readPool, id);
    if (pending && !pending.ended) return;
    this.#pending.delete(id);
    if (!pending) return;
    try {
      const verdict = await this.#verdictOn(pending);
      const releases = await keptFor(readPool, pending);
      await writeVerdict(loop, book, verdict, { releases });
      log.info(
        { trial: `${verdict.experiment}.${verdict.trial}`, replay: id },
        `${verdict.state}: ${verdict.text}`,
      );
    } catch (error) {
      this.#pending.add(id);
      throw error;
    }
  }

  async #verdictOn(pending: PendingReplay): Promise<NewVerdict> {
    const { readPool } = this.#options;
    const about = { ...pending, askedBy: pending.askedBy };
    const [original, replay, experiment] = await Promise.all([
      readTrial(readPool, pending.experiment, pending.trial),
      readTrial(readPool, pending.replay, 1),
      readExperimentHead(readPool, pending.experiment),
    ]);
    if (!original || !experiment || experiment.purged_at !== null)
      return notComparable(about, ["the trial that was repeated was deleted in the meantime"]);
    if (!replay) return notComparable(about, ["the replay ended before it was ever started"]);
    if (replay.purged_at !== null)
      return notComparable(about, ["the replay was deleted before it was compared"]);
    const judgedBy = (experiment.config as unknown as ExperimentConfig).searcher.metric;
    return judge(about, {
      others: otherSurroundings(
        await this.#options.record(`${pending.experiment}.${pending.trial}`),
        await this.#options.record(`${pending.replay}.1`),
      ),
      checkpoints: await this.#checkpoints(original, replay),
      saves: (await savedPlaces(readPool, original.id)).length > 0,
      metrics: await this.#metrics(original, replay, judgedBy),
      ...{ original, replay, judgedBy },
    });
  }

  /** Of each metric by which it is judged, in a statement of its own: their time is limited, and the points are not. */
  async #metrics(
    original: TrialRow,
    replay: TrialRow,
    judgedBy: string | null,
  ): Promise<MetricDifference[]> {
    const { readPool } = this.#options;
    const found: MetricDifference[] = [];
    const reported = await namesOfTrial(readPool, original.id);
    for (const { name } of reported.filter(({ name }) => (judgedBy ?? name) === name)) {
      this.#stopping.signal.throwIfAborted();
      found.push(...(await diffMetrics(readPool, [original.id, replay.id], [name])));
    }
    return found.toSorted((a, b) => (a.name < b.name ? -1 : 1));
  }

  async #checkpoints(original: TrialRow, replay: TrialRow): Promise<CheckpointFinding> {
    const { readPool, blobs } = this.#options;
    return compareCheckpoints(
      await savedPlaces(readPool, original.id),
      await savedPlaces(readPool, replay.id),
      {
        entries: async (tree) => (await readTree(blobs, tree))?.entries,
        openBlob: (hash, range) => blobs.open(hash, range),
        signal: this.#stopping.signal,
      },
    );
  }
}

const OTHERS_MAX = 5;

interface Facts {
  /** In what the two ran differently, in words. */
  readonly others: readonly string[];
  readonly checkpoints: CheckpointFinding;
  /** Did the trial save any? */
  readonly saves: boolean;
  readonly metrics: readonly MetricDifference[];
  readonly original: Pick<TrialRow, "end_reason" | "step">;
  readonly replay: Pick<TrialRow, "state" | "end_reason" | "reason" | "step">;
  readonly judgedBy: string | null;
}

type About = Pick<PendingReplay, "replay" | "experiment" | "trial" | "askedBy">;

/** From what was found to what is said. Pure. */
export function judge(about: About, facts: Facts): NewVerdict {
  const verdict = found(about, facts);
  const { others } = facts;
  const more =
    others.length > OTHERS_MAX ? [`and ${others.length - OTHERS_MAX} more differences`] : [];
  const notes = [...verdict.detail.notes, ...others.slice(0, OTHERS_MAX), ...more];
  return { ...verdict, detail: { ...verdict.detail, notes } };
}

function found(about: About, facts: Facts): NewVerdict {
  const { checkpoints, saves, metrics, judgedBy } = facts;
  const short = fallsShort(facts);
  if (!saves) {
    const { state, points, first, why, notes } = compareMetrics(metrics, judgedBy);
    const compared = { checkpoints: 0, tensors: 0, points };
    const detail = {
      ...NOTHING_COMPARED,
      by: "metrics" as const,
      compared,
      first,
      notes: [...notes],
    };
    if (state === "differs") return made(about, "differs", detail);
    if (short) return notComparable(about, short);
    if (state === "identical") return made(about, "identical", detail);
    return notComparable(about, [why ?? "nothing could be compared"]);
  }
  const { state, tensors, first, steps, leftOut, notes } = checkpoints;
  const metric = firstOf(metrics.filter(({ name }) => (judgedBy ?? name) === name));
  const detail: VerdictDetail = {
    ...NOTHING_COMPARED,
    by: "checkpoints",
    compared: { checkpoints: checkpoints.checkpoints, tensors, points: 0 },
    ...{ first, left_out: leftOut.slice(0, LEFT_OUT_MAX), notes: [...notes] },
    metric: metric?.item == null ? null : { name: metric.item, step: metric.step },
  };
  if (state === "differs") return made(about, "differs", detail);
  if (short) return notComparable(about, short, detail);
  if (state === "identical") return made(about, "identical", detail, steps);
  const last = leftOut.at(-1);
  const why = last
    ? `at step ${last.step}, the last at which its trial saved, ${last.why}`
    : "nothing could be compared";
  return notComparable(about, [why], detail);
}

/** In words that a replay ended otherwise than its trial, or before it came as far; undefined = neither. */
function fallsShort({ original, replay }: Facts): readonly string[] | undefined {
  // Ending badly in the same way is the same, at the same place.
  const alike = replay.state === "completed" || replay.end_reason === original.end_reason;
  if (!alike) return [endText(replay)];
  if (Number(replay.step) >= Number(original.step)) return undefined;
  return [endText(replay), `its trial came to step ${original.step}`];
}

const endText = ({ state, end_reason, step, reason }: Facts["replay"]): string =>
  end_reason === "launch_failed"
    ? reason
    : `the replay ended as ${state} at step ${step}: ${reason}`;

const LEFT_OUT_MAX = 100;

function made(
  about: About,
  state: "identical" | "differs",
  detail: VerdictDetail,
  steps: readonly number[] = [],
): NewVerdict {
  const { experiment, trial, replay, askedBy } = about;
  const text = verdictText(state, detail, steps);
  return { experiment, trial, replay, askedBy, state, text, detail };
}

export function notComparable(
  {
    experiment,
    trial,
    askedBy,
    replay,
  }: Omit<About, "replay"> & { readonly replay: number | null },
  reasons: readonly string[],
  compared: VerdictDetail = NOTHING_COMPARED,
): NewVerdict {
  const detail = { ...compared, reasons: [...reasons] };
  const text = verdictText("not_comparable", detail);
  return { experiment, trial, replay, askedBy, state: "not_comparable", text, detail };
}
