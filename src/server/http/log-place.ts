/** Whose lines are read, and where a reader stands among them. */
import type { LogPlace, LogRow } from "../../store/log-store.ts";
import { badCursor, cursorNumber } from "./cursor.ts";

/** An experiment, whose lines are in the order in which they came, or one trial of it. */
export interface LogSubject {
  readonly experiment: number;
  readonly trial?: number;
}

/** What a reader gives back to go on after this line. */
export function cursorOf(subject: LogSubject, row: LogRow): string {
  return subject.trial === undefined ? String(row.position) : `${row.allocation_id}-${row.seq}`;
}

/** @throws ContrailError invalid_request for what is no cursor of such a subject */
export function placeOf(subject: LogSubject, cursor: string): LogPlace {
  if (subject.trial === undefined)
    return { position: cursorNumber(cursor, Number.MAX_SAFE_INTEGER) };
  const [allocation = "", seq = "", ...rest] = cursor.split("-");
  if (rest.length > 0) throw badCursor(cursor);
  return {
    allocation: cursorNumber(allocation, undefined, cursor),
    seq: cursorNumber(seq, Number.MAX_SAFE_INTEGER, cursor),
  };
}

/** @returns the one that is further on; both are of one subject */
export function further(a: LogPlace | undefined, b: LogPlace | undefined): LogPlace | undefined {
  if (a === undefined || b === undefined) return a ?? b;
  const key = (at: LogPlace): readonly [number, number] =>
    "position" in at ? [0, at.position] : [at.allocation, at.seq];
  const [[runA, lineA], [runB, lineB]] = [key(a), key(b)];
  return runA === runB ? (lineA > lineB ? a : b) : runA > runB ? a : b;
}

/** @returns whether a page of lines was ended by its bounds, so that there may be more behind it */
export function isFull(
  rows: readonly LogRow[],
  {
    limit,
    bytesMax = Infinity,
  }: { readonly limit: number; readonly bytesMax?: number | undefined },
): boolean {
  return rows.length === limit || rows.reduce((sum, row) => sum + row.bytes.length, 0) >= bytesMax;
}
