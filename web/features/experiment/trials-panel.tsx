/** All trials of an experiment; sorting and filter stand in the address. */
import { SegmentedControl } from "@mantine/core";
import { useMemo } from "react";
import { inert } from "../../../src/cli/inert.ts";
import type { PanelProps } from "../../app/page.ts";
import { CommandLine } from "../../parts/command-line.tsx";
import { constantNames } from "../../parts/constant-names.ts";
import { DataTable } from "../../parts/data-table.tsx";
import { Empty } from "../../parts/states.tsx";
import { choice, type RawView, useViewState } from "../../parts/view-state.ts";
import { trialColumns } from "./trial-columns.tsx";

const STATES = ["all", "running", "queued", "waiting", "completed", "error"] as const;

const readView = (raw: RawView) => ({
  state: choice(raw.trials, STATES),
  sorting: {
    column: (raw.sort ?? "trial").replace(/^-/, ""),
    descending: raw.sort?.startsWith("-") === true,
  },
});

export default function TrialsPanel({ live: { experiment, trials } }: PanelProps) {
  const [{ state, sorting }, change] = useViewState(readView);
  const rows = useMemo(
    () => [...trials.values()].filter((trial) => state === "all" || trial.state === state),
    [trials, state],
  );
  const constant = useMemo(() => constantNames(trials.values()), [trials]);
  const key = constant.join("\n");
  // biome-ignore lint/correctness/useExhaustiveDependencies: nothing else of it is in the heads
  const columns = useMemo(
    () => trialColumns(experiment, constant),
    [experiment.unit, experiment.searcher.metric, key],
  );
  const option = state === "all" ? "" : ` --state ${state}`;
  return (
    <>
      <div className="filters">
        <SegmentedControl
          size="xs"
          aria-label="State"
          data={[...STATES]}
          value={state}
          onChange={(value) => change({ trials: value === "all" ? undefined : value })}
        />
      </div>
      {rows.length === 0 ? (
        <Empty title={state === "all" ? "No trials yet" : `No trial is ${state}`} />
      ) : (
        <DataTable
          label="Trials"
          rows={rows}
          columns={columns}
          rowKey={({ id }) => id}
          isMarked={({ id }) => id === experiment.best?.trial}
          sorting={sorting}
          onSort={({ column, descending }) => change({ sort: `${descending ? "-" : ""}${column}` })}
          rowsShownMax={30}
        />
      )}
      <footer className="page-foot">
        <CommandLine command={`contrail trial list ${experiment.id}${option} --all`} />
        <span className="dim">
          {rows.length} shown
          {constant.length === 0 ? "" : `; alike in all: ${inert(constant.join(", "))}`}
        </span>
      </footer>
    </>
  );
}
