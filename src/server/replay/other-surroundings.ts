/** In what a replay ran differently from its trial, in words: what stands beside a verdict. Pure. */
import type { TrialRecord } from "../../protocol/api.ts";
import { diffEnvironment } from "../diff/diff-environment.ts";

type Compared = Pick<TrialRecord, "captured" | "environment">;

/**
 * What results may depend on; memory, paths and variables are shown by `diff`. Of the list only the first are read, and
 * packages are many: they come last.
 */
const MATTERS = [
  /^gpu\./,
  /^cpu\.model/,
  /^interpreter\.version/,
  /^frameworks\./,
  /^determinism\./,
  /^packages_observed\./,
];

export function otherSurroundings(before: Compared, after: Compared): string[] {
  const all = diffEnvironment(before, after).flat();
  const weightOf = (path: string): number => MATTERS.findIndex((matters) => matters.test(path));
  const differing = all
    .filter(({ path }) => weightOf(path) >= 0)
    .toSorted((one, two) => weightOf(one.path) - weightOf(two.path))
    .map(({ path, a, b }) => `${path} was ${a ?? "not there"}, now ${b ?? "not there"}`);
  return [...differing, ...generators(before, after)];
}

/** Of runs that went on from a checkpoint nobody tells how their generators stood. */
function generators({ captured: was }: Compared, { captured: is }: Compared): string[] {
  const now = is.determinism ?? {};
  return Object.entries(was.determinism ?? {}).flatMap(([field, before]) => {
    const [, name] = /^(\w+)_state$/.exec(field) ?? [];
    if (name === undefined || now[field] === undefined || now[field] === before) return [];
    return [
      `the generator of ${name} stood elsewhere at the first report: it was not seeded, or as much was not drawn from it`,
    ];
  });
}
