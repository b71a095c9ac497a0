/** What `data` of a configuration stands for when an experiment is made. */
import type { JsonObject } from "../../base/json.ts";
import type { ExperimentConfig } from "../../protocol/config/config.ts";
import { datasetReference } from "../../protocol/config/dataset-reference.ts";
import { ContrailError, type ProblemIssue } from "../../protocol/errors.ts";
import { type DatasetRow, findBySnapshot, findDataset } from "../../store/dataset-store.ts";
import type { RouteContext } from "../http/context.ts";
import { removedDataset, unknownDataset } from "./find.ts";
import { datasetItems } from "./items.ts";
import { notHere } from "./verify.ts";

/** `name@latest` becomes the version that is latest now; anything else is passed on as it is. @throws ContrailError invalid_config */
export async function resolveData(
  context: Pick<RouteContext, "readPool" | "blobs">,
  config: ExperimentConfig,
  inherited: JsonObject = {},
): Promise<JsonObject> {
  const resolved: [string, JsonObject][] = [];
  const issues: ProblemIssue[] = [];
  for (const [name, value] of Object.entries(config.data)) {
    const reference = datasetReference(value);
    if (!reference) {
      resolved.push([name, { value }]);
      continue;
    }
    const taken = inherited[name] as JsonObject | undefined;
    if (taken?.dataset === `${reference.name}@${reference.version}`) {
      resolved.push([name, taken]);
      const why = await whyNotThere(context, taken);
      if (why !== undefined)
        issues.push({
          code: "unknown_dataset",
          path: `.data.${name}`,
          message: `the data of ${taken.dataset} ${why}`,
          value: String(value),
        });
      continue;
    }
    const { rows, known } = await findDataset(context.readPool, reference);
    const found = rows[0];
    if (found?.removed_at === null) resolved.push([name, resolvedDataset(found)]);
    else
      issues.push({
        code: "unknown_dataset",
        path: `.data.${name}`,
        message: found ? removedDataset(found) : unknownDataset(reference, known),
        value: String(value),
      });
  }
  if (issues.length > 0)
    throw new ContrailError("invalid_config", issues.map((issue) => issue.message).join("; "), {
      issues,
      hint: "Register it first: contrail data add NAME PATH. contrail data list shows what there is.",
    });
  return Object.fromEntries(resolved);
}

/** Of what is taken over from another experiment. */
async function whyNotThere(
  { readPool, blobs }: Pick<RouteContext, "readPool" | "blobs">,
  taken: JsonObject,
): Promise<string | undefined> {
  const [item] = datasetItems({ taken });
  // A bundle brings the list of files of data that it does not bring.
  if (item === undefined || (await findBySnapshot(readPool, item)).length === 0)
    return `is not here: ${notHere(String(taken.snapshot))}`;
  return (await blobs.has(item.snapshot)) ? undefined : "is not stored any more";
}

/** As an experiment's record keeps it; `kind` where the bytes are not stored here. */
export const resolvedDataset = (row: DatasetRow): JsonObject => ({
  snapshot: row.snapshot,
  dataset: `${row.name}@${row.version}`,
  ...(row.kind === "stored" ? {} : { kind: row.kind }),
});
