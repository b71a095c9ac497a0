/**
 * Learning curves of an experiment's trials. The best few have colours, the others are there but quiet. The points
 * come from the server already thinned, and are asked for again while trials report, at a pace that follows how
 * long an answer takes. Dragging upwards keeps the trials that pass through a range of values at that step; who is
 * kept stands in the address.
 */
import { NativeSelect } from "@mantine/core";
import { useMemo, useState } from "react";
import { fromWire } from "../../../src/base/json.ts";
import { aligned, count, measured, plural, steps } from "../../../src/cli/figures.ts";
import type { Curve, CurvesReply } from "../../../src/protocol/api.ts";
import type { PanelProps } from "../../app/page.ts";
import { ChartFrame } from "../../charts/chart-frame.tsx";
import { keptText, readKept } from "../../charts/kept.ts";
import { LineChart, type LineSeries, SERIES_DRAWN_MAX } from "../../charts/line-chart.tsx";
import { SERIES_COLOURED_MAX } from "../../charts/palette.ts";
import { SCALES, ScaleChoice } from "../../charts/scale-choice.tsx";
import { client } from "../../live/client.ts";
import { usePaced } from "../../live/paced.ts";
import { type Column, DataTable } from "../../parts/data-table.tsx";
import { StateBadge } from "../../parts/state-badge.tsx";
import { Failed, Loading } from "../../parts/states.tsx";
import { Inert } from "../../parts/text.tsx";
import { choice, type RawView, useViewState } from "../../parts/view-state.ts";
import { brushed, chosenCurves, TOPS } from "./chosen-curves.ts";
import { curvesSentence } from "./curves-sentence.ts";

const POINTS = 200;

const readView = (raw: RawView) => ({
  scale: choice(raw.scale, SCALES),
  top: choice(raw.top, TOPS),
  kept: readKept(raw.keep),
  isOwnTab: raw.tab === "curves",
});

export default function LearningCurves({ live }: PanelProps) {
  const { id, experiment } = live;
  const [{ scale, top, kept, isOwnTab }, change] = useViewState(readView);
  const [focus, setFocus] = useState<string>();
  const isOver = experiment.ended_at !== null;
  const curves = usePaced({
    key: ["experiment", id, "curves"],
    isOver,
    ask: () => client.curves(id, { points: POINTS, limit: SERIES_DRAWN_MAX }),
  });
  const whole = curves.data?.value;
  const reply = useMemo(
    () => whole && { ...whole, items: chosenCurves(whole.items, { top, kept }) },
    [whole, top, kept],
  );
  const series = useMemo(() => (reply ? linesOf(reply) : []), [reply]);
  const rows = useMemo(() => reply?.items.filter(({ points }) => points.length > 0) ?? [], [reply]);
  if (curves.isPending) return <Loading what="Asking for the curves" />;
  if (!reply || !whole) return <Failed error={curves.error} again={() => void curves.refetch()} />;
  const sentence = curvesSentence(reply);
  const command = `contrail experiment curves ${id}`;
  const isEmpty = whole.items.every(({ points }) => points.length === 0);
  return (
    <ChartFrame
      title="Learning curves"
      sentence={series.length === 0 ? "None of the trials kept is among those drawn." : sentence}
      empty={isEmpty ? "No trial has reported a value yet" : undefined}
      command={command}
      fileName={`experiment-${id}-curves`}
      table={() => ({
        columns: ["trial", "state", reply.unit, reply.metric],
        rows: reply.items.flatMap(({ trial, state, points }) =>
          points.map(([step, value]) => [trial, state, step, value]),
        ),
      })}
      controls={
        <>
          {kept === undefined ? null : (
            <button
              type="button"
              className="plain-button"
              onClick={() => change({ keep: undefined })}
            >
              All trials again
            </button>
          )}
          <NativeSelect
            size="xs"
            aria-label="How many trials"
            data={TOPS.map((value) => ({
              value,
              label: value === "all" ? "all trials" : `best ${value}`,
            }))}
            value={top}
            onChange={(event) =>
              change({
                top: event.currentTarget.value === "all" ? undefined : event.currentTarget.value,
              })
            }
          />
          <ScaleChoice value={scale} onChange={(scale) => change({ scale })} />
        </>
      }
    >
      <LineChart
        label={sentence}
        series={series}
        xLabel={reply.unit}
        yLabel={reply.metric}
        logY={scale === "log"}
        syncKey={`experiment-${id}`}
        focus={focus}
        onFocus={setFocus}
        onBrush={(brush) => {
          const numbers = brushed(reply.items, brush);
          if (numbers.length > 0) change({ keep: keptText(numbers) });
        }}
      />
      <Legend reply={reply} series={series} />
      {isOwnTab ? (
        <DataTable
          label="Trials drawn"
          rows={rows}
          columns={columnsOf(reply)}
          rowKey={({ trial }) => trial}
          isMarked={({ trial }) => trial === focus}
          onRowHover={(row) => setFocus(row?.trial)}
          rowsShownMax={12}
        />
      ) : null}
    </ChartFrame>
  );
}

const columnsOf = ({ unit, metric, items }: CurvesReply): readonly Column<Curve>[] => {
  const colours = new Map(items.slice(0, SERIES_COLOURED_MAX).map(({ trial }, i) => [trial, i]));
  return [
    {
      id: "trial",
      head: "trial",
      width: "100px",
      cell: ({ trial }) => (
        <>
          <i className={`swatch swatch-${colours.get(trial) ?? "quiet"}`} aria-hidden="true" />
          <b>{trial}</b>
        </>
      ),
    },
    {
      id: "state",
      head: "state",
      width: "118px",
      cell: ({ state }) => <StateBadge state={state} />,
    },
    {
      id: "step",
      head: <Inert>{`last ${unit}`}</Inert>,
      width: "100px",
      align: "right",
      cell: ({ points }) => count(points.at(-1)?.[0] ?? 0),
    },
    {
      id: "last",
      head: <Inert>{`last ${metric}`}</Inert>,
      width: "minmax(110px, 1fr)",
      align: "right",
      cell: ({ points }) => aligned(points.at(-1)?.[1]),
    },
  ];
};

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
      <li className="dim">
        Drag across to zoom in (double click: out), up or down to keep what passes there.
      </li>
    </ul>
  );
}
