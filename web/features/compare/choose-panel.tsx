/** The trials of an experiment, to choose those that are compared; the choice stands in the address. */
import { Checkbox } from "@mantine/core";
import { useMemo } from "react";
import { hyperparametersLine, measured } from "../../../src/cli/figures.ts";
import { inert } from "../../../src/cli/inert.ts";
import type { Trial } from "../../../src/protocol/api.ts";
import type { PanelProps } from "../../app/page.ts";
import { CommandLine } from "../../parts/command-line.tsx";
import { constantNames, withoutNames } from "../../parts/constant-names.ts";
import { type Column, DataTable } from "../../parts/data-table.tsx";
import { StateBadge } from "../../parts/state-badge.tsx";
import { Empty } from "../../parts/states.tsx";
import { Inert } from "../../parts/text.tsx";
import { COMPARED_MAX, COMPARED_MIN, CompareButton, TrialLink } from "../../parts/trial-link.tsx";
import { type RawView, useViewState } from "../../parts/view-state.ts";
import "./compare.css";
import { trialsOf } from "./differences.ts";

const readView = (raw: RawView) => ({
  chosen: trialsOf(raw.chosen).trials,
  sorting: {
    column: (raw.order ?? "best").replace(/^-/, ""),
    descending: raw.order?.startsWith("-") === true,
  },
});

export default function ChoosePanel({ live: { experiment, trials } }: PanelProps) {
  const [{ chosen, sorting }, change] = useViewState(readView);
  const rows = useMemo(() => [...trials.values()], [trials]);
  const { searcher } = experiment;
  const constant = useMemo(() => constantNames(rows), [rows]);
  const key = `${chosen.join(",")} ${constant.join("\n")}`;
  // biome-ignore lint/correctness/useExhaustiveDependencies: the key is the choice, and what is left out
  const columns = useMemo(() => {
    const toggle = (id: string): void => {
      const next = chosen.includes(id) ? chosen.filter((one) => one !== id) : [...chosen, id];
      change({ chosen: next.length === 0 ? undefined : next.join(",") });
    };
    return columnsOf(chosen, toggle, searcher, constant);
  }, [key, change, searcher.metric, searcher.smaller_is_better]);
  if (rows.length === 0) return <Empty title="No trials yet" />;
  return (
    <>
      <div className="filters">
        <CompareButton trials={chosen} />
        <span className="dim filter-note">
          Choose {COMPARED_MIN} to {COMPARED_MAX}; trials of other experiments can be added there.
        </span>
      </div>
      <DataTable
        label="Trials to compare"
        rows={rows}
        columns={columns}
        rowKey={({ id }) => id}
        isMarked={({ id }) => chosen.includes(id)}
        sorting={sorting}
        onSort={({ column, descending }) => change({ order: `${descending ? "-" : ""}${column}` })}
        rowsShownMax={24}
      />
      <CommandLine command={`contrail trial list ${experiment.id} --best`} />
    </>
  );
}

function columnsOf(
  chosen: readonly string[],
  toggle: (id: string) => void,
  searcher: { readonly metric: string; readonly smaller_is_better: boolean },
  constant: readonly string[],
): readonly Column<Trial>[] {
  const sign = searcher.smaller_is_better ? 1 : -1;
  return [
    {
      id: "chosen",
      head: "",
      width: "40px",
      cell: ({ id }) => (
        <Checkbox
          size="xs"
          className="row-check"
          aria-label={`Compare trial ${id}`}
          checked={chosen.includes(id)}
          disabled={!chosen.includes(id) && chosen.length >= COMPARED_MAX}
          onChange={() => toggle(id)}
        />
      ),
    },
    {
      id: "trial",
      head: "trial",
      width: "80px",
      sort: ({ number }) => number,
      cell: ({ id }) => <TrialLink id={id} />,
    },
    {
      id: "state",
      head: "state",
      width: "118px",
      cell: ({ state }) => <StateBadge state={state} />,
    },
    {
      id: "best",
      head: <Inert>{`best ${searcher.metric}`}</Inert>,
      width: "minmax(104px, 140px)",
      align: "right",
      sort: ({ best }) => (typeof best?.objective === "number" ? sign * best.objective : null),
      cell: ({ best }) => measured(best?.objective, 5),
    },
    {
      id: "hyperparameters",
      head: "hyperparameters",
      width: "minmax(180px, 3fr)",
      cell: ({ hyperparameters }) => {
        const line = hyperparametersLine(hyperparameters);
        return (
          <span className="mono" title={inert(line)}>
            <Inert>{hyperparametersLine(withoutNames(hyperparameters, constant))}</Inert>
          </span>
        );
      },
    },
  ];
}
