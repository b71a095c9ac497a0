/**
 * M4: reports made durable. The subject is the whole way of a report: HTTP, validation, the search that
 * hears it, the transaction with its fsync, the answer. The floor takes the same bytes by bare HTTP, appends
 * them to a file on the same disk and fsyncs once for all that came meanwhile.
 */
import { type Bench, figure, type Measure } from "./bench.ts";
import { type Figure, tail } from "./figure.ts";
import { inPairs, type Paired, type Sample } from "./pairs.ts";
import { cpuMsOf } from "./processes.ts";
import { type StubAllocation, StubRunner } from "./stub-runner.ts";
import { createExperiment, floorServer, stubServer } from "./subjects.ts";
import { number } from "./table.ts";
import type { Wire } from "./wire.ts";
import { Wire as FloorWire } from "./wire.ts";

const IN_FLIGHT = 32;
const BATCH = 1000;
const BATCHES_IN_FLIGHT = 4;
const SYNC = "/api/v1/runners/local/sync";

export const ingestion: Measure = {
  name: "M4",
  title: "durable metric ingestion",
  async run(bench) {
    const subject = await stubServer(bench, { slots: IN_FLIGHT, label: "m4" });
    const floor = await floorServer(bench);
    try {
      const wire = subject.wire();
      const allocations = await startTrials(wire, () =>
        createExperiment(subject.client, { name: "m4", trials: IN_FLIGHT, steps: 1_000_000_000 }),
      );
      const sides = { subject: new Load(bench, wire, SYNC, subject.pid), floor: floorLoad() };
      function floorLoad(): Load {
        return new Load(bench, new FloorWire(floor.ready.url), "/append", floor.pid);
      }
      const sources = allocations.map((allocation) => new Source(allocation));
      return [
        ...(await compare(bench, sides, sources, { inFlight: IN_FLIGHT, reports: 1 })),
        ...(await compare(bench, sides, sources, { inFlight: BATCHES_IN_FLIGHT, reports: BATCH })),
      ];
    } finally {
      await subject.stop();
      await floor.stop();
    }
  },
};

async function startTrials(wire: Wire, create: () => Promise<unknown>): Promise<StubAllocation[]> {
  const allocations: StubAllocation[] = [];
  const launched = new Promise<void>((resolve) => {
    const runner = new StubRunner(wire, (allocation) => {
      allocations.push(allocation);
      if (allocations.length < IN_FLIGHT) return;
      runner.stop();
      resolve();
    });
  });
  await create();
  await launched;
  return allocations;
}

/** One trial that always has more to report. */
class Source {
  readonly #allocation: StubAllocation;
  #step = 0;

  constructor(allocation: StubAllocation) {
    this.#allocation = allocation;
  }

  /** The body of one request with this many reports. */
  next(reports: number): string {
    const { id, fence } = this.#allocation;
    const events = Array.from({ length: reports }, () => {
      this.#step += 1;
      const metrics: Record<string, number> = { loss: 1 / this.#step };
      for (let index = 1; index < 10; index++)
        metrics[`metric_${index}`] = Math.sin(this.#step * index);
      return this.#allocation.event({ type: "report", step: this.#step, metrics });
    });
    return JSON.stringify({
      boot: "bench",
      ordersAfter: 1e9,
      allocations: [{ id, fence, events }],
    });
  }
}

/** Sends as fast as the other side acknowledges, for a window. */
class Load {
  readonly latenciesMs: number[] = [];
  readonly #bench: Bench;
  readonly #wire: Wire;
  readonly #path: string;
  readonly #pid: number;

  constructor(bench: Bench, wire: Wire, path: string, pid: number) {
    this.#bench = bench;
    this.#wire = wire;
    this.#path = path;
    this.#pid = pid;
  }

  async window(
    sources: readonly Source[],
    { inFlight, reports }: Shape,
    windowMs: number,
  ): Promise<Sample> {
    const { clock } = this.#bench;
    const cpuBefore = cpuMsOf(this.#pid);
    const startMs = clock.monotonicMs();
    let sent = 0;
    const work = async (source: Source): Promise<void> => {
      while (clock.monotonicMs() - startMs < windowMs) {
        const { totalMs } = await this.#wire.post(this.#path, source.next(reports));
        this.latenciesMs.push(totalMs);
        sent += reports;
      }
    };
    await Promise.all(sources.slice(0, inFlight).map(work));
    const tookMs = clock.monotonicMs() - startMs;
    const cpuAfter = cpuMsOf(this.#pid);
    return {
      value: (sent / tookMs) * 1000,
      cpuMs:
        cpuBefore === undefined || cpuAfter === undefined
          ? undefined
          : (cpuAfter - cpuBefore) / sent,
    };
  }
}

interface Shape {
  readonly inFlight: number;
  readonly reports: number;
}

async function compare(
  bench: Bench,
  sides: { readonly subject: Load; readonly floor: Load },
  sources: readonly Source[],
  shape: Shape,
): Promise<Figure[]> {
  const pairs = bench.quick ? 3 : 9;
  const windowMs = bench.quick ? 700 : 1500;
  // Plans, caches and the just-in-time compiler have seen it once before it counts.
  await sides.subject.window(sources, shape, windowMs);
  await sides.floor.window(sources.slice(0, 0), shape, 1);
  sides.subject.latenciesMs.length = 0;
  sides.floor.latenciesMs.length = 0;
  const floorSources = sources.map(() => FLOOR_SOURCE);
  const paired = await inPairs({
    ...{ pairs, clock: bench.clock, say: bench.say, better: "higher" },
    subject: () => sides.subject.window(sources, shape, windowMs),
    floor: () => sides.floor.window(floorSources, shape, windowMs),
  });
  return [rateOf(paired, shape), p99Of(sides, shape)];
}

/** The floor does not look at what it stores. */
const FLOOR_SOURCE = new Source({
  id: "1.1.1",
  fence: 1,
  event: (event: object) => ({ ...event, seq: 1_000_000, atMs: 1_700_000_000_000 }),
} as unknown as StubAllocation);

function rateOf(paired: Paired, { inFlight, reports }: Shape): Figure {
  const single = reports === 1;
  const least = single ? 0.5 : 0.3;
  const { subject, floor, ratio, subjectCpuMs, floorCpuMs, tooNoisy } = paired;
  const enough = subject.median >= 1000;
  return figure({
    measure: "M4",
    what: single
      ? `reports of 10 values, one each, ${inFlight} in flight`
      : `reports of 10 values, batches of ${reports}, ${inFlight} in flight`,
    unit: "reports/s",
    value: subject,
    floor,
    floorWhat: "bare HTTP POST, append and shared fsync of the same bytes",
    ratio,
    aim: `>= ${least} x and >= 1,000/s`,
    met: tooNoisy ? null : ratio.median >= least && enough,
    cpu:
      subjectCpuMs === undefined || floorCpuMs === undefined
        ? ""
        : `${number(subjectCpuMs * 1000)} µs a report, floor ${number(floorCpuMs * 1000)} µs`,
  });
}

function p99Of(
  { subject, floor }: { readonly subject: Load; readonly floor: Load },
  { reports }: Shape,
): Figure {
  const value = tail(subject.latenciesMs);
  return figure({
    measure: "M4",
    what: reports === 1 ? "p99 of acknowledging one" : `p99 of acknowledging ${reports}`,
    unit: "ms",
    value,
    floor: tail(floor.latenciesMs),
    floorWhat: "the same",
    aim: "< 250 ms",
    met: value.median < 250,
    note: "at full load; in brackets p50 and the maximum",
  });
}
