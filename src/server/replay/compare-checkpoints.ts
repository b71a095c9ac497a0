/**
 * The checkpoints of a trial and of its replay, step by step from the first on: equal hashes are equal parameters and
 * nothing is opened to know it; where hashes differ the files are compared tensor by tensor, since the same parameters can
 * be packed in other bytes (a zip remembers times). The first step that differs is the answer, so nothing is read after it.
 *
 * A step whose bytes are gone on a side can be judged by its hash alone: equal is equal, and unequal says nothing. Such steps
 * and those that the replay lacks are left out; but without the last one nothing is said to be identical, since a replay that
 * stopped early is the same in all that it has.
 */
import type { FirstDifference } from "../../protocol/api.ts";
import type { TreeEntry } from "../../protocol/runner-wire.ts";
import {
  blobSource,
  compareTrees,
  MissingBlob,
  type OpenRange,
  readModelFile,
  ShortBlob,
} from "../../store/tensors/tensors.ts";
import type { SavedPlace } from "../../store/verdict-store.ts";

export interface CheckpointFinding {
  /** Identical only where the trial's last checkpoint was compared. */
  readonly state: "identical" | "differs" | "undecided";
  readonly checkpoints: number;
  readonly tensors: number;
  readonly steps: readonly number[];
  readonly first: FirstDifference | null;
  readonly leftOut: readonly { readonly step: number; readonly why: string }[];
  readonly notes: readonly string[];
}

export interface TreeAccess {
  /** The files of a snapshot; undefined where its list is not stored. */
  readonly entries: (tree: string) => Promise<readonly TreeEntry[] | undefined>;
  readonly openBlob: OpenRange;
  readonly signal?: AbortSignal;
}

/** @param original, replay by step, of one step the one that counts first */
export async function compareCheckpoints(
  original: readonly SavedPlace[],
  replay: readonly SavedPlace[],
  access: TreeAccess,
): Promise<CheckpointFinding> {
  const [before, after] = [byStep(original), byStep(replay)];
  const tally = { checkpoints: 0, tensors: 0 };
  const steps: number[] = [];
  const leftOut: { step: number; why: string }[] = [];
  const notes = new Set<string>();
  for (const [step, saved] of before) {
    access.signal?.throwIfAborted();
    const again = after.get(step);
    if (again === undefined) {
      leftOut.push({ step, why: "the replay saved no checkpoint there" });
      continue;
    }
    const same = saved.some(({ tree }) => tree === again[0]?.tree);
    const result = same
      ? { tensors: await tensorsIn(again[0] as SavedPlace, access) }
      : await compareAt(saved[0] as SavedPlace, again[0] as SavedPlace, access);
    if ("why" in result) {
      leftOut.push({ step, why: result.why });
      continue;
    }
    tally.checkpoints += 1;
    tally.tensors += result.tensors;
    steps.push(step);
    for (const note of ("notes" in result ? result.notes : undefined) ?? []) notes.add(note);
    if ("first" in result && result.first)
      return {
        ...{ state: "differs", ...tally, steps, leftOut, notes: [...notes] },
        first: { step, ...result.first },
      };
  }
  const last = [...before.keys()].at(-1);
  const state = last !== undefined && steps.at(-1) === last ? "identical" : "undecided";
  return { state, ...tally, steps, first: null, leftOut, notes: [...notes] };
}

function byStep(places: readonly SavedPlace[]): Map<number, SavedPlace[]> {
  return Map.groupBy(places, ({ step }) => Number(step));
}

type Compared =
  | { readonly why: string }
  | {
      readonly tensors: number;
      readonly first?: Omit<FirstDifference, "step"> | undefined;
      readonly notes?: readonly string[];
    };

async function compareAt(
  saved: SavedPlace,
  again: SavedPlace,
  access: TreeAccess,
): Promise<Compared> {
  for (const [whose, { gone }] of [
    ["the trial's", saved],
    ["the replay's", again],
  ] as const)
    if (gone !== null)
      return {
        why: `their snapshots are not the same bytes, and ${whose} content is gone (${gone || "deleted"}), so that nobody can say whether parameters differ`,
      };
  const [a, b] = [await access.entries(saved.tree), await access.entries(again.tree)];
  if (a === undefined || b === undefined)
    return {
      why: `the list of files of ${a === undefined ? "the trial's" : "the replay's"} checkpoint is not stored`,
    };
  try {
    const { state, first, differences } = await compareTrees(a, b, access.openBlob, {
      ...(access.signal ? { signal: access.signal } : {}),
    });
    const tensors = differences.reduce((sum, { items }) => sum + (items?.compared ?? 0), 0);
    const notes = differences.flatMap(({ note }) => note ?? []);
    if (state !== "differs" || first === null) return { tensors, notes };
    const file = differences.find(({ path }) => path === first.path);
    const item = file?.differences.find(({ name }) => name === first.item);
    return {
      ...{ tensors, notes },
      first: {
        ...first,
        differing: item?.differing ?? null,
        elements: item?.elements ?? null,
        byte: file?.first_byte ?? null,
      },
    };
  } catch (error) {
    if (error instanceof MissingBlob) return { why: error.message };
    if (error instanceof ShortBlob)
      return { why: `a file is not whole: ${error.message}; verify the data folder` };
    throw error;
  }
}

/** How many of a model file's items an equal hash has answered for; 0 where they cannot be read any more. */
async function tensorsIn({ tree, gone }: SavedPlace, access: TreeAccess): Promise<number> {
  if (gone !== null) return 0;
  let count = 0;
  try {
    for (const entry of ((await access.entries(tree)) ?? []).slice(0, FILES_COUNTED_MAX)) {
      const { model } = await readModelFile(blobSource(entry, access.openBlob), entry.path);
      count += model?.items.length ?? 0;
    }
  } catch (error) {
    // The figure is an extra: the hashes have answered.
    if (!(error instanceof MissingBlob || error instanceof ShortBlob)) throw error;
  }
  return count;
}

const FILES_COUNTED_MAX = 100;
