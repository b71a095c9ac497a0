/**
 * A configuration as a tree whose nodes remember where they stood in the file. Both ways in, YAML text
 * and an already parsed JSON value, end here, so that everything behind sees one shape.
 *
 * Maps are `Map`s until the names have been checked: a plain object would let a file that says
 * `__proto__` reach into the program that reads it.
 */
import type { Json } from "../../base/json.ts";
import { type Fault, type Issue, type Path, RESERVED_NAMES, renderPath, show } from "./issue.ts";

/** Deepest nesting of maps and lists. */
export const DEPTH_MAX = 64;
/** Most values (map entries and list items, aliases counted as what they stand for). */
export const VALUES_MAX = 10_000;

const NAME_LENGTH_MAX = 200;

/** Offsets into the text; -1 where there is no text. */
export type Tree = { readonly at: number; readonly size: number; readonly depth: number } & (
  | { readonly kind: "scalar"; readonly value: null | boolean | number | string }
  | { readonly kind: "list"; readonly items: readonly Tree[] }
  | { readonly kind: "map"; readonly entries: ReadonlyMap<string, Entry> }
);

export interface Entry {
  readonly keyAt: number;
  readonly tree: Tree;
}

/** The plain value of a tree. Names were checked when the tree was made. */
export function plain(tree: Tree): Json {
  if (tree.kind === "scalar") return tree.value;
  if (tree.kind === "list") return tree.items.map(plain);
  const object: { [key: string]: Json } = {};
  for (const [key, entry] of tree.entries) object[key] = plain(entry.tree);
  return object;
}

/** Where a fault stands: the value or key it names, else the nearest parent that exists. */
export function offsetOf(root: Tree, path: Path, at: "key" | "value"): number {
  let tree = root;
  let keyAt = root.at;
  for (const [index, part] of path.entries()) {
    const next = child(tree, part);
    if (next === undefined) return keyAt;
    if (index === path.length - 1) return at === "key" ? next.keyAt : next.tree.at;
    keyAt = next.keyAt;
    tree = next.tree;
  }
  return root.at;
}

function child(tree: Tree, part: string | number): Entry | undefined {
  if (tree.kind === "map") return tree.entries.get(String(part));
  const item = tree.kind === "list" && typeof part === "number" ? tree.items[part] : undefined;
  return item && { keyAt: item.at, tree: item };
}

/** Turns an offset into a line and a column, both from 1. */
export type Locate = (offset: number) => { line: number; column: number } | undefined;

/** Gives a fault its place. */
export function place(
  fault: Fault,
  severity: Issue["severity"],
  root: Tree,
  locate: Locate,
): Issue {
  const spot = locate(fault.offset ?? offsetOf(root, fault.path, fault.at ?? "value"));
  return {
    severity,
    code: fault.code,
    path: renderPath(fault.path),
    line: spot?.line ?? null,
    column: spot?.column ?? null,
    message: fault.message,
    ...(fault.value === undefined ? {} : { value: show(fault.value) }),
    ...(fault.limit === undefined ? {} : { limit: fault.limit }),
    ...(fault.suggestion === undefined ? {} : { suggestion: fault.suggestion }),
  };
}

/** A name that may not become a key, as a fault. */
export function nameFault(name: string, path: Path): Fault | undefined {
  if (RESERVED_NAMES.includes(name)) {
    return {
      code: "reserved_name",
      path,
      at: "key",
      message: `${renderPath(path)} uses a name with a meaning of its own in JavaScript; ${RESERVED_NAMES.join(", ")} cannot be names here. Choose another name.`,
      value: name,
    };
  }
  if (name === "") {
    return {
      code: "reserved_name",
      path,
      at: "key",
      message: `${renderPath(path)} is an empty name. Give it a name.`,
      value: name,
    };
  }
  if (name.length > NAME_LENGTH_MAX) {
    return {
      code: "bad_format",
      path,
      at: "key",
      message: `${renderPath(path)} is a name of ${name.length} characters; it must be at most ${NAME_LENGTH_MAX}. Shorten it.`,
      value: name,
      limit: `at most ${NAME_LENGTH_MAX} characters`,
    };
  }
  return textFault(name, path, "key");
}

/** Text that neither a database nor UTF-8 can hold. */
export function textFault(text: string, path: Path, at: "key" | "value"): Fault | undefined {
  const flaw = text.includes("\0")
    ? "a NUL character"
    : text.isWellFormed()
      ? undefined
      : "half of a surrogate pair";
  if (flaw === undefined) return undefined;
  return {
    code: "unstorable",
    path,
    at,
    message: `${renderPath(path)} contains ${flaw}, which cannot be stored as text. Remove it.`,
    value: text,
  };
}

/** Reads an already parsed value, as it comes in a JSON body. Anything that is not JSON is a fault. */
export function treeOfValue(value: unknown): { tree: Tree; faults: Fault[]; fatal: boolean } {
  const faults: Fault[] = [];
  let left = VALUES_MAX;
  let fatal = false;
  const stop = (code: "too_deep" | "too_large", path: Path, message: string): Tree => {
    if (!fatal) faults.push({ code, path: path.slice(0, 8), message });
    fatal = true;
    return leaf(null);
  };
  const read = (node: unknown, path: Path): Tree => {
    if (fatal) return leaf(null);
    if (--left < 0) return stop("too_large", [], tooManyValues);
    if (path.length > DEPTH_MAX) return stop("too_deep", path, tooDeep);
    if (node === null || typeof node === "boolean") return leaf(node);
    if (typeof node === "string") {
      const flaw = textFault(node, path, "value");
      if (flaw) faults.push(flaw);
      return leaf(node);
    }
    if (typeof node === "number" && Number.isFinite(node)) return leaf(node === 0 ? 0 : node);
    if (Array.isArray(node)) {
      return {
        kind: "list",
        items: Array.from(node, (item, index) => read(item, [...path, index])),
        at: -1,
        size: 1,
        depth: 0,
      };
    }
    const prototype = typeof node === "object" ? Object.getPrototypeOf(node) : undefined;
    if (typeof node === "object" && (prototype === Object.prototype || prototype === null)) {
      return readMap(node as Record<string, unknown>, path);
    }
    faults.push({
      code: "unstorable",
      path,
      message: `${renderPath(path)} is ${oddity(node)}, which JSON cannot hold. Use a finite number, text, true, false, null, a list or a map.`,
    });
    return leaf(null);
  };
  const readMap = (node: Record<string, unknown>, path: Path): Tree => {
    const entries = new Map<string, Entry>();
    for (const key of Object.keys(node)) {
      if (fatal) break;
      const below = [...path, key];
      // Read even where the name is refused, as in YAML: there may be more to say.
      const tree = read(node[key], below);
      const flaw = nameFault(key, below);
      if (flaw) faults.push(flaw);
      else entries.set(key, { keyAt: -1, tree });
    }
    return { kind: "map", entries, at: -1, size: 1, depth: 0 };
  };
  const tree = read(value, []);
  return { tree, faults, fatal };
}

/** Never asks the value itself: it may answer with anything. */
const oddity = (node: unknown): string =>
  typeof node === "number" ? String(node) : Object.prototype.toString.call(node).slice(8, -1);

const leaf = (value: null | boolean | number | string): Tree => ({
  kind: "scalar",
  value,
  at: -1,
  size: 1,
  depth: 0,
});

export const tooManyValues = `The configuration has more than ${VALUES_MAX} values. Move large data into a file or a dataset and name it here.`;
export const tooDeep = `The configuration is nested deeper than ${DEPTH_MAX} levels. Flatten it.`;
