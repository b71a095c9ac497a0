/** Everything about the trials that are compared, each asked for once. */
import { type Query, useQueries } from "@tanstack/react-query";
import type { ExperimentDetail, TrialDetail, TrialRecord } from "../../../src/protocol/api.ts";
import type { Tree } from "../../../src/protocol/runner-wire.ts";
import { client } from "../../live/client.ts";
import { readTree } from "../../live/content.ts";
import { NEWS_MS, untilAnswered } from "../../live/news.ts";

export interface Compared {
  readonly id: string;
  readonly trial: TrialDetail;
  readonly experiment: ExperimentDetail;
}

export interface Comparison {
  readonly pending: boolean;
  /** Those that could be had, in order. */
  readonly compared: readonly Compared[];
  readonly failures: readonly { readonly id: string; readonly error: unknown }[];
}

export function useCompared(ids: readonly string[]): Comparison {
  const trials = useQueries({
    queries: ids.map((id) => ({
      queryKey: ["trial", id, "compared"],
      queryFn: () => client.trial(id),
      refetchInterval: (query: Query<TrialDetail>) =>
        query.state.data?.ended_at ? untilAnswered(query) : NEWS_MS,
    })),
  });
  const numbers = [...new Set(ids.map((id) => Number(id.split(".")[0])))];
  const experiments = useQueries({
    queries: numbers.map((id) => ({
      queryKey: ["experiment", id, "compared"],
      queryFn: () => client.experiment(id),
      staleTime: 60_000,
    })),
  });
  const compared: Compared[] = [];
  const failures: { id: string; error: unknown }[] = [];
  let pending = false;
  for (const [i, id] of ids.entries()) {
    const trial = trials[i];
    const experiment = experiments[numbers.indexOf(Number(id.split(".")[0]))];
    const error = trial?.error ?? experiment?.error;
    if (trial?.data && experiment?.data)
      compared.push({ id, trial: trial.data, experiment: experiment.data });
    else if (error) failures.push({ id, error });
    else pending = true;
  }
  return { pending, compared, failures };
}

/** @returns the record of each, in their order; undefined while they are not all here */
export function useRecords(compared: readonly Compared[]): {
  readonly records: readonly TrialRecord[] | undefined;
  readonly error: unknown;
} {
  const found = useQueries({
    queries: compared.map(({ id, trial }) => ({
      queryKey: ["trial", id, "record", "compared", trial.ended_at],
      queryFn: () => client.trialRecord(id),
      refetchInterval: trial.ended_at === null ? NEWS_MS : untilAnswered,
    })),
  });
  const records = found.flatMap(({ data }) => data ?? []);
  return {
    records: records.length === compared.length ? records : undefined,
    error: found.find((query) => query.error && !query.data)?.error,
  };
}

/** @returns the tree of each snapshot, null for none; undefined while they are not here */
export function useTrees(codes: readonly (string | null)[]): {
  readonly trees: readonly (Tree | null)[] | undefined;
  readonly error: unknown;
} {
  const hashes = [...new Set(codes.filter((code) => code !== null))];
  const found = useQueries({
    queries: hashes.map((hash) => ({
      queryKey: ["tree", hash],
      queryFn: () => readTree(hash),
      staleTime: Number.POSITIVE_INFINITY,
    })),
  });
  const error = found.find((query) => query.error)?.error;
  if (found.some(({ data }) => data === undefined)) return { trees: undefined, error };
  const trees = codes.map((code) =>
    code === null ? null : (found[hashes.indexOf(code)]?.data ?? null),
  );
  return { trees, error: undefined };
}
