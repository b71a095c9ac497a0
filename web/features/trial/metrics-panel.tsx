/** Every series of a trial, live, each in a chart of its own over the same steps. */
import { Checkbox, TextInput } from "@mantine/core";
import { useQuery } from "@tanstack/react-query";
import { Link } from "@tanstack/react-router";
import { useMemo, useState } from "react";
import { count, plural, steps } from "../../../src/cli/figures.ts";
import { inert } from "../../../src/cli/inert.ts";
import type { Checkpoint } from "../../../src/protocol/api.ts";
import { ChartFrame } from "../../charts/chart-frame.tsx";
import { LineChart } from "../../charts/line-chart.tsx";
import { SCALES, ScaleChoice } from "../../charts/scale-choice.tsx";
import { client } from "../../live/client.ts";
import { NEWS_MS } from "../../live/news.ts";
import { usePaced } from "../../live/paced.ts";
import { CommandLine } from "../../parts/command-line.tsx";
import { Empty, Failed, Loading } from "../../parts/states.tsx";
import { Inert } from "../../parts/text.tsx";
import { choice, type RawView, useViewState } from "../../parts/view-state.ts";
import { metricLines, metricSentence, nearestCheckpoint, type Series } from "./metrics-words.ts";
import type { TrialPanelProps } from "./use-trial.ts";

const POINTS = 1_000;
const CHARTS_MAX = 24;

const readView = (raw: RawView) => ({
  scale: choice(raw.scale, SCALES),
  superseded: raw.superseded === "yes",
  metric: raw.metric ?? "",
});

export default function MetricsPanel({
  live: { id, isOver, detail, experiment },
}: TrialPanelProps) {
  const [{ scale, superseded, metric }, change] = useViewState(readView);
  const [picked, setPicked] = useState<number>();
  const metrics = usePaced({
    key: ["trial", id, "metrics", superseded],
    isOver,
    ask: () => client.metrics(id, { points: POINTS, superseded }),
  });
  const reply = metrics.data?.value;
  const matching = useMemo(() => {
    const word = metric.toLowerCase();
    // What the search looks at first.
    const first = (name: string): number => (name === experiment.searcher.metric ? 0 : 1);
    return (reply?.series ?? [])
      .filter(({ name }) => name.toLowerCase().includes(word))
      .toSorted((a, b) => first(a.name) - first(b.name));
  }, [reply, metric, experiment.searcher.metric]);
  if (metrics.isPending) return <Loading what="Asking for the metrics" />;
  if (!reply) return <Failed error={metrics.error} again={() => void metrics.refetch()} />;
  const refused = Object.entries(detail?.refused_metrics ?? {});
  return (
    <>
      <div className="filters">
        <ScaleChoice value={scale} onChange={(scale) => change({ scale })} />
        {reply.series.length > 6 || metric !== "" ? (
          <TextInput
            size="xs"
            type="search"
            aria-label="Metric"
            placeholder="a part of its name"
            value={metric}
            onChange={(event) => change({ metric: event.currentTarget.value || undefined })}
          />
        ) : null}
        <Checkbox
          size="xs"
          className="filter-check"
          label="also points of earlier allocations that were repeated later"
          checked={superseded}
          onChange={(event) =>
            change({ superseded: event.currentTarget.checked ? "yes" : undefined })
          }
        />
      </div>
      {picked === undefined ? null : <Nearest trial={id} step={picked} unit={reply.unit} />}
      {matching.length === 0 ? (
        <Empty
          title={metric === "" ? "It has reported nothing yet" : "No metric has such a name"}
        />
      ) : (
        <div className="chart-grid">
          {matching.slice(0, CHARTS_MAX).map((series) => (
            <MetricChart
              key={series.name}
              trial={id}
              series={series}
              unit={reply.unit}
              logY={scale === "log"}
              onPick={setPicked}
            />
          ))}
        </div>
      )}
      {matching.length > CHARTS_MAX ? (
        <p className="dim">
          {count(matching.length - CHARTS_MAX)} more metrics: write a part of a name above to see
          them.
        </p>
      ) : null}
      {refused.length === 0 ? null : (
        <p className="dim">
          Not shown, because they were no numbers:{" "}
          <Inert>{refused.map(([name, what]) => `${name} (${what})`).join(", ")}</Inert>
        </p>
      )}
      <CommandLine command={`contrail trial metrics ${id}${superseded ? " --superseded" : ""}`} />
    </>
  );
}

interface MetricChartProps {
  readonly trial: string;
  readonly series: Series;
  readonly unit: string;
  readonly logY: boolean;
  readonly onPick: (step: number) => void;
}

function MetricChart({ trial, series, unit, logY, onPick }: MetricChartProps) {
  const lines = useMemo(() => metricLines(series), [series]);
  const sentence = metricSentence(series, unit);
  const { name, total, thinned, points } = series;
  const drawn = thinned
    ? ` ${count(total)} points, drawn as ${plural(points.length, "bucket")}.`
    : "";
  const canDraw = lines.some((line) =>
    line.points.some(([, value]) => Number.isFinite(value) && (!logY || value > 0)),
  );
  return (
    <ChartFrame
      title={inert(name)}
      sentence={sentence + drawn}
      empty={canDraw ? undefined : logY ? "It has no value above zero" : "It has no finite value"}
      command={`contrail trial metrics ${trial} --names ${shellSafe(name)}`}
      fileName={`trial-${trial}-${name.replace(/[^\w.-]+/g, "-").slice(0, 60)}`}
      table={() => ({
        columns: [unit, name, "allocation", "superseded"],
        rows: points.map(({ step, value, run, superseded }) => [
          ...([step, value, run] as const),
          superseded === true ? "yes" : "no",
        ]),
      })}
    >
      <LineChart
        label={sentence}
        series={lines}
        xLabel={unit}
        yLabel={name}
        logY={logY}
        heightPx={240}
        syncKey={`trial-${trial}`}
        onPick={(_, step) => onPick(step)}
      />
    </ChartFrame>
  );
}

const shellSafe = (name: string): string =>
  /^[\w.,:/@%+=-]+$/.test(name) ? name : `'${inert(name).replaceAll("'", "'\\''")}'`;

/** Where the trial could go on from what a point shows. */
function Nearest({
  trial,
  step,
  unit,
}: {
  readonly trial: string;
  readonly step: number;
  readonly unit: string;
}) {
  const checkpoints = useQuery({
    queryKey: ["trial", trial, "checkpoints", "all"],
    queryFn: async () => (await client.trialCheckpoints(trial, { limit: 1000 })).items,
    refetchInterval: NEWS_MS,
  });
  if (checkpoints.isPending) return <Loading what="Looking for a checkpoint" />;
  if (!checkpoints.data) return <Failed error={checkpoints.error} />;
  const found: Checkpoint | undefined = nearestCheckpoint(
    checkpoints.data.filter(({ deleted }) => deleted === null),
    step,
  );
  return (
    <div className="nearest" role="status">
      {found === undefined ? (
        <span>After {steps(step, unit)}: it has no checkpoint.</span>
      ) : (
        <>
          <span>
            After {steps(step, unit)}: the nearest checkpoint is that after{" "}
            <Link
              to={`/trials/${trial}` as string}
              search={{ tab: "checkpoints", checkpoint: found.id } as never}
              className="row-link link"
            >
              {steps(found.step, unit)}
            </Link>
            .
          </span>
          <CommandLine command={`contrail checkpoint download ${trial}@${found.step} --to DIR`} />
        </>
      )}
    </div>
  );
}
