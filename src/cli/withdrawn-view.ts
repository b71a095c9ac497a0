/** What is put aside looks otherwise like what is not: whose experiment is archived or deleted is said, with how long it can come back. */
import type { Experiment } from "../protocol/api.ts";
import { moment } from "./figures.ts";
import { inert } from "./inert.ts";
import type { Paint } from "./paint.ts";

type Withdrawn = Pick<Experiment, "id" | "archived_at" | "deleted">;

/** Beside a state in a table. */
export const withdrawnWord = ({ archived_at, deleted }: Withdrawn): string =>
  deleted !== null ? ", deleted" : archived_at !== null ? ", archived" : "";

/** Rows among the facts of an experiment. */
export function withdrawnFacts(
  { archived_at, deleted }: Withdrawn,
  nowMs: number,
): [string, string | undefined][] {
  return [
    ["archived", archived_at === null ? undefined : moment(archived_at)],
    ["deleted", deleted === null ? undefined : deletedText(deleted, nowMs)],
  ];
}

/** A line under what belongs to an experiment; none where that is among the others. */
export function withdrawnLines(experiment: Withdrawn, look: Look): string[] {
  const { id, archived_at, deleted } = experiment;
  const text =
    deleted !== null
      ? `deleted ${deletedText(deleted, look.nowMs)}`
      : archived_at !== null
        ? `archived since ${moment(archived_at)}`
        : undefined;
  return text === undefined ? [] : [look.paint.yellow(inert(`Experiment ${id} is ${text}.`))];
}

interface Look {
  readonly paint: Paint;
  readonly nowMs: number;
}

function deletedText(deleted: NonNullable<Withdrawn["deleted"]>, nowMs: number): string {
  const { at, by, restorable_until: until } = deleted;
  const back =
    Date.parse(until) > nowMs
      ? `can be restored until ${moment(until)}`
      : `could be restored until ${moment(until)}`;
  return `by ${by} at ${moment(at)}; ${back}`;
}
