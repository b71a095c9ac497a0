/** What each thing of a lineage is called, how it stands, and since when there is it. Those that are gone are left out. */
import type { LineageKind } from "../../protocol/api.ts";
import type { Queryable } from "../../store/audit-reads.ts";
import {
  firstUseOfCode,
  foreignNames,
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
  for (const { tree, experiment, trial, step, deleted, at } of await lineageCheckpoints(
    db,
    named("checkpoint"),
  ))
    found.set(`checkpoint:${tree}`, {
      label: `checkpoint of ${experiment}.${trial} at step ${step}`,
      ...{ state: deleted ? "deleted" : null, at: at.toISOString() },
    });
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

function byName(references: readonly string[]): Map<string, Set<number>> {
  const wanted = new Map<string, Set<number>>();
  for (const reference of references) {
    const [name, version] = datasetKey(reference);
    wanted.set(name, (wanted.get(name) ?? new Set()).add(version));
  }
  return wanted;
}
