/**
 * The race of a search as columns: a bracket is a row, a rung a column, in it everybody who arrived, the best on top. Between
 * two columns flow those who went on, and those who are on their way. Pure: what is drawn, without a pixel.
 */
import { fromWire } from "../../../src/base/json.ts";
import { measured, plural, steps } from "../../../src/cli/figures.ts";
import { inert } from "../../../src/cli/inert.ts";
import type { Experiment, ExperimentDecision, Rung, Trial } from "../../../src/protocol/api.ts";

export interface Entry {
  readonly trial: string;
  /** NaN where it never reported as far. */
  readonly objective: number;
  readonly outcome: Rung["entries"][number]["outcome"];
}

export interface Column {
  readonly rung: number;
  readonly step: number | null;
  readonly expected: number | null;
  /** Best first. */
  readonly entries: readonly Entry[];
  /** By the last decision here: how many may go on, and what the last of them has. */
  readonly line: { readonly objective: number; readonly after: number } | undefined;
  /** Stand below the line and were let on, when fewer had arrived. */
  readonly early: number;
  /** Stand above the line and were stopped, before it came to lie there. */
  readonly late: number;
}

export interface Flow {
  readonly trial: string;
  /** Index of the column it left and its place there. */
  readonly column: number;
  readonly from: number;
  readonly to: number;
}

/** Between two columns now. */
export interface Traveller {
  readonly trial: string;
  readonly state: Trial["state"];
  readonly step: number;
  /** The column it comes from; -1 = it has not reached the first. */
  readonly column: number;
  /** Its place in that column; undefined before the first. */
  readonly from: number | undefined;
  /** How much of the way it has gone. */
  readonly share: number;
}

export interface BracketRow {
  readonly bracket: number;
  readonly columns: readonly Column[];
  readonly flows: readonly Flow[];
  readonly travellers: readonly Traveller[];
}

const OVER = new Set<Trial["state"]>(["completed", "canceled", "error"]);

export function bracketRows(
  rungs: readonly Rung[],
  trials: ReadonlyMap<string, Trial>,
  decisions: readonly ExperimentDecision[] = [],
): BracketRow[] {
  const lines = linesOf(decisions);
  const byBracket = Map.groupBy(rungs, ({ bracket }) => bracket);
  const liveOf = Map.groupBy(
    [...trials.values()].filter(({ state }) => !OVER.has(state)),
    ({ bracket }) => bracket,
  );
  return [...byBracket]
    .toSorted(([a], [b]) => a - b)
    .map(([bracket, own]) => {
      const columns = own.toSorted((a, b) => a.rung - b.rung).map((rung) => columnOf(rung, lines));
      const places = columns.map(
        ({ entries }) => new Map(entries.map(({ trial }, i) => [trial, i])),
      );
      return {
        bracket,
        columns,
        flows: flowsOf(columns, places),
        travellers: (liveOf.get(bracket) ?? []).flatMap((trial) =>
          travellerOf(trial, columns, places),
        ),
      };
    });
}

type Lines = ReadonlyMap<string, NonNullable<ExperimentDecision["standing"]>>;

/** The newest word of each rung on how many may go on. */
function linesOf(decisions: readonly ExperimentDecision[]): Lines {
  const newest = new Map<
    string,
    { readonly at: string; readonly standing: NonNullable<ExperimentDecision["standing"]> }
  >();
  for (const { at, standing } of decisions) {
    if (standing === null) continue;
    const key = `${standing.bracket} ${standing.rung}`;
    const known = newest.get(key)?.standing;
    // Of decisions of one moment the one that had the most to compare with.
    const isNewer =
      !known ||
      standing.of > known.of ||
      (standing.of === known.of && at >= (newest.get(key)?.at ?? ""));
    if (isNewer) newest.set(key, { at, standing });
  }
  return new Map([...newest].map(([key, { standing }]) => [key, standing]));
}

