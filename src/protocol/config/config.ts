/**
 * Reads an experiment configuration: YAML text or a parsed JSON value in, either the fully resolved
 * configuration or every fault at once out. Pure: no clock, no file, no randomness; what is chosen at
 * submission (name, seed, default searcher) stays null here.
 *
 * The order: text → tree with positions → plain value → shape of the fields (zod) → searcher →
 * hyperparameters → rules between blocks. Later checks run even where earlier ones failed, as far as
 * they can make sense of what is there. Reading the resolved configuration again gives it back.
 */
import { assert } from "../../base/assert.ts";
import type { Json, JsonObject } from "../../base/json.ts";
import { datasetReference, looksLikeReference } from "./dataset-reference.ts";
import { deterministicFaults, withoutClock } from "./deterministic.ts";
import { type TopLevel, topLevel } from "./fields.ts";
import { type Fault, ISSUES_MAX, type Issue, renderPath, show } from "./issue.ts";
import {
  choosingFaults,
  giverOf,
  type Layered,
  type LayerGiven,
  type LayerKind,
  layerText,
  suppliable,
} from "./layers.ts";
import { NOT_SERVED } from "./not-served.ts";
import type { Searcher } from "./searcher-fields.ts";
import { readSearcher } from "./searcher-reader.ts";
import { shape, wrong } from "./shape.ts";
import { type ParameterSpace, sameJson } from "./space.ts";
import { readSpace, type SpaceReading } from "./space-reader.ts";
import { resolvedTask, taskFaults } from "./task-fields.ts";
import { type Locate, place, plain, type Tree, treeOfValue } from "./tree.ts";
import { readYaml } from "./yaml-tree.ts";

/** The resolved configuration: plain JSON with every default in it. */
export type ExperimentConfig = Omit<TopLevel, "entrypoint"> & {
  readonly entrypoint: string | string[];
  readonly searcher: Searcher;
  /** As written; `toSpace` gives the form that searches take. */
  readonly hyperparameters: JsonObject;
};

/** The same where completeness was not asked for. */
export type DraftConfig = Omit<ExperimentConfig, "entrypoint"> & {
  readonly entrypoint: string | string[] | null;
};

export interface ReadOptions {
  /** Whether `entrypoint` must be there, as it must at submission. Default true. */
  readonly requireComplete?: boolean;
  /** What was written, over the layers that hold where it says nothing. Default: what was written alone. */
  readonly over?: Layered | undefined;
}

export type ConfigReading<C = ExperimentConfig> =
  | { readonly ok: true; readonly config: C; readonly warnings: readonly Issue[] }
  | { readonly ok: false; readonly issues: readonly Issue[]; readonly warnings: readonly Issue[] };

type Draft = ReadOptions & { readonly requireComplete: false };

/** A text that was parsed, so that what it names can be looked up before it is judged. */
export interface OpenConfig {
  readonly tree: Tree;
  readonly faults: readonly Fault[];
  readonly locate: Locate;
  /** Nothing can be made of it: `faults` say why. */
  readonly fatal: boolean;
}

/** @param text the YAML (or JSON) of a configuration */
export function openConfig(text: string): OpenConfig {
  const { tree, faults, locate } = readYaml(text);
  return { tree: tree ?? NOWHERE, faults, locate, fatal: tree === undefined };
}

/** The same for a value that was parsed already, such as a JSON body; its issues have no line. */
export const openValue = (value: unknown): OpenConfig => ({
  ...treeOfValue(value),
  locate: UNPLACED,
});

/** What stands in it, unchecked; empty where it is no map. */
export function writtenIn({ tree, fatal }: OpenConfig): JsonObject {
  const value = fatal ? null : plain(tree);
  return isMap(value) ? value : {};
}

/** @param text the YAML (or JSON) of a configuration. @returns issues in order of position, never throws */
export function readConfig(text: string, options: Draft): ConfigReading<DraftConfig>;
export function readConfig(text: string, options?: ReadOptions): ConfigReading;
export function readConfig(text: string, options: ReadOptions = {}): ConfigReading<DraftConfig> {
  return readOpen(openConfig(text), options);
}

