/** How a trial came to where it is: the events of the log, with the figures that stand beside them. Pure. */
import type { WhyReason } from "../../protocol/api.ts";
import type { WhyCode } from "./codes.ts";
import type { AllocationFact, ChangeFact, DecisionFact, TrialFacts } from "./facts.ts";
import {
  competitorWords,
  lasting,
  reasonOf,
  sentence,
  shown,
  standingFigures,
  standingWords,
  targetWords,
} from "./sentences.ts";

/** Each event that people would call a decision, oldest first. */
export function historyOf(f: TrialFacts): WhyReason[] {
  const decisions = [...f.decisions];
  const reasons: WhyReason[] = [];
  const ofExperiment = new Set(experimentPauses(f));
  const copied = f.experimentChanges.find(isCopy);
  if (copied)
    reasons.push(
      reasonOf("copied", `Its experiment is ${copied.cause}, submitted by ${copied.actor}.`, {
        changes: [copied],
      }),
    );
  for (const change of [...f.changes, ...ofExperiment].toSorted((a, b) => a.seq - b.seq)) {
    if (ofExperiment.has(change)) {
      reasons.push(experimentReason(change));
      continue;
    }
    const decision = change.actor === "search" ? takeDecision(decisions, change) : undefined;
    const reason = decision ? decisionReason(f, change, decision) : changeReason(f, change);
    if (reason) reasons.push(reason);
  }
  return reasons;
}

/** The beginning of an experiment that was made from another run: its cause says from which, not just over what it was submitted. */
export const isCopy = ({ what, cause }: ChangeFact): boolean =>
  what === "created" && !/^submitted( over |$)/.test(cause);

const isVerdict = ({ what }: ChangeFact): boolean => what.startsWith("verdict: ");

/** Pauses of the whole experiment in the trial's life, and their ends: why it left slots that nobody took from it. */
function experimentPauses(f: TrialFacts): ChangeFact[] {
  const from = f.changes[0]?.seq ?? Number.POSITIVE_INFINITY;
  // A verdict may come long after its end.
  const last = f.changes.findLast((change) => !isVerdict(change));
  const to = f.endReason === null ? Number.POSITIVE_INFINITY : (last?.seq ?? 0);
  const turns = f.experimentChanges.filter(({ what }) => what === "paused" || what === "active");
  return turns.filter(
    ({ what, seq }, i) =>
      seq > from && seq < to && (what === "paused" || turns[i - 1]?.what === "paused"),
  );
}

function experimentReason(change: ChangeFact): WhyReason {
  const { what, actor, cause } = change;
  const from = { changes: [change] };
  if (what !== "paused")
    return reasonOf("activated", `Its experiment was activated by ${actor}.`, from);
  if (actor === "idle") return reasonOf("paused_idle", `Paused: ${sentence(cause)}`, from);
  return reasonOf("experiment_paused", `Its experiment was paused by ${actor}.`, from);
}

/** Each event of the search stands in the log and, with its figures, among the decisions, in one order. */
function takeDecision(decisions: DecisionFact[], change: ChangeFact): DecisionFact | undefined {
  const i = decisions.findIndex((d) => d.what === change.what && d.text === change.cause);
  return i === -1 ? undefined : decisions.splice(i, 1)[0];
}

const STOP_CODES: Readonly<Record<string, WhyCode>> = {
  below_threshold: "stopped_below_threshold",
  rung_closed: "stopped_rung_closed",
  straggler: "stopped_straggler",
  reached_end: "reached_end",
};

function decisionReason(f: TrialFacts, change: ChangeFact, d: DecisionFact): WhyReason {
  if (d.what === "create")
    return reasonOf(
      d.code === "replacement" ? "created_as_replacement" : "created",
      `The search made trial ${f.id}. ${sentence(d.text)} It trains to ${targetWords(d.target)} first.`,
      { changes: [change], figures: { code: d.code, target: d.target } },
    );
  const s = d.standing;
  const code =
    d.what === "train"
      ? "promoted"
      : d.what === "pause"
        ? "waits_at_rung"
        : (STOP_CODES[d.code] ?? "stopped_by_search");
  if (s === null) return reasonOf(code, sentence(d.text), { changes: [change] });
  const figures = standingFigures(s);
  const others = competitorWords(f.experiment, numberOf(f.id), s);
  const where = `rung ${s.rung} of bracket ${s.bracket}`;
  switch (code) {
    case "promoted":
      return reasonOf(
        code,
        `Promoted from ${where}: it ${standingWords(s, "was")}. It goes on to ${targetWords(d.target)}.${others}`,
        { changes: [change], figures: { ...figures, target: d.target } },
      );
    case "waits_at_rung": {
      const now =
        f.state === "waiting" && f.rung !== null && f.rung.step === s.step ? f.rung : null;
      const since = now ? ` Now it ranks ${now.rank} of the ${now.of} who arrived.` : "";
      return reasonOf(
        code,
        `Paused by the search at ${where} to wait for more results: it ${standingWords(s, "was")}.${since}${others}`,
        {
          changes: [change],
          figures: { ...figures, rank_now: now?.rank ?? null, of_now: now?.of ?? null },
        },
      );
    }
    case "reached_end":
      return reasonOf(
        code,
        // Whether it has finished is another matter where its program failed before that was saved.
        `${f.endReason === "finished" ? `Trial ${f.id} finished: it` : "It"} trained to step ${s.step}, as far as this search trains anything, and ranked ${s.rank} of ${s.of} there with ${shown(s.objective)}.`,
        { changes: [change], figures },
      );
    case "stopped_straggler":
      return reasonOf(
        code,
        `Trial ${f.id} was stopped by the search at ${where}. ${sentence(d.text)}`,
        {
          changes: [change],
          figures,
        },
      );
    default: {
      const late = code === "stopped_rung_closed" ? " No more results will come to that rung." : "";
      return reasonOf(
        code,
        `Trial ${f.id} was stopped by the search at ${where}: it ${standingWords(s, "was")}.${late}${others}`,
        { changes: [change], figures },
      );
    }
  }
}

