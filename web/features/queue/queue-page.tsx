/** Who has which slot, who waits and why, and the order of the queue, which people may change. */
import { useQuery } from "@tanstack/react-query";
import { useEffect } from "react";
import { inert } from "../../../src/cli/inert.ts";
import type { Slot } from "../../../src/protocol/api.ts";
import { client } from "../../live/client.ts";
import { onExperiments } from "../../live/experiments.ts";
import { queries } from "../../live/queries.ts";
import { renewal } from "../../live/renewal.ts";
import { CommandLine } from "../../parts/command-line.tsx";
import { type Column, DataTable } from "../../parts/data-table.tsx";
import { SilentFlag } from "../../parts/silent.tsx";
import { Empty, Failed, Loading } from "../../parts/states.tsx";
import { Ago, Inert } from "../../parts/text.tsx";
import { TrialLink } from "../../parts/trial-link.tsx";
import { QueueTable } from "./queue-table.tsx";
import { RunnersTable } from "./runners-table.tsx";
import "./queue.css";

/** Slots change hands without an experiment's changing: they are asked for again this often, too. */
const ASK_AGAIN_MS = 3_000;

const SLOT_COLUMNS: readonly Column<Slot>[] = [
  { id: "slot", head: "slot", width: "90px", pinned: true, cell: ({ id }) => <Inert>{id}</Inert> },
  {
    id: "held",
    head: "held by",
    width: "minmax(176px, 1fr)",
    cell: (slot) => <Holder slot={slot} />,
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

/** Who has it; and where nothing new is granted on it, why. */
function Holder({ slot: { allocation, withheld } }: { readonly slot: Slot }) {
  const flag = withheld === null ? null : <SilentFlag title={inert(withheld)}>withheld</SilentFlag>;
  if (allocation === null) return flag ?? <span className="badge badge-go">○ free</span>;
  return (
    <>
      trial <TrialLink id={allocation.replace(/\.\d+$/, "")} /> {flag}
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
  const runners = useQuery({
    queryKey: ["queue", "runners"],
    queryFn: () => client.runners(),
    refetchInterval: ASK_AGAIN_MS,
  });
  useEffect(() => onExperiments(renewal(queries, ["queue"])), []);
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
      <section aria-label="Runners">
        <h2>Runners</h2>
        {runners.isPending ? (
          <Loading what="Asking for the runners" />
        ) : runners.data === undefined ? (
          <Failed error={runners.error} again={() => void runners.refetch()} />
        ) : (
          <RunnersTable runners={runners.data} />
        )}
        <CommandLine command="contrail runner list" />
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