function columnOf({ bracket, rung, step, expected, entries }: Rung, lines: Lines): Column {
  const own = entries.map(({ trial, objective, outcome }) => ({
    ...{ trial, outcome },
    objective: objective === null ? Number.NaN : fromWire(objective),
  }));
  const after = Math.min(lines.get(`${bracket} ${rung}`)?.passing ?? 0, own.length);
  const last = own[after - 1];
  const isFinal = own.some(({ outcome }) => outcome === "finished");
  const hasLine = last !== undefined && !isFinal;
  const number = (outcome: Entry["outcome"], among: readonly Entry[]): number =>
    hasLine ? among.filter((entry) => entry.outcome === outcome).length : 0;
  return {
    ...{ rung, step, expected, entries: own },
    line: hasLine ? { objective: last.objective, after } : undefined,
    early: number("promoted", own.slice(after)),
    late: number("stopped", own.slice(0, after)),
  };
}

type Places = readonly ReadonlyMap<string, number>[];

function flowsOf(columns: readonly Column[], places: Places): Flow[] {
  return columns.flatMap(({ entries }, column) =>
    entries.flatMap(({ trial }, from) => {
      const to = places[column + 1]?.get(trial);
      return to === undefined ? [] : [{ trial, column, from, to }];
    }),
  );
}

function travellerOf(trial: Trial, columns: readonly Column[], places: Places): Traveller[] {
  const column = places.findLastIndex((place) => place.has(trial.id));
  const next = columns[column + 1];
  // At the last rung, or told to wait where it stands.
  if (!next || trial.state === "waiting") return [];
  const from = column < 0 ? undefined : places[column]?.get(trial.id);
  if (from !== undefined && columns[column]?.entries[from]?.outcome !== "promoted") return [];
  const begin = column < 0 ? 0 : (columns[column]?.step ?? 0);
  const way = (next.step ?? Number.POSITIVE_INFINITY) - begin;
  const share = Math.min(1, Math.max(0, (trial.step - begin) / way));
  return [{ trial: trial.id, state: trial.state, step: trial.step, column, from, share }];
}

/** What the picture says, from the same numbers. */
export function rungsSentence(rows: readonly BracketRow[], experiment: Experiment): string {
  const { unit, searcher } = experiment;
  const first = rows[0]?.columns[0];
  if (!first) return "";
  const all = rows.flatMap(({ columns }) => columns.flatMap(({ entries }) => entries));
  const number = (outcome: Entry["outcome"]): number =>
    all.filter((entry) => entry.outcome === outcome).length;
  const entered = rows.reduce((sum, { columns }) => sum + (columns[0]?.entries.length ?? 0), 0);
  const under = rows.reduce((sum, { travellers }) => sum + travellers.length, 0);
  const outcomes = [
    [number("promoted"), "let on"],
    [number("stopped"), "stopped"],
    [number("waiting"), "waiting"],
    [number("finished"), "trained to the end"],
    [number("failed"), "failed"],
    [under, "on the way"],
  ] as const;
  const tally = outcomes.filter(([n]) => n > 0).map(([n, word]) => `${n} ${word}`);
  const brackets = rows.length > 1 ? ` in ${rows.length} brackets` : "";
  const told = [
    `${plural(entered, "trial")} reached the first rung${brackets}: ${tally.join(", ")}.`,
  ];
  const row = rows.find(({ columns }) => columns.some(({ line }) => line));
  const column = row?.columns.find(({ line }) => line);
  if (row && column?.line)
    told.push(
      `${rows.length > 1 ? `In bracket ${row.bracket} the` : "The"} line at ` +
        `${column.step === null ? "the end" : steps(column.step, unit)} lies at ` +
        `${inert(searcher.metric)} ${measured(column.line.objective)}: ${column.line.after} of ${column.entries.length} may go on.`,
    );
  const columns = rows.flatMap((one) => one.columns);
  const early = columns.reduce((sum, one) => sum + one.early, 0);
  const late = columns.reduce((sum, one) => sum + one.late, 0);
  if (early > 0)
    told.push(
      `${early} below a line ${early === 1 ? "was" : "were"} let on when fewer had arrived.`,
    );
  if (late > 0)
    told.push(
      `${late} above a line ${late === 1 ? "was" : "were"} stopped before it came to lie there.`,
    );
  return told.join(" ");
}
