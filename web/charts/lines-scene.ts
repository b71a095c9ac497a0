/**
 * The picture of many lines: those with a colour on top, the others behind them, thin and a little transparent, so that
 * where a hundred of them run it is darker than where one does. The line that is pointed at is drawn on the canvas above,
 * over a veil that makes the others step back.
 */
import { measured } from "../../src/cli/figures.ts";
import { inert } from "../../src/cli/inert.ts";
import { fitted, type Hit, type Place, type Scene } from "./drawing.tsx";
import { type LaidOut, type Line, layOut, nearestLine, valuesAt } from "./lines.ts";

const LEFT_PX = 60;
const RIGHT_PX = 14;
const TOP_PX = 8;
const BOTTOM_PX = 38;
const REACH_PX = 24;
/** From this many quiet lines on they are drawn so that one shines through another. */
const CROWD = 60;

export interface LinesInput {
  /** In the order in which they are drawn. */
  readonly lines: readonly Line[];
  readonly xLabel: string;
  readonly yLabel: string;
  readonly isLogY: boolean;
  /** Of x; undefined = all of it. */
  readonly range: readonly [number, number] | undefined;
}

export interface LinesScene extends Scene {
  /** What stands at a place of the canvas. */
  readonly valuesAt: (place: readonly [number, number]) => { x: number; y: number } | undefined;
  /** Whether a drag was meant upwards, and not sideways. */
  readonly isUpwards: (from: readonly [number, number], to: readonly [number, number]) => boolean;
}

export function linesScene(input: LinesInput, place: Place): LinesScene {
  const { lines, isLogY, range } = input;
  const { width, height, colours } = place;
  const area = { left: LEFT_PX, right: width - RIGHT_PX, top: TOP_PX, bottom: height - BOTTOM_PX };
  const ticks = { x: width < 500 ? 3 : 7, y: 5 };
  const found = layOut({ lines, area, isLogY, range, ticks });
  if (!found) return { draw: () => {}, valuesAt: () => undefined, isUpwards: () => false };
  const places = new Map(lines.map(({ id }, i) => [id, i]));
  const mark = (index: number) => (pen: CanvasRenderingContext2D) => {
    within(pen, found, () => {
      pen.globalAlpha = 0.6;
      pen.fillStyle = colours.ground;
      pen.fillRect(area.left, area.top, area.right - area.left, area.bottom - area.top);
      pen.globalAlpha = 1;
      const { colour } = lines[index] as Line;
      pen.strokeStyle = colour === undefined ? colours.text : (colours.series[colour] as string);
      pen.fillStyle = pen.strokeStyle;
      pen.lineWidth = 2.5;
      strokeLine(pen, found, index, 3);
    });
  };
  const at = (x: number, y: number): Hit | undefined => {
    if (x < area.left - 4 || x > area.right + 4) return undefined;
    const pointed = nearestLine(found, [x, y], REACH_PX);
    const line = pointed && lines[pointed.index];
    if (!pointed || !line) return undefined;
    const where = `${inert(input.xLabel)} ${measured(pointed.x, 6)}`;
    const text = `${line.label}   ${measured(pointed.y, 5)} at ${where}`;
    return { key: line.id, text, mark: mark(pointed.index) };
  };
  return {
    draw: (pen) => drawLines(pen, found, input, place),
    at,
    markOf: (key) => {
      const index = places.get(key);
      return index === undefined ? undefined : mark(index);
    },
    dragOf: (from, to) => (pen) => drawDrag(pen, found, { from, to, colour: colours.text }),
    valuesAt: (where) => valuesAt(found, where),
    isUpwards,
  };
}

const isUpwards = (from: readonly [number, number], to: readonly [number, number]): boolean =>
  Math.abs(to[1] - from[1]) > Math.abs(to[0] - from[0]);

