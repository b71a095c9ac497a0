/**
 * From a report to the decision that follows from it, at 1, 50 and 200 live trials. Each stub trial
 * "trains" for about a second, reports at its target and waits; the clock runs from there to the order that
 * answers it, which is out only after the decision is on disk. Then it ends and the next one takes its slot,
 * so the server also starts and ends as many trials a second. The floor makes a report durable and answers.
 */
import { sleep } from "../src/base/clock.ts";
import { type Bench, figure, type Measure } from "./bench.ts";
import { type Figure, quantileOf, quartiles } from "./figure.ts";
import { cpuMsOf } from "./processes.ts";
import { StubRunner } from "./stub-runner.ts";
import { createExperiment, floorServer, stubServer } from "./subjects.ts";
import { number } from "./table.ts";
import { Wire } from "./wire.ts";

const LIVE = [1, 50, 200];
/** Its multiples, less their whole part, are as evenly spread as any sequence can be. */
const GOLDEN_RATIO = 0.618034;

export const decisions: Measure = {
  name: "decisions",
  title: "report to decision",
  async run(bench) {
    const figures: Figure[] = [];
    for (const live of LIVE) figures.push(await latency(bench, live));
    return figures;
  },
};

async function latency(bench: Bench, live: number): Promise<Figure> {
  const { clock } = bench;
  const subject = await stubServer(bench, { slots: live, label: `decisions-${live}` });
  const floor = await floorServer(bench);
  const floorWire = new Wire(floor.ready.url);
  try {
    const secondsLong = bench.quick ? 4 : 15;
    const latenciesMs: number[] = [];
    const floorMs: number[] = [];
    let launched = 0;
    let ended = 0;
    const wire = subject.wire();
    const runner = new StubRunner(wire, (allocation) => {
      allocation.started();
      // Spread evenly, so that two hundred that start together do not speak together.
      const trainMs = 500 + ((launched++ * GOLDEN_RATIO * 1000) % 1000);
      clock.after(trainMs, () => {
        const reportedMs = clock.monotonicMs();
        allocation.heard = (orders) => {
          if (orders.yield === null) return;
          latenciesMs.push(clock.monotonicMs() - reportedMs);
          allocation.heard = undefined;
          ended += 1;
          allocation.exited();
        };
        allocation.report(1, { loss: (ended % 97) / 97 });
        allocation.send({ type: "waiting", step: 1 });
      });
    });
    const cpuBefore = cpuMsOf(subject.pid);
    await createExperiment(subject.client, {
      name: "decisions",
      trials: Math.max(100, live * secondsLong * 3),
    });
    const body = JSON.stringify({ type: "report", step: 1, metrics: { loss: 0.5 } });
    const untilMs = clock.monotonicMs() + secondsLong * 1000;
    while (!runner.isOver(clock.monotonicMs() >= untilMs)) {
      floorMs.push((await floorWire.post("/append", body)).totalMs);
      await sleep(clock, 20);
    }
    runner.stop();
    const cpuMs = (cpuMsOf(subject.pid) ?? 0) - (cpuBefore ?? 0);
    const p99 = quantileOf(latenciesMs, 0.99);
    return figure({
      measure: "decisions",
      what: `report to decision, ${live} live ${live === 1 ? "trial" : "trials"}`,
      unit: "ms",
      value: quartiles(latenciesMs),
      floor: quartiles(floorMs),
      floorWhat: "bare HTTP POST, append and fsync of one report, meanwhile",
      aim: live === 200 ? "p99 < 200 ms" : "",
      met: live === 200 ? p99 < 200 : null,
      cpu: cpuBefore === undefined ? "" : `${number(cpuMs / latenciesMs.length)} ms a trial`,
      note: `p99 ${number(p99)} ms (floor ${number(quantileOf(floorMs, 0.99))} ms); ${number(latenciesMs.length / secondsLong)} decisions a second`,
    });
  } finally {
    floorWire.close();
    await subject.stop();
    await floor.stop();
  }
}
