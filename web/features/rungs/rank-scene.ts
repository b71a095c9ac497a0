/** Rungs drawn by rank: columns of bars with ribbons between them. */
import { measured, steps } from "../../../src/cli/figures.ts";
import { inert } from "../../../src/cli/inert.ts";
import { fitted, type Hit, type Place, type Scene } from "../../charts/drawing.tsx";
import type { ChartColours } from "../../charts/palette.ts";
import type { BracketRow, Column, Entry } from "./rung-layout.ts";

const HEAD_PX = 36;
const FOOT_PX = 18;
const BODY_PX_MAX = 420;
const BAR_PX_MAX = 18;
const LABEL_PX_MIN = 12;

export const SIGNS: Readonly<Record<Entry["outcome"], string>> = {
  ...{ promoted: "↑", finished: "✓", waiting: "◔", stopped: "↓", failed: "✕" },
};

export function outcomeColour(outcome: Entry["outcome"], colours: ChartColours): string {
  const at = { promoted: 0, finished: 2, waiting: 5, failed: 1 } as const;
  return outcome === "stopped" ? colours.quiet : (colours.series[at[outcome]] ?? colours.text);
}

/** A place for every bar of the fullest column. */
const bodyPx = ({ columns, travellers }: BracketRow): number => {
  const most = Math.max(
    1,
    ...columns.map(({ entries }) => entries.length),
    travellers.filter(({ column }) => column < 0).length,
  );
  return Math.min(BODY_PX_MAX, Math.max(60, most * BAR_PX_MAX));
};

export const rowsPx = (rows: readonly BracketRow[]): number =>
  rows.reduce((sum, row) => sum + HEAD_PX + bodyPx(row) + FOOT_PX, 0);

interface Bar extends Entry {
  readonly x: number;
  readonly y: number;
  readonly width: number;
  readonly height: number;
  readonly column: Column;
  readonly place: number;
  readonly bracket: number;
}

export interface RankSceneInput {
  readonly rows: readonly BracketRow[];
  readonly unit: string;
  readonly metric: string;
  readonly picked: string | undefined;
}

export function rankScene(input: RankSceneInput, place: Place): Scene {
  const { rows, picked } = input;
  const bars: Bar[] = [];
  const parts: ((pen: CanvasRenderingContext2D) => void)[] = [];
  /** The strokes of one trial through all columns, to make it stand out. */
  const trails = new Map<string, ((pen: CanvasRenderingContext2D) => void)[]>();
  let top = 0;
  for (const row of rows) {
    drawRow(row, { input, place, top, bars, parts, trails });
    top += HEAD_PX + bodyPx(row) + FOOT_PX;
  }
  const markOf = (trial: string) => (pen: CanvasRenderingContext2D) => {
    for (const stroke of trails.get(trial) ?? []) stroke(pen);
    pen.strokeStyle = place.colours.text;
    pen.lineWidth = 1.5;
    for (const bar of bars)
      if (bar.trial === trial)
        pen.strokeRect(bar.x - 1, bar.y - 1, bar.width + 2, Math.max(3, bar.height + 1));
  };
  return {
    draw: (pen) => {
      for (const part of parts) part(pen);
      if (picked !== undefined) markOf(picked)(pen);
    },
    markOf,
    at: (x, y): Hit | undefined => {
      const bar = bars.find(
        (one) =>
          x >= one.x && x <= one.x + one.width && y >= one.y && y < one.y + Math.max(one.height, 1),
      );
      return bar && { key: bar.trial, text: barText(bar, input), mark: markOf(bar.trial) };
    },
  };
}

function barText(bar: Bar, { unit, metric }: RankSceneInput): string {
  const at = bar.column.step === null ? "the end" : steps(bar.column.step, unit);
  const line = bar.column.line;
  const value = Number.isNaN(bar.objective) ? "no value" : measured(bar.objective, 5);
  return [
    `trial ${bar.trial}  ${SIGNS[bar.outcome]} ${bar.outcome}`,
    `${inert(metric)} ${value} at ${inert(at)}`,
    `place ${bar.place + 1} of ${bar.column.entries.length}`,
    ...(line ? [`${line.after} may go on; the line: ${measured(line.objective, 5)}`] : []),
  ].join("\n");
}

