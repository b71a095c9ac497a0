/**
 * Rungs drawn over time: each decision stands where and when it fell, at the value that it judged, and the line of that
 * moment runs through its lane. So one sees against which threshold a trial was stopped, not against today's.
 */
import { fromWire } from "../../../src/base/json.ts";
import { duration, measured, steps } from "../../../src/cli/figures.ts";
import { inert } from "../../../src/cli/inert.ts";
import type { ExperimentDecision } from "../../../src/protocol/api.ts";
import { fitted, type Hit, type Place, type Scene } from "../../charts/drawing.tsx";
import { type Scale, scaleOf, timeScale } from "../../charts/scale.ts";

const LANE_PX = 134;
const HEAD_PX = 20;
const FOOT_PX = 22;
const LEFT_PX = 56;
const RIGHT_PX = 14;

type Judged = ExperimentDecision & {
  readonly standing: NonNullable<ExperimentDecision["standing"]>;
};

export interface Lane {
  readonly bracket: number;
  readonly rung: number;
  readonly step: number;
  /** In order of time. */
  readonly decisions: readonly Judged[];
}

/** One lane a rung, the first at the bottom of the race on top. */
export function lanesOf(decisions: readonly ExperimentDecision[]): Lane[] {
  const judged = decisions.filter((one): one is Judged => one.standing !== null);
  const groups = Map.groupBy(judged, ({ standing }) => `${standing.bracket} ${standing.rung}`);
  return [...groups.values()]
    .map((own) => {
      const inOrder = own.toSorted((a, b) => Date.parse(a.at) - Date.parse(b.at));
      const { bracket, rung, step } = (own[0] as Judged).standing;
      return { bracket, rung, step, decisions: inOrder };
    })
    .toSorted((a, b) => a.bracket - b.bracket || a.rung - b.rung);
}

export const lanesPx = (lanes: readonly Lane[]): number => lanes.length * LANE_PX + FOOT_PX;

const COLOURS: Readonly<Record<ExperimentDecision["what"], number | undefined>> = {
  ...{ train: 0, pause: 5, stop: undefined, create: 2 },
};
const WORDS: Readonly<Record<ExperimentDecision["what"], string>> = {
  ...{ train: "let on", pause: "told to wait", stop: "ended", create: "made" },
};

export interface TimeSceneInput {
  readonly lanes: readonly Lane[];
  readonly unit: string;
  readonly metric: string;
  readonly beganMs: number;
  readonly picked: string | undefined;
}

interface Dot {
  readonly x: number;
  readonly y: number;
  readonly decision: Judged;
}

