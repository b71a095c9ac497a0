/** The states of experiments as a plain list: the page reads filters, too, and is spared the schemas. */
import type { ExperimentState } from "../api/state.ts";
import { TASK_KINDS } from "../config/task-kinds.ts";

const all = {
  active: true,
  paused: true,
  stopping: true,
  completed: true,
  canceled: true,
  error: true,
} as const satisfies Record<ExperimentState, true>;

export const experimentState = Object.keys(all) as readonly ExperimentState[];

/** Of replays; `none`: no trial of it was run again. */
export const verdictWords = ["identical", "differs", "not_comparable", "none"] as const;

/** What an experiment is: an ordinary one, or a task. As `task.kind` of the configuration has it. */
export const kindWords = ["experiment", ...TASK_KINDS] as const;
