/** Cuts and order of parallel axes: as they stand in the address, and which trials pass. Pure. */
import { type Axis, valueAt } from "../../../src/analysis/axes.ts";
import { measured, plural } from "../../../src/cli/figures.ts";
import { inert } from "../../../src/cli/inert.ts";
import type { Experiment } from "../../../src/protocol/api.ts";
import { bestOf, type Tried } from "./tried.ts";

/** The last axis. */
export const OBJECTIVE = "";
/** Where a trial stands on an axis that it has not: below its end. */
export const ABSENT = -0.09;

/** By name of the axis: from where to where, as places; [ABSENT, ABSENT] = those without it. */
export type Cuts = ReadonlyMap<string, readonly [number, number]>;

export function cutsText(cuts: Cuts): string | undefined {
  const parts = [...cuts].map(
    ([name, [from, to]]) => `${encodeURIComponent(name)}:${from.toFixed(3)}:${to.toFixed(3)}`,
  );
  return parts.length === 0 ? undefined : parts.join(";");
}

export function readCuts(text: string | undefined): Cuts {
  const cuts = new Map<string, readonly [number, number]>();
  for (const part of (text ?? "").split(";")) {
    const [name, from, to] = part.split(":");
    const range = [Number(from), Number(to)] as const;
    if (name === undefined || to === undefined || !range.every(Number.isFinite)) continue;
    try {
      cuts.set(decodeURIComponent(name), range);
    } catch {
      // Not written by this page.
    }
  }
  return cuts;
}

export interface DrawnAxis {
  /** `OBJECTIVE` for the last. */
  readonly name: string;
  /** Its index in the space; -1 for the objective. */
  readonly index: number;
}

/** The axes in the order asked for; those it does not name follow in the order of the space; the objective last. */
export function orderedAxes(axes: readonly Axis[], order: string | undefined): DrawnAxis[] {
  const wanted = (order ?? "").split(";").map((name) => {
    try {
      return decodeURIComponent(name);
    } catch {
      return name;
    }
  });
  const rank = ({ name }: DrawnAxis): number => {
    const at = wanted.indexOf(name);
    return at < 0 ? wanted.length : at;
  };
  const all = axes.map(({ name }, index): DrawnAxis => ({ name, index }));
  return [...all.toSorted((a, b) => rank(a) - rank(b)), { name: OBJECTIVE, index: -1 }];
}

export const orderText = (axes: readonly DrawnAxis[]): string =>
  axes
    .filter(({ name }) => name !== OBJECTIVE)
    .map(({ name }) => encodeURIComponent(name))
    .join(";");

/** One axis to another place among its like. */
export function moved(axes: readonly DrawnAxis[], name: string, to: number): DrawnAxis[] {
  const rest = axes.filter((axis) => axis.name !== name && axis.name !== OBJECTIVE);
  const own = axes.find((axis) => axis.name === name);
  if (own) rest.splice(Math.max(0, Math.min(rest.length, to)), 0, own);
  return [...rest, { name: OBJECTIVE, index: -1 }];
}

/** Where a trial crosses an axis. On the objective's by its standing, so that one lost trial does not flatten the rest. */
export const crossing = (tried: Tried, { index }: DrawnAxis): number =>
  index < 0 ? tried.standing : (tried.places[index] ?? ABSENT);

export function passes(tried: Tried, axes: readonly DrawnAxis[], cuts: Cuts): boolean {
  return axes.every((axis) => {
    const cut = cuts.get(axis.name);
    if (!cut) return true;
    const place = crossing(tried, axis);
    return place >= cut[0] && place <= cut[1];
  });
}

export function parallelSentence(
  { searcher }: Experiment,
  axes: readonly Axis[],
  tried: readonly Tried[],
  kept: readonly Tried[],
): string {
  const best = bestOf(kept);
  const metric = inert(searcher.metric);
  const cut = kept.length < tried.length ? ` of ${tried.length}` : "";
  if (!best) return `None of ${plural(tried.length, "trial")} passes all the cuts.`;
  const where = axes
    .flatMap((axis, i) => {
      const place = best.places[i];
      if (place === undefined) return [];
      const value = valueAt(axis, place);
      return [
        `${inert(axis.name)} ${typeof value === "number" ? measured(value, 3) : inert(value)}`,
      ];
    })
    .slice(0, 4);
  return (
    `${kept.length}${cut} ${kept.length === 1 && cut === "" ? "trial" : "trials"} over ${plural(axes.length, "hyperparameter")}; ` +
    `the best of them, ${best.trial.id} with ${metric} ${measured(best.objective)}, has ${where.join(", ")}.`
  );
}
