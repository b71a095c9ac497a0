/**
 * Runs a trial again from its record, for the sake of comparing: the same code, data, configuration, hyperparameters and
 * seed, as far as the trial went, with a checkpoint wherever it saved one. What makes a comparison impossible is looked
 * for first, and is a verdict as well: nobody should pay for a run that can prove nothing.
 */
import type { CreateReplayRequest, Experiment } from "../../protocol/api.ts";
import type { ExperimentConfig } from "../../protocol/config/config.ts";
import { CHECKPOINT_STEPS_MAX } from "../../protocol/config/fields.ts";
import { ContrailError } from "../../protocol/errors.ts";
import { readTrialExtras } from "../../store/experiment-reads.ts";
import { readEnvironment, readRecords } from "../../store/record-store.ts";
import type { TrialRow } from "../../store/schema.ts";
import { savedPlaces } from "../../store/verdict-store.ts";
import { createCopy, readSource, type Source } from "../fork/create-fork.ts";
import { type ForkDocument, forkDocument, type Repetition } from "../fork/document.ts";
import type { RouteContext } from "../http/context.ts";
import { unitOf } from "../views.ts";
import { notComparable } from "./judge.ts";
import { missingParts } from "./missing-parts.ts";
import { writeVerdict } from "./verdict.ts";

export interface ReplayMade {
  /** null where nothing was started. */
  readonly experiment: Experiment | null;
  /** Why it could not be compared; with `anyway` what will be said beside the verdict. */
  readonly reasons: readonly string[];
}

interface Caller {
  readonly owner: { readonly userId: number; readonly name: string };
  readonly idempotencyKey: string | undefined;
}

/** @throws ContrailError not_found, conflict while the trial is not over */
export async function createReplay(
  context: RouteContext,
  id: string,
  { request, caller }: { request: CreateReplayRequest; caller: Caller },
): Promise<ReplayMade> {
  const source = await readSource(context, id);
  const { experiment, trial } = source;
  if (trial === null) throw new ContrailError("not_found", `there is no trial ${id}`);
  if (trial.core.over === null)
    throw new ContrailError("conflict", `trial ${id} is not over: it is ${trial.state}`, {
      hint: `Wait for it, or end it: contrail trial cancel ${id}.`,
    });
  const recorded = await recordedEnvironment(context, source, trial);
  const repetition = {
    ...(await repetitionOf(context, source, trial)),
    require: request.anyway ? null : recorded,
    rebuild: request.rebuild ? recorded : null,
    image: await recordedImage(context, recorded),
  };
  const reasons = await missingParts(context, source, trial, repetition);
  if (request.rebuild && recorded === null)
    reasons.push({
      text: "its environment was not recorded, so that it cannot be built anew",
      final: true,
    });
  let document: ForkDocument | undefined;
  try {
    document = forkDocument(source, repetition);
  } catch (error) {
    if (!(error instanceof ContrailError)) throw error;
    reasons.push({ text: error.message, final: true });
  }
  const refused = async (): Promise<ReplayMade> => {
    const texts = reasons.map(({ text }) => text);
    const about = { experiment: experiment.id, trial: trial.number, askedBy: caller.owner.name };
    if (!request.dry_run)
      await writeVerdict(
        context.loop,
        context.verdicts,
        notComparable({ ...about, replay: null }, texts),
        { releases: false },
      );
    return { experiment: null, reasons: texts };
  };
  if (!document || reasons.some(({ final }) => final || !request.anyway)) return refused();
  try {
    const reply = await createCopy(context, {
      ...{ source, document, text: document.text, kind: "replay", caller },
      request: { provenance: {}, activate: true, dry_run: request.dry_run },
    });
    if (reply.experiment) context.judge.expect(reply.experiment.id);
    return { experiment: reply.experiment, reasons: reasons.map(({ text }) => text) };
  } catch (error) {
    if (!(error instanceof ContrailError) || !NEVER_PLACED.has(error.code)) throw error;
    reasons.push({ text: error.message, final: true });
    return refused();
  }
}

/** What says that it cannot be run here as it was. */
const NEVER_PLACED: ReadonlySet<string> = new Set([
  "slots_unavailable",
  "invalid_config",
  "missing_blobs",
]);

/** Of its last run that was recorded: the hash of machine, interpreter and packages; null where nobody took them down. */
async function recordedEnvironment(
  { readPool }: Pick<RouteContext, "readPool">,
  { experiment }: Source,
  { number }: TrialRow,
): Promise<string | null> {
  const records = await readRecords(readPool, experiment.id, number);
  return records.findLast(({ environment }) => environment !== null)?.environment ?? null;
}

/** By which the image can be had again, whatever its name stands for by now; null where it ran in none that is known. */
async function recordedImage(
  { readPool }: Pick<RouteContext, "readPool">,
  recorded: string | null,
): Promise<string | null> {
  if (recorded === null) return null;
  const environment = await readEnvironment(readPool, recorded);
  const reference = environment?.captured.container?.reference;
  return typeof reference === "string" ? reference : null;
}

async function repetitionOf(
  { readPool }: Pick<RouteContext, "readPool">,
  { experiment }: Source,
  trial: TrialRow,
): Promise<Omit<Repetition, "require" | "rebuild" | "image">> {
  const config = experiment.config as unknown as ExperimentConfig;
  const saved = await savedPlaces(readPool, trial.id);
  const steps = [...new Set(saved.map(({ step }) => Number(step)))];
  const { allocations } = await readTrialExtras(readPool, trial);
  const reached = Math.max(Number(trial.step), steps.at(-1) ?? 0);
  // Where nobody said how far to train and the program ended by itself, it will again.
  const endless = config.searcher.max_length === null && config.searcher.max_time === null;
  const byItself = endless && allocations.at(-1)?.end_kind === "finished";
  return {
    steps: byItself || reached === 0 ? null : reached,
    unit: unitOf(config),
    checkpointSteps: thinned(steps),
  };
}

/** The last in any case, and of the others as many as can be asked for, evenly. */
export function thinned(steps: readonly number[], max = CHECKPOINT_STEPS_MAX): number[] {
  if (steps.length <= max) return [...steps];
  const chosen = Array.from(
    { length: max },
    (_, i) => steps[Math.round((i * (steps.length - 1)) / (max - 1))] as number,
  );
  return [...new Set(chosen)];
}
