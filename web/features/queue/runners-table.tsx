/** The runners that start processes: whether each is heard, and what it holds. */
import type { Runner } from "../../../src/protocol/api.ts";
import { type Column, DataTable } from "../../parts/data-table.tsx";
import { SilentFlag } from "../../parts/silent.tsx";
import { StateBadge } from "../../parts/state-badge.tsx";
import { Ago, Inert } from "../../parts/text.tsx";
import { TrialLink } from "../../parts/trial-link.tsx";

export function RunnersTable({ runners }: { readonly runners: readonly Runner[] }) {
  return <DataTable label="Runners" rows={runners} columns={COLUMNS} rowKey={({ id }) => id} />;
}

const COLUMNS: readonly Column<Runner>[] = [
  {
    id: "runner",
    head: "runner",
    width: "110px",
    pinned: true,
    cell: ({ id }) => (
      <b>
        <Inert>{id}</Inert>
      </b>
    ),
  },
  {
    id: "state",
    head: "state",
    width: "118px",
    cell: ({ state, reason }) =>
      state === "silent" ? <SilentFlag title={reason} /> : <StateBadge state={state} />,
  },
  { id: "heard", head: "last heard", width: "104px", cell: (row) => <Ago time={row.heard_at} /> },
  {
    id: "trials",
    head: "trains",
    width: "minmax(110px, 1fr)",
    cell: ({ allocations }) =>
      allocations.length === 0 ? (
        <span className="dim">nothing</span>
      ) : (
        allocations.map((id) => (
          <span key={id}>
            <TrialLink id={id.replace(/\.\d+$/, "")} />{" "}
          </span>
        ))
      ),
  },
  {
    id: "reason",
    head: "because",
    width: "minmax(180px, 2fr)",
    cell: ({ reason }) => (
      <span title={reason}>
        <Inert>{reason}</Inert>
      </span>
    ),
  },
];
