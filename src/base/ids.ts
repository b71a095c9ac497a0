/**
 * Ids that people type. An experiment is `3`, its trial `3.12`, that trial's second allocation
 * `3.12.2`: each id contains its parents', so any of them can be asked about without context.
 * Commands and other trial-less work are experiments with one trial.
 */
declare const brand: unique symbol;
type Branded<T, B extends string> = T & { readonly [brand]?: B };

export type ExperimentId = Branded<number, "ExperimentId">;
/** `<experiment>.<number>`, numbers from 1 in order of creation. */
export type TrialId = Branded<string, "TrialId">;
/** `<experiment>.<trial number>.<run>`; the run counts from 1 and doubles as the fence. */
export type AllocationId = Branded<string, "AllocationId">;
/** 64 lower-case hexadecimal digits of a SHA-256. */
export type BlobHash = Branded<string, "BlobHash">;

const MAX = 2 ** 31 - 1;
const part = (text: string): number | undefined =>
  /^[1-9][0-9]{0,9}$/.test(text) && Number(text) <= MAX ? Number(text) : undefined;

export const trialId = (experiment: ExperimentId, number: number): TrialId =>
  `${experiment}.${number}` as TrialId;

export const allocationId = (trial: TrialId, run: number): AllocationId =>
  `${trial}.${run}` as AllocationId;

export interface ParsedId {
  readonly experiment: ExperimentId;
  readonly trial?: number;
  readonly run?: number;
}

/** Reads any of the three forms. @returns undefined when the text is none of them */
export function parseId(text: string): ParsedId | undefined {
  const parts = text.split(".").map(part);
  if (parts.length < 1 || parts.length > 3 || parts.some((p) => p === undefined)) return undefined;
  const [experiment, trial, run] = parts as number[];
  return {
    experiment: experiment as ExperimentId,
    ...(trial === undefined ? {} : { trial }),
    ...(run === undefined ? {} : { run }),
  };
}

export const isBlobHash = (text: string): text is BlobHash & string => /^[0-9a-f]{64}$/.test(text);
