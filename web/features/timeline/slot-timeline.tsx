/** One lane a slot: which trial it worked for, when it stood idle, and who took long. Dragging zooms in on a stretch. */
import { useCallback, useMemo, useRef } from "react";
import { type SlotUse, type Span, slotUse } from "../../../src/analysis/slot-use.ts";
import { duration } from "../../../src/cli/figures.ts";
import { inert } from "../../../src/cli/inert.ts";
import type { ExperimentAllocation } from "../../../src/protocol/api.ts";
import type { PanelProps } from "../../app/page.ts";
import { ChartFrame } from "../../charts/chart-frame.tsx";
import { Drawing, fitted, type Hit, type Place, type Scene } from "../../charts/drawing.tsx";
import type { ChartColours } from "../../charts/palette.ts";
import { timeScale } from "../../charts/scale.ts";
import { useAllocations } from "../../live/history.ts";
import { Failed, Loading } from "../../parts/states.tsx";
import { useNowMs } from "../../parts/text.tsx";
import { useToTrial } from "../../parts/trial-link.tsx";
import { type RawView, useViewState } from "../../parts/view-state.ts";
import { stragglers, timelineSentence } from "./sentences.ts";

const LEFT_PX = 64;
const RIGHT_PX = 12;
const FOOT_PX = 30;
const LANE_PX = { most: 30, least: 7 } as const;
const LANES_PX_MAX = 900;

/** Seconds after the first grant. */
const readView = (raw: RawView) => {
  const [from, to] = [Number(raw.from), Number(raw.to)];
  const isRange = raw.from !== undefined && raw.to !== undefined && from < to;
  return { range: isRange ? ([from, to] as const) : undefined };
};

export function SlotTimeline({ live }: PanelProps) {
  const { id, experiment } = live;
  const [{ range }, change] = useViewState(readView);
  const toTrial = useToTrial();
  const asked = useAllocations(live);
  const grants = asked.data?.value;
  const clockMs = useNowMs();
  const nowMs = experiment.ended_at === null ? clockMs : Date.parse(experiment.ended_at);
  const use = useMemo(() => slotUse(grants ?? [], nowMs), [grants, nowMs]);
  const slow = useMemo(() => (use ? stragglers(use) : new Set<string>()), [use]);
  const size = useRef<Place | undefined>(undefined);
  const [from, to] = range ?? [0, use ? Math.max(0.1, (use.toMs - use.fromMs) / 1000) : 1];
  const scene = useCallback(
    (place: Place) => {
      size.current = place;
      return use ? timelineScene({ use, slow, from, to }, place) : { draw: () => {} };
    },
    [use, slow, from, to],
  );
  if (asked.isPending) return <Loading what="Asking who held which slot" />;
  if (!grants) return <Failed error={asked.error} again={() => void asked.refetch()} />;
  const sentence = use ? timelineSentence(use, slow) : "";
  const lanes = use?.lanes.length ?? 1;
  const lanePx = Math.max(LANE_PX.least, Math.min(LANE_PX.most, LANES_PX_MAX / lanes));
  const onDrag = (
    a: readonly [number, number],
    b: readonly [number, number],
    over: boolean,
  ): void => {
    const place = size.current;
    if (!over || !place) return;
    const second = (px: number): number =>
      from + ((px - LEFT_PX) / (place.width - LEFT_PX - RIGHT_PX)) * (to - from);
    const [low, high] = [second(a[0]), second(b[0])].toSorted((p, q) => p - q) as [number, number];
    if (high - low <= (to - from) / 200) return;
    change({ from: Math.max(0, low).toFixed(2), to: high.toFixed(2) });
  };
  return (
    <ChartFrame
      title="Slots over time"
      sentence={sentence}
      empty={use ? undefined : "No trial has had slots yet"}
      command={`contrail experiment allocations ${id} --all`}
      fileName={`experiment-${id}-slots`}
      table={() => ({
        columns: ["slot", "allocation", "trial", "from", "to", "end"],
        rows: (use?.lanes ?? []).flatMap(({ slot, spans }) =>
          spans.map(({ grant }) => [
            ...[slot, grant.id, grant.trial, grant.created_at, grant.ended_at],
            grant.end ?? grant.state,
          ]),
        ),
      })}
      controls={
        range === undefined ? undefined : (
          <button
            type="button"
            className="plain-button"
            onClick={() => change({ from: undefined, to: undefined })}
          >
            Whole time
          </button>
        )
      }
    >
      <Drawing
        label={sentence}
        heightPx={Math.ceil(lanes * lanePx) + FOOT_PX}
        scene={scene}
        onDrag={onDrag}
        // The allocation's id without its run.
        onPick={(grant) => toTrial(grant?.replace(/\.\d+$/, ""))}
      />
      <ul className="legend" aria-label="Colours">
        <li>
          <i className="swatch swatch-0" aria-hidden="true" />
          at work
        </li>
        <li>
          <i className="swatch swatch-2" aria-hidden="true" />
          done
        </li>
        <li>
          <i className="swatch" aria-hidden="true" />
          stopped
        </li>
        <li>
          <i className="swatch swatch-5" aria-hidden="true" />
          paused
        </li>
        <li>
          <i className="swatch swatch-1" aria-hidden="true" />
          failed
        </li>
        <li className="dim">
          outlined: took long; empty: idle. Drag to zoom in; a click leads to the trial.
        </li>
      </ul>
    </ChartFrame>
  );
}