interface RowInput {
  readonly input: RankSceneInput;
  readonly place: Place;
  readonly top: number;
  readonly bars: Bar[];
  readonly parts: ((pen: CanvasRenderingContext2D) => void)[];
  readonly trails: Map<string, ((pen: CanvasRenderingContext2D) => void)[]>;
}

function drawRow(row: BracketRow, { input, place, top, bars, parts, trails }: RowInput): void {
  const { colours, width } = place;
  const { unit } = input;
  const body = top + HEAD_PX;
  const height = bodyPx(row);
  // Before the first column stand those who have not reached it.
  const starting = row.travellers.filter(({ column }) => column < 0);
  const lead = starting.length > 0 ? Math.min(90, width / (row.columns.length + 2)) : 0;
  const share = (width - lead) / row.columns.length;
  const barPx = Math.min(150, share * 0.62);
  const left = (i: number): number => lead + i * share;
  const unitPx = row.columns.map(({ entries }) =>
    Math.min(BAR_PX_MAX, height / Math.max(1, entries.length)),
  );
  const middle = (column: number, index: number): number =>
    body + (index + 0.5) * (unitPx[column] as number);

  parts.push((pen) => {
    pen.fillStyle = colours.text;
    pen.textAlign = "left";
    pen.font = "600 11px system-ui, sans-serif";
    for (const [i, column] of row.columns.entries()) {
      const name = column.step === null ? "the end" : steps(column.step, unit);
      const bracket = i === 0 && input.rows.length > 1 ? `bracket ${row.bracket} · ` : "";
      pen.fillText(fitted(pen, `${bracket}${inert(name)}`, share - 6), left(i), top + 9);
    }
    pen.font = "11px system-ui, sans-serif";
    for (const [i, { entries, expected }] of row.columns.entries()) {
      const planned = expected === null ? "" : ` of ${expected}`;
      pen.fillText(
        fitted(pen, `${entries.length}${planned} arrived`, share - 6),
        left(i),
        top + 24,
      );
    }
  });

  for (const { trial, column, from, to } of row.flows) {
    const stroke = ribbon(
      { x: left(column) + barPx, y: middle(column, from) },
      { x: left(column + 1), y: middle(column + 1, to) },
    );
    const thick = Math.max(1, Math.min(8, (unitPx[column] as number) - 2));
    parts.push((pen) => {
      pen.strokeStyle = colours.series[0] as string;
      pen.globalAlpha = 0.35;
      pen.lineWidth = thick;
      stroke(pen);
      pen.globalAlpha = 1;
    });
    keep(trails, trial, (pen) => {
      pen.strokeStyle = colours.series[0] as string;
      pen.lineWidth = Math.max(2, thick);
      stroke(pen);
    });
  }

  for (const [at, { trial, column, from, share: gone, state, step }] of row.travellers.entries()) {
    const begin = column < 0 ? 0 : left(column) + barPx;
    const end = left(column + 1) - 6;
    const y =
      from === undefined
        ? body +
          (starting.findIndex((one) => one.trial === trial) + 0.5) *
            Math.min(12, height / Math.max(1, starting.length))
        : middle(column, from);
    const x = begin + (end - begin) * Math.max(0.08, gone);
    const isMoving = state === "running" || state === "starting";
    parts.push((pen) => {
      pen.strokeStyle = colours.series[isMoving ? 0 : 5] as string;
      pen.fillStyle = pen.strokeStyle;
      pen.lineWidth = 1.5;
      pen.setLineDash(isMoving ? [] : [2, 3]);
      pen.beginPath();
      pen.moveTo(begin + 2, y);
      pen.lineTo(x, y);
      pen.stroke();
      pen.setLineDash([]);
      pen.beginPath();
      pen.moveTo(x, y - 4);
      pen.lineTo(x + 6, y);
      pen.lineTo(x, y + 4);
      pen.fill();
    });
    bars.push({
      ...{ trial, objective: Number.NaN, outcome: "waiting", bracket: row.bracket, place: at },
      ...{ x: begin, y: y - 5, width: end - begin, height: 10 },
      column: {
        rung: -1,
        step,
        expected: null,
        entries: row.travellers.map(({ trial: id }) => ({
          trial: id,
          objective: Number.NaN,
          outcome: "waiting",
        })),
        line: undefined,
        early: 0,
        late: 0,
      },
    });
  }

  for (const [i, column] of row.columns.entries()) {
    const h = unitPx[i] as number;
    for (const [index, entry] of column.entries.entries()) {
      const bar: Bar = {
        ...entry,
        ...{ x: left(i), y: body + index * h, width: barPx, height: h > 3 ? h - 1 : h },
        ...{ column, place: index, bracket: row.bracket },
      };
      bars.push(bar);
      parts.push((pen) => drawBar(pen, bar, place));
    }
    const { line } = column;
    if (!line) continue;
    const y = body + line.after * h - 0.5;
    parts.push((pen) => {
      pen.strokeStyle = colours.text;
      pen.lineWidth = 1.5;
      pen.setLineDash([4, 3]);
      pen.beginPath();
      pen.moveTo(left(i) - 3, y);
      pen.lineTo(left(i) + barPx + 10, y);
      pen.stroke();
      pen.setLineDash([]);
      const text = measured(line.objective);
      const wide = pen.measureText(text).width;
      // Where there is no room between the columns it stands on the bars.
      const hasRoom = share - barPx - 14 >= wide || i === row.columns.length - 1;
      const at = left(i) + barPx + (hasRoom ? 12 : -wide - 2);
      pen.fillStyle = colours.ground;
      pen.fillRect(at - 1, y - 7, wide + 3, 14);
      pen.fillStyle = colours.text;
      pen.textAlign = "left";
      pen.fillText(text, at, y);
    });
  }
}

