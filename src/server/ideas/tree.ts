/** Puts runs, what ancestry knows, what likeness guesses, and threads together. */
import { type Clock, Share } from "../../base/clock.ts";
import { allDifferences } from "../../base/difference.ts";
import { wireOrNull } from "../../base/json.ts";
import type { Idea, Ideas } from "../../protocol/api.ts";
import type { FilterTerm } from "../../protocol/experiment-filter/parse.ts";
import type { Queryable } from "../../store/audit-reads.ts";
import {
  type IdeaRow,
  listIdeas,
  listThreads,
  sketchesOf,
  type ThreadRow,
} from "../../store/idea-reads.ts";
import { settingPath } from "../fork/origin.ts";
import {
  type Guess,
  guessParents,
  type Likened,
  SKETCH,
  SKETCH_DIGITS,
  type Sketch,
  settingsOf,
  sketchOf,
  withoutNames,
} from "./likeness.ts";

const SETTINGS_SHOWN = 20;
/** Of the thread that everybody shares, at once. */
const SHARE_MS = 5;

export async function ideasOf(
  db: Queryable,
  clock: Clock,
  { terms, limit }: { readonly terms: readonly FilterTerm[]; readonly limit: number },
): Promise<Ideas> {
  const rows = await listIdeas(db, terms, limit);
  const trees = [...new Set(rows.flatMap(({ code }) => code ?? []))];
  const hashes = await sketchesOf(db, trees, { size: SKETCH, digits: SKETCH_DIGITS });
  const share = new Share(clock, SHARE_MS);
  // One for all runs of the same code.
  const sketches = new Map<string, Sketch>();
  for (const [tree, found] of hashes) {
    if (share.isOver) await share.othersFirst();
    sketches.set(tree, sketchOf(found));
  }
  const likened: Likened[] = [];
  for (const { id, project, code, config } of rows) {
    if (share.isOver) await share.othersFirst();
    likened.push({
      ...{ id, project, code: code === null ? null : (sketches.get(code) ?? sketchOf("")) },
      settings: settingsOf(config),
    });
  }
  const guesses = await guessParents(likened, share);
  const threads = await listThreads(db);
  const byId = new Map(rows.map((row) => [row.id, row]));
  const parents = new Map(rows.map((row) => [row.id, parentOf(row, byId, guesses)]));
  const lies = threadsOf(threads, parents);
  return {
    items: rows.map((row) => {
      const { parent, by, likeness } = parents.get(row.id) as Parent;
      const before = parent === null ? undefined : byId.get(parent);
      return {
        ...{ experiment: row.id, name: row.name, owner: row.owner },
        ...{ state: row.state as Idea["state"], created_at: row.created_at.toISOString() },
        ...{ archived: row.archived, best: wireOrNull(row.best) },
        metric: metricOf(row),
        ...{ parent, by, likeness },
        changed: before === undefined ? null : changedOf(row, before),
        threads: lies.get(row.id) ?? [],
      };
    }),
    threads: threads
      .filter(({ experiment }) => byId.has(experiment))
      .map(({ at, ...thread }) => ({ ...thread, at: at.toISOString() })),
    total: rows[0]?.total ?? 0,
  };
}

interface Parent {
  readonly parent: number | null;
  readonly by: Idea["by"];
  readonly likeness: number | null;
}

/** What was recorded counts, whatever it looks like. A parent that is not among those shown is none here. */
function parentOf(
  { id, kind, parent }: IdeaRow,
  shown: ReadonlyMap<number, IdeaRow>,
  guesses: ReadonlyMap<number, Guess>,
): Parent {
  if (kind !== null)
    return {
      parent: parent !== null && shown.has(parent) ? parent : null,
      by: kind,
      likeness: null,
    };
  const guess = guesses.get(id);
  if (guess === undefined) return { parent: null, by: null, likeness: null };
  return { parent: guess.parent, by: "likeness", likeness: guess.likeness };
}

/** @returns for each run the threads whose way leads over it */
function threadsOf(
  threads: readonly ThreadRow[],
  parents: ReadonlyMap<number, Parent>,
): Map<number, number[]> {
  const lies = new Map<number, number[]>();
  // A parent is always an earlier run, so every way ends.
  for (const { id, experiment } of threads)
    for (
      let at: number | null | undefined = experiment;
      at != null && parents.has(at);
      at = parents.get(at)?.parent
    )
      lies.set(at, [...(lies.get(at) ?? []), id]);
  return lies;
}

function changedOf(row: IdeaRow, before: IdeaRow): Idea["changed"] {
  const found = allDifferences(withoutNames(before.config), withoutNames(row.config));
  return {
    settings: found.slice(0, SETTINGS_SHOWN).map(({ parts }) => settingPath(parts)),
    settings_total: found.length,
    code: row.code !== before.code,
  };
}

function metricOf({ config }: IdeaRow): string | null {
  const metric = config.searcher?.metric;
  return typeof metric === "string" ? metric : null;
}
