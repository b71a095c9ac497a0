/** Whether something came out the same when it was run again, told apart by sign and word as well as by colour. */
import { VERDICT_WORDS } from "../../src/analysis/verdict-words.ts";
import { inert } from "../../src/cli/inert.ts";
import type { VerdictState } from "../../src/protocol/api.ts";

const SIGNS: Readonly<Record<VerdictState, readonly [sign: string, tone: string]>> = {
  identical: ["≡", "done"],
  differs: ["≠", "bad"],
  not_comparable: ["?", "wait"],
};

/** @param text what was compared, where it differs, or why not */
export function VerdictBadge({
  state,
  text,
}: {
  readonly state: VerdictState;
  readonly text?: string;
}) {
  const [sign, tone] = SIGNS[state];
  return (
    <span className={`badge badge-${tone}`} title={text === undefined ? "" : inert(text)}>
      <span aria-hidden="true">{sign}</span> {VERDICT_WORDS[state]}
    </span>
  );
}