function drawLines(
  pen: CanvasRenderingContext2D,
  found: LaidOut,
  input: LinesInput,
  place: Place,
): void {
  const { colours, scheme } = place;
  drawAxes(pen, found, input, place);
  const quiet = input.lines.filter(({ colour }) => colour === undefined).length;
  within(pen, found, () => {
    for (const [i, { colour }] of input.lines.entries()) {
      const isQuiet = colour === undefined;
      pen.lineWidth = isQuiet ? 1 : 2;
      pen.globalAlpha = isQuiet && quiet > CROWD ? (scheme === "dark" ? 0.5 : 0.45) : 1;
      pen.strokeStyle = isQuiet ? colours.quiet : (colours.series[colour] as string);
      pen.fillStyle = pen.strokeStyle;
      strokeLine(pen, found, i, isQuiet ? 1.5 : 2);
    }
    pen.globalAlpha = 1;
  });
}

/** Points are seen as such where they stand apart: three reports of a trial are no curve. */
function strokeLine(
  pen: CanvasRenderingContext2D,
  { px, py, start, area }: LaidOut,
  index: number,
  dotPx: number,
): void {
  const [from, end] = [start[index] as number, start[index + 1] as number];
  if (from === end) return;
  pen.beginPath();
  pen.moveTo(px[from] as number, py[from] as number);
  for (let k = from + 1; k < end; k++) pen.lineTo(px[k] as number, py[k] as number);
  pen.stroke();
  if ((end - from) * 16 > area.right - area.left) return;
  pen.beginPath();
  for (let k = from; k < end; k++) {
    pen.moveTo(px[k] as number, py[k] as number);
    pen.arc(px[k] as number, py[k] as number, dotPx, 0, 2 * Math.PI);
  }
  pen.fill();
}

/** Nothing is drawn beside the axes. */
function within(pen: CanvasRenderingContext2D, { area }: LaidOut, draw: () => void): void {
  pen.save();
  pen.beginPath();
  pen.rect(area.left - 3, area.top - 3, area.right - area.left + 6, area.bottom - area.top + 6);
  pen.clip();
  pen.lineJoin = "bevel";
  draw();
  pen.restore();
}

function drawAxes(
  pen: CanvasRenderingContext2D,
  { x, y, area }: LaidOut,
  { xLabel, yLabel }: LinesInput,
  { width, height, colours }: Place,
): void {
  pen.lineWidth = 1;
  pen.strokeStyle = colours.grid;
  pen.fillStyle = colours.text;
  pen.textAlign = "right";
  for (const tick of y.ticks) {
    const at = area.bottom - (0.02 + 0.96 * y.share(tick)) * (area.bottom - area.top);
    pen.beginPath();
    pen.moveTo(area.left, at);
    pen.lineTo(area.right, at);
    pen.stroke();
    pen.fillText(measured(tick, 3), area.left - 6, at);
  }
  pen.textAlign = "center";
  // Steps are whole.
  for (const tick of x.ticks.filter(Number.isInteger)) {
    const at = area.left + x.share(tick) * (area.right - area.left);
    pen.beginPath();
    pen.moveTo(at, area.top);
    pen.lineTo(at, area.bottom);
    pen.stroke();
    pen.fillText(measured(tick, 6), Math.min(at, width - 18), area.bottom + 12);
  }
  pen.fillText(inert(xLabel), (area.left + area.right) / 2, height - 8);
  pen.save();
  pen.translate(9, (area.top + area.bottom) / 2);
  pen.rotate(-Math.PI / 2);
  pen.fillText(fitted(pen, inert(yLabel), area.bottom - area.top), 0, 0);
  pen.restore();
}

/** The stretch of steps, or of values at one step, that a drag takes in. */
function drawDrag(
  pen: CanvasRenderingContext2D,
  { area }: LaidOut,
  drag: {
    readonly from: readonly [number, number];
    readonly to: readonly [number, number];
    readonly colour: string;
  },
): void {
  const { from, to, colour } = drag;
  const up = isUpwards(from, to);
  const [x, y] = up ? [from[0] - 3, from[1]] : [from[0], area.top];
  const [width, height] = up ? [6, to[1] - from[1]] : [to[0] - from[0], area.bottom - area.top];
  pen.fillStyle = colour;
  pen.globalAlpha = 0.18;
  pen.fillRect(x, y, width, height);
  pen.globalAlpha = 1;
  pen.strokeStyle = colour;
  pen.lineWidth = 1;
  pen.strokeRect(x, y, width, height);
}
