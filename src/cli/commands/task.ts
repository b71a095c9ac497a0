/** `contrail task list`: commands, shells and notebooks. What else one does with them, the verbs of experiments do. */
import { taskState } from "../../analysis/task-state.ts";
import type { Experiment } from "../../protocol/api.ts";
import { TASK_KINDS, type TaskKind } from "../../protocol/config/task-kinds.ts";
import type { Cli } from "../cli.ts";
import { EXIT } from "../exit-code.ts";
import { stateCell } from "../experiment-view.ts";
import { ago } from "../figures.ts";
import { gather, type ListOptions, limitOf } from "../listing.ts";
import { table } from "../table.ts";
import { choiceOf } from "../values.ts";
import { lookOf } from "./experiment.ts";

export async function list(
  cli: Cli,
  options: ListOptions & { readonly kind?: string; readonly ended?: true },
): Promise<number> {
  const kinds =
    options.kind === undefined ? TASK_KINDS : [choiceOf("--kind", options.kind, TASK_KINDS)];
  const states = options.ended === true ? "" : " state:active,paused,stopping";
  const filter = `kind:${kinds.join(",")}${states}`;
  const client = cli.client();
  const page = await gather((query) => client.experiments({ ...query, filter }), limitOf(options));
  cli.show(page, () =>
    page.items.length === 0
      ? [noneOf(options)]
      : [
          ...taskRows(page.items, lookOf(cli)),
          ...(page.next_cursor === null ? [] : ["… there are more: --limit N or --all"]),
        ],
  );
  const [newest] = page.items;
  if (newest === undefined) cli.next(...kinds.map((kind) => STARTS[kind]));
  else cli.next(...nextOf(newest));
  return EXIT.ok;
}

const STARTS = {
  command: "command run -- COMMAND",
  shell: "shell start",
  notebook: "notebook start",
} as const satisfies Record<TaskKind, string>;

function noneOf({ kind = "task", ended }: { kind?: string; ended?: true }): string {
  return ended === true ? `No ${kind}s yet.` : `No ${kind} is at work. --ended shows the others.`;
}

export function nextOf({ id, task, state }: Experiment): string[] {
  if (state === "paused") return [`task activate ${id}`];
  if (state !== "active") return [`task show ${id}`, `task logs ${id}`];
  return task?.kind === "command" ? [`task logs -f ${id}`] : [`${task?.kind} open ${id}`];
}

function taskRows(items: readonly Experiment[], look: ReturnType<typeof lookOf>): string[] {
  return table(
    [
      { head: "id", align: "right" },
      { head: "kind" },
      { head: "state" },
      { head: "name", flexible: true },
      { head: "owner", drop: 2 },
      { head: "slots", align: "right" },
      { head: "since" },
      { head: "idle since", drop: 1 },
    ],
    items.map((item) => [
      item.id,
      item.task?.kind,
      stateCell(look.paint, taskState(item)),
      item.name,
      item.owner,
      item.trials.running > 0 ? item.plan.slots_per_trial : 0,
      ago(item.started_at ?? item.created_at, look.nowMs),
      item.task?.idle_since == null ? "" : ago(item.task.idle_since, look.nowMs),
    ]),
    { width: look.width, headPaint: look.paint.dim },
  );
}