const keep = <T>(map: Map<string, T[]>, key: string, item: T): void => {
  const own = map.get(key);
  if (own) own.push(item);
  else map.set(key, [item]);
};

interface Point {
  readonly x: number;
  readonly y: number;
}

const ribbon =
  (from: Point, to: Point) =>
  (pen: CanvasRenderingContext2D): void => {
    const bend = (to.x - from.x) * 0.5;
    pen.beginPath();
    pen.moveTo(from.x, from.y);
    pen.bezierCurveTo(from.x + bend, from.y, to.x - bend, to.y, to.x, to.y);
    pen.stroke();
  };

function drawBar(pen: CanvasRenderingContext2D, bar: Bar, { colours, scheme }: Place): void {
  const { x, y, width, height, outcome } = bar;
  const colour = outcomeColour(outcome, colours);
  pen.fillStyle = colour;
  pen.globalAlpha = outcome === "stopped" ? 0.45 : scheme === "dark" ? 0.3 : 0.18;
  if (height < LABEL_PX_MIN) pen.globalAlpha = outcome === "stopped" ? 0.7 : 1;
  pen.fillRect(x, y, width, Math.max(0.5, height));
  pen.globalAlpha = 1;
  if (height < LABEL_PX_MIN) return;
  pen.fillRect(x, y, 3, height);
  pen.textAlign = "left";
  pen.fillStyle = scheme === "dark" ? "#e8ecf0" : "#1f2a36";
  const sign = `${SIGNS[outcome]} ${bar.trial}`;
  pen.fillText(fitted(pen, sign, width - 10), x + 7, y + height / 2 + 0.5);
  const value = Number.isNaN(bar.objective) ? "–" : measured(bar.objective);
  const room = width - pen.measureText(sign).width - 18;
  if (room < pen.measureText(value).width) return;
  pen.textAlign = "right";
  pen.fillText(value, x + width - 5, y + height / 2 + 0.5);
}
