/**
 * Colours of series, chosen once: Okabe and Ito's set for colour-blind readers, darkened for a white ground and
 * lightened for a dark one so that each keeps a contrast of at least 3 : 1. Six can be told apart; more series than
 * that are drawn in one quiet grey, and the six that matter stand out.
 */
export const SERIES_COLOURED_MAX = 6;

const LIGHT = ["#0072b2", "#c4500b", "#00805c", "#b0478a", "#1f2a36", "#946800"] as const;
const DARK = ["#56b4e9", "#f08a4b", "#2fc79a", "#e192bf", "#eef2f6", "#e6b422"] as const;

export interface ChartColours {
  readonly series: readonly string[];
  /** What is there, but is not what one looks for. */
  readonly quiet: string;
  readonly text: string;
  readonly grid: string;
  readonly ground: string;
}

export const chartColours = (scheme: "light" | "dark"): ChartColours =>
  scheme === "dark"
    ? { series: DARK, quiet: "#5c6670", text: "#a6adb4", grid: "#2b3036", ground: "#1a1d21" }
    : { series: LIGHT, quiet: "#b6bfc8", text: "#59636d", grid: "#e9ecef", ground: "#ffffff" };
