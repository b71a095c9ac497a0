/** What a task is doing, from its experiment: of the one trial that it has. */
import type { Experiment } from "../protocol/api.ts";

export function taskState({ state, trials }: Pick<Experiment, "state" | "trials">): string {
  if (state !== "active") return state;
  return trials.running > 0 ? "running" : "queued";
}
