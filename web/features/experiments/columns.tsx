/** The columns that the table of experiments can show; which of them it does is in the address. */
import { Link } from "@tanstack/react-router";
import { duration, measured, trialsCounted } from "../../../src/cli/figures.ts";
import { inert } from "../../../src/cli/inert.ts";
import type { Experiment } from "../../../src/protocol/api.ts";
import type { Column } from "../../parts/data-table.tsx";
import { Progress } from "../../parts/facts.tsx";
import { StateBadge } from "../../parts/state-badge.tsx";
import { Ago, Inert } from "../../parts/text.tsx";
import { VerdictBadge } from "../../parts/verdict-badge.tsx";

const DIM = <span className="dim">–</span>;

export const COLUMNS: readonly Column<Experiment>[] = [
  {
    ...{ id: "id", head: "id", width: "54px", align: "right", pinned: true, sortedByServer: true },
    cell: ({ id }) => id,
  },
  {
    ...{
      id: "name",
      head: "name",
      width: "minmax(150px, 5fr)",
      pinned: true,
      sortedByServer: true,
    },
    cell: ({ id, name, labels }) => (
      // A label that has no room is left out whole; the title has them all.
      <span className="name-cell" title={inert([name, ...labels].join(" · "))}>
        <Link to="/experiments/$id" params={{ id: String(id) }} className="row-link">
          <Inert>{name}</Inert>
        </Link>
        {labels.map((label) => (
          <span key={label} className="label">
            <Inert>{label}</Inert>
          </span>
        ))}
      </span>
    ),
  },
  {
    ...{ id: "state", head: "state", width: "108px", sortedByServer: true },
    cell: ({ state }) => <StateBadge state={state} />,
  },
  {
    ...{ id: "progress", head: "progress", width: "108px", sortedByServer: true },
    cell: ({ progress, id }) => (
      <Progress value={progress} label={`Progress of experiment ${id}`} />
    ),
  },
  {
    ...{ id: "trials", head: "trials", width: "68px", align: "right" },
    cell: ({ trials, plan }) => `${trialsCounted(trials)}/${plan.trials_max}`,
  },
  {
    ...{ id: "best", head: "best", width: "minmax(106px, 1fr)", sortedByServer: true },
    cell: ({ best, searcher }) =>
      best === null ? (
        DIM
      ) : (
        <>
          {measured(best.objective)}{" "}
          <span className="dim">
            <Inert>{searcher.metric}</Inert>
          </span>
        </>
      ),
  },
  {
    ...{ id: "verdict", head: "verdict", width: "124px", wideOnly: true },
    cell: ({ verdict }) =>
      verdict === null ? (
        DIM
      ) : (
        <VerdictBadge state={verdict.state} text={`${verdict.trials} of its trials run again`} />
      ),
  },
  {
    ...{ id: "searcher", head: "searcher", width: "minmax(80px, 1fr)", wideOnly: true },
    cell: ({ searcher }) => searcher.name,
  },
  {
    ...{ id: "owner", head: "owner", width: "minmax(64px, 1fr)", wideOnly: true },
    cell: ({ owner }) => <Inert>{owner}</Inert>,
  },
  {
    ...{ id: "priority", head: "priority", width: "84px", align: "right", sortedByServer: true },
    cell: ({ priority }) => priority,
  },
  {
    ...{ id: "steps", head: "steps", width: "96px", align: "right", sortedByServer: true },
    cell: ({ spent }) => spent.steps,
  },
  {
    ...{ id: "took", head: "took", width: "96px", align: "right", wideOnly: true },
    cell: ({ spent }) => (spent.seconds > 0 ? duration(spent.seconds) : DIM),
  },
  {
    ...{ id: "project", head: "project", width: "minmax(90px, 1fr)" },
    cell: ({ workspace, project }) => <Inert>{`${workspace}/${project}`}</Inert>,
  },
  {
    ...{ id: "notes", head: "notes", width: "minmax(140px, 2fr)" },
    cell: ({ notes, description }) => <Inert>{(notes || description) ?? ""}</Inert>,
  },
  {
    ...{ id: "created", head: "created", width: "104px", align: "right", sortedByServer: true },
    cell: ({ created_at }) => <Ago time={created_at} />,
  },
  {
    ...{ id: "started", head: "started", width: "104px", align: "right", sortedByServer: true },
    cell: ({ started_at }) => <Ago time={started_at} />,
  },
  {
    ...{ id: "ended", head: "ended", width: "104px", align: "right", sortedByServer: true },
    cell: ({ ended_at }) => <Ago time={ended_at} />,
  },
] as readonly Column<Experiment>[];

export const SHOWN_AT_FIRST = [
  ...["id", "name", "state", "progress", "trials", "best", "verdict", "searcher", "owner"],
  "created",
] as const;

/** Without these nobody knows what a row is. */
export const ALWAYS = ["id", "name"] as const;

/** @param text from the address: names of columns, in any order; nonsense in it is left out */
export function shownColumns(text: string | undefined): readonly string[] {
  if (text === undefined) return SHOWN_AT_FIRST;
  const wanted = new Set<string>([...ALWAYS, ...text.split(",")]);
  return COLUMNS.map(({ id }) => id).filter((id) => wanted.has(id));
}
