/** What verdicts are called, wherever they are shown. */
import type { VerdictState } from "../protocol/api.ts";

export const VERDICT_WORDS = {
  identical: "identical",
  differs: "differs",
  not_comparable: "not comparable",
} as const satisfies Record<VerdictState, string>;
