/** The race of the search: who was where, who was stopped against which line, who goes on; a click tells why. */
import { SegmentedControl } from "@mantine/core";
import { useQuery } from "@tanstack/react-query";
import { useCallback, useMemo } from "react";
import { moment } from "../../../src/cli/figures.ts";
import type { PanelProps } from "../../app/page.ts";
import { ChartFrame } from "../../charts/chart-frame.tsx";
import { Drawing, type Place } from "../../charts/drawing.tsx";
import { client } from "../../live/client.ts";
import { useDecisions } from "../../live/history.ts";
import { NEWS_MS } from "../../live/news.ts";
import { CommandLine } from "../../parts/command-line.tsx";
import { StateBadge } from "../../parts/state-badge.tsx";
import { Failed, Loading } from "../../parts/states.tsx";
import { Inert } from "../../parts/text.tsx";
import { TrialLink } from "../../parts/trial-link.tsx";
import { choice, type RawView, useViewState } from "../../parts/view-state.ts";
import { rankScene, rowsPx } from "./rank-scene.ts";
import { bracketRows, rungsSentence } from "./rung-layout.ts";
import { lanesOf, lanesPx, timeScene } from "./time-scene.ts";

const FORMS = ["rank", "time"] as const;
const MOVING = new Set(["starting", "running"]);

export const readPicture = (raw: RawView) => ({
  form: choice(raw.race, FORMS),
  picked: raw.picked !== undefined && /^\d{1,9}$/.test(raw.picked) ? raw.picked : undefined,
});

export function RungPicture({ live }: PanelProps) {
  const { id, experiment, trials, rungs } = live;
  const { unit, searcher } = experiment;
  const [{ form, picked: number }, change] = useViewState(readPicture);
  const picked = number === undefined ? undefined : `${id}.${number}`;
  const asked = useDecisions(live);
  const decisions = asked.data?.value;
  const rows = useMemo(() => bracketRows(rungs, trials, decisions), [rungs, trials, decisions]);
  const lanes = useMemo(() => lanesOf(decisions ?? []), [decisions]);
  const beganMs = Date.parse(experiment.started_at ?? experiment.created_at);
  const { metric } = searcher;
  const scene = useCallback(
    (place: Place) =>
      form === "rank"
        ? rankScene({ rows, unit, metric, picked }, place)
        : timeScene({ lanes, unit, metric, beganMs, picked }, place),
    [form, rows, lanes, unit, metric, beganMs, picked],
  );
  const sentence = rungsSentence(rows, experiment);
  const isEmpty = rows.every(
    ({ columns, travellers }) =>
      columns.every(({ entries }) => entries.length === 0) &&
      travellers.every(({ step, state }) => step === 0 && !MOVING.has(state)),
  );
  return (
    <ChartFrame
      title="Rungs and brackets"
      sentence={sentence}
      empty={
        rungs.length === 0
          ? "This search has no rungs: every trial trains its whole length"
          : isEmpty
            ? "No trial has set out yet"
            : undefined
      }
      command={`contrail experiment decisions ${id} --all`}
      fileName={`experiment-${id}-rungs`}
      table={() => ({
        columns: ["bracket", "rung", unit, "place", "trial", metric, "outcome", "line"],
        rows: rows.flatMap(({ bracket, columns }) =>
          columns.flatMap(({ rung, step, entries, line }) =>
            entries.map(({ trial, objective, outcome }, i) => [
              ...[bracket, rung, step, i + 1, trial],
              ...[Number.isFinite(objective) ? objective : String(objective), outcome],
              line?.objective ?? null,
            ]),
          ),
        ),
      })}
      controls={
        <SegmentedControl
          size="xs"
          aria-label="Rungs drawn by"
          data={[
            { value: "rank", label: "by rank" },
            { value: "time", label: "over time" },
          ]}
          value={form}
          onChange={(value) => change({ race: value === "rank" ? undefined : value })}
        />
      }
    >
      {form === "time" && asked.isPending ? (
        <Loading what="Asking for the decisions" />
      ) : (
        <Drawing
          label={sentence}
          heightPx={form === "rank" ? rowsPx(rows) : Math.max(80, lanesPx(lanes))}
          scene={scene}
          onPick={(trial) =>
            change({ picked: trial === undefined ? undefined : trial.split(".")[1] })
          }
        />
      )}
      <Legend form={form} />
      {picked === undefined ? null : (
        <Why
          key={picked}
          trial={picked}
          state={trials.get(picked)?.state}
          onClose={() => change({ picked: undefined })}
        />
      )}
    </ChartFrame>
  );
}

function Legend({ form }: { readonly form: (typeof FORMS)[number] }) {
  const items =
    form === "rank"
      ? ([
          [0, "↑ let on"],
          [2, "✓ trained to the end"],
          [5, "◔ waiting"],
          [undefined, "↓ stopped"],
          [1, "✕ failed"],
        ] as const)
      : ([
          [0, "▲ let on"],
          [5, "○ told to wait"],
          [undefined, "✕ stopped, ● at the end"],
        ] as const);
  return (
    <ul className="legend" aria-label="Signs">
      {items.map(([colour, word]) => (
        <li key={word}>
          <i
            className={colour === undefined ? "swatch" : `swatch swatch-${colour}`}
            aria-hidden="true"
          />
          {word}
        </li>
      ))}
      <li className="dim">
        {form === "rank"
          ? "┄ the line: those above it may go on. Click a trial to be told why."
          : "┄ the line at each moment. Click a decision to be told why."}
      </li>
    </ul>
  );
}

/** The reasons of the server itself, the same as `contrail why`. */
function Why({
  trial,
  state,
  onClose,
}: {
  readonly trial: string;
  readonly state: string | undefined;
  readonly onClose: () => void;
}) {
  const asked = useQuery({
    queryKey: ["why", trial, state],
    queryFn: () => client.why("trial", trial),
    placeholderData: (before) => before,
    refetchInterval: NEWS_MS,
  });
  return (
    <section className="why" aria-label={`Why trial ${trial} is as it is`} aria-live="polite">
      <header>
        <h3>
          Trial <TrialLink id={trial} /> {state === undefined ? null : <StateBadge state={state} />}
        </h3>
        <button type="button" className="plain-button" onClick={onClose}>
          Close
        </button>
      </header>
      {asked.isPending ? <Loading what="Asking why" /> : null}
      {asked.isError && !asked.data ? (
        <Failed error={asked.error} again={() => void asked.refetch()} />
      ) : null}
      {asked.data === undefined ? null : (
        <ol>
          {asked.data.reasons.map((reason, i) => (
            // biome-ignore lint/suspicious/noArrayIndexKey: a list of sentences that is replaced whole
            <li key={i}>
              <Inert>{reason.text}</Inert>
              {reason.at === null ? null : (
                <span className="dim">
                  {" "}
                  {moment(reason.at)}
                  {reason.actor === null ? "" : ` · ${reason.actor}`}
                </span>
              )}
            </li>
          ))}
        </ol>
      )}
      <CommandLine command={`contrail why ${trial}`} />
    </section>
  );
}
