/** One metric of all the trials, on one axis. */
import { Select } from "@mantine/core";
import { useQueries } from "@tanstack/react-query";
import { fromWire } from "../../../src/base/json.ts";
import { measured, plural } from "../../../src/cli/figures.ts";
import { inert } from "../../../src/cli/inert.ts";
import { ChartFrame } from "../../charts/chart-frame.tsx";
import { LineChart, type LineSeries } from "../../charts/line-chart.tsx";
import { SERIES_COLOURED_MAX } from "../../charts/palette.ts";
import { SCALES, ScaleChoice } from "../../charts/scale-choice.tsx";
import { client } from "../../live/client.ts";
import { NEWS_MS, untilAnswered } from "../../live/news.ts";
import { Failed, Loading } from "../../parts/states.tsx";
import { choice, type RawView, useViewState } from "../../parts/view-state.ts";
import type { Compared } from "./use-compared.ts";

const POINTS = 500;
const readView = (raw: RawView) => ({ scale: choice(raw.scale, SCALES), metric: raw.metric });

export function ComparedCurves({ compared }: { readonly compared: readonly Compared[] }) {
  const [{ scale, metric: asked }, change] = useViewState(readView);
  const names = [...new Set(compared.flatMap(({ trial }) => trial.metric_names))].toSorted();
  const metric = asked ?? compared[0]?.experiment.searcher.metric ?? "";
  const found = useQueries({
    queries: compared.map(({ id, trial }) => ({
      queryKey: ["trial", id, "compared", metric, trial.ended_at],
      queryFn: () => client.metrics(id, { names: metric, points: POINTS }),
      refetchInterval: trial.ended_at === null ? NEWS_MS : untilAnswered,
    })),
  });
  const error = found.find((query) => query.error && !query.data)?.error;
  if (error) return <Failed error={error} />;
  if (found.some(({ data }) => data === undefined)) return <Loading what="Asking for the curves" />;
  const series = compared.map(({ id }, i): LineSeries => {
    const points = found[i]?.data?.series[0]?.points ?? [];
    return {
      ...{ id, label: `trial ${id}`, colour: i < SERIES_COLOURED_MAX ? i : undefined },
      points: points.map(({ step, value }) => [step, fromWire(value)] as const),
    };
  });
  const units = [...new Set(found.map(({ data }) => data?.unit ?? "steps"))];
  const unit = units.length === 1 ? (units[0] as string) : units.join(" or ");
  const drawn = series.filter(({ points }) => points.some(([, value]) => Number.isFinite(value)));
  const sentence = sentenceOf(drawn, compared, metric);
  return (
    <ChartFrame
      title={`Curves of ${inert(metric)}`}
      sentence={
        units.length > 1 ? `${sentence} The steps are not of one kind: ${inert(unit)}.` : sentence
      }
      empty={drawn.length === 0 ? "None of them has reported it" : undefined}
      command={`contrail trial metrics ${compared[0]?.id} --names ${metric}`}
      fileName={`compare-${compared.map(({ id }) => id).join("-")}`}
      table={() => ({
        columns: ["trial", unit, metric],
        rows: series.flatMap(({ id, points }) =>
          points.map(([step, value]) => [id, step, Number.isFinite(value) ? value : String(value)]),
        ),
      })}
      controls={
        <>
          <Select
            size="xs"
            aria-label="Metric"
            data={names.map((name) => ({ value: name, label: inert(name) }))}
            value={metric}
            onChange={(value) => change({ metric: value ?? undefined })}
            searchable
            w={150}
          />
          <ScaleChoice value={scale} onChange={(scale) => change({ scale })} />
        </>
      }
    >
      <LineChart
        label={sentence}
        series={series.toReversed()}
        xLabel={unit}
        yLabel={metric}
        logY={scale === "log"}
      />
      <ul className="legend" aria-label="Lines">
        {series.map(({ id, colour, points }) => (
          <li key={id}>
            <i className={`swatch swatch-${colour ?? "quiet"}`} aria-hidden="true" />
            {id} <span className="dim">{measured(points.at(-1)?.[1], 5)}</span>
          </li>
        ))}
      </ul>
    </ChartFrame>
  );
}

function sentenceOf(
  drawn: readonly LineSeries[],
  compared: readonly Compared[],
  metric: string,
): string {
  const lasts = drawn
    .map(({ id, points }) => ({
      id,
      last: points.findLast(([, value]) => Number.isFinite(value)) ?? [0, Number.NaN],
    }))
    .toSorted((a, b) => a.last[1] - b.last[1]);
  const [low, high] = [lasts[0], lasts.at(-1)];
  if (!low || !high) return "";
  const missing = compared.length - drawn.length;
  const without = missing === 0 ? "" : ` ${plural(missing, "trial")} did not report it.`;
  if (low === high)
    return `Trial ${low.id} ends with ${inert(metric)} ${measured(low.last[1], 5)}.${without}`;
  return (
    `${inert(metric)} ends lowest with ${measured(low.last[1], 5)} in trial ${low.id} ` +
    `and highest with ${measured(high.last[1], 5)} in trial ${high.id}.${without}`
  );
}
