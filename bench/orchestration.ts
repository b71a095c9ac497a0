/**
 * M3: what the platform adds to a thousand trials that do nothing but sleep for a second.
 *
 * First with stub trials inside this process, over the real wire, against the ideal: nothing but the
 * server's own work is in it. Then as real processes under the real runner, against starting and
 * waiting for the same program as often, as many at a time, with nobody in between.
 */
import { spawn } from "node:child_process";
import { once } from "node:events";
import type { Client } from "../src/sdk/client.ts";
import { type Bench, figure, type Measure, until, WAIT_MS_MAX } from "./bench.ts";
import type { Figure } from "./figure.ts";
import { quartiles } from "./figure.ts";
import { inPairs, type Sample } from "./pairs.ts";
import { cpuMsOf } from "./processes.ts";
import { StubRunner } from "./stub-runner.ts";
import { createExperiment, program, realServer, stubServer } from "./subjects.ts";
import { number } from "./table.ts";

const SLOTS = 16;
const TRIAL_MS = 1000;
const TELL_EVERY_MS = 10_000;

export const orchestration: Measure = {
  name: "M3",
  title: "orchestration overhead",
  run: async (bench) => [
    await stubTrialsOverIdeal(bench, { measure: "M3", trials: bench.quick ? 160 : 1000 }),
    await againstSpawn(bench),
  ],
};

/** So many stub trials of a second over 16 slots, against the time that they take by themselves. */
export async function stubTrialsOverIdeal(
  bench: Bench,
  options: { readonly measure: string; readonly trials: number; readonly note?: string },
): Promise<Figure> {
  const { measure, trials, note = "" } = options;
  const label = `${measure.toLowerCase()}-stubs`;
  const subject = await stubServer(bench, { slots: SLOTS, label });
  let toldAtMs = bench.clock.monotonicMs();
  try {
    const { clock } = bench;
    /** Slot → when its trials began and ended; a slot's own chain has no idle time but ours. */
    const chains = new Map<string, { runs: number; lastEndMs: number }>();
    let exited = 0;
    const runner = new StubRunner(subject.wire(), (allocation) => {
      allocation.started();
      clock.after(TRIAL_MS, () => {
        allocation.report(1, { loss: 0.5 });
        allocation.exited();
        exited += 1;
        const slot = allocation.orders.launch?.slots[0] ?? "";
        const runs = (chains.get(slot)?.runs ?? 0) + 1;
        chains.set(slot, { runs, lastEndMs: clock.monotonicMs() });
      });
    });
    const cpuBefore = cpuMsOf(subject.pid);
    const startMs = clock.monotonicMs();
    const id = await createExperiment(subject.client, { name: label, trials });
    const isOver = (): boolean => {
      if (clock.monotonicMs() - toldAtMs > TELL_EVERY_MS) {
        toldAtMs = clock.monotonicMs();
        bench.say(`${number(exited)} of ${number(trials)} stub trials have ended`);
      }
      return runner.isOver(exited >= trials);
    };
    const idealMs = Math.ceil(trials / SLOTS) * TRIAL_MS;
    await until(bench, "all stub trials have ended", isOver, 5, 2 * idealMs + WAIT_MS_MAX);
    await untilOver(bench, subject.client, id);
    const tookMs = clock.monotonicMs() - startMs;
    const cpuMs = (cpuMsOf(subject.pid) ?? 0) - (cpuBefore ?? 0);
    runner.stop();
    const perSlot = [...chains.values()].map(
      ({ runs, lastEndMs }) => ((lastEndMs - startMs) / (runs * TRIAL_MS) - 1) * 100,
    );
    const slots = quartiles(perSlot);
    const overhead = (tookMs / idealMs - 1) * 100;
    return figure({
      measure,
      what: `over the ideal, ${trials} stub trials of 1 s on ${SLOTS} slots`,
      unit: "%",
      value: quartiles([overhead]),
      aim: "<= 5 %",
      met: overhead <= 5,
      cpu:
        cpuBefore === undefined ? "" : `${number(cpuMs / trials)} ms a trial (server and database)`,
      note: `${number(tookMs / 1000)} s for ${number(idealMs / 1000)} s; a slot's own chain of trials: ${number(slots.median)} % [${number(slots.low)}, ${number(slots.high)}]${note && `. ${note}`}`,
    });
  } finally {
    await subject.stop();
  }
}

async function againstSpawn(bench: Bench): Promise<Figure> {
  const pairs = bench.quick ? 1 : 5;
  const each = bench.quick ? 32 : 40;
  const subject = await realServer(bench, { slots: SLOTS, dataDir: bench.folder("m3-real") });
  try {
    const { clock } = bench;
    const entrypoint = [
      process.execPath,
      "--disable-warning=ExperimentalWarning",
      program("sleeper.ts"),
    ];
    const paired = await inPairs({
      ...{ pairs, clock, say: bench.say, better: "lower", attemptsMax: 1 },
      async subject(): Promise<Sample> {
        const startMs = clock.monotonicMs();
        const id = await createExperiment(subject.client, { name: "m3", trials: each, entrypoint });
        await untilOver(bench, subject.client, id);
        return { value: (clock.monotonicMs() - startMs) / 1000 };
      },
      floor: async () => ({ value: await spawnAll(bench, entrypoint, each) }),
    });
    const idealS = Math.ceil(each / SLOTS);
    return figure({
      measure: "M3",
      what: `${pairs * each} real processes, ${each} at a go on ${SLOTS} slots`,
      unit: "s",
      value: paired.subject,
      floor: paired.floor,
      floorWhat: `spawning and waiting for the same program, ${SLOTS} at a time`,
      ratio: paired.ratio,
      aim: "<= 1.25 x",
      met: paired.tooNoisy ? null : paired.ratio.median <= 1.25,
      note: `ideal ${idealS} s, so ${number((paired.subject.median / idealS - 1) * 100)} % over it`,
    });
  } finally {
    await subject.stop();
  }
}

async function spawnAll(
  { clock }: Bench,
  [command = "", ...args]: readonly string[],
  count: number,
): Promise<number> {
  const startMs = clock.monotonicMs();
  let left = count;
  const work = async (): Promise<void> => {
    while (left > 0) {
      left -= 1;
      await once(spawn(command, args, { stdio: "ignore" }), "exit");
    }
  };
  await Promise.all(Array.from({ length: SLOTS }, work));
  return (clock.monotonicMs() - startMs) / 1000;
}

export function untilOver(bench: Bench, client: Client, id: number): Promise<void> {
  return until(bench, `experiment ${id} is over`, async () => {
    const { state, reason, ended_at } = await client.experiment(id);
    if (ended_at !== null && state !== "completed")
      throw new Error(`experiment ${id} is ${state}: ${reason}`);
    return ended_at !== null;
  });
}
