/**
 * A few lines over a common axis, drawn by uPlot on a canvas; for hundreds of them see lines-scene.ts. Hovering one line
 * names it and dims the others; charts with the same `syncKey` share the cursor. New points go into the drawing that is
 * there; only another set of series, another theme or scale makes a new one.
 */
import { useComputedColorScheme } from "@mantine/core";
import { useEffect, useMemo, useRef } from "react";
import uPlot from "uplot";
import { measured } from "../../src/cli/figures.ts";
import { inert } from "../../src/cli/inert.ts";
import { type ChartColours, chartColours } from "./palette.ts";

export interface LineSeries {
  readonly id: string;
  readonly label: string;
  /** Which of the palette's colours; absent = quiet. */
  readonly colour?: number | undefined;
  /** [x, y], x rising. What is not finite is left out as a gap. */
  readonly points: readonly (readonly [number, number])[];
}

export interface LineChartProps {
  readonly series: readonly LineSeries[];
  readonly xLabel: string;
  readonly yLabel: string;
  readonly logY?: boolean;
  readonly heightPx?: number;
  readonly syncKey?: string;
  /** A line was clicked, at this x. */
  readonly onPick?: (id: string, x: number) => void;
  /** For a screen reader: the sentence of the frame. */
  readonly label: string;
}

export function LineChart(props: LineChartProps) {
  const { series, logY = false, xLabel, yLabel, heightPx = 320, syncKey } = props;
  const scheme = useComputedColorScheme("light");
  const host = useRef<HTMLDivElement>(null);
  const plot = useRef<uPlot | undefined>(undefined);
  const pick = useRef(props.onPick);
  pick.current = props.onPick;
  const data = useMemo(() => align(series, logY), [series, logY]);
  const latest = useRef(data);
  latest.current = data;
  // Which lines there are, without their points.
  const shape = series
    .map(({ id, label, colour }) => `${id}\t${inert(label)}\t${colour ?? ""}`)
    .join("\n");
  useEffect(() => {
    const element = host.current;
    if (!element) return;
    const lines = linesOf(shape);
    const colours = chartColours(scheme);
    const options = plotOptions({
      ...{ lines, colours, logY, xLabel, yLabel, heightPx, syncKey },
      widthPx: element.clientWidth,
      onPick: (index, x) => {
        const line = lines[index];
        if (line) pick.current?.(line.id, x);
      },
    });
    const made = new uPlot(options, latest.current, element);
    plot.current = made;
    const observer = new ResizeObserver(() => {
      if (element.clientWidth > 0) made.setSize({ width: element.clientWidth, height: heightPx });
    });
    observer.observe(element);
    return () => {
      observer.disconnect();
      made.destroy();
      plot.current = undefined;
    };
  }, [shape, scheme, logY, xLabel, yLabel, heightPx, syncKey]);
  useEffect(() => {
    const drawn = plot.current;
    if (drawn && drawn.data.length === data.length && drawn.data !== data) drawn.setData(data);
  }, [data]);
  return <div ref={host} className="line-chart" role="img" aria-label={props.label} />;
}

interface Line {
  readonly id: string;
  readonly label: string;
  readonly colour: number | undefined;
}

const linesOf = (shape: string): Line[] =>
  shape === ""
    ? []
    : shape.split("\n").map((text) => {
        const [id = "", label = "", colour = ""] = text.split("\t");
        return { id, label, colour: colour === "" ? undefined : Number(colour) };
      });

/** All series over the union of their x. */
function align(series: readonly LineSeries[], logY: boolean): uPlot.AlignedData {
  const places = new Map<number, number>();
  for (const { points } of series) for (const [x] of points) places.set(x, 0);
  const xs = [...places.keys()].toSorted((a, b) => a - b);
  for (const [i, x] of xs.entries()) places.set(x, i);
  const columns = series.map(({ points }) => {
    const column: (number | null)[] = Array(xs.length).fill(null);
    for (const [x, y] of points)
      if (Number.isFinite(y) && (!logY || y > 0)) column[places.get(x) as number] = y;
    return column;
  });
  return [xs, ...columns] as uPlot.AlignedData;
}

