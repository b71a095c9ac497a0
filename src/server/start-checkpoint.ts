/**
 * The checkpoint of another experiment that every trial of a new one goes on from.
 *
 * It is looked at before anything is made: a trial that starts at the step it is asked for, or beyond, trains nothing and
 * has nothing to report, so it would end in error, or be called complete, without a step of its own.
 */
import { planSearch } from "../core/search/methods.ts";
import type { SearchSpec } from "../core/search/search.ts";
import type { ExperimentConfig } from "../protocol/config/config.ts";
import { ContrailError } from "../protocol/errors.ts";
import { findCheckpoint } from "../store/checkpoint-reads.ts";
import type { RouteContext } from "./http/context.ts";

const PATH = ".searcher.source_checkpoint_uuid";

/**
 * @param held keeps retention from giving it up for as long as that is not disposed: until the experiment is there
 * @returns the checkpoint, and the search that begins there
 * @throws ContrailError where it is not there, or leaves the search nothing to train
 */
export async function startOf(
  { readPool, loop }: Pick<RouteContext, "readPool" | "loop">,
  { searcher }: ExperimentConfig,
  search: SearchSpec,
  held: DisposableStack,
): Promise<{ from?: { step: number; tree: string }; search: SearchSpec }> {
  const { source_checkpoint_uuid: tree } = searcher;
  if (tree == null) return { search };
  held.use(loop.world.retention.want(tree));
  // What an earlier turn gave up is so in the database from then on.
  await loop.read(() => undefined);
  const place = await findCheckpoint(readPool, tree);
  if (!place || place.deletedAt !== null)
    throw refusal(
      "unknown_checkpoint",
      tree,
      place
        ? `the checkpoint ${tree.slice(0, 12)} of trial ${place.experiment}.${place.trial} was deleted: ${place.deletedWhy ?? ""}`
        : `there is no checkpoint ${tree}`,
      "List what there is: contrail checkpoint list EXPERIMENT.",
    );
  const step = Number(place.step);
  // Where the program's own clock counts, how far a checkpoint is along is for its program to say.
  if (searcher.time_metric !== null) return { from: { step, tree }, search };
  refuseNothingToTrain({ step, tree }, searcher, search);
  return { from: { step, tree }, search: { ...search, startStep: step } };
}

function refuseNothingToTrain(
  { step, tree }: { readonly step: number; readonly tree: string },
  searcher: ExperimentConfig["searcher"],
  search: SearchSpec,
): void {
  const first = firstRung(search);
  if (step < first) return;
  const rungs = planSearch(search).brackets.map(({ steps }) => steps);
  throw refusal(
    "conflict",
    tree,
    `${PATH} is a checkpoint of step ${step}, and this search asks its trials for step ${first} first; steps count on from the checkpoint, so there would be nothing to train`,
    rungs.every(({ length }) => length === 1)
      ? `Raise searcher.max_length above ${step}, or go on from an earlier checkpoint.`
      : `Raise searcher.max_length${fewerRungs(searcher)}, so that the first rung lies above step ${step}; or go on from an earlier checkpoint, or with the searcher single.`,
  );
}

/** The step of the lowest rung of all. */
export const firstRung = (search: SearchSpec): number =>
  Math.min(...planSearch(search).brackets.map(({ steps: [lowest] }) => lowest as number));

const fewerRungs = ({ name }: ExperimentConfig["searcher"]): string =>
  name === "asha"
    ? " or lower searcher.num_rungs"
    : name === "adaptive_asha"
      ? " or have fewer rungs (searcher.max_rungs, searcher.bracket_rungs)"
      : "";

const refusal = (code: string, tree: string, message: string, hint: string): ContrailError =>
  new ContrailError("invalid_config", message, {
    issues: [{ code, path: PATH, message, value: tree }],
    hint,
  });
