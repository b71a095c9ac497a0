/** Which hyperparameters matter: a bar each, with its interval. */
import { useCallback, useEffect, useState } from "react";
import {
  IMPORTANCE_TRIALS_MIN,
  type Importance,
  importanceWork,
} from "../../../src/analysis/importance.ts";
import { inert } from "../../../src/cli/inert.ts";
import { ChartFrame } from "../../charts/chart-frame.tsx";
import { Drawing, fitted, type Hit, type Place, type Scene } from "../../charts/drawing.tsx";
import { clock } from "../../live/client.ts";
import { Loading } from "../../parts/states.tsx";
import { importanceSentence } from "./importance-sentence.ts";
import type { HyperparameterProps } from "./parallel-chart.tsx";

const ROW_PX = 26;
const FOOT_PX = 22;
/** Between two pieces of work the page answers. */
const SLICE_MS = 8;
const PAUSE_MS = 4;

export function ImportanceChart({ live, axes, tried }: HyperparameterProps) {
  const { id, experiment } = live;
  const { metric, smaller_is_better: smallerIsBetter } = experiment.searcher;
  const [found, setFound] = useState<Importance>();
  // A trial's value alone changes the answer, not every step that it trains.
  const shape = tried.map(({ trial, objective }) => `${trial.number}:${objective}`).join();
  // biome-ignore lint/correctness/useExhaustiveDependencies: `shape` is what of `tried` matters
  useEffect(() => {
    const work = importanceWork(axes, tried, { smallerIsBetter });
    let cancel: (() => void) | undefined;
    const go = (): void => {
      const endMs = performance.now() + SLICE_MS;
      do {
        const { done, value } = work.next();
        if (done) {
          setFound(value);
          return;
        }
      } while (performance.now() < endMs);
      cancel = clock.after(PAUSE_MS, go);
    };
    cancel = clock.after(PAUSE_MS, go);
    return () => cancel?.();
  }, [shape, axes, smallerIsBetter]);
  const scene = useCallback((place: Place) => importanceScene(found?.items ?? [], place), [found]);
  const sentence = found ? importanceSentence(found, metric) : "";
  return (
    <ChartFrame
      title="Parameter importance"
      sentence={sentence}
      empty={
        axes.length === 0
          ? "No hyperparameter varies"
          : tried.length < IMPORTANCE_TRIALS_MIN
            ? `Importance needs ${IMPORTANCE_TRIALS_MIN} trials with a value; there are ${tried.length}`
            : undefined
      }
      command={`contrail experiment importance ${id}`}
      fileName={`experiment-${id}-importance`}
      table={() => ({
        columns: ["hyperparameter", "importance", "low", "high", "divergence", "trials"],
        rows: (found?.items ?? []).map((item) => [
          ...[item.name, item.importance, item.low, item.high, item.divergence, item.trials],
        ]),
      })}
    >
      {found === undefined || found.items.length === 0 ? (
        <Loading what="Comparing the best trials with all" />
      ) : (
        <Drawing label={sentence} heightPx={found.items.length * ROW_PX + FOOT_PX} scene={scene} />
      )}
    </ChartFrame>
  );
}

function importanceScene(items: Importance["items"], { width, colours }: Place): Scene {
  const left = Math.min(190, width * 0.34);
  const right = 52;
  const most = Math.max(0.01, ...items.map(({ importance, high }) => Math.max(importance, high)));
  const x = (share: number): number => left + (share / most) * (width - left - right);
  return {
    draw: (pen) => {
      for (const [i, item] of items.entries()) {
        const y = i * ROW_PX + ROW_PX / 2;
        pen.fillStyle = colours.text;
        pen.textAlign = "right";
        pen.fillText(fitted(pen, inert(item.name), left - 10), left - 8, y);
        pen.fillStyle = colours.grid;
        pen.fillRect(left, y - 8, width - left - right, 16);
        pen.fillStyle = colours.series[0] as string;
        pen.globalAlpha = 0.75;
        pen.fillRect(left, y - 8, Math.max(1, x(item.importance) - left), 16);
        pen.globalAlpha = 1;
        pen.strokeStyle = colours.text;
        pen.lineWidth = 1.5;
        pen.beginPath();
        pen.moveTo(x(item.low), y);
        pen.lineTo(x(item.high), y);
        for (const end of [item.low, item.high]) {
          pen.moveTo(x(end), y - 4);
          pen.lineTo(x(end), y + 4);
        }
        pen.stroke();
        pen.fillStyle = colours.text;
        pen.textAlign = "left";
        pen.fillText(`${Math.round(item.importance * 100)} %`, width - right + 8, y);
      }
      pen.textAlign = "left";
      pen.fillText(
        fitted(pen, "share of the sum; whiskers: 5 to 95 % of resamples", width - left),
        left,
        items.length * ROW_PX + 12,
      );
    },
    at: (_, y): Hit | undefined => {
      const item = items[Math.floor(y / ROW_PX)];
      if (!item) return undefined;
      const percent = (share: number): string => `${Math.round(share * 100)} %`;
      const where = item.is_conditional ? "\nexists only for some trials; judged among those" : "";
      return {
        key: item.name,
        text: `${inert(item.name)}: ${percent(item.importance)}, between ${percent(item.low)} and ${percent(item.high)}\n${item.trials} trials have it${where}`,
      };
    },
  };
}
