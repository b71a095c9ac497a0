/** Any hyperparameter, or two, against any metric. What is chosen stands in the address. */
import { NativeSelect } from "@mantine/core";
import { useQuery } from "@tanstack/react-query";
import { useCallback, useMemo } from "react";
import { fromWire } from "../../../src/base/json.ts";
import { inert } from "../../../src/cli/inert.ts";
import type { Trial } from "../../../src/protocol/api.ts";
import { ChartFrame } from "../../charts/chart-frame.tsx";
import { Drawing, type Place } from "../../charts/drawing.tsx";
import { SCALES, ScaleChoice } from "../../charts/scale-choice.tsx";
import { client } from "../../live/client.ts";
import { NEWS_MS, untilAnswered } from "../../live/news.ts";
import { usePaced } from "../../live/paced.ts";
import { useToTrial } from "../../parts/trial-link.tsx";
import { choice, type RawView, useViewState } from "../../parts/view-state.ts";
import type { HyperparameterProps } from "./parallel-chart.tsx";
import { hyperparameterTable } from "./parallel-chart.tsx";
import { heatScene, scatterScene } from "./scatter-scene.ts";
import { cellsOf, heatCells, heatSentence, pointsOf, scatterSentence } from "./scatter-view.ts";
import type { Tried } from "./tried.ts";

const HEIGHT_PX = 360;
const TRIALS_MAX = 1_000;
const CELLS_MAX = { wide: 12, tall: 8 } as const;
/** Figures that no program reports; the names of metrics stand behind a colon and cannot meet them. */
const OWN: Readonly<Record<string, (trial: Trial) => number>> = {
  steps: ({ step }) => step,
  "slot-seconds": ({ slot_seconds: seconds }) => seconds,
};

const readView = (raw: RawView) => ({
  ...{ x: raw.x, against: raw.y, figure: raw.figure },
  scale: choice(raw.yscale, SCALES),
});

export function ScatterChart({ live, axes, tried }: HyperparameterProps) {
  const { id, experiment } = live;
  const { metric, smaller_is_better: smallerIsBetter } = experiment.searcher;
  const [view, change] = useViewState(readView);
  const x = Math.max(
    0,
    axes.findIndex(({ name }) => name === view.x),
  );
  const y = axes.findIndex(({ name }, i) => name === view.against && i !== x);
  const names = useMetricNames(experiment.best?.trial, experiment.ended_at !== null);
  const figure = figureOf(view.figure, names);
  const values = useValues(live, figure, tried);
  const isObjective = figure === "best";
  const label = figureLabel(figure, metric, experiment.unit);
  const isLog = view.scale === "log";
  const [axis, other] = [axes[x], axes[y]];
  // Other metrics and figures: nobody said which way is good, so low is drawn strong.
  const smaller = isObjective || figure === `metric:${metric}` ? smallerIsBetter : true;
  const points = useMemo(() => pointsOf(tried, x, values), [tried, x, values]);
  const counts = useMemo(
    () =>
      [
        axis ? cellsOf(axis, CELLS_MAX.wide) : 1,
        other ? cellsOf(other, CELLS_MAX.tall) : 1,
      ] as const,
    [axis, other],
  );
  const toTrial = useToTrial();
  const cells = useMemo(
    () =>
      other
        ? heatCells(tried, values, { index: x, cells: counts[0] }, { index: y, cells: counts[1] })
        : [],
    [tried, values, x, y, other, counts],
  );
  const scene = useCallback(
    (place: Place) => {
      if (!axis) return { draw: () => {} };
      return other
        ? heatScene(
            { axes: [axis, other], counts, cells, figure: label, smallerIsBetter: smaller },
            place,
          )
        : scatterScene({ axis, points, figure: label, isLog }, place);
    },
    [axis, other, counts, cells, label, smaller, points, isLog],
  );
  const sentence = !axis
    ? ""
    : other
      ? heatSentence([axis, other], cells, { figure: label, smallerIsBetter: smaller, counts })
      : scatterSentence(axis, points, label);
  const options = axes.map(({ name }) => ({ value: name, label: inert(name) }));
  const command = figure.startsWith("metric:")
    ? `contrail experiment curves ${id} --metric '${inert(figure.slice(7)).replaceAll("'", "'\\''")}' --points 1 --limit ${TRIALS_MAX}`
    : `contrail trial list ${id} --all`;
  return (
    <ChartFrame
      title={other ? "Two hyperparameters" : "One hyperparameter"}
      sentence={sentence}
      empty={
        axes.length === 0
          ? "No hyperparameter varies"
          : tried.length === 0
            ? "No trial has reported a value yet"
            : undefined
      }
      command={command}
      fileName={`experiment-${id}-scatter`}
      table={() => {
        const table = hyperparameterTable(axes, tried, metric);
        return {
          columns: [...table.columns, label],
          rows: table.rows.map((row, i) => {
            const value = values.get(tried[i]?.trial.id ?? "");
            return [
              ...row,
              value === undefined ? null : Number.isFinite(value) ? value : String(value),
            ];
          }),
        };
      }}
      controls={
        <>
          <NativeSelect
            size="xs"
            aria-label="Hyperparameter across"
            data={options}
            value={axis?.name ?? ""}
            onChange={(event) => change({ x: event.currentTarget.value })}
          />
          <NativeSelect
            size="xs"
            aria-label="Hyperparameter upwards"
            data={[
              { value: "", label: "alone" },
              ...options
                .filter(({ value }) => value !== axis?.name)
                .map((one) => ({ ...one, label: `and ${one.label}` })),
            ]}
            value={other?.name ?? ""}
            onChange={(event) => change({ y: event.currentTarget.value || undefined })}
          />
          <NativeSelect
            size="xs"
            aria-label="Figure"
            data={[
              { value: "best", label: `best ${inert(metric)}` },
              ...names.map((name) => ({ value: `metric:${name}`, label: `last ${inert(name)}` })),
              { value: "steps", label: inert(experiment.unit) },
              { value: "slot-seconds", label: "slot time (s)" },
            ]}
            value={figure}
            onChange={(event) =>
              change({
                figure:
                  event.currentTarget.value === "best" ? undefined : event.currentTarget.value,
              })
            }
          />
          {other ? null : (
            <ScaleChoice
              label="Scale of the figure"
              value={view.scale}
              onChange={(yscale) => change({ yscale })}
            />
          )}
        </>
      }
    >
      <Drawing
        label={sentence}
        heightPx={HEIGHT_PX}
        scene={scene}
        // A cell of a heat map is many trials.
        onPick={other ? undefined : toTrial}
      />
    </ChartFrame>
  );
}

