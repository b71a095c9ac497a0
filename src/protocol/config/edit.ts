/**
 * Changes values in the text of a configuration and leaves the rest as its author wrote it: comments, order, form.
 *
 * What cannot be changed in place (a value inside an alias, a member of what is written in a short form) is replaced as a
 * whole by what is wanted there. Whoever calls reads the result again: this writes text and judges nothing.
 */
import { type Document, isCollection, isMap, isSeq, parseDocument, stringify } from "yaml";
import type { Json } from "../../base/json.ts";
import type { Path } from "./issue.ts";
import { valueAt } from "./schema-walk.ts";
import { offsetOf } from "./tree.ts";
import { readYaml } from "./yaml-tree.ts";

export interface Edit {
  readonly path: Path;
  /** undefined takes the value away. */
  readonly value: Json | undefined;
}

/** @param whole what the document is to say in the end: whence a short form gets the rest of what it stands for */
export function editText(text: string, edits: readonly Edit[], whole?: Json): string {
  const document = parseDocument(text, { merge: false, uniqueKeys: false });
  if (document.contents === null || !isMap(document.contents))
    (document as Document).contents = document.createNode({});
  // JSON comes out as one line otherwise.
  if (isMap(document.contents)) document.contents.flow = false;
  for (const edit of edits) apply(document, edit, whole);
  return document.toString({ lineWidth: 0, flowCollectionPadding: false });
}

/** The same in a value; what stands in the way is replaced. Lists are copied as far as they are touched. */
export function editValue(whole: Json, { path, value }: Edit): Json | undefined {
  const [part, ...rest] = path;
  if (part === undefined) return value;
  const list = typeof part === "number" && Array.isArray(whole);
  const copy: Record<string | number, Json> = list
    ? ([...whole] as unknown as Record<number, Json>)
    : { ...(typeof whole === "object" && whole !== null && !Array.isArray(whole) ? whole : {}) };
  const inner = editValue(copy[part] ?? null, { path: rest, value });
  if (inner === undefined) delete copy[part];
  else copy[part] = inner;
  return copy as Json;
}

export const textOf = (value: Json): string => stringify(value, { lineWidth: 0 });

/** Where a path stands in a text, from 1; nothing where the text cannot be read. */
export function issueAt(text: string, path: Path): { line?: number; column?: number } {
  const { tree, locate } = readYaml(text);
  return (tree && locate(offsetOf(tree, path, "key"))) ?? {};
}

function apply(document: Document, { path, value }: Edit, whole: Json | undefined): void {
  const [at, blocked] = reach(document, path);
  if (value === undefined && !blocked) {
    if (document.hasIn(path)) document.deleteIn(path);
  } else if (!blocked) document.setIn(path, document.createNode(value));
  else {
    const wanted = whole === undefined ? wrapped(path.slice(at.length), value) : valueAt(whole, at);
    document.setIn(at, document.createNode(wanted));
  }
}

/** How far the way leads through maps and lists; blocked where something else stands in it. */
function reach(document: Document, path: Path): [Path, boolean] {
  for (let length = 1; length < path.length; length++) {
    const way = path.slice(0, length);
    const node = document.getIn(way, true);
    if (node === undefined) return [way, false];
    if (!isCollection(node)) return [way, true];
    if (isSeq(node) && typeof path[length] !== "number") return [way, true];
  }
  return [path, false];
}

/** `[a, b]`, 1 → {a: {b: 1}}. */
function wrapped(path: Path, value: Json | undefined): Json | undefined {
  return path.reduceRight<Json | undefined>(
    (inner, part) => (inner === undefined ? {} : { [String(part)]: inner }),
    value,
  );
}
