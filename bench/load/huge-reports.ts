/**
 * L5: reports of a size that nobody should send: ten thousand names, a hundred thousand values, a body of ten
 * million bytes. Each is stored, or refused with 413 and the limit named; and in both cases the
 * others must not feel it. Windows with one such report stand beside windows without, in pairs.
 */
import { sleep } from "../../src/base/clock.ts";
import type { SyncReply } from "../../src/protocol/runner-wire.ts";
import { figure, type Measure, until } from "../bench.ts";
import { withDatabase } from "../database.ts";
import { type Figure, quantileOf, quartiles, tail } from "../figure.ts";
import { inPairs } from "../pairs.ts";
import type { StubAllocation } from "../stub-runner.ts";
import { type StubSubject, stubServer } from "../subjects.ts";
import { number } from "../table.ts";
import { startFleet } from "./fleet.ts";
import { streamReports } from "./report-stream.ts";

const OTHERS = 50;
const REPORTS_A_SECOND = 5;
const WINDOW_MS = 5_000;
/** As many as may be under way at any time: a tenth of a second's. */
const CALM_REPORTS = (OTHERS * REPORTS_A_SECOND) / 10;
const SYNC = "/api/v1/runners/local/sync";

interface Huge {
  readonly what: string;
  readonly metrics: () => Record<string, number>;
}

/** Names are long where bytes are what is too much. */
const values = (count: number, padTo: number): Record<string, number> =>
  Object.fromEntries(
    Array.from({ length: count }, (_, at) => [`huge/${at}`.padEnd(padTo, "x"), at + 0.5]),
  );

const HUGE: readonly Huge[] = [
  { what: "10,000 names", metrics: () => values(10_000, 10) },
  { what: "100,000 values", metrics: () => values(100_000, 10) },
  { what: "1,000,000 values", metrics: () => values(1_000_000, 10) },
  { what: "10 MB in 30,000 values", metrics: () => values(30_000, 330) },
];

export const hugeReports: Measure = {
  name: "L5",
  title: "huge reports",
  async run(bench) {
    const subject = await stubServer(bench, { slots: OTHERS + HUGE.length, label: "l5" });
    try {
      let latenciesMs: number[] = [];
      let acked = 0;
      const fleet = await startFleet(bench, subject, {
        ...{ name: "l5", trials: OTHERS + HUGE.length, nodes: 10 },
        acked: ({ type }, tookMs) => {
          if (type !== "report") return;
          acked += 1;
          latenciesMs.push(tookMs);
        },
      });
      await until(bench, "the starts are acknowledged", () => fleet.delivered());
      const among = fleet.allocations.slice(0, OTHERS);
      const stream = streamReports(bench, fleet, { ratePerTrial: REPORTS_A_SECOND, among });
      const figures: Figure[] = [];
      for (const [index, huge] of HUGE.entries()) {
        const giant = new Giant(subject, fleet.allocations[OTHERS + index] as StubAllocation);
        bench.say(`a report of ${huge.what}`);
        // Made ahead: what making it costs us would stand in the others' delays.
        const metrics = huge.metrics();
        const count = Object.keys(metrics).length;
        const text = JSON.stringify(metrics);
        const sent = await giant.send(text, count);
        // What a window leaves behind is no part of the next one.
        const isCalm = (): boolean => stream.sent() - acked <= CALM_REPORTS;
        const window = async (during: () => Promise<unknown>): Promise<{ value: number }> => {
          await until(bench, "nothing waits any more", isCalm);
          latenciesMs = [];
          await Promise.all([sleep(bench.clock, WINDOW_MS), during()]);
          return { value: quantileOf(latenciesMs, 0.99) };
        };
        const longestMs: number[] = [];
        const paired = await inPairs({
          ...{ pairs: bench.quick ? 3 : 9, clock: bench.clock, say: bench.say },
          ...{ better: "lower", attemptsMax: 1 },
          subject: async () => {
            const value = await window(() => giant.send(text, count));
            longestMs.push(tail(latenciesMs).high);
            return value;
          },
          floor: () => window(async () => undefined),
        });
        figures.push(
          figure({
            measure: "L5",
            what: `a report of ${huge.what}: ${sent.outcome}`,
            unit: "",
            value: quartiles([sent.isRight ? 1 : 0]),
            aim: "stored whole, or 413 with the limit",
            met: sent.isRight,
            note: sent.detail,
          }),
          figure({
            measure: "L5",
            what: `p99 of others' acknowledgements beside ${huge.what}`,
            unit: "ms",
            value: paired.subject,
            floor: paired.floor,
            floorWhat: "the same without it",
            ratio: paired.ratio,
            aim: "<= 1.2 x",
            met: paired.ratio.median <= 1.2,
            note: `${OTHERS * REPORTS_A_SECOND} reports a second of others, one huge one in each window of ${WINDOW_MS / 1000} s; the longest that one waited: ${number(Math.max(...longestMs))} ms`,
          }),
        );
      }
      await stream.stop();
      fleet.stop();
      return figures;
    } finally {
      await subject.stop();
    }
  },
};

/** A trial that reports too much; its requests are sent by hand, because a refusal is an answer here. */
class Giant {
  readonly #subject: StubSubject;
  readonly #allocation: StubAllocation;
  /** The allocation's own number 1 was `started`. */
  #seq = 1;

  constructor(subject: StubSubject, allocation: StubAllocation) {
    this.#subject = subject;
    this.#allocation = allocation;
  }

  /** @param metrics JSON text of the object @param count of its names */
  async send(
    metrics: string,
    count: number,
  ): Promise<{ outcome: string; isRight: boolean; detail: string }> {
    const { id, fence } = this.#allocation;
    const seq = this.#seq + 1;
    const event = `{"type":"report","seq":${seq},"atMs":${Date.now()},"step":${seq},"metrics":${metrics}}`;
    const body = `{"boot":"stub","ordersAfter":1000000000,"allocations":[{"id":"${id}","fence":${fence},"events":[${event}]}]}`;
    const startMs = performance.now();
    const response = await fetch(new URL(SYNC, this.#subject.url), {
      method: "POST",
      headers: {
        authorization: `Bearer ${this.#subject.runnerToken}`,
        "content-type": "application/json",
      },
      body,
    });
    const text = await response.text();
    const acked = response.status === 200 ? (JSON.parse(text) as SyncReply).acked[id] : undefined;
    if (response.status === 200 && acked !== seq)
      throw new Error(`event ${seq} of ${id} was answered with 200, but ${acked} is acknowledged`);
    const took = `${number(body.length / 1e6)} MB, answered after ${number(performance.now() - startMs)} ms`;
    if (response.status === 200) {
      this.#seq = seq;
      const stored = await this.#stored(seq);
      return { outcome: "stored", isRight: stored === count, detail: `${took}; ${stored} values` };
    }
    const { detail = text } = JSON.parse(text) as { detail?: string };
    const isRight = response.status === 413 && /limit is [0-9]/.test(detail);
    return { outcome: `${response.status}`, isRight, detail: `${took}; ${detail}` };
  }

  async #stored(seq: number): Promise<number> {
    const [experiment, trial] = this.#allocation.id.split(".");
    return withDatabase(this.#subject.dataDir, async (client) => {
      const { rows } = await client.query<{ count: number }>(
        `select count(*)::int as count from metrics m join trials t on t.id = m.trial_id
         where t.experiment_id = $1 and t.number = $2 and m.seq = $3`,
        [experiment, trial, seq],
      );
      return rows[0]?.count ?? 0;
    });
  }
}
