/**
 * A filter of experiments as SQL. Every text of a person is a bound parameter; what is put into the statement itself are
 * the columns of the table below and nothing else, so there is nothing to be escaped.
 *
 * A condition about something that is not there (no best value yet) does not hold, and its negation does.
 */
import { assert } from "../base/assert.ts";
import type { FieldName, SortWord } from "../protocol/experiment-filter/fields.ts";
import { FILTER_FIELDS } from "../protocol/experiment-filter/fields.ts";
import type { Comparison, FilterTerm } from "../protocol/experiment-filter/parse.ts";

const COLUMNS: Readonly<Record<Exclude<FieldName, "label" | "verdict" | "kind">, string>> = {
  id: "e.id::float8",
  state: "e.state",
  owner: "u.name",
  name: "e.name",
  description: "coalesce(e.description, '')",
  notes: "e.notes",
  searcher: "e.search_spec #>> '{method,name}'",
  metric: "e.config #>> '{searcher,metric}'",
  workspace: "e.workspace",
  project: "e.project",
  best: "e.best_objective",
  progress: "e.progress",
  steps: "e.steps::float8",
  priority: "e.priority::float8",
  created: "e.created_at",
  started: "e.started_at",
  ended: "e.ended_at",
};

const SIGNS: Readonly<Partial<Record<Comparison, string>>> = {
  "<": "<",
  "<=": "<=",
  ">": ">",
  ">=": ">=",
};

/** @param bind takes a value and gives its place in the statement, such as $3 */
export function filterCondition(
  terms: readonly FilterTerm[],
  bind: (value: unknown) => string,
): string {
  if (terms.length === 0) return "true";
  return terms.map((term) => condition(term, bind)).join(" and ");
}

function condition(term: FilterTerm, bind: (value: unknown) => string): string {
  const positive = positiveOf(term, bind);
  return term.negated ? `not coalesce((${positive}), false)` : `(${positive})`;
}

function positiveOf(term: FilterTerm, bind: (value: unknown) => string): string {
  const values = [...term.values];
  if (term.field === "anywhere") {
    const word = bind(values[0]);
    return `${contains("e.name", word)} or ${contains("array_to_string(e.labels, E'\\n')", word)}`;
  }
  if (term.field === "label") return `e.labels && ${bind(values)}::text[]`;
  if (term.field === "kind") return kindCondition(values, bind);
  if (term.field === "verdict") return verdictCondition(values, bind);
  const compares = compared(term, COLUMNS[term.field], bind);
  // People are few: they are found first, and experiments by their number.
  if (term.field === "owner") return `e.owner_id in (select u.id from users u where ${compares})`;
  return compares;
}

function compared(
  term: Extract<FilterTerm, { field: FieldName }>,
  column: string,
  bind: (value: unknown) => string,
): string {
  const values = [...term.values];
  const { kind } = FILTER_FIELDS[term.field];
  if (term.comparison === "contains")
    return values.map((value) => contains(column, bind(value))).join(" or ");
  const type = kind === "number" ? "float8" : kind === "time" ? "timestamptz" : "text";
  if (term.comparison === "equals") {
    if (kind === "time")
      return values.map((value) => sameTime(column, bind(value), value)).join(" or ");
    return `${column} = any(${bind(values)}::${type}[])`;
  }
  const sign = SIGNS[term.comparison];
  assert(sign && values.length === 1, "an ordering has one value");
  // NaN is greater than everything to PostgreSQL, and no answer to "which are better than".
  const measured = term.field === "best" ? " and e.best_objective <> 'NaN'" : "";
  return `${column} ${sign} ${bind(values[0])}::${type}${measured}`;
}

/** Whoever names a day or a minute means all of it; the parser writes both without seconds. */
function sameTime(column: string, place: string, value: string): string {
  const width = /T00:00Z$/.test(value) ? "1 day" : "1 minute";
  return `${column} >= ${place}::timestamptz and ${column} < ${place}::timestamptz + interval '${width}'`;
}

