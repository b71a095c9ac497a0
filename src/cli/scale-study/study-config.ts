/**
 * The configurations of a scale study: the author's own, with the slots that are tried, one run of a few steps in place of a
 * search, and the same seed, so that every run trains the same choice of hyperparameters.
 */
import type { Json } from "../../base/json.ts";
import type { ExperimentConfig } from "../../protocol/config/config.ts";
import { type Edit, editText } from "../../protocol/config/edit.ts";
import { plural } from "../figures.ts";

export const STUDY_LABEL = "scale-study";

export interface StudyRun {
  readonly slots: number;
  /** Steps in all, those that warm up included. */
  readonly steps: number;
  /** The label that the runs of this study have in common. */
  readonly study: string;
}

/** What steps are counted in. */
export const unitOf = ({ searcher }: ExperimentConfig): string =>
  Object.keys(searcher.max_length ?? {})[0] ?? "steps";

/** How far a trial of the author's configuration trains; null where it does not say in steps. */
export function lengthOf({ searcher }: ExperimentConfig): number | null {
  const [length] = Object.values(searcher.max_length ?? {});
  return searcher.max_time === null && typeof length === "number" ? length : null;
}

/** @param text of the author, in which all stays that is not named here */
export function studyText(text: string, config: ExperimentConfig, run: StudyRun): string {
  const { slots, steps, study } = run;
  const { searcher, labels, name, reproducibility } = config;
  const single: { [name: string]: Json } = {
    name: "single",
    ...(searcher.metric === null
      ? {}
      : { metric: searcher.metric, smaller_is_better: searcher.smaller_is_better }),
    max_length: { [unitOf(config)]: steps },
  };
  const own = (name ?? "scale study").slice(0, 160);
  const edits: Edit[] = [
    { path: ["name"], value: `${own} (${plural(slots, "slot")})` },
    { path: ["labels"], value: [...new Set([...labels, STUDY_LABEL, study])] },
    { path: ["searcher"], value: single },
    { path: ["resources", "slots_per_trial"], value: slots },
    // A study ends by its steps, and a failure is told instead of tried again.
    { path: ["budget"], value: undefined },
    { path: ["max_restarts"], value: 0 },
    { path: ["reproducibility", "experiment_seed"], value: reproducibility.experiment_seed ?? 0 },
    // Saving takes time that is not a step's.
    { path: ["reproducibility", "checkpoint_steps"], value: undefined },
    { path: ["reproducibility", "deterministic_search"], value: undefined },
  ];
  return editText(text, edits);
}
