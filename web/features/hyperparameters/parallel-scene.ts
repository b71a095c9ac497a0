/** Parallel coordinates on a canvas: one line a trial, the best drawn last and in the strongest colour. */
import type { Axis } from "../../../src/analysis/axes.ts";
import { hyperparametersLine, measured } from "../../../src/cli/figures.ts";
import { inert } from "../../../src/cli/inert.ts";
import { fitted, type Hit, type Place, type Scene } from "../../charts/drawing.tsx";
import { rampColour } from "../../charts/ramp.ts";
import { linearScale, logScale } from "../../charts/scale.ts";
import { ABSENT, type Cuts, crossing, type DrawnAxis, OBJECTIVE, passes } from "./parallel-view.ts";
import type { Tried } from "./tried.ts";

const TOP_PX = 34;
const BOTTOM_PX = 54;
const SIDE_PX = 46;

export interface ParallelInput {
  readonly axes: readonly Axis[];
  readonly drawn: readonly DrawnAxis[];
  readonly tried: readonly Tried[];
  readonly cuts: Cuts;
  readonly metric: string;
}

type Size = Pick<Place, "width" | "height">;

export const axisX = (i: number, axes: number, { width }: Size): number =>
  axes === 1 ? width / 2 : SIDE_PX + (i * (width - 2 * SIDE_PX)) / (axes - 1);

export const placeY = (place: number, { height }: Size): number =>
  height - BOTTOM_PX - place * (height - TOP_PX - BOTTOM_PX);

export const yPlace = (y: number, { height }: Size): number =>
  (height - BOTTOM_PX - y) / (height - TOP_PX - BOTTOM_PX);

/** The axis under a pointer; its title counts. */
export function axisAt(x: number, axes: number, size: Size): number | undefined {
  const reach = Math.max(14, Math.min(40, (size.width - 2 * SIDE_PX) / Math.max(1, axes - 1) / 3));
  for (let i = 0; i < axes; i++) if (Math.abs(axisX(i, axes, size) - x) <= reach) return i;
  return undefined;
}

export const isTitle = (y: number): boolean => y < TOP_PX - 10;

export function parallelScene(input: ParallelInput, place: Place): Scene {
  const { drawn, tried, cuts, metric } = input;
  const { colours, scheme } = place;
  const xs = drawn.map((_, i) => axisX(i, drawn.length, place));
  // The best last, on top.
  const lines = tried
    .toSorted((a, b) => a.standing - b.standing)
    .map((one) => ({
      one,
      isIn: passes(one, drawn, cuts),
      ys: drawn.map((axis) => placeY(spread(crossing(one, axis), axis, one, input), place)),
    }));
  const path = (pen: CanvasRenderingContext2D, ys: readonly number[]): void => {
    pen.beginPath();
    pen.moveTo(xs[0] as number, ys[0] as number);
    for (let i = 1; i < xs.length; i++) {
      const half = ((xs[i] as number) - (xs[i - 1] as number)) / 2;
      pen.bezierCurveTo(
        ...([(xs[i - 1] as number) + half, ys[i - 1] as number] as const),
        ...([(xs[i] as number) - half, ys[i] as number] as const),
        ...([xs[i] as number, ys[i] as number] as const),
      );
    }
    pen.stroke();
  };
  const kept = lines.filter(({ isIn }) => isIn);
  const thick = kept.length > 300 ? 0.8 : kept.length > 60 ? 1.1 : 1.6;
  const markOf = (id: string) => {
    const line = lines.find(({ one }) => one.trial.id === id);
    if (!line) return undefined;
    return (pen: CanvasRenderingContext2D): void => {
      pen.strokeStyle = colours.series[1] as string;
      pen.lineWidth = 3;
      path(pen, line.ys);
    };
  };
  return {
    markOf,
    draw: (pen) => {
      pen.lineWidth = 0.6;
      pen.strokeStyle = colours.grid;
      for (const line of lines) if (!line.isIn) path(pen, line.ys);
      pen.lineWidth = thick;
      pen.globalAlpha = kept.length > 300 ? 0.6 : 0.9;
      for (const { one, ys } of kept) {
        pen.strokeStyle = rampColour(one.standing, scheme);
        path(pen, ys);
      }
      pen.globalAlpha = 1;
      for (const [i, axis] of drawn.entries()) drawAxis(pen, xs[i] as number, axis, input, place);
    },
    at: (x, y): Hit | undefined => {
      const found = nearest(kept, xs, x, y);
      if (!found) return undefined;
      const { trial, objective } = found.one;
      const text = [
        `trial ${trial.id}   ${inert(metric)} ${measured(objective, 5)} (best)`,
        ...inert(hyperparametersLine(trial.hyperparameters)).split(" ").slice(0, 12),
      ].join("\n");
      const mark = markOf(trial.id);
      return { key: trial.id, text, ...(mark ? { mark } : {}) };
    },
  };
}

