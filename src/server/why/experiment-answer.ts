/** Why an experiment is in its state, and why its searcher is the one it is. Pure. */

import { toWire } from "../../base/json.ts";
import { plural } from "../../base/plural.ts";
import type { Why, WhyReason } from "../../protocol/api.ts";
import { codeOf } from "./codes.ts";
import type { ChangeFact, ExperimentFacts } from "./facts.ts";
import { moment, reasonOf, sentence, shown, waitReason } from "./sentences.ts";
import { isCopy } from "./trial-history.ts";

const WAITS_SHOWN = 3;

export function answerExperiment(f: ExperimentFacts): Why {
  const reasons = [stateReason(f), countsReason(f)];
  if (f.state === "active") reasons.push(...waitReasons(f));
  for (const failure of f.failed)
    reasons.push(
      reasonOf("trial_failed", `Trial ${failure.trial} failed: ${sentence(failure.reason)}`, {
        actor: "runner",
        figures: { trial: failure.trial, end_reason: failure.endReason },
      }),
    );
  if (f.best) reasons.push(bestReason(f, f.best));
  reasons.push(...history(f, reasons[0] as WhyReason), searcherReason(f));
  return { kind: "experiment", id: String(f.id), state: f.state, reasons, last_lines: [] };
}

export function answerSearcher(f: ExperimentFacts): Why {
  const { trialsMax, rungs } = f.plan;
  const words = rungs.map(({ bracket, rung, step, trials }) => {
    const where = step === null ? "to their own end" : `to step ${step}`;
    return `bracket ${bracket}, rung ${rung}: ${plural(trials, "trial")} ${where}`;
  });
  const plan = reasonOf(
    "search_plan",
    `It may make ${plural(trialsMax, "trial")}${words.length > 0 ? ` (${words.slice(0, 12).join("; ")}${words.length > 12 ? "; …" : ""})` : ""}, counted in ${f.unit}.`,
    { figures: { trials_max: trialsMax, rungs: rungs.map((rung) => ({ ...rung })) } },
  );
  return {
    kind: "searcher",
    id: String(f.id),
    state: f.searcher,
    reasons: [searcherReason(f), plan],
    last_lines: [],
  };
}

function searcherReason(f: ExperimentFacts): WhyReason {
  const created = f.changes.find(({ what }) => what === "created");
  const by = f.searcherNamed && created ? ` It was submitted by ${created.actor}.` : "";
  return reasonOf(
    f.searcherNamed ? "searcher_named" : "searcher_chosen",
    `Experiment ${f.id} is searched by ${f.searcher}: ${sentence(f.searcherReason)}${by}`,
    {
      changes: [created],
      figures: { searcher: f.searcher, metric: f.metric, smaller_is_better: f.smallerIsBetter },
    },
  );
}

function stateReason(f: ExperimentFacts): WhyReason {
  const last = (...whats: string[]): ChangeFact | undefined =>
    f.changes.findLast(({ what }) => whats.includes(what));
  switch (f.state) {
    case "active": {
      const change = last("active");
      return reasonOf("active", `Experiment ${f.id} is active: ${since(change, f.reason)}`, {
        changes: [change],
      });
    }
    case "paused": {
      const change = last("paused");
      if (change)
        return reasonOf(
          change.actor === "idle" ? "paused_idle" : "paused_by_user",
          `Experiment ${f.id} is paused: ${since(change, f.reason)}`,
          {
            changes: [change],
          },
        );
      const created = last("created");
      return reasonOf(
        "never_activated",
        `Experiment ${f.id} was submitted paused${created ? ` by ${created.actor}` : ""} and never activated.`,
        { changes: [created] },
      );
    }
    case "stopping": {
      const change = last("stopping");
      return reasonOf(
        "stopping",
        `Experiment ${f.id} is coming to its end (${change?.cause ?? f.reason}); ${plural(f.trials.running, "trial of it still has", "trials of it still have")} processes.`,
        { changes: [change], figures: { running: f.trials.running } },
      );
    }
    default:
      return endReason(f, last("stopping"), last(f.state));
  }
}

