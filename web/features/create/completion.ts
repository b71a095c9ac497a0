/**
 * What could be written at the cursor of a configuration, by the JSON Schema that the server gives out. The place is
 * told from indentation alone, since a text that one is still writing is rarely YAML: the lines above that are indented
 * less are the blocks around it. A YAML parser was refused for the same reason, and for its weight in a browser.
 */
import type { Json, JsonObject } from "../../../src/base/json.ts";

export interface Proposal {
  /** What is put in the place of the word before the cursor. */
  readonly insert: string;
  readonly label: string;
  readonly says: string;
}

export interface Completion {
  /** Where the word begins that is replaced. */
  readonly from: number;
  readonly proposals: readonly Proposal[];
}

const LINE = /^(?<indent>\s*(?:-\s+)?)(?<key>[\w./-]+)\s*:(?<rest>.*)$/;
const PROPOSALS_MAX = 40;

/** @param schema of the whole configuration */
export function completionAt(text: string, at: number, schema: JsonObject): Completion | undefined {
  const lineStart = text.lastIndexOf("\n", at - 1) + 1;
  const before = text.slice(lineStart, at);
  if (before.includes("#")) return undefined;
  const above = text.slice(0, lineStart).split("\n");
  const written = LINE.exec(before)?.groups;
  if (written) {
    const word = (written.rest ?? "").trimStart();
    const indent = indentOf(written.indent ?? "");
    const path = [...pathAt(above, indent), written.key ?? ""];
    const values = nodesAt(schema, path).flatMap((node) => valuesOf(node));
    return pick(at - word.length, word, values);
  }
  const word = /[\w.-]*$/.exec(before)?.[0] ?? "";
  const lead = before.slice(0, before.length - word.length);
  if (!/^\s*(?:-\s+)?$/.test(lead)) return undefined;
  const indent = indentOf(lead);
  const path = pathAt(above, indent);
  const there = siblings(text, lineStart, indent);
  const keys = nodesAt(schema, path)
    .flatMap((node) => propertiesOf(schema, node))
    .filter(({ label }) => !there.has(label));
  return pick(at - word.length, word, keys);
}

function pick(from: number, word: string, found: readonly Proposal[]): Completion | undefined {
  const begun = word.toLowerCase();
  const byLabel = new Map(found.map((proposal) => [proposal.label, proposal]));
  const proposals = [...byLabel.values()].filter(
    ({ label }) => label.toLowerCase().startsWith(begun) && label !== word,
  );
  return proposals.length === 0
    ? undefined
    : { from, proposals: proposals.slice(0, PROPOSALS_MAX) };
}

const indentOf = (lead: string): number => lead.replace(/-/g, " ").length;

/** The keys of the blocks around a line with this indentation, from the outside in. */
function pathAt(above: readonly string[], indent: number): string[] {
  const path: string[] = [];
  let level = indent;
  for (let i = above.length - 1; i >= 0 && level > 0; i--) {
    const line = LINE.exec(above[i] ?? "")?.groups;
    if (!line) continue;
    const own = indentOf(line.indent ?? "");
    if (own >= level) continue;
    level = own;
    path.unshift(line.key ?? "");
  }
  return path;
}

/** Keys that stand in the same block already. */
function siblings(text: string, lineStart: number, indent: number): Set<string> {
  const found = new Set<string>();
  const collect = (lines: readonly string[]): void => {
    for (const text of lines) {
      if (text.trim() === "" || text.trim().startsWith("#")) continue;
      const line = LINE.exec(text)?.groups;
      const own = line ? indentOf(line.indent ?? "") : (/^\s*/.exec(text)?.[0].length ?? 0);
      if (own < indent) return;
      if (line && own === indent) found.add(line.key ?? "");
    }
  };
  collect(text.slice(0, lineStart).split("\n").slice(0, -1).toReversed());
  const lineEnd = text.indexOf("\n", lineStart);
  if (lineEnd >= 0) collect(text.slice(lineEnd + 1).split("\n"));
  return found;
}

const isObject = (value: Json | undefined): value is JsonObject =>
  typeof value === "object" && value !== null && !Array.isArray(value);

/** A schema and everything that it stands for: references followed, alternatives beside each other. */
function forms(root: JsonObject, node: JsonObject, depth = 0): JsonObject[] {
  if (depth > 12) return [];
  const found = [node];
  if (typeof node.$ref === "string") {
    let target: Json | undefined = root;
    for (const part of node.$ref
      .replace(/^#\/?/, "")
      .split("/")
      .filter((name) => name !== ""))
      target = isObject(target) ? target[part] : undefined;
    if (isObject(target)) found.push(...forms(root, target, depth + 1));
  }
  for (const word of ["anyOf", "oneOf", "allOf"] as const) {
    const list = node[word];
    if (Array.isArray(list))
      for (const one of list) if (isObject(one)) found.push(...forms(root, one, depth + 1));
  }
  return found;
}

function nodesAt(root: JsonObject, path: readonly string[]): JsonObject[] {
  let nodes = forms(root, root);
  for (const key of path)
    nodes = nodes.flatMap((node) => {
      const properties = isObject(node.properties) ? node.properties : {};
      const next = Object.hasOwn(properties, key) ? properties[key] : node.additionalProperties;
      const items = isObject(node.items) ? forms(root, node.items) : [];
      const inItems = items.flatMap((item) => {
        const own = isObject(item.properties) ? item.properties[key] : undefined;
        return isObject(own) ? forms(root, own) : [];
      });
      return [...(isObject(next) ? forms(root, next) : []), ...inItems];
    });
  return nodes;
}

function propertiesOf(root: JsonObject, node: JsonObject): Proposal[] {
  if (!isObject(node.properties)) return [];
  return Object.entries(node.properties).flatMap(([label, value]) => {
    if (!isObject(value)) return [];
    const all = forms(root, value);
    const says = all.map(({ description }) => description).find((text) => typeof text === "string");
    const isBlock = all.some(({ properties }) => isObject(properties));
    return [{ label, insert: isBlock ? `${label}:` : `${label}: `, says: String(says ?? "") }];
  });
}

function valuesOf(node: JsonObject): Proposal[] {
  const values: Json[] = [];
  if (Array.isArray(node.enum)) values.push(...node.enum);
  if (node.const !== undefined) values.push(node.const);
  if (node.type === "boolean") values.push(true, false);
  return values
    .filter((value) => ["string", "number", "boolean"].includes(typeof value) && value !== "")
    .map((value) => ({ label: String(value), insert: String(value), says: "" }));
}