export function checkConfigValue(value: unknown, options: Draft): ConfigReading<DraftConfig>;
export function checkConfigValue(value: unknown, options?: ReadOptions): ConfigReading;
export function checkConfigValue(
  value: unknown,
  options: ReadOptions = {},
): ConfigReading<DraftConfig> {
  return readOpen(openValue(value), options);
}

export function readOpen(open: OpenConfig, options: Draft): ConfigReading<DraftConfig>;
export function readOpen(open: OpenConfig, options?: ReadOptions): ConfigReading;
export function readOpen(open: OpenConfig, options: ReadOptions = {}): ConfigReading<DraftConfig> {
  const { tree, locate } = open;
  if (open.fatal) return refused(open, open.faults);
  const own = plain(tree);
  const { value, layers } = overMap(own, options.over) ?? { value: own, layers: [] };
  const { config, faults, warnings } = check(value, options);
  const all = [...open.faults, ...readable(open, faults)];
  const named = (each: readonly Fault[], severity: Issue["severity"]) =>
    placed(each, severity, tree, locate, layers);
  const notes = named(warnings, "warning");
  if (all.length === 0 && config) return { ok: true, config, warnings: notes };
  return { ok: false, issues: named(all, "error"), warnings: notes };
}

/** Layers lie under a map. An empty text is one where its template was named beside it, since it says nothing else. */
function overMap(own: Json, over: Layered | undefined): Layered | undefined {
  const named = over?.layers.some(({ kind }) => kind === "template");
  return isMap(own) || (own === null && named) ? over : undefined;
}

export type LayerReading =
  | { readonly ok: true; readonly value: JsonObject }
  | { readonly ok: false; readonly issues: readonly Issue[] };

/**
 * Part of a configuration: what is wrong with it by itself, and not what it leaves open.
 * @param kind as what it is kept; null for what lies over the others
 */
export function readLayer(open: OpenConfig, kind: LayerKind | null): LayerReading {
  if (open.fatal) return refused(open, open.faults);
  const value = plain(open.tree);
  const faults = isMap(value)
    ? [
        ...check(value, { requireComplete: false }).faults.filter((fault) => !suppliable(fault)),
        ...(kind === null ? [] : choosingFaults(kind, value)),
      ]
    : [noMap(value, "fields")];
  const all = [...open.faults, ...readable(open, faults)];
  return all.length > 0 || !isMap(value) ? refused(open, all) : { ok: true, value };
}

const refused = ({ tree, locate }: OpenConfig, faults: readonly Fault[]) => ({
  ok: false as const,
  issues: placed(faults, "error", tree, locate),
  warnings: [],
});

/** What stands at a place that could not be read is a stand-in: nothing true can be said of it. */
function readable(open: OpenConfig, faults: readonly Fault[]): Fault[] {
  const unread = new Set(
    open.faults.filter(({ code }) => code === "unstorable").map(({ path }) => renderPath(path)),
  );
  return faults.filter(({ path }) => !unread.has(renderPath(path)));
}

/** The space of a configuration that was read without faults. */
export function toSpace(hyperparameters: JsonObject): ParameterSpace {
  const { space, faults } = readSpace(hyperparameters, { grid: false });
  assert(faults.length === 0, `toSpace takes checked hyperparameters: ${faults[0]?.message}`);
  return space;
}

const NOWHERE: Tree = { kind: "scalar", value: null, at: 0, size: 1, depth: 0 };
const UNPLACED: Locate = () => undefined;

/** A value that a layer gave stands nowhere in the text: its fault says whence it comes. */
function placed(
  faults: readonly Fault[],
  severity: Issue["severity"],
  tree: Tree,
  locate: Locate,
  layers: readonly LayerGiven[] = [],
): Issue[] {
  const issues = faults.map((fault) => {
    const giver = giverOf(layers, renderPath(fault.path));
    if (giver === undefined) return place(fault, severity, tree, locate);
    const message = `${fault.message} ${giver.field} comes from ${layerText(giver.layer)}.`;
    return place({ ...fault, message }, severity, tree, UNPLACED);
  });
  issues.sort((a, b) => (a.line ?? 0) - (b.line ?? 0) || (a.column ?? 0) - (b.column ?? 0));
  if (issues.length <= ISSUES_MAX) return issues;
  const { line, column } = issues[ISSUES_MAX]!;
  const message = `${issues.length - ISSUES_MAX} more are not listed. Correct these first.`;
  return [
    ...issues.slice(0, ISSUES_MAX),
    { severity, code: "more_faults", path: "", line, column, message },
  ];
}