/** The latest of each trial; of a replay what came of it. As `VerdictBook.ofExperiment` has it. */
const VERDICT = `(
  select case when bool_or(l.state = 'differs') then 'differs' when bool_or(l.state = 'identical') then 'identical'
    else 'not_comparable' end
  from (select distinct on (v.experiment_id, v.trial_number) v.state from verdicts v
    where v.experiment_id = e.id or v.replay_id = e.id
    order by v.experiment_id, v.trial_number, v.at desc) l)`;
/** Few experiments have any, so they are told from the others before anything is looked up of each. */
const JUDGED = `e.id in (select experiment_id from verdicts
  union all select replay_id from verdicts where replay_id is not null)`;

function verdictCondition(words: readonly string[], bind: (value: unknown) => string): string {
  const among = `${JUDGED} and ${VERDICT} = any(${bind(words)}::text[])`;
  return words.includes("none") ? `not ${JUDGED} or (${among})` : among;
}

/** Tasks are few, and have an index of their own. */
const TASKS = "select t.id from experiments t where t.config #>> '{task,kind}' is not null";

function kindCondition(words: readonly string[], bind: (value: unknown) => string): string {
  const tasks = words.filter((word) => word !== "experiment");
  const parts = [
    ...(words.includes("experiment") ? [`e.id not in (${TASKS})`] : []),
    ...(tasks.length === 0
      ? []
      : [`e.id in (${TASKS} and t.config #>> '{task,kind}' = any(${bind(tasks)}::text[]))`]),
  ];
  return parts.join(" or ");
}

/** Not LIKE: a percent sign in a name is a percent sign. */
const contains = (column: string, place: string): string =>
  `strpos(lower(${column}), lower(${place}::text)) > 0`;

export interface SortKey {
  /** Never null: what is not there goes last in either direction. */
  readonly expression: string;
  /** Of the key as it travels: times as microseconds since 1970. */
  readonly type: "float8" | "text" | "time";
}

/** A sort key as text, and that text as something to compare the key with. */
export const keyText = ({ type }: SortKey, key: string): string =>
  type === "time" ? `(extract(epoch from ${key}) * 1000000)::int8::text` : `${key}::text`;
export const keyValue = ({ type }: SortKey, place: string): string =>
  type === "time"
    ? `(timestamptz 'epoch' + ${place}::int8 * interval '1 microsecond')`
    : `${place}::${type}`;

/** Longer names are told apart by their beginning, and after that by number. */
export const NAME_KEY_CHARS = 80;

const last = (column: string, descending: boolean): string =>
  `coalesce(nullif(${column}, 'NaN'::float8), '${descending ? "-" : ""}Infinity'::float8)`;
/** Years that a double still counts in microseconds, as an interval is multiplied. */
const lastTime = (column: string, descending: boolean): string =>
  `coalesce(${column}, timestamptz '${descending ? 1900 : 2200}-01-01Z')`;

/** Two of these have indexes, on these very expressions. */
export function sortKey(word: SortWord, descending: boolean): SortKey {
  switch (word) {
    case "id":
      return { expression: "e.id::float8", type: "float8" };
    case "name":
      return { expression: `left(lower(e.name), ${NAME_KEY_CHARS})`, type: "text" };
    case "state":
      return { expression: "e.state", type: "text" };
    case "best":
      return { expression: last("e.best_objective", descending), type: "float8" };
    case "progress":
      return { expression: "e.progress", type: "float8" };
    case "steps":
      return { expression: "e.steps::float8", type: "float8" };
    case "priority":
      return { expression: "e.priority::float8", type: "float8" };
    case "created":
      return { expression: "e.created_at", type: "time" };
    case "started":
      return { expression: lastTime("e.started_at", descending), type: "time" };
    case "ended":
      return { expression: lastTime("e.ended_at", descending), type: "time" };
  }
}