/** Steps are whole: 1, 2, 5, 10 and so on. */
const WHOLE = Array.from({ length: 15 }, (_, i) => [1, 2, 5].map((n) => n * 10 ** i)).flat();

interface PlotInput {
  readonly lines: readonly Line[];
  readonly colours: ChartColours;
  readonly logY: boolean;
  readonly xLabel: string;
  readonly yLabel: string;
  readonly heightPx: number;
  readonly widthPx: number;
  readonly syncKey: string | undefined;
  readonly onPick: (index: number, x: number) => void;
}

function plotOptions(input: PlotInput): uPlot.Options {
  const { lines, colours, logY, heightPx, widthPx, syncKey } = input;
  const axis = {
    stroke: colours.text,
    grid: { stroke: colours.grid, width: 1 },
    ticks: { stroke: colours.grid, width: 1, size: 4 },
    font: "11px system-ui, sans-serif",
    labelFont: "11px system-ui, sans-serif",
    labelSize: 18,
    labelGap: 2,
  };
  const values = (_u: uPlot, splits: number[]) =>
    splits.map((value) => (value === null ? "" : measured(value, 3)));
  return {
    width: Math.max(widthPx, 100),
    height: heightPx,
    legend: { show: false },
    padding: [8, 12, 0, 0],
    cursor: {
      focus: { prox: 24 },
      points: { size: 7, fill: (u, i) => String((u.series[i]?.stroke as () => string)?.() ?? "") },
      drag: { x: true, y: false },
      ...(syncKey === undefined ? {} : { sync: { key: syncKey } }),
    },
    focus: { alpha: 0.25 },
    scales: { x: { time: false }, y: { distr: logY ? 3 : 1 } },
    axes: [
      { ...axis, label: input.xLabel, values, size: 32, incrs: WHOLE },
      { ...axis, label: input.yLabel, values, size: 56 },
    ],
    series: [
      {},
      ...lines.map(({ label, colour }) => ({
        label,
        stroke: colour === undefined ? colours.quiet : (colours.series[colour] ?? colours.quiet),
        width: colour === undefined ? 1 : 2,
        spanGaps: true,
        points: { size: 4 },
      })),
    ],
    plugins: [hover(input)],
  };
}

/** Names the line under the cursor, with its value there. */
function hover({ lines, xLabel, onPick }: PlotInput): uPlot.Plugin {
  const box = document.createElement("div");
  box.className = "chart-hover";
  box.hidden = true;
  let focused = -1;
  const show = (u: uPlot): void => {
    const { idx, left = -1, top = -1 } = u.cursor;
    const line = lines[focused];
    const y = idx === null || idx === undefined ? null : u.data[focused + 1]?.[idx];
    box.hidden = !line || left < 0 || y === null || y === undefined;
    if (box.hidden || !line || idx === null || idx === undefined) return;
    const x = u.data[0][idx] as number;
    box.textContent = `${line.label}   ${measured(y, 5)} at ${xLabel} ${measured(x, 6)}`;
    const right = left > u.over.clientWidth / 2;
    box.style.left = right ? "" : `${left + 12}px`;
    box.style.right = right ? `${u.over.clientWidth - left + 12}px` : "";
    box.style.top = `${Math.max(0, top - 30)}px`;
  };
  return {
    hooks: {
      init: (u) => {
        u.over.append(box);
        u.over.addEventListener("click", () => {
          const x = u.data[0][u.cursor.idx ?? -1];
          if (focused >= 0 && x !== undefined) onPick(focused, x);
        });
      },
      setSeries: (u, index) => {
        focused = index === null ? -1 : index - 1;
        u.over.style.cursor = focused < 0 ? "" : "pointer";
        show(u);
      },
      setCursor: show,
    },
  };
}
