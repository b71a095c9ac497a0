/** The best so far against time, steps or slot-hours, with where a search without early stopping would have ended. */
import { SegmentedControl } from "@mantine/core";
import { useCallback, useMemo } from "react";
import { withoutStopping } from "../../../src/analysis/without-stopping.ts";
import { count, duration, measured } from "../../../src/cli/figures.ts";
import { inert } from "../../../src/cli/inert.ts";
import type { PanelProps } from "../../app/page.ts";
import { ChartFrame } from "../../charts/chart-frame.tsx";
import { Drawing, fitted, type Hit, type Place, type Scene } from "../../charts/drawing.tsx";
import { linearScale, scaleOf, timeScale } from "../../charts/scale.ts";
import { SCALES, ScaleChoice } from "../../charts/scale-choice.tsx";
import { useProgress } from "../../live/history.ts";
import { Failed, Loading } from "../../parts/states.tsx";
import { useToTrial } from "../../parts/trial-link.tsx";
import { choice, type RawView, useViewState } from "../../parts/view-state.ts";
import { AGAINST, type Against, bestSentence } from "./sentences.ts";

const HEIGHT_PX = 280;
const LEFT_PX = 60;
const RIGHT_PX = 18;
const TOP_PX = 24;
const BOTTOM_PX = 40;

const readView = (raw: RawView) => ({
  against: choice(raw.against, AGAINST),
  scale: choice(raw.bestscale, SCALES),
});

interface Step {
  readonly x: number;
  readonly value: number;
  readonly trial: string;
}

export function BestSoFar({ live }: PanelProps) {
  const { id, experiment } = live;
  const { spent, plan, unit } = experiment;
  const [{ against, scale }, change] = useViewState(readView);
  const toTrial = useToTrial();
  const asked = useProgress(live);
  const reply = asked.data?.value;
  const beganMs = Date.parse(experiment.started_at ?? experiment.created_at);
  const full = withoutStopping(spent, plan.steps_without_early_stopping);
  const [fullX, nowX] = {
    time: [full?.seconds, spent.seconds],
    steps: [full?.steps, spent.steps],
    "slot-hours": [full?.slotSeconds, spent.slot_seconds],
  }[against] as [number | undefined, number];
  const points = useMemo(
    () =>
      (reply?.items ?? []).map((item): Step => {
        const seconds = (Date.parse(item.at) - beganMs) / 1000;
        const x = { time: seconds, steps: item.steps, "slot-hours": item.slot_seconds }[against];
        return { x, value: item.objective, trial: item.trial };
      }),
    [reply, against, beganMs],
  );
  const isLog = scale === "log";
  const metric = reply?.metric ?? "";
  const scene = useCallback(
    (place: Place) => bestScene({ points, nowX, fullX, against, unit, metric, isLog }, place),
    [points, nowX, fullX, against, unit, metric, isLog],
  );
  if (asked.isPending) return <Loading what="Asking for the best so far" />;
  if (!reply) return <Failed error={asked.error} again={() => void asked.refetch()} />;
  const sentence = bestSentence(experiment, reply, full, beganMs);
  return (
    <ChartFrame
      title="Best so far"
      sentence={sentence}
      empty={points.length === 0 ? "No trial has reported a finite value yet" : undefined}
      command={`contrail experiment progress ${id}`}
      fileName={`experiment-${id}-best-so-far`}
      table={() => ({
        columns: ["at", "seconds", unit, "slot_seconds", `best ${metric}`, "trial", "step"],
        rows: reply.items.map((item) => [
          ...[item.at, (Date.parse(item.at) - beganMs) / 1000, item.steps, item.slot_seconds],
          ...[item.objective, item.trial, item.step],
        ]),
      })}
      controls={
        <>
          <SegmentedControl
            size="xs"
            aria-label="Against"
            data={[
              { value: "time", label: "time" },
              { value: "steps", label: inert(unit) },
              { value: "slot-hours", label: "slot time" },
            ]}
            value={against}
            onChange={(value) => change({ against: value === "time" ? undefined : value })}
          />
          <ScaleChoice
            label="Scale of the best"
            value={scale}
            onChange={(bestscale) => change({ bestscale })}
          />
        </>
      }
    >
      <Drawing
        label={sentence}
        heightPx={HEIGHT_PX}
        scene={scene}
        onPick={(key) => toTrial(key?.split(" ")[0])}
      />
    </ChartFrame>
  );
}

interface BestInput {
  readonly points: readonly Step[];
  /** Spent until now. */
  readonly nowX: number;
  readonly fullX: number | undefined;
  readonly against: Against;
  readonly unit: string;
  readonly metric: string;
  readonly isLog: boolean;
}