const numberOf = (trial: string): number => Number(trial.split(".")[1]);

function changeReason(f: TrialFacts, change: ChangeFact): WhyReason | undefined {
  const { what, actor, cause } = change;
  if (what.startsWith("granted ")) return placed(f, change);
  if (isVerdict(change))
    return reasonOf(
      "judged",
      `Run again from its record: ${what.slice("verdict: ".length)}, ${sentence(cause)}`,
      {
        changes: [change],
      },
    );
  switch (what) {
    case "restarting":
      return reasonOf("retried", `Retried: ${sentence(cause)}`, { changes: [change] });
    case "allocation ended: node_lost":
      return reasonOf(
        "node_lost",
        `Its runner was lost, which is not charged to max_restarts: ${sentence(cause)}`,
        { changes: [change] },
      );
    case "late exit":
      return reasonOf("late_exit", `Heard late: ${sentence(cause)}`, { changes: [change] });
    case "paused":
      return reasonOf("paused_by_user", `Paused by ${actor}.`, { changes: [change] });
    case "activated":
      return reasonOf("activated_by_user", `Activated by ${actor}.`, { changes: [change] });
    case "held":
      return reasonOf("waits_in_order", cause, { changes: [change] });
    case "resting":
      return reasonOf("rested", `Told to save and go: ${sentence(cause)}`, { changes: [change] });
    case "pausing":
      return reasonOf("paused_by_server", `Told to save and go: ${sentence(cause)}`, {
        changes: [change],
      });
    case "stopping":
    case "killing":
      // The search's own stops and missing objectives are told by the decision and by the end.
      if (actor === "search" || actor === "contrail") return undefined;
      return reasonOf(
        what,
        `${what === "killing" ? "Kill" : "End"} asked by ${actor}: ${sentence(cause)}`,
        {
          changes: [change],
        },
      );
    default:
      return undefined;
  }
}

/** Where it was placed, after how long a wait, and from which step it trained on. */
function placed(f: TrialFacts, change: ChangeFact): WhyReason {
  const slots = change.what.slice("granted ".length).split(" ");
  const grants = f.changes.filter(({ what }) => what.startsWith("granted "));
  const run = allocationOf(f, change, grants.indexOf(change));
  const began = wantedSince(f, change);
  const waited =
    began === undefined
      ? ""
      : ` It had waited ${lasting(Date.parse(began.at), Date.parse(change.at))}.`;
  const from =
    run === undefined
      ? ""
      : run.restored
        ? ` It went on from its checkpoint at step ${run.startStep}.`
        : run.run > 1
          ? " It began again at step 0, for want of a checkpoint."
          : "";
  const name = run === undefined ? "" : ` as allocation ${f.id}.${run.run}`;
  return reasonOf(
    "placed",
    `Placed on ${slots.join(" ")}${name}: ${sentence(change.cause)}${waited}${from}`,
    {
      changes: [change],
      figures: {
        slots,
        run: run?.run ?? null,
        start_step: run?.startStep ?? null,
        waited_ms:
          began === undefined ? null : Math.max(0, Date.parse(change.at) - Date.parse(began.at)),
      },
    },
  );
}

/** The grant's own allocation: counted from the end, as the oldest changes may be left out. */
function allocationOf(
  f: TrialFacts,
  change: ChangeFact,
  index: number,
): AllocationFact | undefined {
  const grants = f.changes.filter(({ what }) => what.startsWith("granted ")).length;
  const found = f.allocations[f.allocations.length - grants + index];
  return found?.slots.join(" ") === change.what.slice("granted ".length) ? found : undefined;
}

const BEGINS_WAIT = /^(create|train|activated|restarting|active|allocation ended: .*)$/;

/** The last event before the grant that made it want slots. */
function wantedSince(f: TrialFacts, grant: ChangeFact): ChangeFact | undefined {
  return [...f.changes, ...f.experimentChanges]
    .filter(({ seq, what }) => seq < grant.seq && BEGINS_WAIT.test(what))
    .toSorted((a, b) => a.seq - b.seq)
    .at(-1);
}
