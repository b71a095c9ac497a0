/**
 * The same nouns straight from memory, for live streams: after each commit what is in memory is what is in the
 * database, and asking it for every change of every reader would cost the writer its connection.
 */

import { fromWire, type WireNumber } from "../base/json.ts";
import { runningGrants } from "../core/lifecycle/experiment.ts";
import { trialStateName } from "../core/lifecycle/trial.ts";
import { replacementsMade } from "../core/search/methods.ts";
import type { Experiment, Silence, Trial } from "../protocol/api.ts";
import type { ExperimentSummaryRow } from "../store/experiment-reads.ts";
import { experimentUpdate, trialFacts } from "../store/live-rows.ts";
import type { TrialRow } from "../store/schema.ts";
import type { LiveExperiment } from "./live-experiment.ts";
import type { VerdictBook } from "./replay/verdict-book.ts";
import { experimentView, trialView } from "./views.ts";

const numberOrNull = (value: number | string | null): number | null =>
  value === null ? null : fromWire(value as WireNumber);

export function liveTrialView(
  live: LiveExperiment,
  number: number,
  at: {
    nowMs: number;
    verdicts: Pick<VerdictBook, "ofTrial">;
    reason: string | undefined;
    silence?: Silence | undefined;
  },
): Trial | undefined {
  const trial = live.x.trials.get(number);
  const own = live.trials.get(number);
  if (!trial || !own) return undefined;
  const row = trialFacts({ id: live.id, core: live.x.core }, trial, own.id);
  return trialView(
    {
      ...row,
      objective: numberOrNull(row.objective),
      best_objective: numberOrNull(row.best_objective),
      core: trial,
    } as unknown as TrialRow,
    at.verdicts,
    at.reason,
    {
      ...{ nowMs: at.nowMs, slotsPerTrial: live.x.spec.slotsPerTrial },
      silence: () => at.silence,
    },
  );
}

const GROUPS: Readonly<
  Record<string, "queued" | "running" | "paused" | "completed" | "canceled" | "error">
> = {
  queued: "queued",
  starting: "running",
  running: "running",
  pausing: "running",
  stopping: "running",
  paused: "paused",
  waiting: "paused",
  completed: "completed",
  canceled: "canceled",
  error: "error",
};

export function liveExperimentView(
  live: LiveExperiment,
  nowMs: number,
  verdicts: Pick<VerdictBook, "ofExperiment">,
): Experiment {
  const counts = {
    total: live.x.trials.size,
    queued: 0,
    running: 0,
    paused: 0,
    completed: 0,
    canceled: 0,
    error: 0,
    replacements: replacementsMade(live.x.search),
  };
  for (const trial of live.x.trials.values()) {
    const group = GROUPS[trialStateName(trial, live.x.core.run === "paused")];
    if (group) counts[group] += 1;
  }
  const update = experimentUpdate(live.x.core);
  const row = {
    ...live.row,
    ...update,
    ...counts,
    best_objective: numberOrNull(update.best_objective),
    grants: [...runningGrants(live.x)],
    // Of a task, which has one trial.
    unused_since_ms: live.x.trials.get(1)?.allocation?.unusedSinceMs ?? null,
    // Only what has ended is archived or deleted.
    ...{ archived_at: null, deleted_at: null },
  };
  return experimentView(row as unknown as ExperimentSummaryRow, new Date(nowMs), verdicts);
}
