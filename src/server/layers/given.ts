/** What an experiment has from layers. */
import { z } from "zod";
import type { JsonObject } from "../../base/json.ts";
import { layerGiven } from "../../protocol/api.ts";
import { giverOf, type LayerGiven, layerText } from "../../protocol/config/layers.ts";
import { ContrailError } from "../../protocol/errors.ts";

const kept = z.array(layerGiven).catch([]);

/** As it is kept with an experiment; an import's is the word of where it comes from. */
export const layersIn = (provenance: JsonObject): z.infer<typeof kept> =>
  kept.parse(provenance.layers);

/** @throws ContrailError that `act` throws; of values that its author did not write it says whence they come */
export async function namingLayers<T>(
  layers: readonly LayerGiven[],
  act: () => T | Promise<T>,
): Promise<T> {
  try {
    return await act();
  } catch (error) {
    if (!(error instanceof ContrailError)) throw error;
    const issues = error.issues?.map((issue) => {
      const giver = giverOf(layers, issue.path);
      const from = giver && ` ${giver.field} comes from ${layerText(giver.layer)}.`;
      return from ? { ...issue, message: `${issue.message.replace(/\.$/, "")}.${from}` } : issue;
    });
    if (!issues) throw error;
    const { code, hint } = error;
    throw new ContrailError(code, issues.map(({ message }) => message).join("; "), {
      issues,
      hint,
    });
  }
}
