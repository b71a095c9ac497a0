/** Why a slot is held, or free; and why an allocation was granted and ended. Pure. */
import { plural } from "../../base/plural.ts";
import type { Why, WhyReason } from "../../protocol/api.ts";
import { codeOf } from "./codes.ts";
import type { AllocationFact, ChangeFact, RunnerFact, SlotFacts, TrialFacts } from "./facts.ts";
import { lasting, moment, reasonOf, sentence, targetWords, waitReason } from "./sentences.ts";
import { answerTrial, heardWords } from "./trial-answer.ts";
import { endWords } from "./trial-end.ts";

export function answerSlot(f: SlotFacts): Why {
  const kept = f.withheld ? [withheld(f, f.withheld)] : [];
  const reasons = f.holder
    ? [held(f, f.holder), ...kept]
    : f.withheld
      ? kept
      : [free(f), ...waitsWhileFree(f)];
  return {
    kind: "slot",
    id: f.id,
    state: f.holder ? "held" : f.withheld ? "withheld" : "free",
    reasons,
    last_lines: [],
  };
}

function held(f: SlotFacts, holder: NonNullable<SlotFacts["holder"]>): WhyReason {
  const grant = f.grant === null ? "" : ` It was granted because: ${sentence(f.grant.cause)}`;
  const leaving =
    f.leaving === null
      ? ""
      : ` It is to be given back (${f.leaving}); that happens when the processes have ended.`;
  return reasonOf(
    f.leaving === null ? "held" : "held_until_processes_end",
    `${f.id} is held by allocation ${holder.allocation} for ${lasting(Date.parse(holder.since), f.nowMs)}.${grant}${leaving}`,
    {
      changes: [f.grant ?? undefined],
      figures: { allocation: holder.allocation, since: holder.since },
    },
  );
}

function withheld(f: SlotFacts, runner: RunnerFact): WhyReason {
  const lost = runner.standing === "lost";
  const how = lost
    ? `is lost since ${moment(runner.since)}, and what ran there may run still. It is granted again when the runner has come back and confirmed that nothing does.`
    : `is silent since ${moment(runner.since)}. What runs there goes on; nothing new is granted until it is heard again.`;
  const last = lost ? ` ${lastHolder(f)}` : "";
  return reasonOf(
    lost ? "withheld_lost" : "withheld_silent",
    `${f.id} is held back: its runner ${runner.runner} ${how} ${sentence(runner.cause)}${heardWords(runner)}${last}`,
    { actor: "contrail", figures: { ...runner, last: f.last?.allocation ?? null } },
  );
}

const lastHolder = (f: SlotFacts): string =>
  f.last === null
    ? "Nobody has held it yet."
    : `The last to hold it was ${f.last.allocation}, until ${moment(f.last.endedAt)} (${f.last.reason}).`;

function free(f: SlotFacts): WhyReason {
  const last = lastHolder(f);
  if (f.draining)
    return reasonOf(
      "free_server_stopping",
      `${f.id} is free because the server is stopping and grants nothing. ${last}`,
      { actor: "contrail", figures: { last: f.last?.allocation ?? null } },
    );
  const why =
    f.waits.length === 0
      ? "no trial waits for slots"
      : `${plural(f.waits.length, "trial waits", "trials wait")}, but none of them can take it now`;
  return reasonOf(
    f.waits.length === 0 ? "free_nothing_waits" : "free_nothing_fits",
    `${f.id} is free: ${why}. ${last}`,
    { actor: "scheduler", figures: { last: f.last?.allocation ?? null, waiting: f.waits.length } },
  );
}

const waitsWhileFree = (f: SlotFacts): WhyReason[] =>
  f.waits
    .slice(0, 3)
    .map(({ trial, wait }) => waitReason(trial, wait, { holders: [], nowMs: f.nowMs }));

/** @param run of an allocation that the facts hold */
export function answerAllocation(f: TrialFacts, allocation: AllocationFact): Why {
  const trial = answerTrial(f);
  const id = `${f.id}.${allocation.run}`;
  const granted = trial.reasons.find(
    ({ code, figures }) => code === "placed" && figures.run === allocation.run,
  );
  const reasons = [end(f, id, allocation), ...(granted ? [granted] : [])];
  const last = f.allocations.at(-1)?.run === allocation.run;
  return {
    kind: "allocation",
    id,
    state: allocation.state,
    reasons,
    last_lines: last ? [...f.lastLines] : [],
  };
}

function end(f: TrialFacts, id: string, a: AllocationFact): WhyReason {
  const slots = a.slots.join(" ");
  if (a.endedAt === null || a.end === null) {
    const to = `to ${targetWords(f.target)}`;
    const leaving = a.yield !== null || a.kill;
    return reasonOf(
      leaving ? "leaving" : a.state === "assigned" ? "starting" : "running",
      leaving
        ? `Allocation ${id} holds ${slots} until its processes have ended; it was told to ${a.kill ? "end at once" : a.yield === "pause" ? "save and go" : "stop"}: ${sentence(a.ordersReason)}`
        : `Allocation ${id} ${a.state === "assigned" ? "is being started" : "runs"} on ${slots} and trains ${to}: ${sentence(a.ordersReason)}`,
      { figures: { slots: [...a.slots], target: f.target } },
    );
  }
  const sent = a.signalsSent.length > 0 ? ` It was sent ${a.signalsSent.join(", then ")}.` : "";
  const asked = a.end === "paused" || a.end === "stopped" || a.end === "killed";
  // Of an imported one it is not known why.
  const why = asked && a.ordersReason !== "" ? ` It was told to: ${sentence(a.ordersReason)}` : "";
  return reasonOf(
    codeOf("ended", a.end),
    `Allocation ${id} on ${slots} ended after ${lasting(Date.parse(a.createdAt), Date.parse(a.endedAt))} with ${endWords(a)}: ${sentence(a.reason)}${why}${sent}`,
    {
      changes: [endChange(f, a)],
      figures: {
        slots: [...a.slots],
        exit_code: a.exitCode,
        signal: a.signal,
        signals_sent: [...a.signalsSent],
        out_of_memory: a.outOfMemory,
        silent_ms: a.silentMs,
      },
    },
  );
}

/** Both carry the time of the turn in which it ended. */
const endChange = (f: TrialFacts, a: AllocationFact): ChangeFact | undefined =>
  f.changes.findLast(({ what, at }) => at === a.endedAt && what === `allocation ended: ${a.end}`);
