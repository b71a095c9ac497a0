/** The states of experiments as a plain list: the page reads filters, too, and is spared the schemas. */
import type { ExperimentState } from "../api/state.ts";

const all = {
  active: true,
  paused: true,
  stopping: true,
  completed: true,
  canceled: true,
  error: true,
} as const satisfies Record<ExperimentState, true>;

export const experimentState = Object.keys(all) as readonly ExperimentState[];
