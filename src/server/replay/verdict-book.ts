/**
 * The latest verdict on each trial, in memory, so that lists and streams can show it with everything else they show. Read
 * at the start and whenever the ledger was taken over, and told of each new one when that is durable. They are few: one
 * needs a whole training run.
 */
import type pg from "pg";
import type { ExperimentVerdict, ShownVerdict, VerdictState } from "../../protocol/api.ts";
import type { VerdictRow } from "../../store/schema.ts";
import { allVerdicts } from "../../store/verdict-store.ts";

type Entry = Pick<VerdictRow, "state" | "text" | "replay_id" | "at">;

export class VerdictBook {
  readonly #trials = new Map<number, Map<number, Entry>>();
  /** By the experiment that was the replay. */
  readonly #replays = new Map<number, Entry>();

  /** By trial, also of those that are being written. */
  readonly #latestMs = new Map<string, number>();

  async load(pool: pg.Pool): Promise<void> {
    for (const row of await allVerdicts(pool)) this.note(row);
  }

  /** Only once it is durable. */
  note(row: Omit<VerdictRow, "detail">): void {
    const { state, text, replay_id, at } = row;
    const entry = { state, text, replay_id, at };
    const own = this.#trials.get(row.experiment_id) ?? new Map<number, Entry>();
    this.#trials.set(row.experiment_id, own);
    own.set(row.trial_number, entry);
    const trial = `${row.experiment_id}.${row.trial_number}`;
    this.#latestMs.set(trial, Math.max(at.getTime(), this.#latestMs.get(trial) ?? at.getTime()));
    if (replay_id !== null) this.#replays.set(replay_id, entry);
  }

  /** @returns a time that no verdict on this trial has, though clocks are set back: it is their key, and the latest counts */
  timeFor(experiment: number, number: number, nowMs: number): number {
    const trial = `${experiment}.${number}`;
    const ms = Math.max(nowMs, (this.#latestMs.get(trial) ?? Number.NEGATIVE_INFINITY) + 1);
    this.#latestMs.set(trial, ms);
    return ms;
  }

  /** Of a replay's own trial, what came of it. */
  ofTrial(experiment: number, number: number): ShownVerdict | null {
    const entry =
      this.#trials.get(experiment)?.get(number) ??
      (number === 1 ? this.#replays.get(experiment) : undefined);
    if (!entry) return null;
    const { state, text, replay_id: replay, at } = entry;
    return { state, text, replay, at: at.toISOString() };
  }

  ofExperiment(experiment: number): ExperimentVerdict | null {
    const entries = [
      ...(this.#trials.get(experiment)?.values() ?? []),
      ...[this.#replays.get(experiment) ?? []].flat(),
    ];
    if (entries.length === 0) return null;
    const has = (state: VerdictState): boolean => entries.some((entry) => entry.state === state);
    return {
      state: has("differs") ? "differs" : has("identical") ? "identical" : "not_comparable",
      trials: entries.length,
      at: new Date(Math.max(...entries.map(({ at }) => at.getTime()))).toISOString(),
    };
  }
}
