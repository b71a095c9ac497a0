/** Cursors of keyset pages, as text: what a page ended with. */
import { isBlobHash } from "../../base/ids.ts";
import { ContrailError } from "../../protocol/errors.ts";
import type { CheckpointPlace } from "../../store/checkpoint-reads.ts";
import type { SortKey } from "../../store/experiment-filter-sql.ts";

const ID_MAX = 2 ** 31 - 1;

/**
 * @param max what the number is compared with in the database can be no larger
 * @param whole the cursor that it is a part of
 */
export function cursorNumber(part: string, max = ID_MAX, whole = part): number {
  const value = Number(part);
  if (!/^[0-9]{1,15}$/.test(part) || value > max) throw badCursor(whole);
  return value;
}

export function cursorPair(cursor: string): { key: number; number: number } {
  const [key = "", number = ""] = cursor.split("_");
  const value = Number(key);
  if (key === "" || Number.isNaN(value)) throw badCursor(cursor);
  return { key: value, number: cursorNumber(number, ID_MAX, cursor) };
}

/** A page of checkpoints ended with this one. */
export const checkpointCursor = (place: CheckpointPlace): string =>
  [place.number, place.step, place.run, place.tree].join("_");

export function checkpointPlace(cursor: string): CheckpointPlace {
  const [number = "", step = "", run = "", tree = ""] = cursor.split("_");
  if (!isBlobHash(tree)) throw badCursor(cursor);
  return {
    number: cursorNumber(number, ID_MAX, cursor),
    step: cursorNumber(step, Number.MAX_SAFE_INTEGER, cursor),
    run: cursorNumber(run, ID_MAX, cursor),
    tree,
  };
}

export const decisionCursor = (last: { trial_number: number; seq: number }): string =>
  `${last.trial_number}_${last.seq}`;

export function decisionPlace(cursor: string): { number: number; seq: number } {
  const [number = "", seq = ""] = cursor.split("_");
  return {
    number: cursorNumber(number, ID_MAX, cursor),
    seq: cursorNumber(seq, ID_MAX, cursor),
  };
}

export const versionCursor = (last: { name: string; version: number }): string =>
  `${last.name}@${last.version}`;

export function versionPlace(cursor: string): { name: string; version: number } {
  const [name = "", version = ""] = cursor.split("@");
  if (!/^[A-Za-z0-9 ._-]+$/.test(name)) throw badCursor(cursor);
  return { name, version: cursorNumber(version, ID_MAX, cursor) };
}

/** A page of a sorted list ended with this key and number. */
export const sortCursor = (last: { sort_key: string; id: number }): string =>
  `${last.id}_${Buffer.from(last.sort_key).toString("base64url")}`;

const NUMBER_KEY = /^(?:-?[0-9]{1,20}(?:\.[0-9]{1,30})?(?:e[+-]?[0-9]{1,3})?|-?Infinity|NaN)$/;

const TIME_KEY = /^-?[0-9]{1,16}$/;

/** @param kind what the key is compared with in the database */
export function sortPlace(cursor: string, kind: SortKey["type"]): { key: string; id: number } {
  const [id = "", coded = ""] = cursor.split("_");
  const key = Buffer.from(cursor.slice(id.length + 1), "base64url").toString("utf8");
  const isKey =
    kind === "text"
      ? !key.includes("\0")
      : kind === "time"
        ? TIME_KEY.test(key)
        : NUMBER_KEY.test(key) && isDouble(key);
  if ((coded === "" && key !== "") || !isKey) throw badCursor(cursor);
  return { key, id: cursorNumber(id, ID_MAX, cursor) };
}

/** 1e999 is none, and PostgreSQL refuses it rather than take it for infinite. */
const isDouble = (text: string): boolean =>
  /Infinity|NaN/.test(text) ||
  (Number.isFinite(Number(text)) && (Number(text) !== 0 || /^-?0/.test(text)));

export const badCursor = (cursor: string): ContrailError =>
  new ContrailError(
    "invalid_request",
    `the cursor ${JSON.stringify(cursor.slice(0, 50))} is not one of ours`,
    {
      hint: "Give back next_cursor of the page before, unchanged.",
    },
  );
