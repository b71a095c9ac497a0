/**
 * What retention and people do to checkpoints and to experiments that have ended, as commands of the decision loop:
 * applied to the world, written in the turn, each with its entry in the log of changes. All of them may be given
 * twice. They refuse (or pass over) what has changed since whoever sends them looked.
 */
import { isOver } from "../../core/lifecycle/experiment.ts";
import {
  type CheckpointFacts,
  neededBy,
  RESTORABLE_MS,
  type RetentionPolicy,
  type TrialFacts,
} from "../../core/retention/retention.ts";
import { deletionText } from "../../core/retention/sentences.ts";
import { ContrailError } from "../../protocol/errors.ts";
import { storable } from "../../store/storable.ts";
import type { LiveExperiment } from "../live-experiment.ts";
import type { Turn, World } from "../world.ts";
import { type Marks, unmarked } from "./state.ts";

export interface Doomed extends CheckpointFacts {
  readonly trialId: number;
}

/** A trial that lives, as retention sees it. */
export function liveTrialFacts(live: LiveExperiment, number: number): TrialFacts | undefined {
  const trial = live.x.trials.get(number);
  if (!trial) return undefined;
  const allocation = live.allocations.get(number);
  return {
    isOver: trial.over !== null,
    checkpoint: trial.checkpoint,
    restored:
      allocation?.restoreTree == null
        ? null
        : { step: allocation.startStep, tree: allocation.restoreTree },
  };
}

/** Something that held a checkpoint of it does so no longer: it is judged again, also after a restart. */
export function judgeAgain(turn: Turn, experiment: number): void {
  turn.retention.add(experiment);
  turn.batch.put("retained", { experiment_id: experiment, at: null });
}

/**
 * Gives up the bytes of these, but not of any that is needed by now: verdicts are older than the turn.
 * @param why.replays of the experiment, from before it was judged
 * @returns those that were deleted
 */
export function deleteCheckpoints<C extends Doomed>(
  world: World,
  turn: Turn,
  experiment: number,
  why: {
    readonly doomed: readonly C[];
    readonly policy: RetentionPolicy;
    readonly actor: string;
    readonly replays: number;
  },
): C[] {
  if (world.retention.replays(experiment) !== why.replays) return [];
  const live = world.experiments.get(experiment);
  const pinned = world.retention.pinned(experiment);
  const at = new Date(turn.nowMs);
  // Of experiments that were made since the verdict.
  const starts = new Set([...world.experiments.values()].map(({ x }) => x.core.start?.tree));
  return why.doomed.filter((checkpoint) => {
    const { trial, trialId, run, step, tree } = checkpoint;
    const facts = live && liveTrialFacts(live, trial);
    if (pinned.has(tree) || neededBy(facts, checkpoint).length > 0) return false;
    if (starts.has(tree) || world.retention.wanted(tree)) {
      // Nothing may come of that, and then nobody says so.
      judgeAgain(turn, experiment);
      return false;
    }
    const text = deletionText(checkpoint, why.policy);
    turn.batch.deleteCheckpoint({
      ...{ trial_id: trialId, run, step, tree },
      ...{ deleted_at: at, deleted_why: text },
    });
    turn.batch.change({
      ...{ at, actor: why.actor, experimentId: experiment },
      subject: `trial ${experiment}.${trial}`,
      what: `checkpoint at step ${step} deleted`,
      cause: `${text}; tree ${tree}`,
    });
    return true;
  });
}

/** Retention has been applied to all that an experiment left behind. */
export function noteRetained(world: World, turn: Turn, experiment: number): void {
  const live = world.experiments.get(experiment);
  if (live && !isOver(live.x.core)) return;
  turn.batch.put("retained", { experiment_id: experiment, at: new Date(turn.nowMs) });
}

/** @returns whether that changed anything @throws ContrailError */
export function pin(
  world: World,
  turn: Turn,
  place: { readonly experiment: number; readonly tree: string },
  how: { readonly pinned: boolean; readonly actor: string },
): boolean {
  const { experiment, tree } = place;
  const marks = world.retention.marks(experiment);
  if (how.pinned && marks.deleted_at !== null)
    throw new ContrailError("conflict", `experiment ${experiment} is deleted`, {
      hint: `Restore it first: contrail experiment restore ${experiment}.`,
    });
  if (world.retention.pinned(experiment).has(tree) === how.pinned) return false;
  world.retention.setPin(experiment, tree, how.pinned);
  const at = new Date(turn.nowMs);
  turn.batch.put("pins", {
    ...{ experiment_id: experiment, tree, pinned: how.pinned },
    ...{ by: storable(how.actor), at },
  });
  turn.batch.change({
    ...{ at, actor: storable(how.actor), experimentId: experiment },
    subject: `checkpoint ${tree}`,
    what: how.pinned ? "pinned" : "unpinned",
    cause: how.pinned
      ? `it stays until ${storable(how.actor)} or somebody else unpins it`
      : "it stays only as long as checkpoint_storage keeps it",
  });
  if (!how.pinned) judgeAgain(turn, experiment);
  return true;
}

export type ExperimentAct = "archive" | "unarchive" | "delete" | "restore";

/**
 * @param id of an experiment that is there
 * @returns whether that changed anything @throws ContrailError conflict, deleted
 */
