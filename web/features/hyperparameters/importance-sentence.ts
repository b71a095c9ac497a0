import type { Importance } from "../../../src/analysis/importance.ts";
import { plural } from "../../../src/cli/figures.ts";
import { inert } from "../../../src/cli/inert.ts";

export function importanceSentence(found: Importance, metric: string): string {
  const { items, trials, top, first_is_first: stable, method, resamples } = found;
  const [first, second] = items;
  if (!first) return "";
  const percent = (share: number): string => `${Math.round(share * 100)} %`;
  const rest = second
    ? `, before ${inert(second.name)} with ${percent(second.importance)}`
    : ", alone: nothing else varies";
  const sure = !second
    ? ""
    : stable >= 0.9
      ? ` It is first in ${percent(stable)} of ${resamples} resamples.`
      : ` It is first in only ${percent(stable)} of ${resamples} resamples: more trials may change the order.`;
  return (
    `What sets the best ${top} of ${plural(trials, "trial")} apart in ${inert(metric)} is most of all ` +
    `${inert(first.name)} (${percent(first.importance)})${rest}.${sure} Method: ${method}.`
  );
}
