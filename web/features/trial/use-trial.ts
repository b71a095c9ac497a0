/** One trial, live: itself from the stream of its experiment, and what is too large for that asked for again when it changes. */
import { keepPreviousData, useQuery } from "@tanstack/react-query";
import type { Experiment, Trial, TrialDetail } from "../../../src/protocol/api.ts";
import { client } from "../../live/client.ts";
import { useExperiment } from "../../live/experiment.ts";
import { NEWS_MS } from "../../live/news.ts";

export interface TrialLive {
  readonly id: string;
  readonly experiment: Experiment;
  readonly trial: Trial;
  /** Undefined until the first answer; a moment behind `trial`. */
  readonly detail: TrialDetail | undefined;
  readonly isOver: boolean;
}

/** What each tab of a trial's page gets. */
export interface TrialPanelProps {
  readonly live: TrialLive;
}

export type TrialState =
  | { readonly status: "loading" }
  | { readonly status: "missing" }
  | { readonly status: "failed"; readonly error: unknown; readonly again: () => void }
  | { readonly status: "ready"; readonly live: TrialLive };

export function useTrial(id: string): TrialState {
  const state = useExperiment(Number(id.split(".")[0]));
  const trial = state.status === "ready" ? state.live.trials.get(id) : undefined;
  const detail = useQuery({
    queryKey: ["trial", id, "detail", stamp(trial)],
    queryFn: () => client.trial(id),
    placeholderData: keepPreviousData,
    refetchInterval: NEWS_MS,
    enabled: trial !== undefined,
  });
  if (state.status !== "ready") return state;
  if (trial === undefined) return { status: "missing" };
  const isOver = trial.ended_at !== null;
  const { experiment } = state.live;
  return { status: "ready", live: { id, experiment, trial, detail: detail.data, isOver } };
}

/** Changes when something about it was decided, but not with each report. */
export const stamp = (trial: Trial | undefined): string =>
  trial === undefined
    ? ""
    : [trial.state, trial.reason, trial.target, trial.restarts, trial.checkpoint?.step].join(" ");
