/**
 * A choice of trials as it stands in an address: numbers and ranges, "1,4-9". The trials themselves stand there and not
 * the rule that chose them, so that who gets the link sees the same ones while a search goes on.
 */
export function keptText(numbers: Iterable<number>): string {
  const sorted = [...new Set(numbers)].toSorted((a, b) => a - b);
  const parts: string[] = [];
  for (let i = 0; i < sorted.length; i++) {
    const from = sorted[i] as number;
    while (sorted[i + 1] === (sorted[i] as number) + 1) i++;
    const to = sorted[i] as number;
    parts.push(from === to ? String(from) : `${from}-${to}`);
  }
  return parts.join(",");
}

const KEPT_MAX = 100_000;

/** @returns undefined for all trials: nothing there, or nonsense */
export function readKept(text: string | undefined): ReadonlySet<number> | undefined {
  if (text === undefined || !/^\d{1,9}(?:-\d{1,9})?(?:,\d{1,9}(?:-\d{1,9})?)*$/.test(text))
    return undefined;
  const kept = new Set<number>();
  for (const part of text.split(",")) {
    const [from = 0, to = from] = part.split("-").map(Number);
    if (to - from > KEPT_MAX) return undefined;
    for (let n = from; n <= to; n++) kept.add(n);
  }
  return kept;
}

/** The number of a trial from its id, "3.12". */
export const numberOf = (trial: string): number => Number(trial.slice(trial.indexOf(".") + 1));
