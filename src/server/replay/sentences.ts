/** Verdicts in words. */
import { plural } from "../../base/plural.ts";
import type { FirstDifference, VerdictDetail, VerdictState } from "../../protocol/api.ts";

/** The whole sentence without its first word, which is the state. */
export function verdictText(
  state: VerdictState,
  detail: VerdictDetail,
  steps: readonly number[] = [],
): string {
  switch (state) {
    case "identical":
      return identicalText(detail, steps);
    case "differs":
      return detail.first ? differsText(detail.first, detail) : "";
    case "not_comparable":
      return `because ${detail.reasons.join("; ")}`;
  }
}

function identicalText(
  { by, compared, left_out }: VerdictDetail,
  steps: readonly number[],
): string {
  if (by === "metrics")
    return `by metrics only: ${plural(compared.points, "point")} are the same numbers, and no checkpoint was saved`;
  const range =
    steps.length === 0
      ? ""
      : steps.length === 1
        ? ` (step ${steps[0]})`
        : ` (steps ${steps[0]} to ${steps.at(-1)})`;
  const tensors =
    compared.tensors > 0 ? ` with ${plural(compared.tensors, "tensor")} and values` : "";
  const rest = left_out.length > 0 ? `; ${plural(left_out.length, "step")} left out` : "";
  return `${plural(compared.checkpoints, "checkpoint")}${range}${tensors}, bit for bit${rest}`;
}

function differsText(first: FirstDifference, { by }: VerdictDetail): string {
  const { step, path, item, max_abs: apart, differing, elements, byte } = first;
  if (by === "metrics") return `by metrics only: from step ${step}, metric ${item}, by ${apart}`;
  const what =
    item !== null
      ? `tensor ${item} of ${path}`
      : `file ${path}${byte === null ? "" : ` from byte ${byte}`}`;
  const distance = apart === null ? "" : `, by ${apart}`;
  const share =
    differing === null || elements === null ? "" : ` (${differing} of ${elements} elements)`;
  return `from step ${step}, ${what}${distance}${share}`;
}
