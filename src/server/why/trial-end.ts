/** Why a trial has ended: who or what ended it, and what its processes did about it. Pure. */
import type { WhyReason } from "../../protocol/api.ts";
import { codeOf, type WhyCode } from "./codes.ts";
import type { AllocationFact, TrialFacts } from "./facts.ts";
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
  const last = f.allocations.at(-1);
  const sent = last?.signalsSent ?? [];
  const ran = last !== undefined && last.endedAt !== null && last.endedAt >= change.at;
  const how = !ran
    ? "It had no processes then."
    : sent.length > 0
      ? `Its processes got ${sent.join(", then ")} and ended with ${endWords(last)}.`
      : `Its program ended by itself when told, with ${endWords(last)}.`;
  const verb = end === "killed_by_user" ? "killed" : "canceled";
  return reasonOf(
    end === "killed_by_user" ? "killed" : "canceled",
    `Trial ${f.id} was ${verb} by ${change.actor} at ${moment(change.at)} (${change.cause}). ${how}`,
    {
      changes: [change],
      figures: {
        by: change.actor,
        step: f.step,
        signals_sent: ran ? [...sent] : [],
        exit_code: ran ? last.exitCode : null,
        signal: ran ? last.signal : null,
      },
    },
  );
}

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
