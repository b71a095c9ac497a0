/** Who gave the values that the author of an experiment did not write. */
import type { ExperimentDetail } from "../protocol/api.ts";
import { layerText } from "../protocol/config/layers.ts";
import { inert } from "./inert.ts";

export type Layers = ExperimentDetail["layers"];

/** `from template base@2: .resources.priority, .searcher.name`; a layer that gave nothing has no line. */
export const layerLines = (layers: Layers): string[] =>
  layers
    .filter(({ fields }) => fields.length > 0)
    .map((layer) => inert(`from ${layerText(layer)}: ${layer.fields.join(", ")}`));

/** The template, then whose defaults hold beneath it. */
export function layerFacts(layers: Layers): [string, string][] {
  const names = (of: Layers): string =>
    of.map((layer) => layerText(layer).replace(/^(template|the defaults of) /, "")).join(", ");
  const templates = layers.filter(({ kind }) => kind === "template");
  const defaults = layers.filter(({ kind }) => kind !== "template");
  return [
    ...(templates.length === 0 ? [] : [["template", names(templates)] satisfies [string, string]]),
    ...(defaults.length === 0 ? [] : [["defaults of", names(defaults)] satisfies [string, string]]),
  ];
}
