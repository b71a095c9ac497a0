/** Points of one hyperparameter against a figure, or a heat map of two. */
import type { Axis } from "../../../src/analysis/axes.ts";
import { hyperparametersLine, measured, plural } from "../../../src/cli/figures.ts";
import { inert } from "../../../src/cli/inert.ts";
import { fitted, type Hit, type Place, type Scene } from "../../charts/drawing.tsx";
import { rampColour, standings } from "../../charts/ramp.ts";
import { linearScale, logScale, scaleOf } from "../../charts/scale.ts";
import { type Cell, cellName, isCellWhole, type Point } from "./scatter-view.ts";

const LEFT_PX = 64;
const RIGHT_PX = 16;
const TOP_PX = 10;
const BOTTOM_PX = 42;

interface Frame {
  readonly x: (share: number) => number;
  readonly y: (share: number) => number;
}

const frameOf = ({ width, height }: Place): Frame => ({
  x: (share) => LEFT_PX + share * (width - LEFT_PX - RIGHT_PX),
  y: (share) => height - BOTTOM_PX - share * (height - TOP_PX - BOTTOM_PX),
});

interface Tick {
  readonly at: number;
  readonly text: string;
}

/** @param cells of a heat map, whose integers stand in the middle of theirs */
function axisTicks(axis: Axis, most: number, cells?: number): Tick[] {
  if (axis.kind === "category")
    return axis.choices.map((choice, i) => ({
      at: (i + 0.5) / axis.choices.length,
      text: inert(choice),
    }));
  if (cells !== undefined && isCellWhole(axis, cells))
    return Array.from({ length: cells }, (_, i) => ({
      at: (i + 0.5) / cells,
      text: measured(axis.low + i),
    }));
  const scale =
    axis.kind === "log"
      ? logScale(axis.low, axis.high, most)
      : linearScale(axis.low, axis.high, most);
  return scale.ticks.map((tick) => ({ at: scale.share(tick), text: measured(tick, 3) }));
}

function drawX(pen: CanvasRenderingContext2D, axis: Axis, place: Place, cells?: number): void {
  const { x, y } = frameOf(place);
  const ticks = axisTicks(axis, place.width < 500 ? 3 : 7, cells);
  pen.textAlign = "center";
  const room = (place.width - LEFT_PX - RIGHT_PX) / Math.max(1, ticks.length) - 4;
  for (const { at, text } of ticks) {
    pen.strokeStyle = place.colours.grid;
    pen.beginPath();
    pen.moveTo(x(at), y(0));
    pen.lineTo(x(at), y(1));
    pen.stroke();
    pen.fillStyle = place.colours.text;
    pen.fillText(fitted(pen, text, Math.max(24, room)), x(at), y(0) + 12);
  }
  const scale = axis.kind === "log" ? " (log)" : "";
  pen.fillText(`${inert(axis.name)}${scale}`, x(0.5), place.height - 8);
}

function drawY(
  pen: CanvasRenderingContext2D,
  ticks: readonly { readonly at: number; readonly text: string }[],
  name: string,
  place: Place,
): void {
  const { x, y } = frameOf(place);
  pen.textAlign = "right";
  for (const { at, text } of ticks) {
    pen.strokeStyle = place.colours.grid;
    pen.beginPath();
    pen.moveTo(x(0), y(at));
    pen.lineTo(x(1), y(at));
    pen.stroke();
    pen.fillStyle = place.colours.text;
    pen.fillText(fitted(pen, text, LEFT_PX - 22), x(0) - 6, y(at));
  }
  pen.save();
  pen.translate(9, y(0.5));
  pen.rotate(-Math.PI / 2);
  pen.textAlign = "center";
  pen.fillText(fitted(pen, name, place.height - TOP_PX - BOTTOM_PX), 0, 0);
  pen.restore();
}

export interface ScatterInput {
  readonly axis: Axis;
  readonly points: readonly Point[];
  readonly figure: string;
  readonly isLog: boolean;
}

