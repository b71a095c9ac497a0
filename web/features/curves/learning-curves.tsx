/**
 * Learning curves of an experiment's trials. The best few have colours, the others are there but quiet. The points
 * come from the server already thinned to what a screen can show, and are asked for again while trials report, at a pace
 * that follows how long an answer takes. Dragging upwards keeps the trials that pass through a range of values at that
 * step, sideways zooms in; both stand in the address.
 */
import { NativeSelect } from "@mantine/core";
import { useCallback, useMemo, useRef, useState } from "react";
import { fromWire } from "../../../src/base/json.ts";
import { aligned, count, measured, plural, steps } from "../../../src/cli/figures.ts";
import type { Curve, CurvesReply } from "../../../src/protocol/api.ts";
import type { PanelProps } from "../../app/page.ts";
import { ChartFrame } from "../../charts/chart-frame.tsx";
import { Drawing, type Place } from "../../charts/drawing.tsx";
import { keptText, readKept } from "../../charts/kept.ts";
import { type Line, lineOf } from "../../charts/lines.ts";
import { type LinesScene, linesScene } from "../../charts/lines-scene.ts";
import { SERIES_COLOURED_MAX } from "../../charts/palette.ts";
import { SCALES, ScaleChoice } from "../../charts/scale-choice.tsx";
import { client } from "../../live/client.ts";
import { usePaced } from "../../live/paced.ts";
import { type Column, DataTable } from "../../parts/data-table.tsx";
import { StateBadge } from "../../parts/state-badge.tsx";
import { Failed, Loading } from "../../parts/states.tsx";
import { Inert } from "../../parts/text.tsx";
import { TrialLink, useToTrial } from "../../parts/trial-link.tsx";
import { choice, type RawView, useViewState } from "../../parts/view-state.ts";
import { brushed, chosenCurves, TOPS } from "./chosen-curves.ts";
import { around, curvesAsked, readSteps, TRIALS_DRAWN_MAX } from "./curve-view.ts";
import { curvesSentence } from "./curves-sentence.ts";

const HEIGHT_PX = 320;

const readView = (raw: RawView) => ({
  scale: choice(raw.scale, SCALES),
  top: choice(raw.top, TOPS),
  kept: readKept(raw.keep),
  range: readSteps(raw.steps),
  isOwnTab: raw.tab === "curves",
});

