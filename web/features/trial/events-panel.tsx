/** Every change of a trial, with who and why, from the chained log. */
import { SegmentedControl } from "@mantine/core";
import { useMemo } from "react";
import { moment } from "../../../src/cli/figures.ts";
import { inert } from "../../../src/cli/inert.ts";
import type { AuditChange } from "../../../src/protocol/api.ts";
import { client } from "../../live/client.ts";
import { usePages } from "../../live/paged.ts";
import { CommandLine } from "../../parts/command-line.tsx";
import { type Column, DataTable } from "../../parts/data-table.tsx";
import { Empty, Failed, Loading } from "../../parts/states.tsx";
import { Inert } from "../../parts/text.tsx";
import { choice, type RawView, useViewState } from "../../parts/view-state.ts";
import { stamp, type TrialPanelProps } from "./use-trial.ts";

const ORDERS = ["oldest", "newest"] as const;
const readView = (raw: RawView) => ({ order: choice(raw.order, ORDERS) });

const whole = (text: string) => (
  <span title={inert(text)}>
    <Inert>{text}</Inert>
  </span>
);

const COLUMNS: readonly Column<AuditChange>[] = [
  { id: "seq", head: "event", width: "72px", align: "right", cell: ({ seq }) => seq },
  {
    id: "at",
    head: "time (UTC)",
    width: "182px",
    cell: ({ at }) => (
      <time dateTime={at} title={at}>
        {moment(at).slice(0, 19)}
      </time>
    ),
  },
  { id: "actor", head: "who", width: "minmax(88px, 0.6fr)", cell: ({ actor }) => whole(actor) },
  { id: "what", head: "what", width: "minmax(150px, 1.3fr)", cell: ({ what }) => whole(what) },
  { id: "cause", head: "because", width: "minmax(220px, 4fr)", cell: ({ cause }) => whole(cause) },
];

export default function EventsPanel({ live: { id, trial } }: TrialPanelProps) {
  const [{ order }, change] = useViewState(readView);
  const pages = usePages({
    key: ["trial", id, "events", order],
    stamp: stamp(trial),
    ask: (query) => client.audit({ trial: id, order, ...query }),
  });
  const rows = useMemo(() => pages.data?.pages.flatMap(({ items }) => items) ?? [], [pages.data]);
  if (pages.isPending) return <Loading what="Asking for the log of changes" />;
  if (!pages.data) return <Failed error={pages.error} again={() => void pages.refetch()} />;
  return (
    <>
      <div className="filters">
        <SegmentedControl
          size="xs"
          aria-label="Order"
          data={[
            { value: "oldest", label: "oldest first" },
            { value: "newest", label: "newest first" },
          ]}
          value={order}
          onChange={(value) => change({ order: value === "oldest" ? undefined : value })}
        />
      </div>
      {rows.length === 0 ? (
        <Empty title="Nothing has happened to it yet" />
      ) : (
        <DataTable
          label="Events"
          rows={rows}
          columns={COLUMNS}
          rowKey={({ seq }) => String(seq)}
          rowsShownMax={24}
          onEnd={() => {
            if (pages.hasNextPage && !pages.isFetchingNextPage) void pages.fetchNextPage();
          }}
        />
      )}
      <CommandLine
        command={`contrail audit list ${id} ${order === "oldest" ? "--oldest " : ""}--all`}
      />
    </>
  );
}