function bestScene(input: BestInput, place: Place): Scene {
  const { points, nowX, fullX, against, unit, metric, isLog } = input;
  const { width, height, colours } = place;
  const last = Math.max(nowX, points.at(-1)?.x ?? 0);
  const xScale = (against === "steps" ? linearScale : timeScale)(
    0,
    Math.max(last, fullX ?? 0) || 1,
    width < 500 ? 3 : 7,
  );
  const yScale = scaleOf(
    points.map(({ value }) => value),
    { isLog },
  );
  const x = (value: number): number => LEFT_PX + xScale.share(value) * (width - LEFT_PX - RIGHT_PX);
  const bottom = height - BOTTOM_PX;
  const y = (value: number): number =>
    bottom - (0.04 + 0.92 * (yScale?.share(value) ?? 0.5)) * (bottom - TOP_PX);
  const word = (value: number): string =>
    against === "steps" ? count(Math.round(value)) : duration(value);
  const name = { time: "time", steps: inert(unit), "slot-hours": "slot time" }[against];
  const shown = points.filter(({ value }) => !isLog || value > 0);
  return {
    draw: (pen) => {
      pen.lineWidth = 1;
      pen.strokeStyle = colours.grid;
      pen.fillStyle = colours.text;
      pen.textAlign = "right";
      for (const tick of yScale?.ticks ?? []) {
        pen.beginPath();
        pen.moveTo(LEFT_PX, y(tick));
        pen.lineTo(width - RIGHT_PX, y(tick));
        pen.stroke();
        pen.fillText(measured(tick, 3), LEFT_PX - 6, y(tick));
      }
      pen.textAlign = "center";
      for (const tick of xScale.ticks) {
        const text = tick === 0 ? "0" : word(tick);
        // The last one is not cut off by the edge.
        pen.fillText(text, Math.min(x(tick), width - pen.measureText(text).width / 2), bottom + 12);
      }
      pen.fillText(name, (LEFT_PX + width - RIGHT_PX) / 2, height - 8);
      pen.textAlign = "left";
      pen.fillText(fitted(pen, `best ${inert(metric)}`, 160), 4, 8);
      if (fullX !== undefined && fullX > last) {
        // What was not spent.
        pen.fillStyle = colours.series[2] as string;
        pen.globalAlpha = 0.1;
        pen.fillRect(x(last), TOP_PX, x(fullX) - x(last), bottom - TOP_PX);
        pen.globalAlpha = 1;
        pen.strokeStyle = colours.series[2] as string;
        pen.setLineDash([4, 3]);
        pen.beginPath();
        pen.moveTo(x(fullX), TOP_PX);
        pen.lineTo(x(fullX), bottom);
        pen.stroke();
        pen.setLineDash([]);
        pen.textAlign = "right";
        pen.fillStyle = colours.text;
        const about = against === "steps" ? "" : "about ";
        pen.fillText(
          fitted(pen, `without early stopping ${about}${word(fullX)}`, x(fullX) - LEFT_PX - 130),
          x(fullX) - 6,
          TOP_PX + 10,
        );
      }
      pen.strokeStyle = colours.series[0] as string;
      pen.lineWidth = 2;
      pen.beginPath();
      for (const [i, point] of shown.entries()) {
        if (i > 0) pen.lineTo(x(point.x), y((shown[i - 1] as Step).value));
        pen.lineTo(x(point.x), y(point.value));
      }
      const end = shown.at(-1);
      if (end) pen.lineTo(x(last), y(end.value));
      pen.stroke();
      pen.fillStyle = colours.series[0] as string;
      if (shown.length <= 120)
        for (const point of shown) {
          pen.beginPath();
          pen.arc(x(point.x), y(point.value), 3, 0, 2 * Math.PI);
          pen.fill();
        }
    },
    at: (px): Hit | undefined => {
      const point = shown.findLast((one) => x(one.x) <= px + 3) ?? shown[0];
      if (!point || px < LEFT_PX - 10) return undefined;
      return {
        key: `${point.trial} ${point.x}`,
        text: `${inert(metric)} ${measured(point.value, 5)}\ntrial ${point.trial}, after ${word(point.x)}${against === "steps" ? ` ${name}` : ""}`,
        mark: (pen) => {
          pen.strokeStyle = colours.series[1] as string;
          pen.lineWidth = 2;
          pen.beginPath();
          pen.arc(x(point.x), y(point.value), 6, 0, 2 * Math.PI);
          pen.stroke();
        },
      };
    },
  };
}
