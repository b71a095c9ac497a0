/**
 * L1: many trials. A thousand at once on fifty simulated nodes, each of twenty steps of a second; and
 * ten thousand of one second each over sixteen slots, as Ray Tune publishes it. Ideal is the time in which
 * nothing but the training happens.
 */
import { type Bench, figure, type Measure, until } from "../bench.ts";
import { type Figure, quartiles } from "../figure.ts";
import { stubTrialsOverIdeal, untilOver } from "../orchestration.ts";
import { cpuMsOf } from "../processes.ts";
import type { StubAllocation } from "../stub-runner.ts";
import { stubServer } from "../subjects.ts";
import { number } from "../table.ts";
import { startFleet } from "./fleet.ts";

const TRIALS = 1000;
const NODES = 50;
const STEP_MS = 1000;
const AIM_PERCENT = 5;

export const manyTrials: Measure = {
  name: "L1",
  title: "many trials",
  run: async (bench) => [
    await atOnce(bench),
    await stubTrialsOverIdeal(bench, {
      measure: "L1",
      trials: bench.quick ? 1_000 : 10_000,
      note: "Ray Tune: 14 %, 715 s for 625 s of 10,000 trials",
    }),
  ],
};

async function atOnce(bench: Bench): Promise<Figure> {
  const { clock } = bench;
  const steps = bench.quick ? 10 : 20;
  const subject = await stubServer(bench, { slots: TRIALS, label: "l1-at-once" });
  try {
    let ended = 0;
    const train = (allocation: StubAllocation, step: number): void => {
      clock.after(STEP_MS, () => {
        allocation.report(step, { loss: 1 / step });
        if (step < steps) return train(allocation, step + 1);
        allocation.exited();
        ended += 1;
      });
    };
    const cpuBefore = cpuMsOf(subject.pid);
    const startMs = clock.monotonicMs();
    const fleet = await startFleet(bench, subject, {
      ...{ name: "l1", trials: TRIALS, nodes: NODES, steps },
      launched: (allocation) => train(allocation, 1),
    });
    const startedMs = clock.monotonicMs();
    await until(bench, "all trials have ended", () => fleet.delivered() && ended >= TRIALS, 5);
    await untilOver(bench, subject.client, fleet.experiment);
    const tookMs = clock.monotonicMs() - startMs;
    const cpuAfter = cpuMsOf(subject.pid);
    fleet.stop();
    const idealMs = steps * STEP_MS;
    const overhead = (tookMs / idealMs - 1) * 100;
    return figure({
      measure: "L1",
      what: `over the ideal, ${TRIALS} trials at once on ${NODES} nodes, ${steps} steps of 1 s`,
      unit: "%",
      value: quartiles([overhead]),
      aim: `<= ${AIM_PERCENT} %`,
      met: overhead <= AIM_PERCENT,
      cpu:
        cpuBefore === undefined || cpuAfter === undefined
          ? ""
          : `${number((cpuAfter - cpuBefore) / TRIALS)} ms a trial (server and database)`,
      note: `${number(tookMs / 1000)} s for ${idealMs / 1000} s, all running after ${number((startedMs - startMs) / 1000)} s; the nodes are ${NODES} stubs with connections of their own that speak under the name of the one runner there is`,
    });
  } finally {
    await subject.stop();
  }
}