function figureLabel(figure: string, metric: string, unit: string): string {
  if (figure === "best") return `best ${inert(metric)}`;
  if (figure === "steps") return `number of ${inert(unit)}`;
  if (figure === "slot-seconds") return "slot time in seconds";
  return `last ${inert(figure.slice("metric:".length))}`;
}

function figureOf(text: string | undefined, names: readonly string[]): string {
  if (text === undefined) return "best";
  if (text.startsWith("metric:")) return names.includes(text.slice(7)) ? text : "best";
  return Object.hasOwn(OWN, text) ? text : "best";
}

/** What the best trial has reported stands for all. */
function useMetricNames(trial: string | undefined, isOver: boolean): readonly string[] {
  const asked = useQuery({
    queryKey: ["trial", trial, "metric names", isOver],
    queryFn: async () => (await client.trial(trial ?? "")).metric_names,
    enabled: trial !== undefined,
    placeholderData: (before) => before,
    refetchInterval: isOver ? untilAnswered : NEWS_MS,
  });
  return asked.data ?? NONE;
}

const NONE: readonly string[] = [];

function useValues(
  { id, experiment }: HyperparameterProps["live"],
  figure: string,
  tried: readonly Tried[],
): ReadonlyMap<string, number> {
  const metric = figure.startsWith("metric:") ? figure.slice(7) : undefined;
  const asked = usePaced({
    key: ["experiment", id, "last", metric],
    isOver: experiment.ended_at !== null,
    ask: () => client.curves(id, { metric, points: 1, limit: TRIALS_MAX }),
    enabled: metric !== undefined,
  });
  const reply = asked.data?.value;
  return useMemo(() => {
    if (metric !== undefined)
      return new Map(
        (reply?.items ?? []).flatMap(({ trial, points }) => {
          const last = points.at(-1);
          return last ? [[trial, fromWire(last[1])] as const] : [];
        }),
      );
    const own = OWN[figure];
    return new Map(
      tried.map(({ trial, objective }) => [trial.id, own ? own(trial) : objective] as const),
    );
  }, [metric, reply, figure, tried]);
}
