/** Reasons and the words that all answers share. Pure. */

import { type Json, toWire } from "../../base/json.ts";
import { plural } from "../../base/plural.ts";
import { describeWait, withheldWords } from "../../core/schedule/plan.ts";
import type { Standing } from "../../core/search/search.ts";
import type { WhyReason } from "../../protocol/api.ts";
import type { WhyCode } from "./codes.ts";
import type { ChangeFact, HolderFact, WaitFact } from "./facts.ts";

export function reasonOf(
  code: WhyCode,
  text: string,
  from: {
    /** Events of the log that it rests on; the last one dates it. */
    readonly changes?: readonly (ChangeFact | undefined)[];
    readonly actor?: string | null;
    readonly figures?: Readonly<Record<string, Json>>;
  } = {},
): WhyReason {
  const changes = (from.changes ?? []).filter((change) => change !== undefined);
  const last = changes.at(-1);
  return {
    code,
    text,
    at: last?.at ?? null,
    actor: from.actor === undefined ? (last?.actor ?? null) : from.actor,
    events: changes.map((change) => change.seq),
    figures: (from.figures ?? {}) as WhyReason["figures"],
  };
}

export const shown = (value: number): string =>
  Number.isInteger(value) || !Number.isFinite(value)
    ? String(value)
    : String(+value.toPrecision(6));

/** "0.4 s", "41 s", "3 min 20 s", "2 h 5 min" */
export function lasting(fromMs: number, toMs: number): string {
  const seconds = Math.max(0, toMs - fromMs) / 1000;
  if (seconds < 10) return `${seconds.toFixed(1)} s`;
  const whole = Math.round(seconds);
  if (whole < 60) return `${whole} s`;
  if (whole < 3600) return `${Math.floor(whole / 60)} min ${whole % 60} s`;
  const minutes = Math.round(whole / 60);
  return `${Math.floor(minutes / 60)} h ${minutes % 60} min`;
}

/** 2026-11-23 09:24:30 UTC */
export const moment = (at: string): string => `${at.slice(0, 19).replace("T", " ")} UTC`;

/** A search without a length trains to the largest number there is: for people that is no number. */
export const targetWords = (target: number | null): string =>
  target === null || target >= Number.MAX_SAFE_INTEGER ? "its own end" : `step ${target}`;

/** A sentence ends in a full stop, once. */
export const sentence = (text: string): string => (/[.!?]$/.test(text) ? text : `${text}.`);

const COMPETITORS_SHOWN = 5;

/** "ranked 5 of 6 at step 3 with 0.41; the best 2 could go on, the last of them with 0.62" */
export function standingWords(s: Standing, tense: "is" | "was"): string {
  const [ranks, may] = tense === "is" ? ["ranks", "may"] : ["ranked", "could"];
  const limit =
    s.threshold === undefined
      ? `nobody ${may} go on yet`
      : `the best ${s.passing} ${may} go on, the last of them with ${shown(s.threshold)}`;
  return `${ranks} ${s.rank} of ${s.of} at step ${s.step} with ${shown(s.objective)}; ${limit}`;
}

/** Those before it and behind it, as far as the search noted them. */
export function competitorWords(experiment: number, own: number, s: Standing): string {
  const others = s.competitors.filter((competitor) => competitor.trial !== own);
  if (others.length === 0) return "";
  const words = others
    .slice(0, COMPETITORS_SHOWN)
    .map(
      ({ trial, objective }) =>
        `${experiment}.${trial} (${objective === null ? "never came so far" : shown(objective)})`,
    );
  const more = others.length - COMPETITORS_SHOWN;
  return ` It was compared with ${words.join(", ")}${more > 0 ? ` and ${more} more` : ""}.`;
}

export function standingFigures(s: Standing): Record<string, Json> {
  return {
    bracket: s.bracket,
    rung: s.rung,
    step: s.step,
    objective: toWire(s.objective),
    rank: s.rank,
    of: s.of,
    passing: s.passing,
    threshold: s.threshold === undefined ? null : toWire(s.threshold),
    competitors: s.competitors.map(({ trial, objective }) => ({
      trial,
      objective: objective === null ? null : toWire(objective),
    })),
  };
}

