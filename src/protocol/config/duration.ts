/**
 * Lengths of time as people write them: a number of seconds, or `90s`, `15m`, `2h`, `1d`, `1h30m`.
 */
const SECONDS: { readonly [unit: string]: number } = { s: 1, m: 60, h: 3600, d: 86_400 };
const PART = "\\d{1,9}(?:\\.\\d{1,6})?[smhd]";

export const DURATION = new RegExp(`^(?:${PART}){1,4}$`);

/** @returns seconds; undefined when the text is no duration */
export function secondsOf(text: string): number | undefined {
  if (!DURATION.test(text)) return undefined;
  let seconds = 0;
  for (const [, amount, unit] of text.matchAll(/([\d.]+)([smhd])/g)) {
    seconds += Number(amount) * SECONDS[unit!]!;
  }
  return seconds;
}
