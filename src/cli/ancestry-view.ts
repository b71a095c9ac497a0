/** What an experiment was made from and what differs from it, and what was made of it. Pure. */
import type { Json } from "../base/json.ts";
import type { Ancestry, Descendant, ExperimentDetail, Override } from "../protocol/api.ts";
import { count } from "./figures.ts";
import { inert } from "./inert.ts";
import type { Paint } from "./paint.ts";

const SHOWN_MAX = 10;

const MADE = {
  fork: "fork of",
  replay: "replay of",
  copy: "copy of",
  import: "import of",
} as const;

/** e.g. `fork of trial 3.12`. */
export function ancestryText({ kind, experiment, trial, label }: Ancestry): string {
  const from =
    trial !== null ? `trial ${trial}` : experiment !== null ? `experiment ${experiment}` : "";
  return [MADE[kind], from, label ?? ""].filter((word) => word !== "").join(" ");
}

const word = (value: Json | undefined): string =>
  value === undefined ? "nothing" : typeof value === "string" ? value : JSON.stringify(value);

/** e.g. `hyperparameters.lr: 0.1 -> 0.2`, each foreign word made inert. */
export function overrideLines(overrides: readonly Override[], paint: Paint): string[] {
  const lines = overrides
    .slice(0, SHOWN_MAX)
    .map(
      ({ path, from, to }) =>
        `  ${inert(path)}: ${inert(word(from))} ${paint.dim("->")} ${inert(word(to))}`,
    );
  const more = overrides.length - SHOWN_MAX;
  return more > 0 ? [...lines, paint.dim(`  … and ${count(more)} more (--json has all)`)] : lines;
}

/** Nothing for one that was written from nothing and that nothing was made of. */
export function ancestryLines(
  { ancestry, descendants }: Pick<ExperimentDetail, "ancestry" | "descendants">,
  paint: Paint,
): string[] {
  const lines: string[] = [];
  if (ancestry !== null) {
    const what = ancestry.overrides.length === 0 ? ", nothing changed" : ", changed:";
    lines.push("", `${paint.bold(inert(ancestryText(ancestry)))}${what}`);
    lines.push(...overrideLines(ancestry.overrides, paint));
  }
  if (descendants.total === 0) return lines;
  lines.push("", paint.bold("made of it"));
  for (const one of descendants.items.slice(0, SHOWN_MAX)) lines.push(descendantLine(one, paint));
  const more = descendants.total - Math.min(SHOWN_MAX, descendants.items.length);
  if (more > 0) lines.push(paint.dim(`  … and ${count(more)} more`));
  return lines;
}

function descendantLine(one: Descendant, paint: Paint): string {
  const of = one.trial === null ? "" : ` of ${one.trial}`;
  const changed =
    one.overrides.length === 0
      ? ""
      : `: ${one.overrides
          .slice(0, 3)
          .map(({ path }) => path)
          .join(", ")} changed`;
  return `  ${one.kind}${of}  experiment ${one.experiment} ${inert(one.name)} ${paint.dim(`(${one.state})`)}${inert(changed)}`;
}
