/**
 * Learning curves of an experiment's trials. The best few have colours, the others are there but quiet. The points
 * come from the server already thinned, and are asked for again while trials report, at a pace that follows how
 * long an answer takes.
 */
import { SegmentedControl } from "@mantine/core";
import { useQuery } from "@tanstack/react-query";
import { useMemo } from "react";
import { fromWire } from "../../../src/base/json.ts";
import { count, measured, plural, steps } from "../../../src/cli/figures.ts";
import type { CurvesReply } from "../../../src/protocol/api.ts";
import type { PanelProps } from "../../app/page.ts";
import { ChartFrame } from "../../charts/chart-frame.tsx";
import { LineChart, type LineSeries, SERIES_DRAWN_MAX } from "../../charts/line-chart.tsx";
import { SERIES_COLOURED_MAX } from "../../charts/palette.ts";
import { client } from "../../live/client.ts";
import { Failed, Loading } from "../../parts/states.tsx";
import { choice, type RawView, useViewState } from "../../parts/view-state.ts";
import { curvesSentence } from "./curves-sentence.ts";

const POINTS = 200;
const EVERY_MS_MIN = 2_000;
/** Of the time that passes, at most this share is spent on waiting for curves. */
const LOAD_SHARE = 10;
const SCALES = ["linear", "log"] as const;

const readView = (raw: RawView) => ({ scale: choice(raw.scale, SCALES) });

export default function LearningCurves({ live }: PanelProps) {
  const { id, experiment } = live;
  const [{ scale }, change] = useViewState(readView);
  const isOver = experiment.ended_at !== null;
  const curves = useQuery({
    queryKey: ["experiment", id, "curves", isOver],
    queryFn: async () => {
      const beganMs = performance.now();
      const reply = await client.curves(id, { points: POINTS, limit: SERIES_DRAWN_MAX });
      return { reply, tookMs: performance.now() - beganMs };
    },
    staleTime: isOver ? Number.POSITIVE_INFINITY : 0,
    refetchInterval: (query) =>
      isOver ? false : Math.max(EVERY_MS_MIN, LOAD_SHARE * (query.state.data?.tookMs ?? 0)),
    placeholderData: (before) => before,
  });
  const reply = curves.data?.reply;
  const series = useMemo(() => (reply ? linesOf(reply) : []), [reply]);
  if (curves.isPending) return <Loading what="Asking for the curves" />;
  if (!reply) return <Failed error={curves.error} again={() => void curves.refetch()} />;
  const sentence = curvesSentence(reply);
  const command = `contrail experiment curves ${id}`;
  return (
    <ChartFrame
      title="Learning curves"
      sentence={sentence}
      empty={series.length === 0 ? "No trial has reported a value yet" : undefined}
      command={command}
      fileName={`experiment-${id}-curves`}
      table={() => ({
        columns: ["trial", "state", reply.unit, reply.metric],
        rows: reply.items.flatMap(({ trial, state, points }) =>
          points.map(([step, value]) => [trial, state, step, value]),
        ),
      })}
      controls={
        <SegmentedControl
          size="xs"
          aria-label="Scale"
          data={[...SCALES]}
          value={scale}
          onChange={(value) => change({ scale: value === "linear" ? undefined : value })}
        />
      }
    >
      <LineChart
        label={sentence}
        series={series}
        xLabel={reply.unit}
        yLabel={reply.metric}
        logY={scale === "log"}
        syncKey={`experiment-${id}`}
      />
      <Legend reply={reply} series={series} />
    </ChartFrame>
  );
}

/** The best first, as the server gave them; drawn last, so that they lie on top. */
function linesOf(reply: CurvesReply): LineSeries[] {
  return reply.items
    .map(({ trial, points }, i) => ({
      id: trial,
      label: `trial ${trial}`,
      colour: i < SERIES_COLOURED_MAX ? i : undefined,
      points: points.map(([step, value]) => [step, fromWire(value)] as const),
    }))
    .filter(({ points }) => points.length > 0)
    .toReversed();
}

function Legend({
  reply,
  series,
}: {
  readonly reply: CurvesReply;
  readonly series: readonly LineSeries[];
}) {
  const coloured = series.filter(({ colour }) => colour !== undefined).toReversed();
  const others = series.length - coloured.length;
  return (
    <ul className="legend" aria-label="Lines">
      {coloured.map(({ id, colour = 0, points }) => {
        const [step, value] = points.at(-1) ?? [0, Number.NaN];
        return (
          <li key={id}>
            <i className={`swatch swatch-${colour}`} aria-hidden="true" />
            {id}{" "}
            <span className="dim">
              {measured(value)} after {steps(step, reply.unit)}
            </span>
          </li>
        );
      })}
      {others > 0 ? (
        <li className="dim">
          <i className="swatch" aria-hidden="true" />
          {plural(others, "other")}
          {reply.trials_total > reply.items.length
            ? `; ${count(reply.trials_total - reply.items.length)} more are not drawn`
            : ""}
        </li>
      ) : null}
    </ul>
  );
}
