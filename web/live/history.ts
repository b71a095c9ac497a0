/**
 * What an experiment went through, kept up to date while somebody looks: asked for again while it is not over, at a
 * pace that follows how long an answer takes.
 */
import type { UseQueryResult } from "@tanstack/react-query";
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
import { useExperimentDetail } from "./experiment-detail.ts";
import { type Timed, usePaced } from "./paced.ts";

const PAGE_MAX = 1_000;

const useKept = <T>(
  { id, experiment }: ExperimentLive,
  what: string,
  ask: () => Promise<T>,
): UseQueryResult<Timed<T>> =>
  usePaced({ key: ["experiment", id, what], isOver: experiment.ended_at !== null, ask });

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
  const detail = useExperimentDetail(id);
  const config = detail.data?.config as JsonObject | undefined;
  return useMemo(
    () => (config === undefined ? undefined : axesOf(config.hyperparameters)),
    [config],
  );
}