export function markExperiment(
  world: World,
  turn: Turn,
  id: number,
  { act, actor }: { readonly act: ExperimentAct; readonly actor: string },
): boolean {
  const live = world.experiments.get(id);
  if (live && !isOver(live.x.core))
    throw new ContrailError(
      "conflict",
      `experiment ${id} is ${live.x.core.run}; only one that has ended can be ${PAST[act]}`,
      { hint: `End it first: contrail experiment cancel ${id}, or kill.` },
    );
  const before = world.retention.marks(id);
  if (before.purged_at !== null) throw purged(before);
  if (before.deleted_by === IMPORT)
    throw new ContrailError("conflict", `experiment ${id} is still being imported`, {
      hint: "Wait until `contrail import` is done.",
    });
  const at = new Date(turn.nowMs);
  const pins = [...world.retention.pinned(id)];
  if (act === "delete" && before.deleted_at === null && pins.length > 0)
    throw new ContrailError(
      "conflict",
      `experiment ${id} cannot be deleted while checkpoints of it are pinned, and ${pins.length === 1 ? "one is" : `${pins.length} are`}`,
      { hint: `Unpin first: contrail checkpoint unpin ${pins.slice(0, PINS_NAMED).join(" ")}.` },
    );
  const after = marked(before, act, { at, actor });
  if (after === before) return false;
  write(world, turn, after);
  // Its own stream has ended; those who watch all of them are told.
  turn.shown.set(id, new Set());
  turn.batch.change({
    ...{ at, actor: storable(actor), experimentId: id, subject: `experiment ${id}` },
    what: PAST[act],
    cause: causeOf(act, storable(actor), at),
  });
  return true;
}

/** Who hides an experiment while its rows are written; no person can be called so. */
/** Whoever has more of them unpins these and is told the next ones. */
const PINS_NAMED = 5;
const IMPORT = "an import that is under way";

/** What is being imported is in no list before it is whole. */
export function hideImport(world: World, turn: Turn, id: number): void {
  const hidden = { deleted_at: new Date(turn.nowMs), deleted_by: IMPORT };
  write(world, turn, { ...unmarked(id), ...hidden });
}

export function showImport(world: World, turn: Turn, id: number): void {
  write(world, turn, unmarked(id));
}

/**
 * It did not come to an end: what there is of it goes as if it had been deleted long ago.
 * @returns false where it is whole all the same: that the last of it was stored may be heard of by nobody
 */
export function dropImport(world: World, turn: Turn, id: number): boolean {
  const before = world.retention.marks(id);
  if (before.deleted_by !== IMPORT) return false;
  write(world, turn, { ...before, purged_at: new Date(turn.nowMs) });
  return true;
}

const PAST: Readonly<Record<ExperimentAct, string>> = {
  archive: "archived",
  unarchive: "unarchived",
  delete: "deleted",
  restore: "restored",
};

function causeOf(act: ExperimentAct, actor: string, at: Date): string {
  if (act !== "delete") return `asked by ${actor}`;
  const until = new Date(at.getTime() + RESTORABLE_MS).toISOString();
  return `asked by ${actor}; it can be restored until ${until}`;
}

function marked(
  before: Marks,
  act: ExperimentAct,
  { at, actor }: { readonly at: Date; readonly actor: string },
): Marks {
  switch (act) {
    case "archive":
      return before.archived_at === null ? { ...before, archived_at: at } : before;
    case "unarchive":
      return before.archived_at === null ? before : { ...before, archived_at: null };
    case "delete":
      return before.deleted_at === null
        ? { ...before, deleted_at: at, deleted_by: storable(actor) }
        : before;
    case "restore":
      return before.deleted_at === null
        ? before
        : { ...before, deleted_at: null, deleted_by: null };
  }
}

/** Nothing of it can be had any more. */
export const purged = (marks: Pick<Marks, "experiment_id" | "deleted_by">): ContrailError =>
  new ContrailError(
    "deleted",
    `experiment ${marks.experiment_id} was deleted by ${marks.deleted_by}, and the time in which it could be restored is over`,
    {
      hint: `The log of changes still knows it: contrail audit list ${marks.experiment_id}.`,
    },
  );

/**
 * The way back ends here for those whose time is over.
 * @param how.after how long after their deletion @param how.nowMs what the time is for that; absent = the turn's
 * @returns which
 */
export function purgeDue(
  world: World,
  turn: Turn,
  { after = RESTORABLE_MS, nowMs = turn.nowMs }: { after?: number; nowMs?: number } = {},
): number[] {
  const at = new Date(turn.nowMs);
  const due = world.retention
    .deleted()
    .filter((m) => m.purged_at === null && nowMs - Number(m.deleted_at) >= after);
  for (const marks of due) {
    write(world, turn, { ...marks, purged_at: at });
    turn.batch.change({
      ...{ at, actor: "contrail", experimentId: marks.experiment_id },
      subject: `experiment ${marks.experiment_id}`,
      what: "purged",
      cause: `deleted by ${marks.deleted_by} at ${marks.deleted_at?.toISOString()}, and nobody restored it`,
    });
  }
  return due.map((marks) => marks.experiment_id);
}

/** Its rows are gone. @param rows what there was of them, as a sentence */
export function noteEmptied(world: World, turn: Turn, id: number, rows: string): void {
  const marks = world.retention.marks(id);
  if (marks.purged_at === null || marks.emptied_at !== null) return;
  const at = new Date(turn.nowMs);
  write(world, turn, { ...marks, emptied_at: at });
  turn.batch.change({
    ...{ at, actor: "contrail", experimentId: id, subject: `experiment ${id}` },
    what: "emptied",
    cause: `it was purged; deleted were ${rows}`,
  });
}

function write(world: World, turn: Turn, marks: Marks): void {
  world.retention.setMarks(marks);
  turn.batch.put("experiment_marks", { ...marks });
}
