import type { Difference } from "../base/difference.ts";
import { stringifyExact } from "../base/json.ts";

/** A difference in words. @param left whose word its left side is */
export function said(difference: Difference | null, left: string, right: string): string {
  if (difference === null) return "";
  const { path, left: a, right: b } = difference;
  return `${path}: ${stringifyExact(a)} ${left}, ${stringifyExact(b)} ${right}`;
}
