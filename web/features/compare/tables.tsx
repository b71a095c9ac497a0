/** What came out, side by side, and every path of the record in which the trials differ. */
import { useMemo } from "react";
import { fromWire, type Json } from "../../../src/base/json.ts";
import { count, duration, measured, plural } from "../../../src/cli/figures.ts";
import { inert } from "../../../src/cli/inert.ts";
import { CommandLine } from "../../parts/command-line.tsx";
import { type Column, DataTable } from "../../parts/data-table.tsx";
import { word } from "../../parts/paths.ts";
import { StateBadge } from "../../parts/state-badge.tsx";
import { Inert } from "../../parts/text.tsx";
import { TrialLink } from "../../parts/trial-link.tsx";
import { type Difference, differences } from "./differences.ts";
import type { Compared } from "./use-compared.ts";

interface Props {
  readonly compared: readonly Compared[];
}

export function Results({ compared }: Props) {
  const leader = leaderOf(compared);
  return (
    <section>
      <h2>What came out</h2>
      <DataTable
        label="What came out"
        rows={compared}
        columns={RESULTS}
        rowKey={({ id }) => id}
        isMarked={({ id }) => id === leader}
      />
      <div className="commands">
        {compared.map(({ id }) => (
          <CommandLine key={id} command={`contrail trial show ${id}`} />
        ))}
      </div>
    </section>
  );
}

/** The best one, where all were measured by the same metric in the same direction. */
function leaderOf(compared: readonly Compared[]): string | undefined {
  const [first] = compared;
  if (!first) return undefined;
  const { metric, smaller_is_better: smaller } = first.experiment.searcher;
  const alike = compared.every(
    ({ experiment: { searcher } }) =>
      searcher.metric === metric && searcher.smaller_is_better === smaller,
  );
  if (!alike) return undefined;
  let best: { id: string; value: number } | undefined;
  for (const { id, trial } of compared) {
    const value = trial.best === null ? Number.NaN : fromWire(trial.best.objective);
    if (Number.isNaN(value)) continue;
    if (!best || (smaller ? value < best.value : value > best.value)) best = { id, value };
  }
  return best?.id;
}

const RESULTS: readonly Column<Compared>[] = [
  { id: "trial", head: "trial", width: "72px", cell: ({ id }) => <TrialLink id={id} /> },
  {
    id: "experiment",
    head: "experiment",
    width: "minmax(120px, 1.5fr)",
    wideOnly: true,
    cell: ({ experiment: { id, name } }) => (
      <span title={inert(name)}>
        <Inert>{`${id} ${name}`}</Inert>
      </span>
    ),
  },
  {
    id: "state",
    head: "state",
    width: "112px",
    cell: ({ trial }) => <StateBadge state={trial.state} />,
  },
  {
    id: "metric",
    head: "metric",
    width: "minmax(84px, 1fr)",
    cell: ({ experiment: { searcher } }) => (
      <span title={`the ${searcher.smaller_is_better ? "lower" : "higher"} the better`}>
        <Inert>{searcher.metric}</Inert>
      </span>
    ),
  },
  {
    id: "best",
    head: "best",
    width: "minmax(84px, 1fr)",
    align: "right",
    cell: ({ trial }) => <b>{measured(trial.best?.objective, 5)}</b>,
  },
  {
    id: "at",
    head: "at step",
    width: "76px",
    align: "right",
    cell: ({ trial }) => (trial.best === null ? "–" : count(trial.best.step)),
  },
  {
    id: "last",
    head: "last",
    width: "minmax(84px, 1fr)",
    align: "right",
    cell: ({ trial }) => measured(trial.objective, 5),
  },
  {
    id: "steps",
    head: "trained",
    width: "minmax(96px, 1fr)",
    align: "right",
    cell: ({ trial, experiment }) => `${count(trial.step)} ${inert(experiment.unit)}`,
  },
  {
    id: "time",
    head: "slot time",
    width: "88px",
    align: "right",
    cell: ({ trial }) => duration(trial.slot_seconds),
  },
];

export function DifferenceTables({ compared }: Props) {
  const ids = compared.map(({ id }) => id);
  return (
    <>
      <DifferenceTable
        title="Hyperparameters"
        noun="hyperparameter"
        ids={ids}
        things={compared.map(({ trial }) => trial.hyperparameters)}
      />
      <DifferenceTable
        title="Configuration"
        noun="field"
        ids={ids}
        things={compared.map(({ experiment }) => experiment.config)}
      />
    </>
  );
}

interface TableProps {
  readonly title: string;
  readonly noun: string;
  readonly ids: readonly string[];
  readonly things: readonly Json[];
}

/** Only the paths in which they differ, a column each; what is the same as a number. */
export function DifferenceTable({ title, noun, ids, things }: TableProps) {
  const key = JSON.stringify([ids, things]);
  // biome-ignore lint/correctness/useExhaustiveDependencies: the key is the content
  const { rows, same } = useMemo(() => differences(things), [key]);
  // biome-ignore lint/correctness/useExhaustiveDependencies: the key is the content
  const columns = useMemo(() => columnsOf(ids), [key]);
  const rest = same === 0 ? "" : `${plural(same, noun)} ${same === 1 ? "is" : "are"} the same.`;
  return (
    <section>
      <div className="section-title">
        <h2>{title}</h2>
        <span className="dim">
          {rows.length === 0
            ? same === 0
              ? "Nothing was recorded of it."
              : `No difference: ${rest}`
            : rest}
        </span>
      </div>
      {rows.length === 0 ? null : (
        <DataTable
          label={`Differences: ${title}`}
          rows={rows}
          columns={columns}
          rowKey={({ path }) => path}
        />
      )}
    </section>
  );
}

/** Eight digits of a number; all of them are in the title. */
function shown(value: Json | undefined): string {
  if (value === "") return '""';
  return typeof value === "number" && !Number.isInteger(value)
    ? String(Number(value.toPrecision(8)))
    : word(value);
}

const columnsOf = (ids: readonly string[]): readonly Column<Difference>[] => [
  {
    id: "path",
    head: "path",
    width: "minmax(130px, 1.2fr)",
    pinned: true,
    cell: ({ path }) => (
      <span className="mono" title={inert(path)}>
        <Inert>{path}</Inert>
      </span>
    ),
  },
  ...ids.map(
    (id, i): Column<Difference> => ({
      id,
      head: id,
      width: "minmax(110px, 1fr)",
      cell: ({ values }) => {
        const text = word(values[i]);
        const differs = JSON.stringify(values[i]) !== JSON.stringify(values[0]);
        if (values[i] === undefined) return <span className="dim">not there</span>;
        return (
          <span className={differs ? "mono differs" : "mono"} title={inert(text)}>
            <Inert>{shown(values[i])}</Inert>
          </span>
        );
      },
    }),
  ),
];