interface Checked {
  readonly config?: DraftConfig;
  readonly faults: readonly Fault[];
  readonly warnings: readonly Fault[];
}

function check(whole: Json, options: ReadOptions): Checked {
  if (!isMap(whole)) {
    const fields = "fields: at least entrypoint, and searcher and hyperparameters for a search";
    return { faults: [noMap(whole, fields)], warnings: [] };
  }
  const fields = withoutHarmless(withoutNulls(whole));
  const { searcher: searchBlock, hyperparameters: spaceBlock, ...rest } = fields;
  const top = shape(topLevel, rest, {
    path: [],
    block: "",
    alsoKnown: ["searcher", "hyperparameters"],
  });
  const space = readSpaceBlock(spaceBlock, isMap(searchBlock) && searchBlock.name === "grid");
  const search = readSearcher(searchBlock, { searchable: space.varies });
  const faults = [
    ...top.faults,
    ...search.faults,
    ...space.faults,
    ...betweenBlocks(fields, options),
    ...deterministicFaults(fields),
    ...(search.searcher ? seedFaults(fields.reproducibility, search.searcher.name) : []),
    ...(search.searcher ? taskFaults(fields, search.searcher.name) : []),
  ];
  const idle =
    searchBlock !== undefined &&
    search.name !== "single" &&
    !space.varies &&
    space.faults.length === 0 &&
    search.searcher !== undefined;
  const warnings = [
    ...search.warnings,
    ...space.warnings,
    ...dataWarnings(fields.data),
    ...(idle ? [nothingVaries(search.searcher!.name)] : []),
  ];
  if (!top.value || !search.searcher || faults.length > 0) return { faults, warnings };
  const config: DraftConfig = {
    ...top.value,
    task: top.value.task && resolvedTask(top.value.task),
    searcher: top.value.reproducibility.deterministic_search
      ? withoutClock(search.searcher)
      : search.searcher,
    hyperparameters: (spaceBlock ?? {}) as JsonObject,
  };
  return { config, faults, warnings };
}

function noMap(value: Json, fields: string): Fault {
  const what = value === null ? "empty" : show(value);
  const message = `The configuration is ${what}; it must be a map of ${fields}.`;
  return { code: "wrong_type", path: [], value, message };
}

function readSpaceBlock(block: Json | undefined, grid: boolean): SpaceReading {
  if (block === undefined || isMap(block)) return readSpace(block ?? {}, { grid });
  const fault = wrong({
    code: "wrong_type",
    path: ["hyperparameters"],
    value: block,
    must: "a map of names to hyperparameters",
  });
  return { space: { type: "nested", children: [] }, varies: false, faults: [fault], warnings: [] };
}

/** `model_def:MNistTrial`: what Determined imports as a class, and a shell takes for an odd command. */
const TRIAL_CLASS = /^[A-Za-z_][\w.]*:[A-Za-z_]\w*$/;

/** Rules between fields, on the raw values: each looks only at what is well-formed. */
function betweenBlocks(fields: JsonObject, options: ReadOptions): Fault[] {
  const faults: Fault[] = [];
  if ((options.requireComplete ?? true) && fields.entrypoint === undefined) {
    faults.push({
      code: "missing",
      path: ["entrypoint"],
      limit: "required",
      suggestion: "entrypoint",
      message:
        ".entrypoint is missing; an experiment needs the command that trains. Try entrypoint: python3 train.py.",
    });
  }
  if (typeof fields.entrypoint === "string" && TRIAL_CLASS.test(fields.entrypoint.trim())) {
    faults.push({
      code: "not_served",
      path: ["entrypoint"],
      value: fields.entrypoint,
      limit: "a command",
      message: `.entrypoint is ${show(fields.entrypoint)}, which names a trial class of Determined; classes are not served. Give the command that trains, such as python3 train.py.`,
    });
  }
  for (const [has, lacks] of [
    ["workspace", "project"],
    ["project", "workspace"],
  ] as const) {
    if (fields[has] === undefined || fields[lacks] !== undefined) continue;
    faults.push({
      code: "conflict",
      path: [has],
      value: fields[has],
      eventually: true,
      limit: `together with ${lacks}`,
      message: `.${has} is ${show(fields[has])} without ${lacks}; give both or neither.`,
    });
  }
  if (isMap(fields.budget) && Object.keys(fields.budget).length === 0) {
    faults.push({
      code: "missing",
      path: ["budget"],
      value: {},
      limit: "at least one limit",
      message:
        ".budget is empty; it must have at least one of trials, steps, time, slot_hours, money, energy. Add one, or remove it.",
    });
  }
  const { slots_per_trial: slots = 1, max_slots: most } = isMap(fields.resources)
    ? fields.resources
    : {};
  if (typeof slots === "number" && typeof most === "number" && most >= 1 && most < slots) {
    faults.push({
      code: "conflict",
      path: ["resources", "max_slots"],
      value: most,
      limit: `at least slots_per_trial (${slots})`,
      suggestion: String(slots),
      message: `.resources.max_slots is ${show(most)}; it must be at least slots_per_trial (${show(slots)}), or no trial could ever start. Try ${show(slots)}.`,
    });
  }
  return faults;
}

