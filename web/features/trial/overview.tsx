/** A trial at a glance: how far and how good, why it is as it is, what was chosen for it, and each time it ran. */
import { useMemo } from "react";
import type { Json } from "../../../src/base/json.ts";
import { count, duration, measured, plural, steps } from "../../../src/cli/figures.ts";
import { inert, inertLog } from "../../../src/cli/inert.ts";
import type { TrialDetail } from "../../../src/protocol/api.ts";
import { useExperimentDetail } from "../../live/experiment-detail.ts";
import { CommandLine } from "../../parts/command-line.tsx";
import { type Column, DataTable } from "../../parts/data-table.tsx";
import { Figures, Progress } from "../../parts/facts.tsx";
import { flatten, word } from "../../parts/paths.ts";
import { Loading } from "../../parts/states.tsx";
import { Ago, Inert } from "../../parts/text.tsx";
import { TrialLink } from "../../parts/trial-link.tsx";
import { spaceAt, spaceWords } from "./space-words.ts";
import type { TrialPanelProps } from "./use-trial.ts";
import { Verdicts } from "./verdicts.tsx";
import { WhyHistory } from "./why-history.tsx";

export default function Overview({ live }: TrialPanelProps) {
  const { trial, experiment, detail } = live;
  const { searcher, unit } = experiment;
  const { best, target, step } = trial;
  const lines = detail?.last_lines ?? [];
  return (
    <>
      <Figures
        items={[
          {
            label: "progress",
            value:
              target === null ? (
                steps(step, unit)
              ) : (
                <Progress value={target === 0 ? 0 : step / target} label="Progress to its target" />
              ),
            note:
              target === null
                ? "it trains until its program is done"
                : `${count(step)} of ${steps(target, unit)}`,
          },
          {
            label: `best ${searcher.smaller_is_better ? "(lowest)" : "(highest)"}`,
            value: measured(best?.objective, 5),
            note:
              best === null ? (
                "nothing reported yet"
              ) : (
                <>
                  <Inert>{searcher.metric}</Inert> after {steps(best.step, unit)}
                </>
              ),
          },
          {
            label: "in the experiment",
            value: experiment.best?.trial === trial.id ? "the best" : distance(live),
            note:
              experiment.best === null ? undefined : (
                <>
                  best of all: trial <TrialLink id={experiment.best.trial} />
                </>
              ),
          },
          {
            label: "slot time",
            value: duration(trial.slot_seconds),
            note: plural(detail?.allocations.length ?? 0, "allocation"),
          },
          { label: "restarts", value: count(trial.restarts), note: `seed ${trial.seed}` },
        ]}
      />
      {lines.length === 0 ? null : (
        <section>
          <h2>The end of its output</h2>
          {/* biome-ignore lint/a11y/noNoninteractiveTabindex: what scrolls must be reachable by keyboard */}
          <pre className="code" tabIndex={0}>
            <bdi>{lines.map(inertLog).join("\n")}</bdi>
          </pre>
        </section>
      )}
      <WhyHistory live={live} />
      <Verdicts live={live} />
      <Hyperparameters live={live} />
      {detail === undefined ? (
        <Loading what="Asking for its allocations" />
      ) : (
        <Allocations detail={detail} unit={unit} />
      )}
    </>
  );
}

/** How far it is behind the best of its experiment. */
function distance({ trial, experiment }: TrialPanelProps["live"]): string {
  const [own, best] = [trial.best?.objective, experiment.best?.objective];
  if (typeof own !== "number" || typeof best !== "number") return "–";
  const behind = own - best;
  return `${behind >= 0 ? "+" : "−"}${measured(Math.abs(behind), 3)}`;
}

interface Parameter {
  readonly name: string;
  readonly value: Json;
  readonly space: string;
}

