/** Amounts as Kubernetes writes them: `500m`, `1.5`, `16Gi`, `1e3`. */
const SUFFIXES: Readonly<Record<string, number>> = {
  n: 1e-9,
  u: 1e-6,
  m: 1e-3,
  "": 1,
  k: 1e3,
  M: 1e6,
  G: 1e9,
  T: 1e12,
  P: 1e15,
  E: 1e18,
  Ki: 2 ** 10,
  Mi: 2 ** 20,
  Gi: 2 ** 30,
  Ti: 2 ** 40,
  Pi: 2 ** 50,
  Ei: 2 ** 60,
};

/** @returns the amount in its base unit (cores, bytes, devices); undefined when it is no quantity */
export function parseQuantity(text: string): number | undefined {
  const found = /^([+-]?\d+(?:\.\d*)?|[+-]?\.\d+)(?:([eE][+-]?\d+)|([numkMGTPE]|[KMGTPE]i)?)$/.exec(
    text,
  );
  if (found === null) return undefined;
  const [, digits = "", exponent = "", suffix = ""] = found;
  return Number(`${digits}${exponent}`) * (SUFFIXES[suffix] ?? Number.NaN);
}

/** `bytes` of a size such as `4Gi`, times a whole number, as a plain quantity without rounding. */
export function multiplied(text: string, times: number): string {
  const found = /^(\d+)(\D*)$/.exec(text);
  if (found !== null) return `${Number(found[1]) * times}${found[2]}`;
  const amount = parseQuantity(text);
  return amount === undefined ? text : String(amount * times);
}