export function timeScene(input: TimeSceneInput, { width, colours }: Place): Scene {
  const { lanes, unit, metric, beganMs, picked } = input;
  const ends = lanes.flatMap(({ decisions }) => decisions.map(({ at }) => Date.parse(at)));
  const seconds = timeScale(
    0,
    Math.max(1, (Math.max(...ends, beganMs) - beganMs) / 1000),
    width < 500 ? 3 : 6,
  );
  const xOf = (at: string): number =>
    LEFT_PX + seconds.share((Date.parse(at) - beganMs) / 1000) * (width - LEFT_PX - RIGHT_PX);
  const dots: Dot[] = [];
  const parts: ((pen: CanvasRenderingContext2D) => void)[] = [];
  for (const [i, lane] of lanes.entries()) {
    const top = i * LANE_PX + HEAD_PX;
    const bottom = (i + 1) * LANE_PX - 20;
    const scale = laneScale(lane);
    const yOf = (value: number): number =>
      scale && Number.isFinite(value) ? bottom - scale.share(value) * (bottom - top) : top - 3;
    parts.push((pen) => {
      pen.fillStyle = colours.text;
      pen.textAlign = "left";
      pen.font = "600 11px system-ui, sans-serif";
      const name = `bracket ${lane.bracket} · rung ${lane.rung} · ${inert(steps(lane.step, unit))}`;
      pen.fillText(fitted(pen, name, width - LEFT_PX), LEFT_PX, i * LANE_PX + 8);
      pen.font = "11px system-ui, sans-serif";
      pen.textAlign = "right";
      pen.strokeStyle = colours.grid;
      pen.lineWidth = 1;
      for (const tick of scale?.ticks ?? []) {
        pen.beginPath();
        pen.moveTo(LEFT_PX, yOf(tick));
        pen.lineTo(width - RIGHT_PX, yOf(tick));
        pen.stroke();
        pen.fillText(measured(tick, 3), LEFT_PX - 6, yOf(tick));
      }
      thresholdLine(pen, lane, { xOf, yOf, end: width - RIGHT_PX, colour: colours.text });
    });
    for (const decision of lane.decisions) {
      const dot = { decision, x: xOf(decision.at), y: yOf(fromWire(decision.standing.objective)) };
      dots.push(dot);
      parts.push((pen) =>
        drawDot(pen, dot, colours.series[COLOURS[decision.what] ?? -1] ?? colours.quiet),
      );
    }
  }
  const foot = lanes.length * LANE_PX + 8;
  parts.push((pen) => {
    pen.fillStyle = colours.text;
    pen.textAlign = "center";
    for (const tick of seconds.ticks) {
      const x = LEFT_PX + seconds.share(tick) * (width - LEFT_PX - RIGHT_PX);
      pen.fillText(tick === 0 ? "0" : duration(tick), Math.min(x, width - 24), foot);
    }
  });
  const markOf = (trial: string) => (pen: CanvasRenderingContext2D) => {
    pen.strokeStyle = colours.text;
    pen.lineWidth = 1.5;
    const own = dots.filter(({ decision }) => decision.trial === trial);
    pen.beginPath();
    for (const { x, y } of own) pen.lineTo(x, y);
    pen.stroke();
    for (const { x, y } of own) {
      pen.beginPath();
      pen.arc(x, y, 7, 0, 2 * Math.PI);
      pen.stroke();
    }
  };
  return {
    draw: (pen) => {
      for (const part of parts) part(pen);
      if (picked !== undefined) markOf(picked)(pen);
    },
    markOf,
    at: (x, y): Hit | undefined => {
      const near = nearest(dots, x, y);
      if (!near) return undefined;
      const { trial, what, standing, at } = near.decision;
      const text = [
        `trial ${trial}  ${WORDS[what]} after ${duration((Date.parse(at) - beganMs) / 1000)}`,
        `${inert(metric)} ${measured(standing.objective, 5)}, place ${standing.rank} of ${standing.of} then`,
        standing.threshold === null
          ? "no line yet"
          : `the line then: ${measured(standing.threshold, 5)}`,
      ].join("\n");
      return { key: trial, text, mark: markOf(trial) };
    },
  };
}

function laneScale({ decisions }: Lane): Scale | undefined {
  const values = decisions.flatMap(({ standing }) => [
    fromWire(standing.objective),
    ...(standing.threshold === null ? [] : [fromWire(standing.threshold)]),
  ]);
  return scaleOf(values, { ticks: 3 });
}

function thresholdLine(
  pen: CanvasRenderingContext2D,
  lane: Lane,
  how: {
    readonly xOf: (at: string) => number;
    readonly yOf: (value: number) => number;
    readonly end: number;
    readonly colour: string;
  },
): void {
  pen.strokeStyle = how.colour;
  pen.lineWidth = 1;
  pen.setLineDash([4, 3]);
  pen.beginPath();
  let y: number | undefined;
  for (const { at, standing } of lane.decisions) {
    const x = how.xOf(at);
    if (y !== undefined) pen.lineTo(x, y);
    if (standing.threshold === null) continue;
    const next = how.yOf(fromWire(standing.threshold));
    if (y === undefined) pen.moveTo(x, next);
    else pen.lineTo(x, next);
    y = next;
  }
  if (y !== undefined) pen.lineTo(how.end, y);
  pen.stroke();
  pen.setLineDash([]);
}

/** Going on is a triangle, waiting a ring, the end a cross: told apart without colour. */
function drawDot(pen: CanvasRenderingContext2D, { x, y, decision }: Dot, colour: string): void {
  pen.fillStyle = colour;
  pen.strokeStyle = colour;
  pen.lineWidth = 2;
  pen.beginPath();
  if (decision.what === "train") {
    pen.moveTo(x - 4, y + 4);
    pen.lineTo(x, y - 4);
    pen.lineTo(x + 4, y + 4);
    pen.fill();
  } else if (decision.what === "stop" && decision.code !== "reached_end") {
    pen.moveTo(x - 3, y - 3);
    pen.lineTo(x + 3, y + 3);
    pen.moveTo(x - 3, y + 3);
    pen.lineTo(x + 3, y - 3);
    pen.stroke();
  } else {
    pen.arc(x, y, 3.5, 0, 2 * Math.PI);
    if (decision.what === "pause") pen.stroke();
    else pen.fill();
  }
}

function nearest(dots: readonly Dot[], x: number, y: number): Dot | undefined {
  let best: Dot | undefined;
  let least = 14;
  for (const dot of dots) {
    const away = Math.hypot(dot.x - x, dot.y - y);
    if (away < least) [best, least] = [dot, away];
  }
  return best;
}