export function scatterScene({ axis, points, figure, isLog }: ScatterInput, place: Place): Scene {
  const frame = frameOf(place);
  const scale = scaleOf(
    points.map(({ value }) => value),
    { isLog },
  );
  const dots = points
    .filter(({ value }) => !isLog || value > 0)
    .map((point) => {
      const jitter =
        axis.kind === "category"
          ? ((((point.tried.trial.number * 0.618_034) % 1) - 0.5) * 0.5) / axis.choices.length
          : 0;
      // A little room at the ends, so that no point is cut.
      return {
        point,
        x: frame.x(point.x + jitter),
        y: frame.y(0.03 + 0.94 * (scale?.share(point.value) ?? 0)),
      };
    })
    .toSorted((a, b) => a.point.tried.standing - b.point.tried.standing);
  const size = points.length > 400 ? 3 : 4.5;
  return {
    draw: (pen) => {
      pen.lineWidth = 1;
      const ticks = (scale?.ticks ?? []).map((tick) => ({
        at: 0.03 + 0.94 * (scale?.share(tick) ?? 0),
        text: measured(tick, 3),
      }));
      drawY(pen, ticks, figure, place);
      drawX(pen, axis, place);
      pen.strokeStyle = place.colours.ground;
      for (const { point, x, y } of dots) {
        pen.fillStyle = rampColour(point.tried.standing, place.scheme);
        pen.beginPath();
        pen.arc(x, y, size, 0, 2 * Math.PI);
        pen.fill();
        pen.stroke();
      }
    },
    at: (x, y): Hit | undefined => {
      let found: (typeof dots)[number] | undefined;
      let least = 14;
      for (const dot of dots) {
        const away = Math.hypot(dot.x - x, dot.y - y);
        if (away <= least) [found, least] = [dot, away];
      }
      if (!found) return undefined;
      const { point, x: cx, y: cy } = found;
      const { trial } = point.tried;
      return {
        key: trial.id,
        text: `trial ${trial.id}   ${figure} ${measured(point.value, 5)}\n${inert(hyperparametersLine(trial.hyperparameters)).slice(0, 120)}`,
        mark: (pen) => {
          pen.strokeStyle = place.colours.series[1] as string;
          pen.lineWidth = 2.5;
          pen.beginPath();
          pen.arc(cx, cy, size + 3, 0, 2 * Math.PI);
          pen.stroke();
        },
      };
    },
  };
}

export interface HeatInput {
  readonly axes: readonly [Axis, Axis];
  readonly counts: readonly [number, number];
  readonly cells: readonly Cell[];
  readonly figure: string;
  readonly smallerIsBetter: boolean;
}

export function heatScene(input: HeatInput, place: Place): Scene {
  const { axes, counts, cells, figure, smallerIsBetter } = input;
  const frame = frameOf(place);
  const shares = standings(
    cells.map(({ median }) => median),
    smallerIsBetter,
  );
  const [w, h] = [(frame.x(1) - frame.x(0)) / counts[0], (frame.y(0) - frame.y(1)) / counts[1]];
  const corner = ({ column, row }: Cell): readonly [number, number] => [
    frame.x(column / counts[0]),
    frame.y((row + 1) / counts[1]),
  ];
  return {
    draw: (pen) => {
      pen.lineWidth = 1;
      drawY(pen, axisTicks(axes[1], 5, counts[1]), inert(axes[1].name), place);
      drawX(pen, axes[0], place, counts[0]);
      for (const [i, cell] of cells.entries()) {
        const share = shares[i] as number;
        const [x, y] = corner(cell);
        pen.fillStyle = rampColour(share, place.scheme);
        pen.fillRect(x + 0.5, y + 0.5, w - 1, h - 1);
        if (w < 44 || h < 14) continue;
        // Dark cells in light, bright ones in dark: the best are far from the ground in either.
        const isStrong = share > 0.55;
        pen.fillStyle = isStrong === (place.scheme === "light") ? "#ffffff" : "#14181c";
        if (place.scheme === "dark" && !isStrong) pen.fillStyle = "#ffffff";
        pen.textAlign = "center";
        pen.fillText(fitted(pen, measured(cell.median, 3), w - 4), x + w / 2, y + h / 2);
      }
    },
    at: (x, y): Hit | undefined => {
      const cell = cells.find((one) => {
        const [cx, cy] = corner(one);
        return x >= cx && x < cx + w && y >= cy && y < cy + h;
      });
      if (!cell) return undefined;
      const [cx, cy] = corner(cell);
      return {
        key: `${cell.column} ${cell.row}`,
        text: `${cellName(axes[0], cell.column, counts[0])}\n${cellName(axes[1], cell.row, counts[1])}\nmiddle ${figure} ${measured(cell.median, 5)}, ${plural(cell.trials.length, "trial")}`,
        mark: (pen) => {
          pen.strokeStyle = place.colours.series[1] as string;
          pen.lineWidth = 2;
          pen.strokeRect(cx, cy, w, h);
        },
      };
    },
  };
}