export default function LearningCurves({ live }: PanelProps) {
  const { id, experiment, trials } = live;
  const [{ scale, top, kept, range, isOwnTab }, change] = useViewState(readView);
  const toTrial = useToTrial();
  const [focus, setFocus] = useState<string>();
  const drawn = useRef<LinesScene | undefined>(undefined);
  const curves = usePaced({
    key: ["experiment", id, "curves"],
    isOver: experiment.ended_at !== null,
    ask: () => client.curves(id, curvesAsked(trials.size)),
  });
  const stretch = useStretch(live, range);
  const whole = curves.data?.value;
  const reply = useMemo(
    () => whole && { ...whole, items: chosenCurves(whole.items, { top, kept }) },
    [whole, top, kept],
  );
  const lines = useMemo(() => (reply ? linesOf(reply, stretch) : []), [reply, stretch]);
  const rows = useMemo(() => reply?.items.filter(({ points }) => points.length > 0) ?? [], [reply]);
  const columns = useMemo(() => (reply ? columnsOf(reply) : []), [reply]);
  // biome-ignore lint/correctness/useExhaustiveDependencies: as of the moment of the curves, and not anew at every hover
  const sentence = useMemo(
    () => (reply ? curvesSentence(reply, ({ trial }) => trials.get(trial)?.best) : ""),
    [reply],
  );
  const { unit = "", metric = "" } = reply ?? {};
  const isLogY = scale === "log";
  const scene = useCallback(
    (place: Place) => {
      drawn.current = linesScene({ lines, xLabel: unit, yLabel: metric, isLogY, range }, place);
      return drawn.current;
    },
    [lines, unit, metric, isLogY, range],
  );
  if (curves.isPending) return <Loading what="Asking for the curves" />;
  if (!reply || !whole) return <Failed error={curves.error} again={() => void curves.refetch()} />;
  const onDrag = (
    from: readonly [number, number],
    to: readonly [number, number],
    isOver: boolean,
  ): void => {
    const [a, b] = [drawn.current?.valuesAt(from), drawn.current?.valuesAt(to)];
    if (!isOver || !a || !b) return;
    if (drawn.current?.isUpwards(from, to)) {
      const [low, high] = [Math.min(a.y, b.y), Math.max(a.y, b.y)];
      const numbers = brushed(reply.items, { x: Math.round(a.x), low, high });
      if (numbers.length > 0) change({ keep: keptText(numbers) });
      return;
    }
    const [first, last] = [a.x, b.x].toSorted((x, y) => x - y) as [number, number];
    const [low, high] = [Math.max(0, Math.floor(first)), Math.ceil(last)];
    if (high > low) change({ steps: `${low}-${high}` });
  };
  return (
    <ChartFrame
      title="Learning curves"
      sentence={lines.length === 0 ? "None of the trials kept is among those drawn." : sentence}
      empty={
        whole.items.every(({ points }) => points.length === 0)
          ? "No trial has reported a value yet"
          : undefined
      }
      command={`contrail experiment curves ${id}${top === "all" || kept ? "" : ` --limit ${top}`}${range ? ` --from-step ${range[0]} --to-step ${range[1]}` : ""}`}
      fileName={`experiment-${id}-curves`}
      table={() => ({
        columns: ["trial", "state", reply.unit, reply.metric],
        rows: reply.items.flatMap(({ trial, state, points }) =>
          (stretch?.get(trial) ?? points)
            .filter(([step]) => range === undefined || (step >= range[0] && step <= range[1]))
            .map(([step, value]) => [trial, state, step, value]),
        ),
      })}
      controls={
        <>
          {range === undefined ? null : (
            <button
              type="button"
              className="plain-button"
              onClick={() => change({ steps: undefined })}
            >
              Whole length
            </button>
          )}
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
      <Drawing
        label={sentence}
        heightPx={HEIGHT_PX}
        scene={scene}
        focus={focus}
        onFocus={setFocus}
        onDrag={onDrag}
        onPick={toTrial}
      />
      <Legend reply={reply} lines={lines} />
      {isOwnTab ? (
        <DataTable
          label="Trials drawn"
          rows={rows}
          columns={columns}
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
          <TrialLink id={trial} />
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

/** Of a stretch that is zoomed in on the points themselves; the whole curves were thinned to what a screen can show. */
function useStretch(
  { id, experiment, trials }: PanelProps["live"],
  range: readonly [number, number] | undefined,
): ReadonlyMap<string, Curve["points"]> | undefined {
  const [from, to] = range === undefined ? [0, 0] : around(range);
  const asked = usePaced({
    key: ["experiment", id, "curves", from, to],
    isOver: experiment.ended_at !== null,
    enabled: range !== undefined,
    ask: async () => {
      const query = { ...curvesAsked(trials.size), from_step: from, to_step: to };
      const { items } = await client.curves(id, query);
      return { of: `${from}-${to}`, points: new Map(items.map((one) => [one.trial, one.points])) };
    },
  });
  const found = asked.data?.value;
  // Until it is here the stretch is drawn from the whole curves.
  return range !== undefined && found?.of === `${from}-${to}` ? found.points : undefined;
}

/** The best first, as the server gave them; drawn last, so that they lie on top. */
function linesOf(
  reply: CurvesReply,
  stretch: ReadonlyMap<string, Curve["points"]> | undefined,
): Line[] {
  return reply.items
    .map(({ trial, points: thinned }, i) => ({ trial, i, points: stretch?.get(trial) ?? thinned }))
    .map(({ trial, i, points }) =>
      lineOf(
        {
          ...{ id: trial, label: `trial ${trial}` },
          colour: i < SERIES_COLOURED_MAX ? i : undefined,
        },
        points.map(([step, value]) => [step, fromWire(value)] as const),
      ),
    )
    .filter(({ xs }) => xs.length > 0)
    .toReversed();
}

function Legend({
  reply,
  lines,
}: {
  readonly reply: CurvesReply;
  readonly lines: readonly Line[];
}) {
  const coloured = lines.filter(({ colour }) => colour !== undefined).toReversed();
  const others = lines.length - coloured.length;
  return (
    <ul className="legend" aria-label="Lines">
      {coloured.map(({ id, colour = 0, xs, ys }) => (
        <li key={id}>
          <i className={`swatch swatch-${colour}`} aria-hidden="true" />
          <TrialLink id={id} />{" "}
          <span className="dim">
            {measured(ys.at(-1))} after {steps(xs.at(-1) ?? 0, reply.unit)}
          </span>
        </li>
      ))}
      {others > 0 ? (
        <li className="dim">
          <i className="swatch" aria-hidden="true" />
          {plural(others, "other")}
          {reply.trials_total > reply.items.length && reply.items.length === TRIALS_DRAWN_MAX
            ? `; ${count(reply.trials_total - reply.items.length)} more are not drawn`
            : ""}
        </li>
      ) : null}
      <li className="dim">
        Drag across to zoom in, up or down to keep what passes there; a click leads to the trial.
      </li>
    </ul>
  );
}
