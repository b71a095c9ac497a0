/**
 * What an experiment can be filtered and sorted by: the words of the little language, and the kind of value that each
 * is compared with. Parser, SQL, completion in the page and the help of the command line all read this list.
 */
import { experimentState, kindWords, verdictWords } from "./states.ts";

export type FieldKind = "number" | "time" | "text" | "state" | "verdict" | "kind" | "labels";

export interface FilterField {
  readonly kind: FieldKind;
  /** For help and completion. */
  readonly says: string;
}

export const FILTER_FIELDS = {
  id: { kind: "number", says: "its number" },
  state: { kind: "state", says: experimentState.join(", ") },
  kind: { kind: "kind", says: `${kindWords.join(", ")}; experiment where nothing is said` },
  verdict: { kind: "verdict", says: `of its replays: ${verdictWords.join(", ")}` },
  label: { kind: "labels", says: "one of its labels" },
  owner: { kind: "text", says: "who submitted it" },
  name: { kind: "text", says: "its name" },
  description: { kind: "text", says: "its description" },
  notes: { kind: "text", says: "its notes" },
  searcher: { kind: "text", says: "asha, random, grid, …" },
  metric: { kind: "text", says: "the metric that it is judged by; metric<0.1 is best<0.1" },
  workspace: { kind: "text", says: "its workspace" },
  project: { kind: "text", says: "its project" },
  best: { kind: "number", says: "the best value of its metric" },
  progress: { kind: "number", says: "from 0 to 1" },
  steps: { kind: "number", says: "steps trained in all" },
  priority: { kind: "number", says: "from 1 (first) to 99" },
  created: { kind: "time", says: "a date, 2026-01-31, or a time, 2026-01-31T12:00Z" },
  started: { kind: "time", says: "as created" },
  ended: { kind: "time", says: "as created" },
} as const satisfies Readonly<Record<string, FilterField>>;

export type FieldName = keyof typeof FILTER_FIELDS;

/** Each word sorts from small to large, with `-` before it from large to small. */
export const SORT_WORDS = [
  "id",
  "name",
  "state",
  "progress",
  "best",
  "steps",
  "priority",
  "created",
  "started",
  "ended",
] as const;
export type SortWord = (typeof SORT_WORDS)[number];

export const isFieldName = (word: string): word is FieldName => Object.hasOwn(FILTER_FIELDS, word);
