/**
 * Reads the file of pools (`pools.yaml` in the data folder, or `--pools FILE`): YAML in, either every pool with all
 * defaults or every fault at once out. The first pool is that of experiments that name none.
 *
 *   pools:
 *     default: {engine: local}
 *     cluster: {engine: slurm, partition: gpu, slot_type: gpu, slots_per_node: 4}
 */
import type { Json, JsonObject } from "../../base/json.ts";
import { openValue, readLayer } from "../config/config.ts";
import type { Fault, Issue } from "../config/issue.ts";
import { show } from "../config/issue.ts";
import { nearest } from "../config/nearest.ts";
import { shape } from "../config/shape.ts";
import { place, plain } from "../config/tree.ts";
import { readYaml } from "../config/yaml-tree.ts";
import { type EngineName, POOL_FORMS, type PoolSettings } from "./fields.ts";

export interface NamedPool {
  readonly name: string;
  readonly settings: PoolSettings;
}

export type PoolsReading =
  | { readonly ok: true; readonly pools: readonly NamedPool[] }
  | { readonly ok: false; readonly issues: readonly Issue[] };

/** Part of ids of slots and runners, and of names of jobs. */
const POOL_NAME = /^[a-z][a-z0-9-]{0,31}$/;
export const DEFAULT_POOL = "default";

/** @returns issues in order of position; never throws */
export function readPools(text: string): PoolsReading {
  const { tree, faults, locate } = readYaml(text);
  const checked = tree && check(plain(tree));
  const all = [...faults, ...(checked?.faults ?? [])];
  if (all.length === 0 && checked) return { ok: true, pools: checked.pools };
  const root = tree ?? { kind: "scalar", value: null, at: 0, size: 1, depth: 0 };
  const issues = all.map((fault) => place(fault, "error", root, locate));
  issues.sort((a, b) => (a.line ?? 0) - (b.line ?? 0) || (a.column ?? 0) - (b.column ?? 0));
  return { ok: false, issues };
}

const isMap = (value: Json | undefined): value is JsonObject =>
  typeof value === "object" && value !== null && !Array.isArray(value);

function check(whole: Json): { pools: NamedPool[]; faults: Fault[] } {
  const block = isMap(whole) ? whole.pools : undefined;
  if (!isMap(whole) || !isMap(block) || Object.keys(block).length === 0)
    return {
      pools: [],
      faults: [
        {
          code: "wrong_type",
          path: isMap(whole) && block !== undefined ? ["pools"] : [],
          value: block ?? whole,
          message:
            "A file of pools is a map with the one field pools, which maps the name of each pool to its engine and settings.",
        },
      ],
    };
  const faults: Fault[] = Object.keys(whole)
    .filter((key) => key !== "pools")
    .map((key) => ({
      code: "unknown_key",
      path: [key],
      at: "key",
      message: `${show(key)} is no field of a file of pools; it has one, pools.`,
    }));
  const pools: NamedPool[] = [];
  for (const [name, value] of Object.entries(block)) {
    const read = readPool(name, value);
    faults.push(...read.faults);
    if (read.settings) pools.push({ name, settings: read.settings });
  }
  return { pools, faults };
}

function readPool(name: string, value: Json): { settings?: PoolSettings; faults: Fault[] } {
  const path = ["pools", name];
  const faults: Fault[] = [];
  if (!POOL_NAME.test(name))
    faults.push({
      ...{ code: "bad_format", path, at: "key", value: name },
      message: `${show(name)} is the name of a pool; it must be 1 to 32 small letters, digits and hyphens, beginning with a letter.`,
    });
  const engine = isMap(value) ? value.engine : undefined;
  if (typeof engine !== "string" || !(engine in POOL_FORMS)) {
    const words = Object.keys(POOL_FORMS);
    const suggestion = typeof engine === "string" ? nearest(engine, words) : undefined;
    faults.push({
      code: "not_a_choice",
      path: engine === undefined ? path : [...path, "engine"],
      value: engine ?? value,
      ...(suggestion === undefined ? {} : { suggestion }),
      message: `Pool ${show(name)} has ${engine === undefined ? "no engine" : `the engine ${show(engine)}`}; it must be one of ${words.join(", ")}${suggestion === undefined ? "" : `. Did you mean ${suggestion}?`}`,
    });
    return { faults };
  }
  const shaped = shape(POOL_FORMS[engine as EngineName], value, { path, block: "pools" });
  faults.push(...shaped.faults);
  const settings = shaped.value;
  if (settings) faults.push(...defaultsFaults(settings, path));
  return faults.length === 0 && settings ? { settings, faults } : { faults };
}

/** What a pool puts under experiments has to be right by itself, or every submission would fail for it. */
function defaultsFaults(settings: PoolSettings, path: readonly string[]): Fault[] {
  const read = readLayer(openValue(settings.defaults), "pool");
  if (read.ok) return [];
  return read.issues.map(({ code, message, path: inside }) => ({
    ...{ code, path: [...path, "defaults"] },
    message: `defaults${inside}: ${message}`,
  }));
}
