/**
 * L4: five hundred readers of an experiment's event stream while ten changes a second come in. How long after a
 * report was sent does each reader know of it, and what does a reader cost the server in memory.
 */
import type { IncomingMessage } from "node:http";
import { sleep } from "../../src/base/clock.ts";
import { type Bench, figure, type Measure, until } from "../bench.ts";
import { type Figure, quantileOf, quartiles, tail } from "../figure.ts";
import { anonymousBytesOf, cpuMsOf } from "../processes.ts";
import { stubServer } from "../subjects.ts";
import { number } from "../table.ts";
import { Wire } from "../wire.ts";
import { startFleet } from "./fleet.ts";
import { probeInto } from "./probe-reader.ts";

const READERS = 500;
/** Of whom the first few are there before memory is measured: they load what all need once. */
const FIRST_READERS = 10;
const TRIALS = 10;
const EVENT_MS = 100;
const KIB = 1024;
const PROBE_MS = 2_000;

export const eventReaders: Measure = {
  name: "L4",
  title: "five hundred readers of live events",
  async run(bench) {
    const { clock } = bench;
    const seconds = bench.quick ? 15 : 60;
    const probe = probeInto(bench, PROBE_MS);
    const subject = await stubServer(bench, { slots: TRIALS, label: "l4", probe });
    /** After the collections of garbage from now on. */
    const held = async (): Promise<Held> => {
      const had = probe.of(subject.pid).length;
      const rss = await leastMemory(bench, subject.pid);
      await until(
        bench,
        "the server has collected its garbage",
        () => probe.of(subject.pid).length > had + 1,
      );
      const looks = probe.of(subject.pid).slice(had);
      const bytes = looks.map(({ heapBytes, externalBytes }) => heapBytes + externalBytes);
      return { rss, live: quartiles(bytes).median };
    };
    const readers: Reader[] = [];
    const wire = new Wire(subject.url, { token: subject.token });
    try {
      const fleet = await startFleet(bench, subject, { name: "l4", trials: TRIALS, nodes: 1 });
      const path = `/api/v1/experiments/${fleet.experiment}/stream`;
      /** By step, when it was sent: one trial after the other makes the next step of all. */
      const sentMs: number[] = [0];
      const open = async (count: number): Promise<void> => {
        const opened = Array.from(
          { length: count },
          async () => new Reader(bench, await wire.stream(path), sentMs),
        );
        readers.push(...(await Promise.all(opened)));
      };
      let reporting = true;
      const report = async (): Promise<void> => {
        const [first] = fleet.allocations;
        const startMs = clock.monotonicMs();
        while (reporting) {
          first?.report(sentMs.length, { loss: 1 / sentMs.length });
          sentMs.push(clock.monotonicMs());
          await sleep(clock, Math.max(1, startMs + EVENT_MS * sentMs.length - clock.monotonicMs()));
        }
      };
      const working = report();
      await open(FIRST_READERS);
      await sleep(clock, 5_000);
      const before = await held();
      await open(READERS - FIRST_READERS);
      await until(bench, "all readers know the present", () =>
        readers.every((reader) => reader.events > 0),
      );
      for (const reader of readers) reader.begin();
      bench.say(`${READERS} readers follow for ${seconds} s`);
      const cpuBefore = cpuMsOf(subject.pid);
      const beganAt = sentMs.length;
      const beganMs = clock.monotonicMs();
      await sleep(clock, seconds * 1000);
      const tookMs = clock.monotonicMs() - beganMs;
      const changes = sentMs.length - beganAt;
      const events = quartiles(readers.map((reader) => (reader.events / tookMs) * 1000));
      const cpuAfter = cpuMsOf(subject.pid);
      const after = await held();
      reporting = false;
      await working;
      const last = sentMs.length - 1;
      await until(bench, "all readers know the last step", () =>
        readers.every((reader) => reader.step >= last),
      );
      fleet.stop();
      const delays = readers.flatMap((reader) => reader.delaysMs);
      const cpu =
        cpuBefore === undefined || cpuAfter === undefined
          ? ""
          : `${number(((cpuAfter - cpuBefore) / tookMs) * 100)} % of a core (server and database)`;
      return [
        delay(delays, { cpu, events: events.median, changes: (changes / tookMs) * 1000 }),
        memory(before, after),
      ];
    } finally {
      for (const reader of readers) reader.close();
      wire.close();
      await subject.stop();
    }
  },
};