/** Lines through one choice would lie on each other: each trial has its own place within the choice's share. */
function spread(place: number, axis: DrawnAxis, { trial }: Tried, { axes }: ParallelInput): number {
  const own = axes[axis.index];
  const jitter = ((trial.number * 0.618_034) % 1) - 0.5;
  if (place === ABSENT) return ABSENT + jitter * 0.05;
  return own?.kind === "category" ? place + (jitter * 0.5) / own.choices.length : place;
}

function nearest<L extends { readonly ys: readonly number[] }>(
  lines: readonly L[],
  xs: readonly number[],
  x: number,
  y: number,
): L | undefined {
  const i = Math.max(
    1,
    xs.findIndex((at) => at >= x),
  );
  if (xs.length < 2) return undefined;
  const [a, b] = [xs[i - 1] as number, xs[i] as number];
  const t = Math.min(1, Math.max(0, (x - a) / (b - a)));
  // The same curve as drawn: its x is nearly even in t, so smoothstep is within a pixel or two of it.
  const s = t * t * (3 - 2 * t);
  let best: L | undefined;
  let least = 8;
  for (const line of lines) {
    const at = (line.ys[i - 1] as number) * (1 - s) + (line.ys[i] as number) * s;
    const away = Math.abs(at - y);
    if (away <= least) [best, least] = [line, away];
  }
  return best;
}

function drawAxis(
  pen: CanvasRenderingContext2D,
  x: number,
  drawn: DrawnAxis,
  { axes, drawn: all, cuts, metric, tried }: ParallelInput,
  place: Place,
): void {
  const { colours, width } = place;
  const [top, bottom] = [placeY(1, place), placeY(0, place)];
  pen.strokeStyle = colours.text;
  pen.lineWidth = 1;
  pen.beginPath();
  pen.moveTo(x, top);
  pen.lineTo(x, bottom);
  pen.stroke();
  const room = Math.min(160, (width - 2 * SIDE_PX) / Math.max(1, all.length - 1)) - 4;
  pen.font = "600 11px system-ui, sans-serif";
  pen.fillStyle = colours.text;
  pen.textAlign = "center";
  const isObjective = drawn.name === OBJECTIVE;
  pen.fillText(fitted(pen, inert(isObjective ? metric : drawn.name), Math.max(40, room)), x, 10);
  pen.font = "11px system-ui, sans-serif";
  const axis = axes[drawn.index];
  const write = (text: string, y: number): void => {
    const short = fitted(pen, text, Math.max(30, room * 0.6));
    pen.fillStyle = colours.ground;
    pen.globalAlpha = 0.75;
    const isLast = x > width - SIDE_PX - 1;
    const w = pen.measureText(short).width;
    pen.fillRect(isLast ? x - w - 8 : x + 3, y - 6, w + 5, 12);
    pen.globalAlpha = 1;
    pen.fillStyle = colours.text;
    pen.textAlign = isLast ? "right" : "left";
    pen.fillText(short, isLast ? x - 5 : x + 5, y);
  };
  if (isObjective) {
    for (const { text, at } of objectiveTicks(tried)) write(text, placeY(at, place));
  } else if (axis?.kind === "category") {
    for (const [i, choice] of axis.choices.entries())
      write(inert(choice), placeY((i + 0.5) / axis.choices.length, place));
  } else if (axis) {
    const scale =
      axis.kind === "log" ? logScale(axis.low, axis.high, 4) : linearScale(axis.low, axis.high, 4);
    for (const tick of scale.ticks) write(measured(tick, 3), placeY(scale.share(tick), place));
  }
  if (axis?.isConditional) {
    pen.setLineDash([2, 3]);
    pen.beginPath();
    pen.moveTo(x, bottom);
    pen.lineTo(x, placeY(ABSENT, place) + 6);
    pen.stroke();
    pen.setLineDash([]);
    pen.textAlign = "center";
    pen.fillText("absent", x, placeY(ABSENT, place) + 14);
  }
  const cut = cuts.get(drawn.name);
  if (!cut) return;
  const [from, to] = [placeY(cut[1], place), placeY(cut[0], place)];
  pen.fillStyle = colours.series[1] as string;
  pen.globalAlpha = 0.3;
  pen.fillRect(x - 7, from, 14, Math.max(2, to - from));
  pen.globalAlpha = 1;
  pen.strokeStyle = pen.fillStyle;
  pen.strokeRect(x - 7, from, 14, Math.max(2, to - from));
}

/** The axis is by rank; what stands beside it are the values of best, quarter, middle, three quarters, worst. */
function objectiveTicks(tried: readonly Tried[]): { readonly text: string; readonly at: number }[] {
  const sorted = tried.toSorted((a, b) => a.standing - b.standing);
  return [0, 0.25, 0.5, 0.75, 1].flatMap((share) => {
    const one = sorted[Math.round(share * (sorted.length - 1))];
    const text =
      one && (Number.isFinite(one.objective) ? measured(one.objective, 3) : String(one.objective));
    return one && text ? [{ text, at: one.standing }] : [];
  });
}
