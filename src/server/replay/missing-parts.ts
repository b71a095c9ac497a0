/** What is known before a replay starts to stand in the way of comparing it with its trial. */
import { readTree } from "../../store/read-tree.ts";
import type { TrialRow } from "../../store/schema.ts";
import { blobsOf } from "../../store/snapshot.ts";
import { verifyData } from "../datasets/verify.ts";
import type { Source } from "../fork/create-fork.ts";
import type { Repetition } from "../fork/document.ts";
import type { RouteContext } from "../http/context.ts";

export interface Obstacle {
  readonly text: string;
  /** It cannot even be run; otherwise whoever wants to may. */
  readonly final: boolean;
}

type Context = Pick<RouteContext, "readPool" | "blobs" | "clock" | "environment">;

export async function missingParts(
  context: Context,
  { experiment }: Source,
  trial: TrialRow,
  { checkpointSteps }: Pick<Repetition, "checkpointSteps">,
): Promise<Obstacle[]> {
  const found: Obstacle[] = [];
  if (checkpointSteps.length === 0 && Number(trial.step) === 0)
    found.push({
      text: "it saved no checkpoint and reported no metric, so that there is nothing to compare",
      final: false,
    });
  if (experiment.code !== null) {
    const missing = await missingIn(context, experiment.code);
    if (missing !== undefined)
      found.push({ text: `its code (${experiment.code.slice(0, 12)}) ${missing}`, final: true });
  }
  // A runner would refuse it as well, after everything else was laid out.
  for (const [dataset, faults] of Map.groupBy(
    await verifyData(context, experiment.data, { full: "references" }),
    (fault) => fault.dataset,
  )) {
    const first = faults[0];
    const more = faults.length > 1 ? ` and ${faults.length - 1} more differences` : "";
    const where = first?.path === "." ? ":" : `: ${first?.path}`;
    found.push({
      text: `its data ${dataset} is not what it was${where} ${first?.message}${more}`,
      final: true,
    });
  }
  return found;
}

/** In words what is not stored any more of a snapshot; undefined = all is there. */
async function missingIn({ blobs }: Context, tree: string): Promise<string | undefined> {
  const found = await readTree(blobs, tree);
  if (!found) return "is not stored any more";
  const missing = await blobs.missing(found.entries.flatMap(blobsOf).map(({ hash }) => hash));
  if (missing.length === 0) return undefined;
  const lost = found.entries.find((entry) =>
    blobsOf(entry).some(({ hash }) => missing.includes(hash)),
  );
  const more = missing.length > 1 ? ` and ${missing.length - 1} more files` : "";
  return `is not whole: the content of ${lost?.path ?? missing[0]}${more} is not stored any more`;
}