/** One seed for many trials would make them all alike. */
function seedFaults(reproducibility: Json | undefined, searcher: string | null): Fault[] {
  if (!isMap(reproducibility) || reproducibility.trial_seed === undefined) return [];
  if (searcher === "single") return [];
  return [
    {
      code: "conflict",
      path: ["reproducibility", "trial_seed"],
      value: reproducibility.trial_seed,
      limit: "with the searcher single",
      message: `.reproducibility.trial_seed is ${show(reproducibility.trial_seed)}, and the searcher is ${searcher ?? "left to choose"}: every trial of a search has a seed of its own. Remove trial_seed, or set searcher.name to single.`,
    },
  ];
}

function dataWarnings(data: Json | undefined): Fault[] {
  if (!isMap(data ?? null)) return [];
  const near = Object.entries(data as JsonObject).filter(
    ([, value]) =>
      typeof value === "string" && looksLikeReference(value) && !datasetReference(value),
  );
  return near.map(([name, value]) => ({
    code: "looks_like_reference",
    path: ["data", name],
    value,
    message: `${renderPath(["data", name])} is ${show(value)}, which is passed on as text. A dataset is NAME@VERSION or NAME@latest: the name of small letters, digits, dots, hyphens and underscores, the version a whole number from 1.`,
  }));
}

const nothingVaries = (name: string | null): Fault => ({
  code: "nothing_varies",
  path: ["hyperparameters"],
  message: `.hyperparameters leaves nothing to choose, so every trial of the ${name ?? "default"} search differs by its seed alone. Add a hyperparameter that varies, or use the searcher single.`,
});

const isMap = (value: Json | undefined): value is JsonObject =>
  typeof value === "object" && value !== null && !Array.isArray(value);

/** null is missing everywhere but in hyperparameters and data, where it can be a value. */
export function withoutNulls(whole: JsonObject): JsonObject {
  const entries = Object.entries(whole).filter(([, value]) => value !== null);
  return Object.fromEntries(
    entries.map(([key, value]) => [
      key,
      key === "hyperparameters" || key === "data" ? value : dropNulls(value),
    ]),
  );
}

function dropNulls(value: Json): Json {
  if (Array.isArray(value)) return value.map(dropNulls);
  if (!isMap(value)) return value;
  const entries = Object.entries(value).filter(([, item]) => item !== null);
  return Object.fromEntries(entries.map(([key, item]) => [key, dropNulls(item)]));
}

/** Drops fields that are not served where they ask for nothing, so that files full of defaults run. */
function withoutHarmless(whole: JsonObject): JsonObject {
  let result = whole;
  for (const { field, harmless } of NOT_SERVED) {
    const [first, second] = field.split(".") as [string, string | undefined];
    const block = second === undefined ? result : result[first];
    const key = second ?? first;
    if (
      !isMap(block) ||
      !Object.hasOwn(block, key) ||
      !harmless?.some((value) => sameJson(value, block[key]!))
    )
      continue;
    const { [key]: _, ...rest } = block;
    result = second === undefined ? rest : { ...result, [first]: rest };
  }
  return result;
}