const PARAMETERS: readonly Column<Parameter>[] = [
  {
    id: "name",
    head: "name",
    width: "minmax(120px, 1fr)",
    cell: ({ name }) => (
      <b title={inert(name)}>
        <Inert>{name}</Inert>
      </b>
    ),
  },
  {
    id: "value",
    head: "value",
    width: "minmax(110px, 1fr)",
    cell: ({ value }) => (
      <span className="mono" title={inert(word(value))}>
        <Inert>{word(value)}</Inert>
      </span>
    ),
  },
  {
    id: "space",
    head: "drawn from",
    width: "minmax(160px, 2fr)",
    cell: ({ space }) => (
      <span className="dim" title={inert(space)}>
        <Inert>{space}</Inert>
      </span>
    ),
  },
];

function Hyperparameters({ live: { trial, experiment } }: TrialPanelProps) {
  const { data } = useExperimentDetail(experiment.id);
  const rows = useMemo(() => {
    const config = data?.config as { readonly hyperparameters?: Json } | undefined;
    return [...flatten(trial.hyperparameters)]
      .filter(([name]) => name !== "")
      .map(([name, value]): Parameter => {
        const space = config && spaceAt(config.hyperparameters, name);
        return { name, value, space: config ? spaceWords(space) : "…" };
      });
  }, [data, trial.hyperparameters]);
  return (
    <section>
      <h2>Hyperparameters</h2>
      {rows.length === 0 ? (
        <p className="dim">Nothing was chosen for it: the configuration has no hyperparameters.</p>
      ) : (
        <DataTable
          label="Hyperparameters"
          rows={rows}
          columns={PARAMETERS}
          rowKey={({ name }) => name}
        />
      )}
      <CommandLine command={`contrail trial show ${trial.id}`} />
    </section>
  );
}

type Allocation = TrialDetail["allocations"][number];

function Allocations({ detail, unit }: { readonly detail: TrialDetail; readonly unit: string }) {
  return (
    <section>
      <h2>Allocations</h2>
      {detail.allocations.length === 0 ? (
        <p className="dim">It has had no slots yet.</p>
      ) : (
        <DataTable
          label="Allocations"
          rows={detail.allocations}
          columns={allocationColumns(unit)}
          rowKey={({ id }) => id}
        />
      )}
      <CommandLine command={`contrail trial show ${detail.id}`} />
    </section>
  );
}

const allocationColumns = (unit: string): readonly Column<Allocation>[] => [
  { id: "id", head: "allocation", width: "92px", cell: ({ id }) => <b>{id}</b> },
  { id: "state", head: "state", width: "92px", cell: ({ state, end }) => end ?? state },
  {
    id: "slots",
    head: "slots",
    width: "minmax(80px, 1fr)",
    cell: ({ slots }) => (
      <span className="mono" title={inert(slots.join(" "))}>
        <Inert>{slots.join(" ")}</Inert>
      </span>
    ),
  },
  {
    id: "from",
    head: <Inert>{`from ${unit}`}</Inert>,
    width: "104px",
    align: "right",
    cell: ({ start_step }) => count(start_step),
  },
  {
    id: "started",
    head: "granted",
    width: "100px",
    align: "right",
    cell: ({ created_at }) => <Ago time={created_at} />,
  },
  {
    id: "held",
    head: "held for",
    width: "104px",
    align: "right",
    wideOnly: true,
    cell: ({ created_at, ended_at }) =>
      ended_at === null
        ? "still"
        : duration((Date.parse(ended_at) - Date.parse(created_at)) / 1000),
  },
  {
    id: "exit",
    head: "exit",
    width: "84px",
    align: "right",
    cell: ({ exit_code, signal }) => signal ?? (exit_code === null ? "–" : `code ${exit_code}`),
  },
  {
    id: "reason",
    head: "why it ended",
    width: "minmax(160px, 3fr)",
    cell: ({ reason }) => (
      <span title={inert(reason)}>
        <Inert>{reason}</Inert>
      </span>
    ),
  },
];
