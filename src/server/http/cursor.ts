/** Cursors of keyset pages, as text: what a page ended with. */
import { ContrailError } from "../../protocol/errors.ts";

const ID_MAX = 2 ** 31 - 1;

/** @param max what the number is compared with in the database can be no larger */
export function cursorNumber(cursor: string, max = ID_MAX): number {
  const value = Number(cursor);
  if (!/^[0-9]{1,15}$/.test(cursor) || value > max) throw badCursor(cursor);
  return value;
}

export function cursorPair(cursor: string): { key: number; number: number } {
  const [key = "", number = ""] = cursor.split("_");
  const value = Number(key);
  if (key === "" || Number.isNaN(value)) throw badCursor(cursor);
  return { key: value, number: cursorNumber(number) };
}

export const badCursor = (cursor: string): ContrailError =>
  new ContrailError(
    "invalid_request",
    `the cursor ${JSON.stringify(cursor.slice(0, 50))} is not one of ours`,
    {
      hint: "Give back next_cursor of the page before, unchanged.",
    },
  );
