/** Who has which slot, who waits and why, and the order of the queue, which people may change. */
import { useQuery } from "@tanstack/react-query";
import { Link } from "@tanstack/react-router";
import { useEffect } from "react";
import type { Slot } from "../../../src/protocol/api.ts";
import { client } from "../../live/client.ts";
import { onExperiments } from "../../live/experiments.ts";
import { queries } from "../../live/queries.ts";
import { CommandLine } from "../../parts/command-line.tsx";
import { type Column, DataTable } from "../../parts/data-table.tsx";
import { Empty, Failed, Loading } from "../../parts/states.tsx";
import { Ago, Inert } from "../../parts/text.tsx";
import { QueueTable } from "./queue-table.tsx";
import "./queue.css";

/** Slots change hands without an experiment's changing: they are asked for again this often, too. */
const ASK_AGAIN_MS = 3_000;

const SLOT_COLUMNS: readonly Column<Slot>[] = [
  { id: "slot", head: "slot", width: "90px", pinned: true, cell: ({ id }) => <Inert>{id}</Inert> },
  {
    id: "held",
    head: "held by",
    width: "minmax(120px, 1fr)",
    cell: ({ allocation }) => <Holder allocation={allocation} />,
  },
  { id: "since", head: "since", width: "96px", cell: ({ since }) => <Ago time={since} /> },
  {
    id: "node",
    head: "node",
    width: "minmax(90px, 1fr)",
    cell: ({ node }) => <Inert>{node}</Inert>,
  },
  {
    id: "device",
    head: "device",
    width: "minmax(120px, 2fr)",
    wideOnly: true,
    cell: ({ description }) => <Inert>{description}</Inert>,
  },
];

function Holder({ allocation }: { readonly allocation: string | null }) {
  if (allocation === null) return <span className="badge badge-go">○ free</span>;
  const [experiment = "", trial = ""] = allocation.split(".");
  return (
    <>
      trial{" "}
      <Link to="/experiments/$id" params={{ id: experiment }} className="row-link">
        {experiment}.{trial}
      </Link>
    </>
  );
}

export default function QueuePage() {
  const slots = useQuery({
    queryKey: ["queue", "slots"],
    queryFn: () => client.slots(),
    refetchInterval: ASK_AGAIN_MS,
  });
  const jobs = useQuery({
    queryKey: ["queue", "jobs"],
    queryFn: () => client.jobs(),
    refetchInterval: ASK_AGAIN_MS,
  });
  useEffect(() => onExperiments(() => void queries.invalidateQueries({ queryKey: ["queue"] })), []);
  const used = slots.data?.filter(({ allocation }) => allocation !== null).length ?? 0;
  return (
    <>
      <header className="page-head">
        <h1>Slots and queue</h1>
      </header>
      <section aria-label="Slots">
        <h2>
          Slots{" "}
          {slots.data ? (
            <span className="dim">{`${used} of ${slots.data.length} in use`}</span>
          ) : null}
        </h2>
        {slots.isPending ? (
          <Loading what="Asking for the slots" />
        ) : slots.data === undefined ? (
          <Failed error={slots.error} again={() => void slots.refetch()} />
        ) : (
          <DataTable
            label="Slots"
            rows={slots.data}
            columns={SLOT_COLUMNS}
            rowKey={({ id }) => id}
          />
        )}
        <CommandLine command="contrail slot list" />
      </section>
      <section aria-label="Queue">
        <h2>Queue</h2>
        {jobs.isPending ? (
          <Loading what="Asking for the queue" />
        ) : jobs.data === undefined ? (
          <Failed error={jobs.error} again={() => void jobs.refetch()} />
        ) : jobs.data.length === 0 ? (
          <Empty title="Nothing runs and nothing waits">
            <CommandLine command="contrail experiment create config.yaml ." />
          </Empty>
        ) : (
          <QueueTable jobs={jobs.data} />
        )}
        <CommandLine command="contrail job list" />
      </section>
    </>
  );
}