/** The least of several looks: what a collection of garbage leaves. */
async function leastMemory({ clock }: Bench, pid: number): Promise<number | undefined> {
  let least: number | undefined;
  for (let look = 0; look < 20; look++) {
    const own = anonymousBytesOf(pid);
    if (own !== undefined) least = Math.min(least ?? own, own);
    await sleep(clock, 250);
  }
  return least;
}

function delay(
  delaysMs: readonly number[],
  seen: { readonly cpu: string; readonly events: number; readonly changes: number },
): Figure {
  const p95 = quantileOf(delaysMs, 0.95);
  return figure({
    measure: "L4",
    what: `p95 until each of ${READERS} readers knows, ${number(seen.changes)} changes a second`,
    unit: "ms",
    value: tail(delaysMs, 0.95),
    aim: "p95 < 1 s",
    met: p95 < 1000 && seen.changes > 9,
    cpu: seen.cpu,
    note: `in brackets p50 and the maximum; ${number(seen.events)} looks a second arrive at a reader: changes within ${EVENT_MS} ms go out together by design`,
  });
}

function memory(before: Held, after: Held): Figure {
  const each = (more: number, less: number) => (more - less) / (READERS - FIRST_READERS) / KIB;
  const live = each(after.live, before.live);
  const resident =
    before.rss === undefined || after.rss === undefined
      ? ""
      : `; resident ${number(before.rss / KIB / KIB)} MB with ${FIRST_READERS} readers and ${number(after.rss / KIB / KIB)} MB with ${READERS}, ${number(each(after.rss, before.rss))} KiB each, garbage that awaits collection included`;
  return figure({
    measure: "L4",
    what: "memory that the server holds for each reader",
    unit: "KiB",
    value: quartiles([live]),
    aim: "<= 100 KiB",
    met: live <= 100,
    note: `heap and buffers after a full collection${resident}`,
  });
}

interface Held {
  /** Resident; undefined where the system does not tell. */
  readonly rss: number | undefined;
  readonly live: number;
}

/** One reader, who notes when it hears of a step of the first trial. */
class Reader {
  readonly delaysMs: number[] = [];
  events = 0;
  step = 0;
  readonly #response: IncomingMessage;
  #counting = false;
  #tail = "";

  constructor({ clock }: Bench, response: IncomingMessage, sentMs: readonly number[]) {
    this.#response = response;
    response.setEncoding("latin1").on("data", (chunk: string) => {
      const text = this.#tail + chunk;
      const end = text.lastIndexOf("\n\n");
      this.#tail = text.slice(end < 0 ? 0 : end + 2);
      for (const event of text.slice(0, Math.max(0, end)).split("\n\n")) {
        if (!event.startsWith("event: trials\n")) continue;
        this.events += 1;
        const step = highestStep(event);
        // Each step that it did not know until now, also those that went out together with a later one.
        const nowMs = clock.monotonicMs();
        if (this.#counting)
          for (let known = this.step + 1; known <= step; known++)
            this.delaysMs.push(nowMs - (sentMs[known] as number));
        this.step = Math.max(this.step, step);
      }
    });
  }

  /** From now on it counts. */
  begin(): void {
    this.#counting = true;
    this.events = 0;
  }

  close(): void {
    this.#response.destroy();
  }
}

/** Of the trials in an event; only one of them trains. */
function highestStep(event: string): number {
  let highest = 0;
  for (const [, step] of event.matchAll(/"step":([0-9]+)/g))
    highest = Math.max(highest, Number(step));
  return highest;
}
