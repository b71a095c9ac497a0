/** What the learning curves say, in one sentence from the same numbers. */
import { fromWire } from "../../../src/base/json.ts";
import { measured, plural, steps } from "../../../src/cli/figures.ts";
import { inert } from "../../../src/cli/inert.ts";
import type { CurvesReply } from "../../../src/protocol/api.ts";

export function curvesSentence(reply: CurvesReply): string {
  const { smaller_is_better: smaller, unit } = reply;
  let best: { trial: string; step: number; value: number } | undefined;
  let longest = 0;
  let drawn = 0;
  let strange = 0;
  for (const { trial, points } of reply.items) {
    if (points.length > 0) drawn++;
    for (const [step, wire] of points) {
      const value = fromWire(wire);
      longest = Math.max(longest, step);
      if (!Number.isFinite(value)) strange++;
      else if (!best || (smaller ? value < best.value : value > best.value))
        best = { trial, step, value };
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
