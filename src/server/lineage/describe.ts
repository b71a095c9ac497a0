/** What each thing of a lineage is called, how it stands, and since when there is it. Those that are gone are left out. */
import { assert } from "../../base/assert.ts";
import type { LineageKind } from "../../protocol/api.ts";
import type { Queryable } from "../../store/audit-reads.ts";
import {
  firstUseOfCode,
  foreignNames,
  type LineageCheckpoint,
  lineageCheckpoints,
  lineageExperiments,
  lineageTrials,
  versionsOf,
} from "../../store/lineage-reads.ts";
import { datasetKey, isForeign, kindOf, nameOf, trialKey } from "./things.ts";

export interface Description {
  readonly label: string;
  readonly state: string | null;
  readonly at: string | null;
}

/** @returns in the order in which they were asked for */
export async function describe(
  db: Queryable,
  ids: readonly string[],
): Promise<Map<string, Description>> {
  const found = new Map<string, Description>();
  const named = (kind: LineageKind): string[] =>
    ids.filter((id) => kindOf(id) === kind).map(nameOf);
  for (const { id, name, state, at } of await lineageExperiments(
    db,
    named("experiment").map(Number),
  ))
    found.set(`experiment:${id}`, { label: name, state, at: at.toISOString() });
  for (const { experiment, number, state, at } of await lineageTrials(
    db,
    named("trial").map(trialKey),
  ))
    found.set(`trial:${experiment}.${number}`, {
      ...{ label: `trial ${experiment}.${number}`, state, at: at.toISOString() },
    });
  const saved = await lineageCheckpoints(db, named("checkpoint"));
  for (const [tree, savers] of Map.groupBy(saved, (one) => one.tree))
    found.set(`checkpoint:${tree}`, checkpointOf(savers));
  for (const { tree, at } of await firstUseOfCode(db, named("code")))
    found.set(`code:${tree}`, { label: "code", state: null, at: at.toISOString() });
  for (const [snapshot, name] of await foreignNames(db, named("dataset").filter(isForeign)))
    found.set(`dataset:${snapshot}`, { label: name, state: "foreign", at: null });
  for (const [name, wanted] of byName(named("dataset").filter((name) => !isForeign(name))))
    for (const { version, removed, at } of await versionsOf(db, name))
      if (wanted.has(version))
        found.set(`dataset:${name}@${version}`, {
          ...{ label: `${name}@${version}`, state: removed ? "removed" : null },
          at: at.toISOString(),
        });
  return new Map(ids.flatMap((id) => (found.has(id) ? [[id, found.get(id)!] as const] : [])));
}

/** Replays save the same bytes: it is the checkpoint of whichever trial was first, and there as long as one of them has it. */
function checkpointOf(savers: readonly LineageCheckpoint[]): Description {
  const [first, ...others] = savers.toSorted(
    (a, b) => a.at.getTime() - b.at.getTime() || a.experiment - b.experiment || a.trial - b.trial,
  );
  assert(first !== undefined, "a checkpoint that nobody saved");
  const also = others.length === 0 ? "" : ` and ${others.length} more`;
  return {
    label: `checkpoint of ${first.experiment}.${first.trial}${also} at step ${first.step}`,
    state: savers.every(({ deleted }) => deleted) ? "deleted" : null,
    at: first.at.toISOString(),
  };
}

function byName(references: readonly string[]): Map<string, Set<number>> {
  const wanted = new Map<string, Set<number>>();
  for (const reference of references) {
    const [name, version] = datasetKey(reference);
    wanted.set(name, (wanted.get(name) ?? new Set()).add(version));
  }
  return wanted;
}
