/**
 * All hyperparameters at once. Dragging along an axis keeps what lies there, a click on it takes the cut away, dragging
 * a title moves the axis; the same can be done with the buttons below. Everything stands in the address.
 */
import { useCallback, useMemo, useRef } from "react";
import type { Axis } from "../../../src/analysis/axes.ts";
import { rawOf, wordOf } from "../../../src/analysis/axes.ts";
import { inert } from "../../../src/cli/inert.ts";
import type { PanelProps } from "../../app/page.ts";
import { ChartFrame } from "../../charts/chart-frame.tsx";
import { Drawing, type Place } from "../../charts/drawing.tsx";
import { type RawView, useViewState } from "../../parts/view-state.ts";
import { axisAt, axisX, isTitle, parallelScene, yPlace } from "./parallel-scene.ts";
import {
  ABSENT,
  type Cuts,
  cutsText,
  type DrawnAxis,
  moved,
  OBJECTIVE,
  orderedAxes,
  orderText,
  parallelSentence,
  passes,
  readCuts,
} from "./parallel-view.ts";
import type { Tried } from "./tried.ts";

const HEIGHT_PX = 380;
/** Below this there is no place for an axis with its figures. */
const AXIS_PX_MIN = 84;

const readView = (raw: RawView) => ({ cuts: readCuts(raw.cut), order: raw.axes });

export interface HyperparameterProps extends PanelProps {
  readonly axes: readonly Axis[];
  readonly tried: readonly Tried[];
}

export function ParallelChart({ live, axes, tried }: HyperparameterProps) {
  const { id, experiment } = live;
  const { metric } = experiment.searcher;
  const [{ cuts, order }, change] = useViewState(readView);
  const drawn = useMemo(() => orderedAxes(axes, order), [axes, order]);
  const kept = useMemo(() => tried.filter((one) => passes(one, drawn, cuts)), [tried, drawn, cuts]);
  const size = useRef<Place | undefined>(undefined);
  const scene = useCallback(
    (place: Place) => {
      size.current = place;
      return parallelScene({ axes, drawn, tried, cuts, metric }, place);
    },
    [axes, drawn, tried, cuts, metric],
  );
  const setCut = (name: string, range: readonly [number, number] | undefined): void => {
    const next = new Map(cuts);
    if (range) next.set(name, range);
    else next.delete(name);
    change({ cut: cutsText(next) });
  };
  const onDrag = (
    from: readonly [number, number],
    to: readonly [number, number],
    isOver: boolean,
  ): void => {
    const place = size.current;
    const i = place && axisAt(from[0], drawn.length, place);
    const axis = i === undefined ? undefined : drawn[i];
    if (!place || !axis || !isOver) return;
    if (isTitle(from[1])) {
      if (axis.name === OBJECTIVE) return;
      const at = drawn.findLastIndex((_, k) => axisX(k, drawn.length, place) <= to[0]);
      change({ axes: orderText(moved(drawn, axis.name, at < (i ?? 0) ? at + 1 : at)) });
      return;
    }
    const range = [yPlace(from[1], place), yPlace(to[1], place)].toSorted((a, b) => a - b);
    setCut(axis.name, from[1] === to[1] ? undefined : (range as [number, number]));
  };
  const sentence = parallelSentence(experiment, axes, tried, kept);
  return (
    <ChartFrame
      title="Parallel coordinates"
      sentence={sentence}
      empty={
        axes.length === 0
          ? "No hyperparameter varies"
          : tried.length === 0
            ? "No trial has reported a value yet"
            : undefined
      }
      command={`contrail trial list ${id} --all`}
      fileName={`experiment-${id}-hyperparameters`}
      table={() => hyperparameterTable(axes, kept, metric)}
      controls={
        cuts.size === 0 ? undefined : (
          <button type="button" className="plain-button" onClick={() => change({ cut: undefined })}>
            Take {cuts.size === 1 ? "the cut" : "all cuts"} away
          </button>
        )
      }
    >
      {/* biome-ignore lint/a11y/noNoninteractiveTabindex: what scrolls must be reachable by keyboard */}
      <section className="wide-chart" aria-label="Axes" tabIndex={0}>
        <div style={{ minWidth: `${drawn.length * AXIS_PX_MIN}px` }}>
          <Drawing label={sentence} heightPx={HEIGHT_PX} scene={scene} onDrag={onDrag} />
        </div>
      </section>
      <AxisButtons
        axes={axes}
        drawn={drawn}
        cuts={cuts}
        setCut={setCut}
        onOrder={(next) => change({ axes: orderText(next) })}
      />
    </ChartFrame>
  );
}

function AxisButtons({
  axes,
  drawn,
  cuts,
  setCut,
  onOrder,
}: {
  readonly axes: readonly Axis[];
  readonly drawn: readonly DrawnAxis[];
  readonly cuts: Cuts;
  readonly setCut: (name: string, range: readonly [number, number] | undefined) => void;
  readonly onOrder: (next: DrawnAxis[]) => void;
}) {
  return (
    <ul className="legend" aria-label="Order and cuts of the axes">
      {drawn
        .filter(({ name }) => name !== OBJECTIVE)
        .map(({ name, index }, i) => (
          <li key={name}>
            {i > 0 ? (
              <button
                type="button"
                className="plain-button"
                aria-label={`Move ${inert(name)} to the left`}
                onClick={() => onOrder(moved(drawn, name, i - 1))}
              >
                ←
              </button>
            ) : null}{" "}
            {inert(name)}{" "}
            {axes[index]?.isConditional ? (
              <button
                type="button"
                className="plain-button dim"
                onClick={() =>
                  setCut(name, cuts.has(name) ? undefined : [ABSENT - 0.1, ABSENT + 0.1])
                }
              >
                {cuts.has(name) ? "all again" : "only where absent"}
              </button>
            ) : null}
          </li>
        ))}
      <li className="dim">
        Drag along an axis to cut, click it to take the cut away, drag a title to move it.
      </li>
    </ul>
  );
}

/** One row a trial, its values as they were given. */
export function hyperparameterTable(
  axes: readonly Axis[],
  tried: readonly Tried[],
  metric: string,
) {
  return {
    columns: ["trial", "state", ...axes.map(({ name }) => name), `best ${metric}`],
    rows: tried.map(({ trial, objective }) => [
      trial.id,
      trial.state,
      ...axes.map((axis) => {
        const raw = rawOf(axis, trial.hyperparameters);
        if (raw === undefined) return null;
        return typeof raw === "number" ? raw : wordOf(raw);
      }),
      Number.isFinite(objective) ? objective : String(objective),
    ]),
  };
}
