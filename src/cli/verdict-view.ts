/** Verdicts as people read them: in a line, in a column of a table, in all detail. Pure. */
import { VERDICT_WORDS } from "../analysis/verdict-words.ts";
import type { ExperimentVerdict, ShownVerdict, Verdict, VerdictState } from "../protocol/api.ts";
import { count, moment, plural } from "./figures.ts";
import { inert } from "./inert.ts";
import type { Paint } from "./paint.ts";
import type { Cell } from "./table.ts";

export const paintVerdict = (paint: Paint, state: VerdictState): ((text: string) => string) =>
  state === "identical" ? paint.green : state === "differs" ? paint.red : paint.yellow;

/** Nothing in the column where nothing was run again. */
export function verdictCell(
  paint: Paint,
  verdict: Pick<ExperimentVerdict | ShownVerdict, "state"> | null,
): Cell {
  if (verdict === null) return null;
  return { text: VERDICT_WORDS[verdict.state], paint: paintVerdict(paint, verdict.state) };
}

/** e.g. `identical: 5 checkpoints …`. */
export function verdictLine(
  { state, text }: Pick<ShownVerdict, "state" | "text">,
  paint: Paint,
): string {
  const colon = state === "identical" ? ":" : "";
  return `${paintVerdict(paint, state)(VERDICT_WORDS[state])}${colon} ${inert(text)}`;
}

/** With where it comes from, for a table of facts. */
export function verdictText({ state, text, replay, at }: ShownVerdict): string {
  const by = replay === null ? "" : ` by experiment ${replay}`;
  return `${VERDICT_WORDS[state]}${state === "identical" ? ":" : ""} ${text} (${moment(at)}${by})`;
}

/** Of an experiment, e.g. `identical (2 trials run again)`. */
export const experimentVerdictText = ({ state, trials }: ExperimentVerdict): string =>
  `${VERDICT_WORDS[state]} (${plural(trials, "trial")} run again)`;

const LEFT_OUT_SHOWN = 5;

export function verdictLines(verdict: Verdict, paint: Paint): string[] {
  const { trial, replay, at, asked_by, detail } = verdict;
  const { metric, left_out: leftOut, notes, compared } = detail;
  const by = replay === null ? "" : `, by experiment ${replay}`;
  const lines = [
    `trial ${trial} ${verdictLine(verdict, paint)}`,
    paint.dim(`  ${moment(at)}, asked by ${inert(asked_by)}${by}`),
  ];
  if (verdict.state === "differs" && detail.by === "checkpoints" && compared.checkpoints > 1)
    lines.push(
      `  the ${plural(compared.checkpoints - 1, "checkpoint")} before ${compared.checkpoints === 2 ? "is" : "are"} the same`,
    );
  if (metric !== null && verdict.state !== "not_comparable")
    lines.push(`  ${inert(metric.name)} is another number from step ${metric.step} on`);
  for (const { step, why } of leftOut.slice(0, LEFT_OUT_SHOWN))
    lines.push(paint.dim(`  step ${step} is left out: ${inert(why)}`));
  if (leftOut.length > LEFT_OUT_SHOWN)
    lines.push(paint.dim(`  … and ${count(leftOut.length - LEFT_OUT_SHOWN)} more steps`));
  for (const note of notes) lines.push(paint.dim(`  note: ${inert(note)}`));
  return lines;
}
