/**
 * Capture as it stands in the way of training: how long taking it down lasts (cold, and remembered), and what a step of a
 * program costs while it goes on, against the same program with nothing beside it. The program counts in a loop of pure
 * work, so whatever takes its core away shows in its steps.
 */
import { execFile, spawn } from "node:child_process";
import { once } from "node:events";
import { availableParallelism } from "node:os";
import { promisify } from "node:util";
import { Capture } from "../../src/runner/capture/capture.ts";
import { findSetpriv } from "../../src/runner/rank-process.ts";
import { type Bench, figure, type Measure } from "../bench.ts";
import { type Figure, quartiles } from "../figure.ts";
import { number } from "../table.ts";

const STEPS = 400;
const STEP_MS = 5;
const START_AIM_MS = 2_000;

export const capture: Measure = {
  name: "capture",
  title: "taking the record of a run down",
  run: captureCost,
};

async function captureCost(bench: Bench): Promise<Figure[]> {
  const rounds = bench.quick ? 5 : 15;
  const cold: number[] = [];
  const warm: number[] = [];
  for (let round = 0; round < rounds; round++) {
    const capture = newCapture(bench);
    cold.push(await timed(bench, () => take(bench, capture)));
    warm.push(await timed(bench, () => take(bench, capture)));
  }
  return [
    figure({
      measure: "capture",
      what: "taking the record down, first time",
      unit: "ms",
      value: quartiles(cold),
      floor: quartiles(await starts(rounds)),
      floorWhat: "starting the same interpreter with an empty program",
      aim: "< 2 s",
      met: quartiles(cold).high < START_AIM_MS,
      note: "beside the program's start, which does not wait for it",
    }),
    figure({
      measure: "capture",
      what: "taking the record down, remembered",
      unit: "ms",
      value: quartiles(warm),
      note: "every later trial of the same code on the same interpreter",
    }),
    await stepCost(bench),
  ];
}

/** Pairs of runs, with and without a capture at their start, in turns. */
async function stepCost(bench: Bench): Promise<Figure> {
  const pairs = bench.quick ? 3 : 9;
  const shares: number[] = [];
  const means: { with: number[]; without: number[] } = { with: [], without: [] };
  for (let pair = 0; pair < pairs; pair++) {
    const order = pair % 2 === 0 ? (["without", "with"] as const) : (["with", "without"] as const);
    for (const kind of order) means[kind].push(await meanStepMs(bench, kind === "with"));
    shares.push(100 * ((means.with[pair] as number) / (means.without[pair] as number) - 1));
  }
  const added = quartiles(shares);
  return figure({
    measure: "capture",
    what: `a step of ${STEP_MS} ms during capture, over ${STEPS} steps`,
    unit: "%",
    value: added,
    aim: "< 1 %",
    met: added.median < 1,
    note: `mean step ${number(quartiles(means.with).median)} ms with, ${number(quartiles(means.without).median)} ms without; ${availableParallelism()} cores`,
  });
}

const newCapture = ({ clock }: Bench): Capture =>
  new Capture({
    environment: process.env,
    setpriv: findSetpriv(process.env.PATH ?? ""),
    nowMs: () => clock.nowMs(),
  });

async function take(bench: Bench, capture: Capture): Promise<void> {
  const launch = {
    ...{ experiment: 1, trial: "1.1", allocation: "1.1.1", slots: ["cpu:0"], ranks: 1 },
    ...{ entrypoint: ["python3", "train.py"], code: null, data: {}, environment: {}, params: {} },
    ...{ seed: 1, unit: "steps", restore: null, token: "", killGraceMs: 0, yieldGraceMs: 0 },
  };
  const environment = Object.fromEntries(
    Object.entries(process.env).map(([name, value]) => [name, value ?? ""]),
  );
  const { signal } = new AbortController();
  const record = await capture.take({
    launch,
    folder: bench.folder("capture"),
    environment,
    signal,
  });
  if (Object.keys(record.environment.captured.interpreter ?? {}).length === 0)
    throw new Error("the interpreter was not captured, so there is nothing to measure");
}

async function timed({ clock }: Bench, work: () => Promise<void>): Promise<number> {
  const startMs = clock.monotonicMs();
  await work();
  return clock.monotonicMs() - startMs;
}

async function starts(rounds: number): Promise<number[]> {
  const took: number[] = [];
  for (let round = 0; round < rounds; round++) {
    const startMs = performance.now();
    await promisify(execFile)("python3", ["-c", "pass"]);
    took.push(performance.now() - startMs);
  }
  return took;
}

const PROGRAM = `
import sys, time
steps, step_s = int(sys.argv[1]), float(sys.argv[2]) / 1000
def work(rounds):
    x = 0
    for i in range(rounds): x += i * i
    return x
rounds, took = 1000, 0.0
while took < step_s:
    start = time.perf_counter(); work(rounds); took = time.perf_counter() - start
    if took < step_s: rounds = int(rounds * max(1.2, min(2, step_s / max(took, 1e-6))))
print("ready", flush=True)
sys.stdin.readline()
start = time.perf_counter()
for _ in range(steps): work(rounds)
print((time.perf_counter() - start) / steps / rounds * 1e9)
`;

/** Calibrated to the machine first; what is compared is the time of the same work. */
async function meanStepMs(bench: Bench, captured: boolean): Promise<number> {
  const child = spawn("python3", ["-c", PROGRAM, String(STEPS), String(STEP_MS)], {
    stdio: ["pipe", "pipe", "inherit"],
  });
  let out = "";
  child.stdout.setEncoding("utf8").on("data", (text: string) => {
    out += text;
  });
  while (!out.includes("ready")) await once(child.stdout, "data");
  const capture = newCapture(bench);
  child.stdin.write("go\n");
  const taking = captured ? take(bench, capture) : Promise.resolve();
  await Promise.all([once(child, "close"), taking]);
  return Number(out.trim().split("\n").at(-1));
}