function endReason(
  f: ExperimentFacts,
  decided: ChangeFact | undefined,
  over: ChangeFact | undefined,
): WhyReason {
  const by = decided?.actor ?? over?.actor ?? "contrail";
  const code =
    by === "budget"
      ? "budget_reached"
      : by === "search"
        ? codeOf("search", f.state)
        : decided?.cause.startsWith("killed")
          ? "killed"
          : f.state === "canceled"
            ? "canceled"
            : "as_stored";
  const who = by === "search" || by === "budget" || by === "contrail" ? "" : ` by ${by}`;
  const word =
    f.state === "error" ? "ended in error" : `was ${code === "killed" ? "killed" : f.state}${who}`;
  return reasonOf(
    code,
    `Experiment ${f.id} ${word}${decided ? ` at ${moment(decided.at)}` : ""}: ${sentence(decided?.cause ?? f.reason)}`,
    { changes: [decided, over], actor: by, figures: { by } },
  );
}

const since = (change: ChangeFact | undefined, reason: string): string =>
  change ? `${change.cause} (${change.actor}, ${moment(change.at)}).` : sentence(reason);

function countsReason(f: ExperimentFacts): WhyReason {
  const { total, replacements, ...counts } = f.trials;
  const counted = total - replacements;
  const more =
    replacements === 0
      ? ""
      : `, and ${replacements} in place of ones with impossible hyperparameters`;
  const words = Object.entries(counts)
    .filter(([, count]) => count > 0)
    .map(([name, count]) => `${count} ${name === "error" ? "failed" : name}`);
  return reasonOf(
    "trials",
    `Of at most ${plural(f.plan.trialsMax, "trial")}, ${counted} ${counted === 1 ? "was" : "were"} made${more}${words.length > 0 ? `: ${words.join(", ")}` : ""}.`,
    { figures: { ...f.trials, trials_max: f.plan.trialsMax } },
  );
}

/** The first few of its trials that wait, each for its own reason. */
function waitReasons(f: ExperimentFacts): WhyReason[] {
  if (f.draining)
    return [
      reasonOf("server_stopping", "The server is stopping; nothing starts until it is back.", {
        actor: "contrail",
      }),
    ];
  return f.waits
    .slice(0, WAITS_SHOWN)
    .map(({ trial, wait }) => waitReason(trial, wait, { holders: f.holders, nowMs: f.nowMs }));
}

const bestReason = (f: ExperimentFacts, best: NonNullable<ExperimentFacts["best"]>): WhyReason =>
  reasonOf(
    "best",
    `The best so far is trial ${best.trial} with ${f.metric} ${shown(best.objective)} at step ${best.step} (${f.smallerIsBetter ? "smaller" : "larger"} is better).`,
    { figures: { trial: best.trial, step: best.step, objective: toWire(best.objective) } },
  );

/** Pauses and activations before the state that it is in. */
function history(f: ExperimentFacts, now: WhyReason): WhyReason[] {
  return f.changes
    .filter(({ seq, what }) => !now.events.includes(seq) && /^(created|active|paused)$/.test(what))
    .slice(-8)
    .map((change) =>
      reasonOf(
        isCopy(change)
          ? "copied"
          : change.what === "created"
            ? "created"
            : change.what === "active"
              ? "activated"
              : "paused",
        change.what === "created"
          ? isCopy(change)
            ? `Experiment ${f.id} is ${change.cause}, submitted by ${change.actor} at ${moment(change.at)}.`
            : sentence(
                `Submitted by ${change.actor} at ${moment(change.at)}${change.cause.slice("submitted".length)}`,
              )
          : sentence(
              `${change.cause} at ${moment(change.at)}`.replace(/^./, (c) => c.toUpperCase()),
            ),
        { changes: [change] },
      ),
    );
}
