/**
 * Some thousands of metric points, column by column, on their way from the database into a file: typed arrays that are
 * filled again and again, so that an export of any size needs the memory of one batch. Rows as objects were refused:
 * ten million of them keep the collector busier than the disk.
 */
import { assert } from "../base/assert.ts";

/** What every format writes, in this order. Experiment, trial and run are numbers: trial 12 of experiment 3 is (3, 12). */
export const POINT_COLUMNS = [
  "experiment",
  "trial",
  "run",
  "seq",
  "step",
  "time",
  "name",
  "value",
  "superseded",
] as const;

/** Also the size of a row group and of a record batch: encoding one keeps a server busy for some 30 ms. */
export const BATCH_POINTS = 32_768;

export class PointBatch {
  readonly capacity: number;
  length = 0;
  readonly experiment: Int32Array;
  readonly trial: Int32Array;
  readonly run: Int32Array;
  /** Its report's place in what the run told: the larger of two is the later. */
  readonly seq: BigInt64Array;
  readonly step: BigInt64Array;
  /** Milliseconds since 1970, UTC: when the report was made. */
  readonly timeMs: BigInt64Array;
  readonly name: string[];
  /** NaN and the infinities are what they are. */
  readonly value: Float64Array;
  /** 1 where a later report counts in its place. */
  readonly superseded: Uint8Array;
  /** `seq`, `step` and `timeMs` once more: reading a `bigint` allocates it, and there are thirty million of them. */
  readonly seqHalves: Halves;
  readonly stepHalves: Halves;
  readonly timeHalves: Halves;

  constructor(capacity: number) {
    this.capacity = capacity;
    this.experiment = new Int32Array(capacity);
    this.trial = new Int32Array(capacity);
    this.run = new Int32Array(capacity);
    this.seq = new BigInt64Array(capacity);
    this.step = new BigInt64Array(capacity);
    this.timeMs = new BigInt64Array(capacity);
    this.name = new Array(capacity).fill("");
    this.value = new Float64Array(capacity);
    this.superseded = new Uint8Array(capacity);
    this.seqHalves = new Int32Array(this.seq.buffer);
    this.stepHalves = new Int32Array(this.step.buffer);
    this.timeHalves = new Int32Array(this.timeMs.buffer);
  }

  /** Copies points `start` to before `end` of another batch behind those that are here. */
  append(from: PointBatch, start: number, end: number): void {
    const at = this.length;
    assert(at + end - start <= this.capacity, "a batch of points runs over");
    this.experiment.set(from.experiment.subarray(start, end), at);
    this.trial.set(from.trial.subarray(start, end), at);
    this.run.set(from.run.subarray(start, end), at);
    this.seq.set(from.seq.subarray(start, end), at);
    this.step.set(from.step.subarray(start, end), at);
    this.timeMs.set(from.timeMs.subarray(start, end), at);
    this.value.set(from.value.subarray(start, end), at);
    this.superseded.set(from.superseded.subarray(start, end), at);
    for (let i = start; i < end; i++) this.name[at + i - start] = from.name[i] as string;
    this.length += end - start;
  }
}

/** 64-bit numbers as pairs of 32 bits, the low half first (Node runs on no machine that has them the other way round). */
export type Halves = Int32Array;

/** @returns exact up to 2^53 either way */
export const wholeAt = (halves: Halves, i: number): number =>
  (halves[2 * i + 1] as number) * 2 ** 32 + ((halves[2 * i] as number) >>> 0);

/** @param value a whole number, up to 2^53 either way */
export function putWhole(halves: Halves, i: number, value: number): void {
  halves[2 * i] = value % 2 ** 32;
  halves[2 * i + 1] = Math.floor(value / 2 ** 32);
}

/** Turns batches into the bytes of one file. A batch may be filled again once `batch` has returned. */
export interface PointEncoder {
  begin(): Uint8Array;
  batch(points: PointBatch): Uint8Array;
  end(): Uint8Array;
}
