/** Several things laid side by side: only what differs, with what is the same as a number. Pure. */
import type { Json } from "../../../src/base/json.ts";
import { flatten } from "../../parts/paths.ts";

export interface Difference {
  readonly path: string;
  /** In the order of the things; undefined = it has no such path. */
  readonly values: readonly (Json | undefined)[];
}

export interface Differences {
  readonly rows: readonly Difference[];
  /** Paths that are the same in all. */
  readonly same: number;
}

export function differences(things: readonly Json[]): Differences {
  const flat = things.map(flatten);
  const paths = new Set(flat.flatMap((one) => [...one.keys()]));
  const rows: Difference[] = [];
  for (const path of [...paths].toSorted((a, b) => (a < b ? -1 : a > b ? 1 : 0))) {
    const values = flat.map((one) => one.get(path));
    // As text, so that -0 and 0, and lists of one content, are what a file would say of them.
    const words = new Set(values.map((value) => JSON.stringify(value)));
    // An empty group beside one that is not: the paths inside tell it.
    if (path !== "" && words.size > 1) rows.push({ path, values });
  }
  return { rows, same: paths.size - rows.length - (paths.has("") ? 1 : 0) };
}

/** `?trials=1.3,1.9`: ids once each, and what is none. */
export function trialsOf(text: string | undefined): { trials: string[]; strange: string[] } {
  const words = (text ?? "").split(/[\s,]+/).filter((word) => word !== "");
  const isId = (word: string): boolean => /^[1-9]\d{0,9}\.[1-9]\d{0,9}$/.test(word);
  const trials = [...new Set(words.filter(isId))];
  return { trials, strange: words.filter((word) => !isId(word)).map((word) => word.slice(0, 60)) };
}
