/**
 * docs/configuration.md, made from the schemas that read the files, so that the two cannot part. Only what
 * no schema knows (how the file is read, what was decided about old surprises) is text here.
 */
import * as z from "zod";
import { EXAMPLE, HEAD, QUIRKS, READING } from "./document-text.ts";
import { topLevel } from "./fields.ts";
import { FORM_TEXT, FORMS, type FormName } from "./hyperparameter-fields.ts";
import { NOT_SERVED, REMOVED_SEARCHERS, SEARCHERS_NOT_SERVED } from "./not-served.ts";
import { defaultOf, unwrapped } from "./schema-walk.ts";
import { SEARCHER_TEXT, SEARCHERS, type SearcherName, unnamed } from "./searcher-fields.ts";

/** @returns the text of docs/configuration.md */
export function configurationDocument(): string {
  return [
    HEAD,
    "## An example\n",
    `\`\`\`yaml\n${EXAMPLE}\`\`\`\n`,
    READING,
    "## Fields\n",
    ...blocks("", topLevel),
    "## `searcher`\n",
    searcherText(),
    "## `hyperparameters`\n",
    hyperparameterText(),
    "## Known, but not served yet\n",
    notServedText(),
    QUIRKS,
  ].join("\n");
}

type Shape = { readonly [key: string]: z.ZodType };
const shapeOf = (schema: z.ZodType): Shape | undefined =>
  (unwrapped(schema).def as { shape?: Shape }).shape;

/** The fields of a block, then the blocks inside it. */
function blocks(path: string, schema: z.ZodType): string[] {
  const fields = Object.entries(shapeOf(schema) ?? {});
  const rows = fields.map(([name, field]) => row(name, field));
  const heading = path === "" ? "" : `### \`${path}\`\n`;
  const inner = fields.filter(([, field]) => shapeOf(field) !== undefined);
  const below = inner.flatMap(([name, field]) =>
    blocks(path === "" ? name : `${path}.${name}`, field),
  );
  return [heading, table(["field", "value", "default", "meaning"], rows), ...below].filter(
    (part) => part !== "",
  );
}

function row(name: string, field: z.ZodType): string[] {
  const fallback = defaultOf(field);
  const optional = field.safeParse(undefined).success;
  const shown = shapeOf(field)
    ? ""
    : !optional
      ? "required"
      : fallback === undefined || fallback === null
        ? ""
        : `\`${JSON.stringify(fallback)}\``;
  return [
    `\`${name}\``,
    shapeOf(field) ? "map, see below" : valueText(field),
    shown,
    field.description ?? "",
  ];
}

interface Described {
  type?: string | string[];
  enum?: unknown[];
  const?: unknown;
  minimum?: number;
  maximum?: number;
  exclusiveMinimum?: number;
  items?: Described;
  anyOf?: Described[];
  properties?: { [key: string]: Described };
  additionalProperties?: Described | boolean;
}

/** What a field takes, in words, from its JSON Schema. */
function valueText(field: z.ZodType): string {
  return words(z.toJSONSchema(field, { io: "input", target: "draft-07" }) as Described);
}

function words(schema: Described): string {
  const members = schema.anyOf?.filter((each) => each.type !== "null");
  if (members && members.length > 0) return [...new Set(members.map(words))].join(" or ");
  const choices = schema.enum ?? (schema.const === undefined ? undefined : [schema.const]);
  if (choices)
    return choices
      .filter((each) => each !== null && each !== "")
      .map((each) => `\`${each}\``)
      .join(", ");
  const types = [schema.type ?? "any"].flat().filter((each) => each !== "null");
  return types.map((type) => typeWords(type, schema)).join(" or ");
}

function typeWords(type: string, schema: Described): string {
  if (type === "array") return `list of ${schema.items ? words(schema.items) : "anything"}`;
  if (type === "string") return "text";
  if (type === "boolean") return "true or false";
  if (type === "any") return "anything";
  if (type === "object") {
    if (schema.properties)
      return `{${Object.entries(schema.properties)
        .map(([key, each]) => `${key}: ${words(each)}`)
        .join(", ")}}`;
    return "map";
  }
  const whole = type === "integer" ? "whole number" : "number";
  const low =
    schema.exclusiveMinimum !== undefined
      ? `> ${schema.exclusiveMinimum}`
      : schema.minimum !== undefined && schema.minimum > -(2 ** 53) + 1
        ? `≥ ${schema.minimum}`
        : "";
  const high =
    schema.maximum !== undefined && schema.maximum < 2 ** 53 - 1 ? `≤ ${schema.maximum}` : "";
  return [whole, [low, high].filter((each) => each !== "").join(" and ")]
    .filter((each) => each !== "")
    .join(" ");
}

const cell = (text: string): string => text.replaceAll("|", "\\|").replaceAll("\n", " ");

