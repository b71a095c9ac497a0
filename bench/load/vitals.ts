/**
 * How processes under load feel: memory and open descriptors, looked at now and then from outside, and what
 * their course says: flat, or rising by so much an hour.
 *
 * A slope without its uncertainty says nothing over half an hour, because a heap breathes by more than
 * what is looked for. Neighbouring samples also resemble each other, and a plain regression over all of
 * them would claim to know ten times more than it does; so the line is laid through means of minutes-long blocks.
 */
import { type Clock, sleep } from "../../src/base/clock.ts";
import { quantileOf } from "../figure.ts";
import { anonymousBytesOf, descriptorsOf, memoryBytesOf } from "../processes.ts";

export interface Vitals {
  /** Since the watching began. */
  readonly atMs: number;
  /** Of the process itself: resident, without the files that it has mapped. */
  readonly bytes: number;
  /** Of everything below it: a server's database. */
  readonly bytesBelow: number;
  readonly descriptors: number;
}

/** @returns what ends the watching and gives the samples; none where the system does not tell */
export function watchVitals(
  clock: Clock,
  pid: () => number,
  everyMs: number,
): () => Promise<Vitals[]> {
  const samples: Vitals[] = [];
  const startMs = clock.monotonicMs();
  let watching = true;
  const look = async (): Promise<void> => {
    while (watching) {
      const bytes = anonymousBytesOf(pid());
      const descriptors = descriptorsOf(pid());
      if (bytes !== undefined && descriptors !== undefined)
        samples.push({
          atMs: clock.monotonicMs() - startMs,
          bytes,
          bytesBelow: memoryBytesOf(pid())?.below ?? 0,
          descriptors,
        });
      await sleep(clock, everyMs);
    }
  };
  const looking = look();
  return async () => {
    watching = false;
    await looking;
    return samples;
  };
}

/**
 * Change from the first to the last quarter of what is left behind a warm-up, in percent.
 * @param warmUpShare of all samples, left out
 */
export function changePercent(values: readonly number[], warmUpShare: number): number {
  const settled = values.slice(Math.floor(values.length * warmUpShare));
  const quarter = Math.max(1, Math.floor(settled.length / 4));
  const before = quantileOf(settled.slice(0, quarter), 0.5);
  return (quantileOf(settled.slice(-quarter), 0.5) / before - 1) * 100;
}

export interface Slope {
  /** Per hour, in the unit of the values. */
  readonly anHour: number;
  /** Half of the interval that holds the true slope with 95 %, if the blocks are independent. */
  readonly plusMinus: number;
}

/** Two-sided 95 % quantiles of Student's t for 1 … 10 degrees of freedom; beyond that 2.23 is on the safe side. */
const T95 = [12.71, 4.3, 3.18, 2.78, 2.57, 2.45, 2.36, 2.31, 2.26, 2.23];
const HOUR_MS = 3_600_000;

interface Point {
  readonly atMs: number;
  readonly value: number;
}

/**
 * A line through `blocks` equal stretches of time, each by its mean or by its least value. A process is not asked when
 * it is looked at whether requests are under way, and they hold memory; what is leaked is there in the quietest
 * moment too, so for memory that is held the least says more.
 * @param points in order of time
 */
export function slopeOf(
  points: readonly Point[],
  blocks: number,
  by: "mean" | "least" = "mean",
): Slope | undefined {
  const first = points[0]?.atMs ?? 0;
  const span = ((points.at(-1)?.atMs ?? 0) - first) / blocks;
  const means = Array.from({ length: blocks }, (_, block) => {
    const inside = points.filter(
      ({ atMs }) => Math.min(blocks - 1, Math.floor((atMs - first) / span)) === block,
    );
    const values = inside.map((point) => point.value);
    return {
      atMs: mean(inside.map((point) => point.atMs)),
      value: by === "mean" ? mean(values) : Math.min(...values),
    };
  }).filter(({ value }) => Number.isFinite(value));
  if (means.length < 3) return undefined;
  const atMean = mean(means.map(({ atMs }) => atMs));
  const valueMean = mean(means.map(({ value }) => value));
  const spread = sum(means.map(({ atMs }) => (atMs - atMean) ** 2));
  const slope = sum(means.map((m) => (m.atMs - atMean) * (m.value - valueMean))) / spread;
  const freedom = means.length - 2;
  const left = sum(means.map((m) => (m.value - valueMean - slope * (m.atMs - atMean)) ** 2));
  const error = Math.sqrt(left / freedom / spread);
  const t = T95[Math.min(freedom, T95.length) - 1] as number;
  return { anHour: slope * HOUR_MS, plusMinus: t * error * HOUR_MS };
}

const sum = (values: readonly number[]): number => values.reduce((all, value) => all + value, 0);
const mean = (values: readonly number[]): number => sum(values) / values.length;
