/** How much is asked for, and what of it is looked at. Pure. */

/** As many as the server gives in one answer; the best of more. */
export const TRIALS_DRAWN_MAX = 1_000;
/** Of all curves together: more of them than this no screen can show apart, and an answer would take its time. */
const POINTS_TOTAL = 100_000;
/** What the server gives in one answer. */
const ANSWER_POINTS_MAX = 400_000;
/** About one for every other pixel of a wide chart. */
const POINTS_MAX = 500;

/** Points of each curve, in a few sizes so that a search which grows is not asked about anew at each trial. */
export function curvesAsked(trials: number): { readonly points: number; readonly limit: number } {
  const own = POINTS_TOTAL / Math.max(1, Math.min(trials, TRIALS_DRAWN_MAX));
  const points = [POINTS_MAX, 250].find((most) => most <= own) ?? POINTS_TOTAL / TRIALS_DRAWN_MAX;
  return { points, limit: Math.min(TRIALS_DRAWN_MAX, ANSWER_POINTS_MAX / points) };
}

/** "10-50": from where to where, both shown; undefined = all, or nonsense. */
export function readSteps(text: string | undefined): readonly [number, number] | undefined {
  const [, from, to] = /^(\d{1,15})-(\d{1,15})$/.exec(text ?? "") ?? [];
  return from !== undefined && Number(from) < Number(to) ? [Number(from), Number(to)] : undefined;
}

/** A little more than is shown, so that lines run out of the picture and do not end in it. */
export function around([from, to]: readonly [number, number]): readonly [number, number] {
  const more = Math.ceil((to - from) / 20);
  return [Math.max(0, from - more), to + more];
}