function table(head: readonly string[], rows: readonly (readonly string[])[]): string {
  const line = (cells: readonly string[]): string => `| ${cells.map(cell).join(" | ")} |`;
  return `${[line(head), line(head.map(() => "---")), ...rows.map(line)].join("\n")}\n`;
}

function searcherText(): string {
  const names = Object.keys(SEARCHERS) as SearcherName[];
  const owners = new Map<string, { field: z.ZodType; names: string[] }>();
  for (const [name, schema] of [...Object.entries(SEARCHERS), ["(none)", unnamed] as const]) {
    for (const [key, field] of Object.entries(schema.def.shape as Shape)) {
      if (key === "name") continue;
      const entry = owners.get(key) ?? { field, names: [] };
      entry.names.push(name);
      owners.set(key, entry);
    }
  }
  const all = names.length + 1;
  const rows = [...owners].map(([key, { field, names: having }]) => [
    `\`${key}\``,
    having.length === all ? "all" : having.join(", "),
    valueText(field),
    defaultsText(key, having),
    field.description ?? "",
  ]);
  return [
    "Left out altogether, the program runs once as it is (`single`), which needs hyperparameters that do not vary. Without a `name` a default is chosen at submission and the reason is recorded; only `metric` and a length are needed then.\n",
    table(
      ["name", "what it does"],
      names.map((name) => [`\`${name}\``, SEARCHER_TEXT[name]]),
    ),
    table(["field", "searchers", "value", "default", "meaning"], rows),
  ].join("\n");
}

/** One default where all agree, else one for each searcher. */
function defaultsText(key: string, having: readonly string[]): string {
  const fields = having.map((name) => {
    const schema = name === "(none)" ? unnamed : SEARCHERS[name as SearcherName];
    const field = (schema.def.shape as Shape)[key]!;
    const fallback = defaultOf(field);
    if (fallback !== undefined && fallback !== null) return `\`${JSON.stringify(fallback)}\``;
    return field.safeParse(undefined).success ? "" : "required";
  });
  if (new Set(fields).size === 1) return fields[0]!;
  const groups = new Map<string, string[]>();
  for (const [index, text] of fields.entries())
    groups.set(text, [...(groups.get(text) ?? []), having[index]!]);
  const most = [...groups].sort((a, b) => b[1].length - a[1].length);
  return most
    .map(([text, who], index) =>
      index === 0 && most.length > 1
        ? text || "optional"
        : `${text || "optional"} (${who.join(", ")})`,
    )
    .join("; ");
}

function hyperparameterText(): string {
  const forms = (Object.keys(FORMS) as FormName[]).map((form) => {
    const fields = Object.entries(FORMS[form].def.shape as Shape).filter(([key]) => key !== "type");
    const names = fields.map(([key, field]) =>
      field.safeParse(undefined).success && key !== "val" ? `${key}?` : key,
    );
    return [`\`${form}\``, names.map((name) => `\`${name}\``).join(" "), FORM_TEXT[form]];
  });
  const fields = new Map<string, z.ZodType>();
  for (const schema of Object.values(FORMS)) {
    for (const [key, field] of Object.entries(schema.def.shape as Shape))
      if (key !== "type" && !fields.has(key)) fields.set(key, field);
  }
  return [
    "A map of names to hyperparameters. A value that is no map (a number, text, true, false, null, a list) is a constant. A map without `type` is a group of hyperparameters, to any depth. A map with `type` is one of these; `?` marks what may be left out:\n",
    table(["type", "fields", "what it is"], forms),
    table(
      ["field", "meaning"],
      [...fields].map(([key, field]) => [`\`${key}\``, field.description ?? ""]),
    ),
    "A grid needs `count` on every `int`, `double` and `log`, and may have at most 100,000 points. A parameter whose condition does not hold is absent from what the training code gets. Conditions can ask about `categorical`, `int` and `const` parameters, and may not form a circle.\n",
  ].join("\n");
}

function notServedText(): string {
  const rows = NOT_SERVED.map((entry) => [
    `\`${entry.field}\``,
    `${entry.reason}.${entry.instead ? ` ${entry.instead}` : ""}`,
    (entry.harmless ?? []).map((value) => `\`${JSON.stringify(value)}\``).join(", "),
  ]);
  const searchers = [
    ...Object.entries(REMOVED_SEARCHERS).map(([name, instead]) => [
      `\`searcher.name: ${name}\``,
      `removed. ${instead}`,
      "",
    ]),
    ...Object.entries(SEARCHERS_NOT_SERVED).map(([name, instead]) => [
      `\`searcher.name: ${name}\``,
      `not served yet. ${instead}`,
      "",
    ]),
  ];
  return [
    "These are refused by name, never ignored. Values that ask for nothing, such as a default written out, are accepted and dropped.\n",
    table(["field", "why, and what to do instead", "accepted"], [...rows, ...searchers]),
  ].join("\n");
}
