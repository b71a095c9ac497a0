/** The plan against what happened: each rung with who reached it, and how many went on. */
import { aligned, count } from "../../../src/cli/figures.ts";
import type { Rung } from "../../../src/protocol/api.ts";
import type { PanelProps } from "../../app/page.ts";
import { CommandLine } from "../../parts/command-line.tsx";
import { type Column, DataTable } from "../../parts/data-table.tsx";
import { Facts } from "../../parts/facts.tsx";
import { StateBadge } from "../../parts/state-badge.tsx";
import { Inert } from "../../parts/text.tsx";
import { useViewState } from "../../parts/view-state.ts";
import { RungPicture, readPicture } from "./rung-picture.tsx";

interface Entry {
  readonly key: string;
  readonly rung: Rung;
  readonly trial: string;
  readonly objective: Rung["entries"][number]["objective"];
  readonly outcome: string;
}

const OUTCOMES = ["promoted", "waiting", "finished", "stopped", "failed"] as const;

export default function RungsPanel({ live }: PanelProps) {
  const { experiment, rungs } = live;
  const [{ picked }, change] = useViewState(readPicture);
  const { plan, searcher, unit, spent } = experiment;
  const entries = rungs.flatMap((rung) =>
    rung.entries.map(
      (entry): Entry => ({
        key: `${rung.bracket} ${rung.rung} ${entry.trial}`,
        rung,
        ...entry,
      }),
    ),
  );
  return (
    <>
      <RungPicture live={live} />
      <Facts
        rows={[
          ["searcher", searcher.name],
          ["trials planned", `at most ${count(plan.trials_max)}`],
          [`${unit} planned`, range(plan.steps_min, plan.steps_max)],
          [`${unit} trained`, count(spent.steps)],
          [
            "without early stopping",
            plan.steps_without_early_stopping === null
              ? undefined
              : `${count(plan.steps_without_early_stopping)} ${unit}`,
          ],
        ]}
      />
      {rungs.length === 0 ? null : (
        <section>
          <h2>Rungs</h2>
          <DataTable
            label="Rungs"
            rows={rungs}
            columns={rungColumns(unit)}
            rowKey={({ bracket, rung }) => `${bracket} ${rung}`}
          />
        </section>
      )}
      {entries.length === 0 ? null : (
        <section>
          <h2>Who was where</h2>
          <DataTable
            label="Trials by rung"
            rows={entries}
            columns={entryColumns(unit, searcher.metric, (number) => change({ picked: number }))}
            rowKey={({ key }) => key}
            rowsShownMax={24}
            isMarked={({ trial }) => trial === `${experiment.id}.${picked}`}
          />
        </section>
      )}
      <CommandLine command={`contrail experiment show ${experiment.id}`} />
    </>
  );
}

function range(min: number | null, max: number | null): string {
  if (max === null) return "no limit: a trial trains until its program is done";
  return min === null || min === max ? count(max) : `${count(min)} to ${count(max)}`;
}

const rungColumns = (unit: string): readonly Column<Rung>[] => [
  { id: "bracket", head: "bracket", width: "84px", align: "right", cell: ({ bracket }) => bracket },
  { id: "rung", head: "rung", width: "70px", align: "right", cell: ({ rung }) => rung },
  {
    id: "step",
    head: <Inert>{`at ${unit}`}</Inert>,
    width: "110px",
    align: "right",
    cell: ({ step }) => (step === null ? "the end" : count(step)),
  },
  {
    id: "expected",
    head: "planned",
    width: "88px",
    align: "right",
    cell: ({ expected }) => (expected === null ? "–" : count(expected)),
  },
  {
    id: "reached",
    head: "reached",
    width: "88px",
    align: "right",
    cell: ({ entries }) => count(entries.length),
  },
  ...OUTCOMES.map(
    (outcome): Column<Rung> => ({
      id: outcome,
      head: outcome,
      width: "minmax(80px, 110px)",
      align: "right",
      cell: ({ entries }) => {
        const number = entries.filter((entry) => entry.outcome === outcome).length;
        return number === 0 ? <span className="dim">0</span> : count(number);
      },
    }),
  ),
];

const entryColumns = (
  unit: string,
  metric: string,
  ask: (number: string | undefined) => void,
): readonly Column<Entry>[] => [
  {
    id: "rung",
    head: <Inert>{`bracket, rung, ${unit}`}</Inert>,
    width: "minmax(150px, 220px)",
    cell: ({ rung }) => `${rung.bracket} · ${rung.rung} · ${rung.step ?? "end"}`,
  },
  {
    id: "trial",
    head: "trial",
    width: "90px",
    cell: ({ trial }) => (
      <button
        type="button"
        className="plain-button"
        title="Why?"
        onClick={() => ask(trial.split(".")[1])}
      >
        <b>{trial}</b>
      </button>
    ),
  },
  {
    id: "objective",
    head: <Inert>{metric}</Inert>,
    width: "minmax(110px, 160px)",
    align: "right",
    cell: ({ objective }) => aligned(objective),
  },
  {
    id: "outcome",
    head: "outcome",
    width: "minmax(110px, 1fr)",
    cell: ({ outcome }) => <StateBadge state={outcome} />,
  },
];
