/**
 * M7: from submitting an experiment to the first line of its trial's code, on an idle server and with a
 * thousand trials queued. The floor starts the same interpreter with the same line, with nobody in between.
 */
import { spawn } from "node:child_process";
import { once } from "node:events";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { sleep } from "../src/base/clock.ts";
import { type Bench, figure, type Measure, until } from "./bench.ts";
import { type Figure, quantileOf, quartiles } from "./figure.ts";
import { isNoisy } from "./pairs.ts";
import { createExperiment, realServer, type Subject } from "./subjects.ts";
import { number } from "./table.ts";

const SLOTS = 4;
const QUEUED = 1000;

export const startLatency: Measure = {
  name: "M7",
  title: "start latency",
  async run(bench) {
    const subject = await realServer(bench, { slots: SLOTS, dataDir: bench.folder("m7") });
    const folder = bench.folder("m7-lines");
    try {
      const idle = await compare(bench, subject, folder, "idle");
      const id = await createExperiment(subject.client, {
        name: "m7-queue",
        trials: QUEUED + 1,
        entrypoint: ["sleep", "3600"],
        priority: 99,
        // One of them holds a slot, the others wait for it; the rest of the slots stays free.
        slotsMax: 1,
      });
      const queued = await compare(bench, subject, folder, "queued");
      await subject.client.changeExperiment(id, "kill");
      return [idle, queued];
    } finally {
      await subject.stop();
    }
  },
};

interface Latencies {
  readonly started: readonly number[];
  readonly spawned: readonly number[];
}

const ATTEMPTS_MAX = 3;
const REST_MS = 5_000;

async function compare(
  bench: Bench,
  subject: Subject,
  folder: string,
  state: "idle" | "queued",
): Promise<Figure> {
  // The first start of the runner's life loads what later ones find loaded.
  await submitted(bench, subject, join(folder, "first"));
  let latencies = await measure(bench, subject, folder);
  for (let attempt = 1; attempt < ATTEMPTS_MAX && isNoisy(latencies.spawned, "lower"); attempt++) {
    bench.say("spawning alone varies by more than a factor of two; waiting, then once more");
    await sleep(bench.clock, REST_MS);
    latencies = await measure(bench, subject, folder);
  }
  return toFigure(latencies, state);
}

async function measure(bench: Bench, subject: Subject, folder: string): Promise<Latencies> {
  const pairs = bench.quick ? 7 : 25;
  const started: number[] = [];
  const spawned: number[] = [];
  const both = [
    async () => started.push(await submitted(bench, subject, join(folder, "submitted"))),
    async () => spawned.push(await bare(bench, join(folder, "bare"))),
  ];
  for (let pair = 0; pair < pairs; pair++)
    for (const one of pair % 2 === 0 ? both : both.toReversed()) await one();
  return { started, spawned };
}

function toFigure({ started, spawned }: Latencies, state: "idle" | "queued"): Figure {
  const added = started.map((ms, pair) => ms - (spawned[pair] as number));
  const [p50, p95] = [quantileOf(added, 0.5), quantileOf(added, 0.95)];
  const isIdle = state === "idle";
  return figure({
    measure: "M7",
    what: isIdle ? "submit to first line, idle" : `submit to first line, ${QUEUED} queued`,
    unit: "ms",
    value: quartiles(started),
    floor: quartiles(spawned),
    floorWhat: "spawning the same interpreter with the same line",
    ratio: quartiles(started.map((ms, pair) => ms / (spawned[pair] as number))),
    aim: isIdle ? "p50 <= floor + 50 ms" : "p95 <= floor + 250 ms",
    met: isNoisy(spawned, "lower") ? null : isIdle ? p50 <= 50 : p95 <= 250,
    note: `adds ${number(p50)} ms (p50), ${number(p95)} ms (p95)`,
  });
}

const lineThatTells = (path: string): string[] => [
  process.execPath,
  "-e",
  `const atMs = Date.now(); require("node:fs").writeFileSync(${JSON.stringify(path)}, String(atMs))`,
];

async function submitted(bench: Bench, { client }: Subject, path: string): Promise<number> {
  const startMs = bench.clock.nowMs();
  const id = await createExperiment(client, {
    name: "m7",
    trials: 1,
    entrypoint: lineThatTells(path),
  });
  // It reports nothing, so it ends as an error; what counts has happened by then.
  const isOver = async () => (await client.experiment(id)).ended_at !== null;
  await until(bench, `experiment ${id} is over`, isOver, 25);
  return Number(readFileSync(path, "utf8")) - startMs;
}

async function bare(bench: Bench, path: string): Promise<number> {
  const [command = "", ...args] = lineThatTells(path);
  const startMs = bench.clock.nowMs();
  await once(spawn(command, args, { stdio: "ignore" }), "exit");
  return Number(readFileSync(path, "utf8")) - startMs;
}
