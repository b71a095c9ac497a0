/**
 * The JSON Schema that editors check configurations with while they are written, from the same schemas
 * that the server reads with. It knows every field, its type, bounds, default and description; rules
 * between fields stay with `contrail config lint`. Draft 7, because the YAML plug-ins of editors know it best.
 */
import * as z from "zod";
import type { Json, JsonObject } from "../../base/json.ts";
import { topLevel } from "./fields.ts";
import { hyperparameters } from "./hyperparameter-fields.ts";
import { NOT_SERVED, type NotServed } from "./not-served.ts";
import { searcher } from "./searcher-fields.ts";

/** The whole file as one schema. */
export const wholeFile = topLevel.extend({
  searcher: searcher
    .optional()
    .describe(
      "How the models to try are chosen. Left out, the program runs once; without a name, a default is chosen.",
    ),
  hyperparameters: hyperparameters
    .optional()
    .describe("What the trials may differ in, and constants for all of them."),
});

type Node = { [key: string]: Json | Node | Node[] };

/** @returns a JSON Schema (draft 7) as plain JSON */
export function configJsonSchema(): JsonObject {
  const schema = z.toJSONSchema(wholeFile, { io: "input", target: "draft-07" }) as Node;
  allowNulls(schema);
  for (const entry of NOT_SERVED) addNotServed(schema, entry);
  return {
    $schema: schema.$schema as string,
    title: "Contrail experiment configuration",
    ...(schema as JsonObject),
  };
}

/** null is missing, so every field that may be missing may be null. */
function allowNulls(node: Json | Node | Node[]): void {
  if (typeof node !== "object" || node === null) return;
  if (Array.isArray(node)) {
    for (const item of node) allowNulls(item as Node);
    return;
  }
  const map = node as Node;
  for (const value of Object.values(map)) allowNulls(value);
  const properties = map.properties as { [key: string]: Node } | undefined;
  if (map.type !== "object" || properties === undefined) return;
  const required = (map.required ?? []) as string[];
  for (const [key, field] of Object.entries(properties)) {
    if (!required.includes(key)) properties[key] = orNull(field);
  }
}

function orNull(field: Node): Node {
  if (Array.isArray(field.anyOf)) {
    const members = field.anyOf as Node[];
    return members.some((each) => each.type === "null")
      ? field
      : { ...field, anyOf: [...members, { type: "null" }] };
  }
  if (([field.type].flat() as unknown[]).includes("null")) return field;
  const { description, default: fallback, ...rest } = field;
  return {
    ...(description === undefined ? {} : { description }),
    ...(fallback === undefined ? {} : { default: fallback }),
    anyOf: [rest, { type: "null" }],
  } as Node;
}

/** Known words get their reason on hover, and only values that change nothing pass. */
function addNotServed(schema: Node, entry: NotServed): void {
  const [first, second] = entry.field.split(".") as [string, string | undefined];
  const field: Node = {
    description: `Known, but not served yet: ${entry.reason}. ${entry.instead ?? ""}`.trim(),
    enum: [null, ...(entry.harmless ?? [])],
  };
  const top = schema.properties as { [key: string]: Node };
  if (second === undefined) {
    top[first] = field;
    return;
  }
  for (const member of (top[first]?.anyOf ?? []) as Node[]) {
    for (const object of (member.anyOf ?? [member]) as Node[]) {
      if (object.properties) (object.properties as { [key: string]: Node })[second] = field;
    }
  }
}
