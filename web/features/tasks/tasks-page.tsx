/** Commands, shells and notebooks: which are there, who uses them, and the way into them. */
import { useQuery } from "@tanstack/react-query";
import { Link } from "@tanstack/react-router";
import { useEffect } from "react";
import { taskState } from "../../../src/analysis/task-state.ts";
import type { Experiment } from "../../../src/protocol/api.ts";
import { client } from "../../live/client.ts";
import { onExperiments } from "../../live/experiments.ts";
import { queries } from "../../live/queries.ts";
import { renewal } from "../../live/renewal.ts";
import { type Action, Actions, verbActions } from "../../parts/actions.tsx";
import { CommandLine } from "../../parts/command-line.tsx";
import { type Column, DataTable } from "../../parts/data-table.tsx";
import { StateBadge } from "../../parts/state-badge.tsx";
import { Empty, Failed, Loading } from "../../parts/states.tsx";
import { openTaskWindow } from "../../parts/task-window.ts";
import { Ago, Inert } from "../../parts/text.tsx";

const KEY = ["tasks"];
const SHOWN_MAX = 200;

const COLUMNS: readonly Column<Experiment>[] = [
  { id: "id", head: "id", width: "54px", align: "right", pinned: true, cell: ({ id }) => id },
  { id: "kind", head: "kind", width: "96px", cell: ({ task }) => task?.kind },
  {
    id: "state",
    head: "state",
    width: "108px",
    cell: (task) => <StateBadge state={taskState(task)} />,
  },
  {
    id: "name",
    head: "name",
    width: "minmax(150px, 3fr)",
    cell: ({ id, name }) => (
      <Link to="/experiments/$id" params={{ id: String(id) }} className="row-link">
        <Inert>{name}</Inert>
      </Link>
    ),
  },
  { id: "owner", head: "owner", width: "90px", wideOnly: true, cell: ({ owner }) => owner },
  {
    id: "slots",
    head: "slots",
    width: "64px",
    align: "right",
    cell: ({ trials, plan }) => (trials.running > 0 ? plan.slots_per_trial : 0),
  },
  {
    id: "since",
    head: "since",
    width: "96px",
    cell: ({ started_at, created_at }) => <Ago time={started_at ?? created_at} />,
  },
  {
    id: "idle",
    head: "idle since",
    width: "96px",
    wideOnly: true,
    cell: ({ task }) => (task?.idle_since == null ? null : <Ago time={task.idle_since} />),
  },
  {
    id: "actions",
    head: "",
    width: "minmax(180px, 1fr)",
    cell: (task) => <Actions actions={actionsOf(task)} size="compact-xs" />,
  },
];

function actionsOf(experiment: Experiment): Action[] {
  const { id, state, task, trials } = experiment;
  const action = verbActions("experiment", id, async (verb) => {
    await client.changeExperiment(id, verb);
    await queries.invalidateQueries({ queryKey: KEY });
  });
  const opens: Action = {
    ...{ label: "Open", command: `contrail notebook open ${id}` },
    meaning: "Opens the notebook in a window of its own.",
    run: () => openTaskWindow(id),
  };
  return [
    ...(task?.kind === "notebook" && trials.running > 0 ? [opens] : []),
    ...(state === "active" && task?.kind !== "command"
      ? [action("pause", "Pause", "Keeps its folder and gives its slots back.")]
      : []),
    ...(state === "paused" ? [action("activate", "Go on", "With its folder as it was.")] : []),
    ...(state === "active" || state === "paused"
      ? [action("kill", "Kill", "Ends it now; the folder of a shell or notebook is kept.", true)]
      : []),
  ];
}

export default function TasksPage() {
  const tasks = useQuery({
    queryKey: KEY,
    queryFn: () =>
      client.experiments({
        filter: "kind:command,shell,notebook state:active,paused,stopping",
        limit: SHOWN_MAX,
      }),
  });
  useEffect(() => {
    const renew = renewal(queries, KEY);
    return onExperiments((changed) => {
      if (changed.some(({ task }) => task !== null)) renew();
    });
  }, []);
  return (
    <>
      <header className="page-head">
        <h1>Tasks</h1>
      </header>
      {tasks.isPending ? (
        <Loading what="Asking for the tasks" />
      ) : tasks.data === undefined ? (
        <Failed error={tasks.error} again={() => void tasks.refetch()} />
      ) : tasks.data.items.length === 0 ? (
        <Empty title="No command, shell or notebook is at work">
          <CommandLine command="contrail shell start" />
        </Empty>
      ) : (
        <DataTable
          label="Tasks"
          rows={tasks.data.items}
          columns={COLUMNS}
          rowKey={({ id }) => String(id)}
        />
      )}
      <CommandLine command="contrail task list" />
    </>
  );
}
