/**
 * One experiment, live: itself, all its trials and its rungs, from one stream. Components that show parts of it share
 * the one connection, and see the same moment.
 */
import { useMemo, useSyncExternalStore } from "react";
import type { Experiment, ExperimentAct, Rung, Trial } from "../../src/protocol/api.ts";
import { RemoteError } from "../../src/sdk/remote-error.ts";
import { client } from "./client.ts";
import { Feed } from "./connection.ts";
import { onBackAgain, onExperiments } from "./experiments.ts";

export interface ExperimentLive {
  readonly id: number;
  readonly experiment: Experiment;
  /** By id, in order of their numbers. */
  readonly trials: ReadonlyMap<string, Trial>;
  readonly rungs: readonly Rung[];
  /** Grows with every change, for memos. */
  readonly version: number;
}

export type ExperimentState =
  | { readonly status: "loading" }
  | { readonly status: "failed"; readonly error: unknown; readonly again: () => void }
  | { readonly status: "ready"; readonly live: ExperimentLive };

interface Source {
  readonly feed: Feed<unknown>;
  readonly look: () => ExperimentState;
  /** Asked for once more, as if it had not been refused. */
  readonly again: () => void;
}

const KEPT_MAX = 8;
const sources = new Map<number, Source>();

/** The experiment as it is now; drawn anew at most five times a second. */
export function useExperiment(id: number): ExperimentState {
  const source = useMemo(() => sourceOf(id), [id]);
  return useSyncExternalStore(source.feed.subscribe, source.look);
}

// The stream of one that is over, or that there was not, has ended. What becomes of it all the same (a verdict, a new
// name, an experiment of this number) all experiments' stream tells.
onExperiments((changed) => {
  for (const experiment of changed) {
    const source = sources.get(experiment.id);
    const shown = source?.look();
    if (shown?.status === "failed") source?.again();
    if (shown?.status !== "ready" || experiment.ended_at === null) continue;
    if (JSON.stringify(shown.live.experiment) !== JSON.stringify(experiment)) source?.again();
  }
});

onBackAgain(() => {
  for (const { look, again } of sources.values()) {
    const shown = look();
    const isOver = shown.status === "ready" && shown.live.experiment.ended_at !== null;
    if (isOver || shown.status === "failed") again();
  }
});

/** Of an experiment that is over, so that the page need not wait for the news. @throws RemoteError as the server refused it */
export async function actOn(id: number, act: ExperimentAct): Promise<void> {
  const { items } = await client.actOnExperiments(act, [id]);
  const problem = items[0]?.problem;
  if (problem) throw new RemoteError(problem);
  sources.get(id)?.again();
}

function sourceOf(id: number): Source {
  const found = sources.get(id);
  // A refusal is not kept: by now there may be what there was not.
  if (found && found.look().status !== "failed") return found;
  const made = makeSource(id);
  sources.set(id, made);
  // The oldest is forgotten; who still looks at it holds it.
  if (sources.size > KEPT_MAX) sources.delete(sources.keys().next().value as number);
  return made;
}

function makeSource(id: number): Source {
  const trials = new Map<string, Trial>();
  let rungs: readonly Rung[] = [];
  let experiment: Experiment | undefined;
  let failure: { error: unknown } | undefined;
  let changes = 0;
  let shown: ExperimentState = { status: "loading" };
  let shownAt = -1;
  const feed = new Feed({
    open: (how) => client.experimentStream(id, how),
    onItem: (item) => {
      changes++;
      if (item.event === "trials") for (const trial of item.data) trials.set(trial.id, trial);
      else if (item.event === "rungs") rungs = item.data;
      else {
        // The first time it comes after its trials, and there is a page to be drawn.
        const isFirst = experiment === undefined;
        experiment = item.data;
        return isFirst;
      }
      return false;
    },
    onFailure: (error) => {
      changes++;
      failure = { error };
    },
  });
  const again = (): void => {
    if (failure) changes++;
    failure = undefined;
    feed.again();
    feed.notify();
  };
  return {
    again,
    feed: feed as Feed<unknown>,
    // The same object until something changed, as React demands.
    look: () => {
      if (changes === shownAt) return shown;
      shownAt = changes;
      if (failure) shown = { status: "failed", again, ...failure };
      else if (experiment) {
        const inOrder = [...trials].toSorted(([, a], [, b]) => a.number - b.number);
        const live = { id, experiment, trials: new Map(inOrder), rungs, version: changes };
        shown = { status: "ready", live };
      } else shown = { status: "loading" };
      return shown;
    },
  };
}
