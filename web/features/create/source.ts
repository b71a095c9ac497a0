/** What a new experiment begins with when it is made from another one: its text, its code and its data as they were. */
import type { JsonObject } from "../../../src/base/json.ts";
import type { ExperimentDetail } from "../../../src/protocol/api.ts";
import type { Tree } from "../../../src/protocol/runner-wire.ts";
import { client } from "../../live/client.ts";

export interface Source {
  readonly id: number;
  readonly name: string;
  readonly text: string;
  /** null where it had no code. */
  readonly code: { readonly hash: string; readonly tree: Tree } | null;
}

export async function sourceOf(id: number): Promise<Source> {
  const experiment = await client.experiment(id);
  const text = withItsData(experiment);
  if (experiment.code === null) return { id, name: experiment.name, text, code: null };
  const content = await new Response(await client.getBlob(experiment.code)).json();
  return {
    ...{ id, name: experiment.name, text },
    code: { hash: experiment.code, tree: content as Tree },
  };
}

/** `digits@latest` meant one version then; it is named, so that the new one reads the same. */
export function withItsData({
  config_text: text,
  data,
}: Pick<ExperimentDetail, "config_text" | "data">): string {
  let pinned = text;
  for (const value of Object.values(data)) {
    const dataset = (value as JsonObject | null)?.dataset;
    if (typeof dataset !== "string") continue;
    const name = dataset.slice(0, dataset.lastIndexOf("@"));
    pinned = pinned.replaceAll(`${name}@latest`, dataset);
  }
  return pinned;
}

export const EMPTY_TEXT = `name: my search
entrypoint: python3 train.py
hyperparameters:
  rate:
    type: double
    minval: 0.001
    maxval: 0.1
searcher:
  name: asha
  metric: loss
  max_trials: 16
  max_length:
    epochs: 9
`;