/** "cpu:0 is held by 3.1.1 (for 12 s), cpu:1 by 3.2.1 (for 3.0 s)" */
export function holderWords(holders: readonly HolderFact[], nowMs: number): string {
  if (holders.length === 0) return "";
  const words = holders.map(
    ({ slot, allocation, since }, i) =>
      `${slot} ${i === 0 ? "is held " : ""}by ${allocation} (for ${lasting(Date.parse(since), nowMs)})`,
  );
  return ` ${words.slice(0, 8).join(", ")}${words.length > 8 ? ` and ${words.length - 8} more` : ""}.`;
}

/** Why a trial has no slots, as a reason. */
export function waitReason(
  trial: string,
  wait: WaitFact,
  at: {
    readonly holders: readonly HolderFact[];
    readonly nowMs: number;
    readonly failure?: string;
  },
): WhyReason {
  const { reason, position, waiting, needs } = wait;
  const place =
    position === 1
      ? "It is first in the queue."
      : `It has place ${position} of ${waiting} in the queue.`;
  const figures = { needs, position, waiting };
  const holders = holderWords(at.holders, at.nowMs);
  const own = at.holders.filter(
    ({ allocation }) => allocation.split(".")[0] === trial.split(".")[0],
  );
  switch (reason.code) {
    case "backoff":
      return reasonOf(
        "waits_for_retry",
        `Trial ${trial} ${describeWait(reason, at.nowMs)}.${at.failure === undefined ? "" : ` ${sentence(at.failure)}`}`,
        { actor: "scheduler", figures: { ...figures, until_ms: reason.untilMs } },
      );
    case "slots_max":
      return reasonOf(
        "waits_for_max_slots",
        `Trial ${trial} waits: its experiment may hold ${plural(reason.max, "slot")} (resources.max_slots) and holds ${reason.held}.${holderWords(own, at.nowMs)}`,
        {
          actor: "scheduler",
          figures: { ...figures, max: reason.max, held: reason.held, holders: own.map(holderJson) },
        },
      );
    case "too_few_slots":
      return reasonOf(
        "waits_for_more_slots",
        `Trial ${trial} cannot start here: it needs ${reason.needed} slots, and there ${reason.total === 1 ? "is" : "are"} ${reason.total} in all. What stands behind it goes on without it. Start the server with more slots, or end it.`,
        { actor: "scheduler", figures: { ...figures, total: reason.total } },
      );
    case "no_pool":
      return reasonOf(
        "waits_for_pool",
        `Trial ${trial} cannot start: its pool ${reason.pool} is not one of this server's, which are: ${reason.pools.join(", ")}. Name it in the file of pools and start the server anew, or end it.`,
        {
          actor: "scheduler",
          figures: { ...figures, pool: reason.pool, pools: [...reason.pools] },
        },
      );
    case "no_free_slot":
      return reasonOf(
        "waits_for_slots",
        `Trial ${trial} waits for slots: it needs ${reason.needed}, and ${reason.free} of ${reason.total} are free${withheldWords(reason.withheld)}. ${place}${holders}`,
        {
          actor: "scheduler",
          figures: {
            ...{ ...figures, free: reason.free, total: reason.total },
            withheld: reason.withheld,
            holders: at.holders.map(holderJson),
          },
        },
      );
    case "behind":
      return reasonOf(
        "waits_behind",
        `Trial ${trial} waits behind ${reason.ahead}, which needs ${plural(reason.aheadNeeds, "slot")} and, being ahead in the queue, keeps what is free. ${place}${holders}`,
        {
          actor: "scheduler",
          figures: { ...figures, ahead: reason.ahead, ahead_needs: reason.aheadNeeds },
        },
      );
  }
}

const holderJson = ({ slot, allocation }: HolderFact): Json => ({ slot, allocation });
