/**
 * L5: reports of a size that nobody should send: ten thousand names, a hundred thousand values, a body of ten
 * million bytes. Each is stored, or refused with 413 and the limit named; and in both cases the
 * others must not feel it. Windows with one such report stand beside windows without, in pairs.
 */
import { once } from "node:events";
import { Worker } from "node:worker_threads";
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
import type { HugeAnswer, HugeCommand, HugeSenderOptions } from "./huge-sender.ts";
import { streamReports } from "./report-stream.ts";

const OTHERS = 50;
const REPORTS_A_SECOND = 5;
const WINDOW_MS = 5_000;
/** As many as may be under way at any time: a tenth of a second's. */
const CALM_REPORTS = (OTHERS * REPORTS_A_SECOND) / 10;
const SYNC = "/api/v1/runners/local/sync";

interface Huge {
  readonly what: string;
  readonly values: number;
  /** Long where bytes are what is too much. */
  readonly nameChars: number;
}

const HUGE: readonly Huge[] = [
  { what: "10,000 names", values: 10_000, nameChars: 10 },
  { what: "100,000 values", values: 100_000, nameChars: 10 },
  { what: "1,000,000 values", values: 1_000_000, nameChars: 10 },
  { what: "10 MB in 30,000 values", values: 30_000, nameChars: 330 },
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
        const allocation = fleet.allocations[OTHERS + index] as StubAllocation;
        await using giant = new Giant(subject, allocation, huge);
        bench.say(`a report of ${huge.what}`);
        await giant.make();
        await giant.send();
        // Counted where nobody's delays are taken: it costs the database as much as others' reports.
        const first = await giant.outcome();
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
            await giant.make();
            const value = await window(() => giant.send());
            longestMs.push(tail(latenciesMs).high);
            return value;
          },
          floor: () => window(async () => undefined),
        });
        const last = await giant.outcome();
        const sent = first.isRight ? last : first;
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

/** A trial that reports too much; its requests are sent past the runner, because a refusal is an answer here. */
class Giant implements AsyncDisposable {
  readonly #subject: StubSubject;
  readonly #allocation: StubAllocation;
  readonly #values: number;
  readonly #sender: Worker;
  /** The allocation's own number 1 was `started`. */
  #seq = 1;
  #last: HugeAnswer | undefined;

  constructor(subject: StubSubject, allocation: StubAllocation, { values, nameChars }: Huge) {
    this.#subject = subject;
    this.#allocation = allocation;
    this.#values = values;
    const url = new URL(SYNC, subject.url).href;
    const data: HugeSenderOptions = { url, token: subject.runnerToken, values, nameChars };
    this.#sender = new Worker(new URL("huge-sender.ts", import.meta.url), { workerData: data });
  }

  /** Makes the next report. */
  async make(): Promise<void> {
    const { id, fence } = this.#allocation;
    const command: HugeCommand = { id, fence, seq: this.#seq + 1, atMs: Date.now() };
    this.#sender.postMessage(command);
    await once(this.#sender, "message");
  }

  /** Sends the report that was made last and waits for its answer. */
  async send(): Promise<void> {
    const { id } = this.#allocation;
    const seq = this.#seq + 1;
    const command: HugeCommand = "send";
    this.#sender.postMessage(command);
    const [answer] = (await once(this.#sender, "message")) as [HugeAnswer];
    this.#last = answer;
    if (answer.status !== 200) return;
    const acked = (JSON.parse(answer.text) as SyncReply).acked[id];
    if (acked !== seq)
      throw new Error(`event ${seq} of ${id} was answered with 200, but ${acked} is acknowledged`);
    this.#seq = seq;
  }

  /** What became of the report that was sent last. */
  async outcome(): Promise<{ outcome: string; isRight: boolean; detail: string }> {
    const { status, text, bytes, tookMs } = this.#last as HugeAnswer;
    const took = `${number(bytes / 1e6)} MB, answered after ${number(tookMs)} ms`;
    if (status === 200) {
      const stored = await this.#stored(this.#seq);
      const isRight = stored === this.#values;
      return { outcome: "stored", isRight, detail: `${took}; ${stored} values` };
    }
    const { detail = text } = JSON.parse(text) as { detail?: string };
    const isRight = status === 413 && /limit is [0-9]/.test(detail);
    return { outcome: `${status}`, isRight, detail: `${took}; ${detail}` };
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#sender.terminate();
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
