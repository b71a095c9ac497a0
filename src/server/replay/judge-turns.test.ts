/** In which order replays are judged, over a database that answers what the test wants. */
import assert from "node:assert/strict";
import { test } from "node:test";
import type pg from "pg";
import type { Logger } from "pino";
import type { Clock } from "../../base/clock.ts";
import type { TrialRecord } from "../../protocol/api.ts";
import type { BlobStore } from "../../store/blobs.ts";
import type { DecisionLoop } from "../loops/decision-loop.ts";
import { Turn } from "../world.ts";
import { Judge } from "./judge.ts";
import type { VerdictBook } from "./verdict-book.ts";

interface Timer {
  readonly delayMs: number;
  readonly callback: () => void;
}

/** Each replay n repeats trial n.1; all of them ended at step 5, and nothing was saved. */
class Bench {
  readonly judged: number[] = [];
  readonly complaints: string[] = [];
  readonly timers: Timer[] = [];
  /** Names of metrics that were compared, a statement each. */
  readonly compared: unknown[] = [];
  /** Replays whose trial cannot be read. */
  readonly broken = new Set<number>();
  readonly #replays: Set<number>;
  readonly judge: Judge;

  constructor(replays: readonly number[], judgedBy: string | null = "loss") {
    this.#replays = new Set(replays);
    const pool = {
      query: async (text: string, values: readonly unknown[] = []) => ({
        rows: this.#answer(text, values, judgedBy),
      }),
    } as unknown as pg.Pool;
    const clock = {
      after: (delayMs: number, callback: () => void) => {
        this.timers.push({ delayMs, callback });
        return () => undefined;
      },
    } as unknown as Clock;
    const turn = new Turn(0);
    const loop = {
      world: { experiments: new Map() },
      submit: async (command: { run: (world: unknown, turn: unknown) => unknown }) =>
        command.run(undefined, turn),
    } as unknown as DecisionLoop;
    this.judge = new Judge({
      ...{ loop, clock, readPool: pool, blobs: {} as BlobStore },
      book: {
        timeFor: () => 0,
        note: ({ replay_id: id }: { replay_id: number }) => {
          this.judged.push(id);
          this.#replays.delete(id);
        },
      } as unknown as VerdictBook,
      record: async () => ({ captured: {}, environment: null }) as unknown as TrialRecord,
      log: {
        info: () => undefined,
        error: (_fields: unknown, text: string) => void this.complaints.push(text),
      } as unknown as Logger,
    });
  }

  #answer(text: string, values: readonly unknown[], judgedBy: string | null): unknown[] {
    const [first] = values as [number];
    if (text.includes("from ancestry"))
      return [...this.#replays]
        .filter((id) => first === null || first === undefined || id === first)
        .map((replay) => ({
          ...{ replay, experiment: replay, trial: 1, askedBy: "ada", ended: true },
        }));
    if (text.includes("from trials t\n")) {
      if (this.broken.has(first)) throw new Error("EIO: i/o error, read");
      return [
        {
          id: first,
          step: 5,
          state: "completed",
          end_reason: "finished",
          reason: "",
          purged_at: null,
        },
      ];
    }
    if (text.includes("from experiments e"))
      return [{ purged_at: null, config: { searcher: { metric: judgedBy } } }];
    if (text.includes("recursive seen"))
      return ["time", "loss"].map((name, at) => ({ id: at, name }));
    if (text.includes("full join")) this.compared.push(values.at(-1));
    return [];
  }

  /** Until nothing is left to do at once. */
  async settle(): Promise<void> {
    await new Promise((resolve) => setImmediate(resolve));
  }
}

test("one that cannot be judged holds up no other, and is tried again later and later", async () => {
  const bench = new Bench([1, 2, 3]);
  bench.broken.add(1);
  await bench.judge.start();
  await bench.settle();
  assert.deepEqual(bench.judged, [2, 3]);
  // Whatever happens to it meanwhile, its time has not come.
  bench.judge.committed([1]);
  await bench.settle();
  for (let i = 0; i < 8; i++) {
    bench.timers.at(-1)?.callback();
    await bench.settle();
  }
  assert.deepEqual(
    bench.timers.map(({ delayMs }) => delayMs / 1000),
    [10, 20, 40, 80, 160, 320, 600, 600, 600],
  );
  assert.match(bench.complaints[1] ?? "", /^replay 1 could not be .* tried again in 20 s$/);
  bench.broken.clear();
  bench.timers.at(-1)?.callback();
  await bench.settle();
  assert.deepEqual(bench.judged, [2, 3, 1]);
  await bench.judge.stop();
});

test("metrics are compared one by one, and only the one by which it is judged", async () => {
  const one = new Bench([1]);
  await one.judge.start();
  await one.settle();
  assert.deepEqual(one.compared, [["loss"]]);
  const all = new Bench([1], null);
  await all.judge.start();
  await all.settle();
  assert.deepEqual(all.compared, [["time"], ["loss"]]);
});
