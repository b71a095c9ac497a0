/**
 * What an experiment went through, kept up to date while somebody looks: asked for again while it is not over, at a
 * pace that follows how long an answer takes.
 */
import { type UseQueryResult, useQuery } from "@tanstack/react-query";
import { useMemo } from "react";
import { type Axis, axesOf } from "../../src/analysis/axes.ts";
import type { JsonObject } from "../../src/base/json.ts";
import type {
  ExperimentAllocation,
  ExperimentDecision,
  ProgressReply,
} from "../../src/protocol/api.ts";
import { eachItem, type Page, type PageQuery } from "../../src/sdk/client.ts";
import { client } from "./client.ts";
import type { ExperimentLive } from "./experiment.ts";

const EVERY_MS_MIN = 2_000;
/** Of the time that passes, at most this share is spent on waiting for answers. */
const LOAD_SHARE = 10;
const PAGE_MAX = 1_000;

interface Timed<T> {
  readonly value: T;
  readonly tookMs: number;
}

function useKept<T>(
  { id, experiment }: ExperimentLive,
  what: string,
  ask: () => Promise<T>,
): UseQueryResult<Timed<T>> {
  const isOver = experiment.ended_at !== null;
  return useQuery({
    queryKey: ["experiment", id, what, isOver],
    queryFn: async () => {
      const beganMs = performance.now();
      const value = await ask();
      return { value, tookMs: performance.now() - beganMs };
    },
    staleTime: isOver ? Number.POSITIVE_INFINITY : 0,
    refetchInterval: (query) =>
      isOver ? false : Math.max(EVERY_MS_MIN, LOAD_SHARE * (query.state.data?.tookMs ?? 0)),
    placeholderData: (before) => before,
  });
}

async function all<T>(next: (query: PageQuery) => Promise<Page<T>>): Promise<T[]> {
  const items: T[] = [];
  for await (const item of eachItem(next, PAGE_MAX)) items.push(item);
  return items;
}

export const useAllocations = (
  live: ExperimentLive,
): UseQueryResult<Timed<ExperimentAllocation[]>> =>
  useKept(live, "allocations", () => all((query) => client.experimentAllocations(live.id, query)));

export const useDecisions = (live: ExperimentLive): UseQueryResult<Timed<ExperimentDecision[]>> =>
  useKept(live, "decisions", () => all((query) => client.experimentDecisions(live.id, query)));

export const useProgress = (live: ExperimentLive): UseQueryResult<Timed<ProgressReply>> =>
  useKept(live, "progress", () => client.experimentProgress(live.id));

/** What varies in its search space; undefined until it is known. */
export function useAxes(id: number): readonly Axis[] | undefined {
  const detail = useQuery({
    queryKey: ["experiment", id, "detail"],
    queryFn: () => client.experiment(id),
    staleTime: Number.POSITIVE_INFINITY,
  });
  const config = detail.data?.config as JsonObject | undefined;
  return useMemo(
    () => (config === undefined ? undefined : axesOf(config.hyperparameters)),
    [config],
  );
}
