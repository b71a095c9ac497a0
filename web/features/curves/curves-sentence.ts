/** What the learning curves say, in one sentence from the same numbers. */
import { fromWire, type WireNumber } from "../../../src/base/json.ts";
import { measured, plural, steps } from "../../../src/cli/figures.ts";
import { inert } from "../../../src/cli/inert.ts";
import type { Curve, CurvesReply } from "../../../src/protocol/api.ts";

type Best = { readonly step: number; readonly objective: WireNumber } | null | undefined;

/** @param bestOf the best that a trial has reported, where that is known: the thinned curve may lack this very point */
export function curvesSentence(
  reply: CurvesReply,
  bestOf: (curve: Curve) => Best = () => undefined,
): string {
  const { smaller_is_better: smaller, unit } = reply;
  let best = undefined as { trial: string; step: number; value: number } | undefined;
  let longest = 0;
  let drawn = 0;
  let strange = 0;
  const heed = (trial: string, step: number, wire: WireNumber): void => {
    const value = fromWire(wire);
    if (!Number.isFinite(value)) return;
    if (!best || (smaller ? value < best.value : value > best.value)) best = { trial, step, value };
  };
  for (const curve of reply.items) {
    const { trial, points } = curve;
    if (points.length === 0) continue;
    drawn++;
    longest = Math.max(longest, points.at(-1)?.[0] ?? 0);
    const known = bestOf(curve);
    if (known) heed(trial, known.step, known.objective);
    for (const [step, wire] of points) {
      if (typeof wire === "string") strange++;
      else if (!known) heed(trial, step, wire);
    }
  }
  if (!best) return "No trial has reported a finite value yet.";
  const gaps = strange > 0 ? ` ${plural(strange, "value")} (NaN or infinite) cannot be drawn.` : "";
  return (
    `The ${smaller ? "lowest" : "highest"} ${inert(reply.metric)} on these curves is ${measured(best.value, 5)}, ` +
    `by trial ${best.trial} after ${steps(best.step, unit)}; ` +
    `${plural(drawn, "trial")} drawn, the longest ${steps(longest, unit)} long.${gaps}`
  );
}
