/**
 * Stores lines of output as runners send them: numbered per allocation by the runner (what was heard before is
 * passed over, a gap ends the reading) and per experiment here. One batch after the other, so that whoever
 * reads by position never finds a lower one later.
 */
import type pg from "pg";
import { calendarTime } from "../base/clock.ts";
import type { LogsRequest } from "../protocol/runner-wire.ts";
import { insertLines, lastLines, lastPosition } from "../store/log-store.ts";

export interface LogWriterOptions {
  readonly pool: pg.Pool;
  readonly nowMs: () => number;
  /** Row ids of the allocations that there are, live or past. */
  readonly rowIds: (allocations: readonly string[]) => Promise<ReadonlyMap<string, number>>;
  /** Lines of these experiments were stored. */
  readonly onStored: (experiments: ReadonlySet<number>) => void;
}

export class LogWriter {
  readonly #options: LogWriterOptions;
  /** Of the last line of an experiment, as long as every insert of its lines was heard to have succeeded. */
  readonly #positions = new Map<number, number>();
  #last: Promise<unknown> = Promise.resolve();

  constructor(options: LogWriterOptions) {
    this.#options = options;
  }

  /** @returns highest number that is durable, by allocation; those that there are not are left out */
  store(request: LogsRequest): Promise<Record<string, number>> {
    const turn = this.#last.then(() => this.#store(request));
    this.#last = turn.catch(() => undefined);
    return turn;
  }

  async #store(request: LogsRequest): Promise<Record<string, number>> {
    const { pool, onStored } = this.#options;
    const rowIds = await this.#options.rowIds(request.allocations.map((a) => a.id));
    const last = await lastLines(pool, [...rowIds.values()]);
    const acked: Record<string, number> = {};
    const lines: Parameters<typeof insertLines>[1][number][] = [];
    const positions = new Map<number, number>();
    for (const { id, lines: sent } of request.allocations) {
      const allocation = rowIds.get(id);
      if (allocation === undefined) continue;
      const experiment = Number(id.split(".")[0]);
      let position = positions.get(experiment) ?? (await this.#positionOf(experiment));
      let seq = last.get(allocation) ?? 0;
      for (const line of sent) {
        if (line.seq <= seq) continue;
        if (line.seq !== seq + 1) break;
        seq += 1;
        position += 1;
        const bytes = Buffer.from(line.bytes, "base64");
        lines.push({
          ...line,
          atMs: this.#plausible(line.atMs),
          bytes,
          allocation,
          experiment,
          position,
        });
      }
      positions.set(experiment, position);
      last.set(allocation, seq);
      acked[id] = seq;
    }
    try {
      await insertLines(pool, lines);
    } catch (error) {
      // It may be that only the answer was lost: how far the positions go stands in the database alone.
      for (const experiment of positions.keys()) this.#positions.delete(experiment);
      throw error;
    }
    for (const [experiment, position] of positions) this.#positions.set(experiment, position);
    // Also where all lines were there already: nobody was told of them if it was their answer that was lost.
    if (positions.size > 0) onStored(new Set(positions.keys()));
    return acked;
  }

  async #positionOf(experiment: number): Promise<number> {
    const known = this.#positions.get(experiment);
    if (known !== undefined) return known;
    return await lastPosition(this.#options.pool, experiment);
  }

  #plausible(atMs: number): number {
    return calendarTime(atMs, this.#options.nowMs()).getTime();
  }
}
