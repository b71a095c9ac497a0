/**
 * What makes an experiment a task: something that needs slots and is not meant to be a result. A command, a
 * shell and a notebook are experiments with one trial, so that everything that holds for trials (slots, pools,
 * engines, logs, the record, why) holds for them too; this block says how they differ.
 */
import * as z from "zod";
import type { Json, JsonObject } from "../../base/json.ts";
import { duration } from "./duration-field.ts";
import { type Fault, show } from "./issue.ts";
import { TASK_KINDS, type TaskKind } from "./task-kinds.ts";

/** Seconds. A command that says nothing may be at work, so nobody calls it idle. */
const IDLE_TIMEOUT: { readonly [kind in TaskKind]: number | null } = {
  command: null,
  shell: 1800,
  notebook: 1800,
};

export const task = z.strictObject({
  kind: z
    .enum(TASK_KINDS)
    .describe(
      "command: a program that ends by itself. shell, notebook: a program that serves whoever opens it, on the Unix socket that CONTRAIL_TASK_SOCKET names.",
    ),
  idle_timeout: z
    .union([z.literal(0), duration], {
      error:
        "0 (never), a number of seconds, or a length of time such as 90s, 15m, 2h, 1d or 1h30m",
    })
    .nullable()
    .default(null)
    .describe(
      "How long a shell or notebook may be used by nobody before it is paused, its folder saved and its slots given back; 0: for ever. Left out: 30 minutes. Commands have none.",
    ),
});
export type Task = z.output<typeof task>;

/** With the default of its kind in it. */
export const resolvedTask = ({ kind, idle_timeout }: Task): Task => ({
  kind,
  idle_timeout: idle_timeout ?? IDLE_TIMEOUT[kind],
});

/**
 * @param fields as written, nulls dropped
 * @param searcher the name of what was read; null = left to choose
 */
export function taskFaults(fields: JsonObject, searcher: string | null): Fault[] {
  const { task: block } = fields;
  if (!isMap(block)) return [];
  const { kind, idle_timeout: idle } = block;
  const faults: Fault[] = [];
  if (typeof kind === "string" && searcher !== "single")
    faults.push({
      code: "conflict",
      path: ["task"],
      value: kind,
      limit: "with the searcher single",
      message: `.task is of kind ${show(kind)}, and the searcher is ${searcher ?? "left to choose"}: a task is one program and no search. Remove task, or set searcher.name to single.`,
    });
  if (kind === "command" && idle !== undefined && idle !== 0)
    faults.push({
      code: "conflict",
      path: ["task", "idle_timeout"],
      value: idle,
      limit: "with the kinds shell and notebook",
      message: `.task.idle_timeout is ${show(idle)}, and the kind is command: whether a command is idle nobody can see. Remove it; budget.time bounds how long a command runs.`,
    });
  return faults;
}

const isMap = (value: Json | undefined): value is JsonObject =>
  typeof value === "object" && value !== null && !Array.isArray(value);
