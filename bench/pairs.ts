/**
 * How two speeds are compared on a machine that others use too: subject and floor in alternating short
 * windows, the order flipped from pair to pair, and the figure is the median of the pairwise ratios. What
 * disturbs one window most likely disturbs its neighbour as well, so the ratio holds where the two numbers
 * do not. Two long runs one after the other were refused: a neighbour's build in one of them decides.
 *
 * If the floor itself, which does nothing clever, differs by more than a factor of two between its best
 * and its median window, the machine is too noisy to judge by: it is measured again, at most three times.
 */
import { type Clock, sleep } from "../src/base/clock.ts";
import { type Quartiles, quartiles } from "./figure.ts";

/** One window: a rate or a duration, and the CPU time that a unit of work took, if it was counted. */
export interface Sample {
  readonly value: number;
  readonly cpuMs?: number | undefined;
}

export interface Paired {
  readonly subject: Quartiles;
  readonly floor: Quartiles;
  /** subject ÷ floor of each pair. */
  readonly ratio: Quartiles;
  /** CPU milliseconds per unit of work; undefined where no window counted them. */
  readonly subjectCpuMs: number | undefined;
  readonly floorCpuMs: number | undefined;
  readonly tooNoisy: boolean;
}

export interface PairOptions {
  readonly pairs: number;
  readonly better: "higher" | "lower";
  readonly subject: () => Promise<Sample>;
  readonly floor: () => Promise<Sample>;
  readonly clock: Clock;
  readonly say: (text: string) => void;
  readonly attemptsMax?: number;
}

const NOISE_FACTOR_MAX = 2;
const REST_MS = 5_000;

export async function inPairs(options: PairOptions): Promise<Paired> {
  const { clock, say, attemptsMax = 3 } = options;
  for (let attempt = 1; ; attempt++) {
    const paired = await once(options);
    if (!paired.tooNoisy || attempt >= attemptsMax) return paired;
    say("the floor itself varies by more than a factor of two; waiting, then once more");
    await sleep(clock, REST_MS);
  }
}

async function once({ pairs, better, subject, floor }: PairOptions): Promise<Paired> {
  const subjects: Sample[] = [];
  const floors: Sample[] = [];
  for (let pair = 0; pair < pairs; pair++) {
    if (pair % 2 === 0) subjects.push(await subject());
    floors.push(await floor());
    if (pair % 2 === 1) subjects.push(await subject());
  }
  const values = floors.map(({ value }) => value);
  return {
    subject: quartiles(subjects.map(({ value }) => value)),
    floor: quartiles(values),
    ratio: quartiles(subjects.map(({ value }, pair) => value / (values[pair] as number))),
    subjectCpuMs: medianCpu(subjects),
    floorCpuMs: medianCpu(floors),
    tooNoisy: isNoisy(values, better),
  };
}

/** Whether the best and the median of these differ by more than two times. */
export function isNoisy(values: readonly number[], better: "higher" | "lower"): boolean {
  const { median } = quartiles(values);
  const best = better === "higher" ? Math.max(...values) : Math.min(...values);
  return Math.max(best / median, median / best) > NOISE_FACTOR_MAX;
}

function medianCpu(samples: readonly Sample[]): number | undefined {
  const counted = samples.flatMap(({ cpuMs }) => cpuMs ?? []);
  return counted.length === 0 ? undefined : quartiles(counted).median;
}
