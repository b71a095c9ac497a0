/** Sizes of memory as people write them, in powers of 1024: `512m`, `4GiB`, `1.5 kb`, `1024`. */
export const SIZE = /^(\d+(?:\.\d+)?) ?([kmgtp]?)(?:i?b)?$/i;

const POWERS = ["", "k", "m", "g", "t", "p"];

/** @returns whole bytes; undefined where it is no size */
export function bytesOf(text: string): number | undefined {
  const match = SIZE.exec(text);
  if (match === null) return undefined;
  const power = POWERS.indexOf((match[2] ?? "").toLowerCase());
  return Math.floor(Number(match[1]) * 1024 ** power);
}
