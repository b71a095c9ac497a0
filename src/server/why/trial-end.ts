/** Why a trial has ended: who or what ended it, and what its processes did about it. Pure. */
import type { WhyReason } from "../../protocol/api.ts";
import { codeOf, type WhyCode } from "./codes.ts";
import type { AllocationFact, ChangeFact, TrialFacts } from "./facts.ts";
import { moment, reasonOf, sentence } from "./sentences.ts";

/**
 * Why a trial is over. @param latest the last reason of its history that has one of these codes
 * @returns undefined where nothing in the log says it
 */
export function endReason(
  f: TrialFacts,
  latest: (...codes: WhyCode[]) => WhyReason | undefined,
): WhyReason | undefined {
  switch (f.endReason) {
    case "finished":
      return latest("reached_end") ?? finishedByItself(f);
    case "stopped_by_search":
      return latest("stopped_below_threshold", "stopped_rung_closed", "stopped_straggler");
    case "killed_by_user":
    case "canceled_by_user":
      return endedByUser(f, f.endReason);
    case "experiment_ended":
      return endedWithExperiment(f);
    case "budget_reached": {
      const change = f.changes.findLast(({ actor }) => actor === "budget");
      return (
        change &&
        reasonOf(
          "budget_reached",
          `Trial ${f.id} was ended at step ${f.step}: ${sentence(change.cause)}`,
          {
            changes: [change],
            figures: { step: f.step },
          },
        )
      );
    }
    case "objective_missing":
    case "invalid_hyperparameters": {
      const change = f.changes.findLast(({ what }) => what === f.endReason);
      return (
        change &&
        reasonOf(f.endReason, `Trial ${f.id} failed: ${sentence(change.cause)}`, {
          changes: [change],
          figures: { step: f.step },
        })
      );
    }
    default:
      return failed(f);
  }
}

function finishedByItself(f: TrialFacts): WhyReason {
  const change = f.changes.findLast(({ what }) => what === "finished");
  const allocation = f.allocations.at(-1);
  return reasonOf(
    "finished_by_itself",
    `Trial ${f.id} finished: ${sentence(change?.cause ?? f.reason)}`,
    {
      changes: [change],
      actor: "runner",
      figures: { exit_code: allocation?.exitCode ?? null, step: f.step },
    },
  );
}

function endedByUser(
  f: TrialFacts,
  end: "killed_by_user" | "canceled_by_user",
): WhyReason | undefined {
  const what = end === "killed_by_user" ? "killing" : "stopping";
  const change =
    f.changes.findLast((c) => c.what === what) ??
    f.changes.findLast((c) => c.what === "killing" || c.what === "stopping");
  if (change === undefined) return undefined;
  const answerer = answererOf(f, change);
  const verb = end === "killed_by_user" ? "killed" : "canceled";
  return reasonOf(
    end === "killed_by_user" ? "killed" : "canceled",
    `Trial ${f.id} was ${verb} by ${change.actor} at ${moment(change.at)} (${change.cause}). ${answerWords(answerer)}`,
    {
      changes: [change],
      figures: { by: change.actor, step: f.step, ...answerFigures(answerer) },
    },
  );
}

/** It was to go on, and nothing was wrong with it. An imported one that had not ended has no such order in its log. */
function endedWithExperiment(f: TrialFacts): WhyReason | undefined {
  const change = f.changes.findLast(({ what }) => what === "stopping");
  if (change === undefined) return undefined;
  const answerer = answererOf(f, change);
  return reasonOf(
    "experiment_ended",
    `Contrail stopped trial ${f.id} because its experiment ended: ${sentence(change.cause)} ${answerWords(answerer)}`,
    { changes: [change], figures: { step: f.step, ...answerFigures(answerer) } },
  );
}

/** Nobody has told how its processes ended, or whether they have. */
const isUnheard = ({ end, exitCode, signal }: AllocationFact): boolean =>
  end === "node_lost" && exitCode === null && signal === null;

/**
 * The allocation whose processes may still have lived when it was told to end; undefined = it had none then. The order
 * of the log says so, as a clock may have been set back in between.
 */
function answererOf(f: TrialFacts, order: ChangeFact): AllocationFact | undefined {
  const last = f.allocations.at(-1);
  if (last !== undefined && isUnheard(last)) return last;
  const isEnd = (what: string): boolean =>
    what.startsWith("allocation ended: ") || (what === "late exit" && last?.end === "node_lost");
  return f.changes.some(({ seq, what }) => seq > order.seq && isEnd(what)) ? last : undefined;
}

function answerWords(allocation: AllocationFact | undefined): string {
  if (allocation === undefined) return "It had no processes then.";
  const { end, signalsSent } = allocation;
  if (isUnheard(allocation))
    return "Its runner was lost, and nobody has told how its processes ended.";
  if (signalsSent.length > 0)
    return `Its processes got ${signalsSent.join(", then ")} and ended with ${endWords(allocation)}.`;
  const when = end === "node_lost" ? "after its runner was lost" : "when told";
  return `Its program ended by itself ${when}, with ${endWords(allocation)}.`;
}

const answerFigures = (allocation: AllocationFact | undefined) => ({
  signals_sent: [...(allocation?.signalsSent ?? [])],
  exit_code: allocation?.exitCode ?? null,
  signal: allocation?.signal ?? null,
});

function failed(f: TrialFacts): WhyReason | undefined {
  const change = f.changes.findLast(({ what }) => what === f.endReason);
  const last = f.allocations.at(-1);
  if (change === undefined || last === undefined) return undefined;
  const on = `allocation ${f.id}.${last.run} on ${last.slots.join(" ")}`;
  return reasonOf(
    codeOf("failed", f.endReason),
    `Trial ${f.id} failed in ${on}, at step ${f.step}: ${sentence(change.cause)}`,
    {
      changes: [f.changes.findLast(({ what }) => what.startsWith("allocation ended")), change],
      actor: "runner",
      figures: {
        exit_code: last.exitCode,
        signal: last.signal,
        out_of_memory: last.outOfMemory,
        silent_ms: last.silentMs,
        step: f.step,
        restarts: f.restarts,
        max_restarts: f.maxRestarts,
      },
    },
  );
}

export const endWords = (allocation: AllocationFact): string =>
  allocation.signal !== null ? allocation.signal : `exit code ${allocation.exitCode ?? "unknown"}`;
