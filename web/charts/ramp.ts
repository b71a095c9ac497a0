/**
 * From worst to best as colours: the best stand out from the ground and the worst sink into it, in light and dark. One
 * hue from blue to sand apart from lightness keeps it readable for colour-blind people (after cividis, Nuñez et al. 2018).
 */
const LIGHT = ["#d9d3c3", "#a8b3b8", "#5f8fb4", "#00508f", "#06264d"] as const;
const DARK = ["#3a4048", "#4a6a85", "#5b9cc4", "#a9cf9a", "#ffe27a"] as const;

/** @param share 0 = worst, 1 = best */
export function rampColour(share: number, scheme: "light" | "dark"): string {
  const stops = scheme === "dark" ? DARK : LIGHT;
  const place = Math.min(1, Math.max(0, share)) * (stops.length - 1);
  const i = Math.min(stops.length - 2, Math.floor(place));
  const [a, b] = [bytes(stops[i] as string), bytes(stops[i + 1] as string)];
  const mixed = a.map((byte, k) => Math.round(byte + ((b[k] as number) - byte) * (place - i)));
  return `rgb(${mixed.join(" ")})`;
}

const bytes = (hex: string): number[] =>
  [1, 3, 5].map((at) => Number.parseInt(hex.slice(at, at + 2), 16));

/**
 * Where each stands among all: 1 = best, 0 = worst; what is not finite is worst. By rank, because one trial that came apart
 * would give all the others the same colour.
 */
export function standings(objectives: readonly number[], smallerIsBetter: boolean): number[] {
  const key = (i: number): number => {
    const value = objectives[i] as number;
    return Number.isFinite(value) ? (smallerIsBetter ? value : -value) : Number.MAX_VALUE;
  };
  const order = objectives.map((_, i) => i).toSorted((a, b) => key(a) - key(b));
  const shares: number[] = Array(objectives.length).fill(1);
  for (const [rank, i] of order.entries())
    shares[i] = objectives.length > 1 ? 1 - rank / (objectives.length - 1) : 1;
  return shares;
}