type Grant = ExperimentAllocation;

function colourOf({ end }: Grant, colours: ChartColours): string {
  if (end === null) return colours.series[0] as string;
  if (end === "finished") return colours.series[2] as string;
  if (end === "paused") return colours.series[5] as string;
  if (end === "stopped" || end === "killed") return colours.quiet;
  return colours.series[1] as string;
}

interface TimelineInput {
  readonly use: SlotUse<Grant>;
  readonly slow: ReadonlySet<string>;
  /** Seconds after the first grant. */
  readonly from: number;
  readonly to: number;
}

interface Box {
  readonly span: Span<Grant>;
  readonly slot: string;
  readonly x: number;
  readonly y: number;
  readonly width: number;
  readonly height: number;
}

function timelineScene({ use, slow, from, to }: TimelineInput, place: Place): Scene {
  const { width, height, colours, scheme } = place;
  const scale = timeScale(from, to, width < 500 ? 3 : 8);
  const right = width - RIGHT_PX;
  const x = (ms: number): number =>
    LEFT_PX + scale.share((ms - use.fromMs) / 1000) * (right - LEFT_PX);
  const lanePx = (height - FOOT_PX) / use.lanes.length;
  const boxes = use.lanes.flatMap(({ slot, spans }, i) =>
    spans.flatMap((span): Box[] => {
      const [a, b] = [Math.max(LEFT_PX, x(span.fromMs)), Math.min(right, x(span.toMs))];
      if (b < LEFT_PX || a > right) return [];
      return [
        {
          span,
          slot,
          x: a,
          y: i * lanePx + 1,
          width: Math.max(1, b - a - 0.5),
          height: lanePx - 2,
        },
      ];
    }),
  );
  const outline = (box: Box, pen: CanvasRenderingContext2D): void => {
    pen.strokeStyle = colours.text;
    pen.lineWidth = 1.5;
    pen.strokeRect(box.x + 0.5, box.y + 0.5, box.width - 1, box.height - 1);
  };
  return {
    draw: (pen) => {
      for (const [i, { slot }] of use.lanes.entries()) {
        pen.fillStyle = colours.grid;
        pen.globalAlpha = 0.5;
        pen.fillRect(LEFT_PX, i * lanePx + 1, right - LEFT_PX, lanePx - 2);
        pen.globalAlpha = 1;
        if (lanePx < 11) continue;
        pen.fillStyle = colours.text;
        pen.textAlign = "right";
        pen.fillText(fitted(pen, inert(slot), LEFT_PX - 10), LEFT_PX - 6, (i + 0.5) * lanePx);
      }
      for (const box of boxes) {
        pen.fillStyle = colourOf(box.span.grant, colours);
        pen.globalAlpha = scheme === "dark" ? 0.5 : 0.4;
        pen.fillRect(box.x, box.y, box.width, box.height);
        pen.globalAlpha = 1;
        pen.fillRect(box.x, box.y, Math.min(2, box.width), box.height);
        if (slow.has(box.span.grant.id)) outline(box, pen);
        if (box.height < 12 || box.width < 26) continue;
        pen.fillStyle = scheme === "dark" ? "#eef2f6" : "#1f2a36";
        pen.textAlign = "left";
        pen.fillText(
          fitted(pen, box.span.grant.trial, box.width - 7),
          box.x + 5,
          box.y + box.height / 2,
        );
      }
      pen.fillStyle = colours.text;
      pen.textAlign = "center";
      for (const tick of scale.ticks) {
        const at = LEFT_PX + scale.share(tick) * (right - LEFT_PX);
        pen.fillText(
          tick === 0 ? "0" : duration(tick),
          Math.min(at, right - 16),
          height - FOOT_PX + 12,
        );
      }
    },
    at: (px, py): Hit | undefined => {
      const box = boxes.findLast(
        (one) =>
          px >= one.x - 1 && px <= one.x + one.width + 1 && py >= one.y && py <= one.y + one.height,
      );
      if (!box) return undefined;
      const { grant, fromMs, toMs } = box.span;
      const text = [
        `trial ${grant.trial}, allocation ${grant.id} on ${inert(grant.slots.join(" "))}`,
        `${grant.end ?? grant.state}, held for ${duration((toMs - fromMs) / 1000)} from ${duration((fromMs - use.fromMs) / 1000)} on`,
        inert(grant.reason).slice(0, 110),
      ].join("\n");
      return { key: grant.id, text, mark: (pen) => outline(box, pen) };
    },
  };
}
