/**
 * Reads `hyperparameters`: chooses the form of each, checks it, and builds the space.
 *
 * The forms overlap (a map is a group unless it has a `type`), so the reader picks the form first and then
 * asks that form's schema alone; a union over all of them could only say that none fits.
 */

import type * as z from "zod";
import type { Json, JsonObject } from "../../base/json.ts";
import { conditionFaults, type PlacedParameter } from "./conditions.ts";
import { gridFaults } from "./grid-size.ts";
import { FORMS, type FormName } from "./hyperparameter-fields.ts";
import { type Fault, GUESSES_MAX, type Path, renderPath, show } from "./issue.ts";
import { nearest } from "./nearest.ts";
import { OTHER_WORDS } from "./not-served.ts";
import { logFault, logWarning, nearestForm, rangeFault, repeatWarning } from "./ranges.ts";
import { shape, wrong } from "./shape.ts";
import {
  inByteOrder,
  type NamedSpaceParameter,
  type ParameterSpace,
  type SpaceCondition,
  type SpaceParameter,
  varies,
} from "./space.ts";

export interface SpaceReading {
  /** What could be read; complete when there are no faults. */
  readonly space: ParameterSpace;
  /** Whether anything is meant to vary, faulty or not. */
  readonly varies: boolean;
  readonly faults: readonly Fault[];
  readonly warnings: readonly Fault[];
}

/** @param grid whether a grid searcher is named, which needs a count on every range */
export function readSpace(
  hyperparameters: JsonObject,
  options: { readonly grid: boolean },
): SpaceReading {
  const reader = new SpaceReader(targetsOf(hyperparameters));
  const space = reader.group(hyperparameters, [ROOT], []);
  reader.faults.push(...conditionFaults(reader.placed));
  if (options.grid)
    reader.faults.push(...gridFaults(space, reader.placed, reader.faults.length === 0));
  return {
    space,
    varies: varies(space) || reader.ranges,
    faults: reader.faults,
    warnings: reader.warnings,
  };
}

const ROOT = "hyperparameters";
const isMap = (value: Json): value is JsonObject =>
  typeof value === "object" && value !== null && !Array.isArray(value);
const isForm = (word: unknown): word is FormName =>
  typeof word === "string" && Object.hasOwn(FORMS, word);

/** Every parameter's path by its dotted name, so that a condition may name one that comes later. */
function targetsOf(
  map: JsonObject,
  above: readonly string[] = [],
  found = new Map<string, (readonly string[])[]>(),
): Map<string, (readonly string[])[]> {
  for (const [name, value] of Object.entries(map)) {
    const path = [...above, name];
    found.set(path.join("."), [...(found.get(path.join(".")) ?? []), path]);
    if (!isMap(value)) continue;
    if (!Object.hasOwn(value, "type")) targetsOf(value, path, found);
    else if (value.type === "nested" && value.params !== undefined && isMap(value.params))
      targetsOf(value.params, path, found);
  }
  return found;
}

class SpaceReader {
  private readonly targets: ReadonlyMap<string, readonly (readonly string[])[]>;
  readonly faults: Fault[] = [];
  readonly warnings: Fault[] = [];
  readonly placed: PlacedParameter[] = [];
  ranges = false;

  constructor(targets: ReadonlyMap<string, readonly (readonly string[])[]>) {
    this.targets = targets;
  }

  children(map: JsonObject, filePath: Path, names: readonly string[]): NamedSpaceParameter[] {
    const children: NamedSpaceParameter[] = [];
    for (const name of Object.keys(map).sort(inByteOrder)) {
      const parameter = this.parameter(map[name]!, [...filePath, name], [...names, name]);
      if (parameter) children.push({ name, parameter });
    }
    return children;
  }

  private parameter(
    value: Json,
    filePath: Path,
    names: readonly string[],
  ): SpaceParameter | undefined {
    const slot = this.placed.length;
    this.placed.push({ names, filePath });
    const parameter = this.anyForm(value, filePath, names, slot);
    this.placed[slot] = { ...this.placed[slot]!, parameter };
    return parameter;
  }

  private anyForm(
    value: Json,
    filePath: Path,
    names: readonly string[],
    slot: number,
  ): SpaceParameter | undefined {
    if (!isMap(value)) {
      if (Array.isArray(value) && value.some((item) => isMap(item) && isForm(item.type))) {
        this.warnings.push({
          code: "looks_like_parameters",
          path: filePath,
          message: `${renderPath(filePath)} is a list, and a list is one constant even where its items look like hyperparameters. For a choice write type: categorical with vals; for several parameters write a map.`,
        });
      }
      return { type: "const", value };
    }
    if (!Object.hasOwn(value, "type")) return this.group(value, filePath, names);
    return this.typed(value, filePath, names, slot);
  }

  group(value: JsonObject, filePath: Path, names: readonly string[]): ParameterSpace {
    const when = value.when;
    if (when !== undefined && isMap(when) && !Object.hasOwn(when, "type")) {
      const path = [...filePath, "when"];
      this.faults.push({
        code: "conflict",
        path,
        at: "key",
        value: when,
        suggestion: "type: nested",
        message: `${renderPath(path)} stands in a group without type, where it would be a parameter called when. For a condition on the group write type: nested, when and params.`,
      });
    }
    return { type: "nested", children: this.children(value, filePath, names) };
  }

  private typed(
    value: JsonObject,
    filePath: Path,
    names: readonly string[],
    slot: number,
  ): SpaceParameter | undefined {
    const form = value.type;
    if (!isForm(form)) {
      this.faults.push(this.unknownForm(form!, filePath));
      return undefined;
    }
    if (["int", "double", "log"].includes(form)) this.ranges = true;
    const given = withoutNulls(value, "val");
    const shaped = shape(FORMS[form], given, {
      path: filePath,
      block: "hyperparameter",
      note: `(type ${form})`,
    });
    this.faults.push(...shaped.faults.map((fault) => this.fromElsewhere(fault, form)));
    const condition = this.condition(given.when, [...filePath, "when"]);
    // Kept apart from the parameter, which is absent where it has a fault of its own.
    if (condition) this.placed[slot] = { ...this.placed[slot]!, when: condition };
    const parameter = this.ofForm(form, shaped.value, given, filePath, names);
    return parameter && (condition ? { ...parameter, when: condition } : parameter);
  }

  private unknownForm(form: Json, filePath: Path): Fault {
    const path = [...filePath, "type"];
    const words = Object.keys(FORMS);
    const known =
      typeof form === "string" && this.faults.length < GUESSES_MAX ? nearestForm(form) : undefined;
    const group = "For a group with a parameter called type write type: nested and params.";
    const fault = wrong({
      code: "not_a_choice",
      path,
      value: form,
      must: `one of ${words.join(", ")}`,
      attempt: known,
    });
    return known === undefined ? { ...fault, message: `${fault.message} ${group}` } : fault;
  }

  /** Names the form that has a field, where this form does not. */
  private fromElsewhere(fault: Fault, form: FormName): Fault {
    if (fault.code !== "unknown_key") return fault;
    const key = String(fault.path.at(-1));
    const words = OTHER_WORDS.hyperparameter!;
    const ours = Object.hasOwn(words, key) ? words[key]! : key;
    const here = FORMS[form].def.shape;
    if (Object.hasOwn(here, ours)) return fault;
    const owners = Object.entries(FORMS).filter(([, schema]) =>
      Object.hasOwn(schema.def.shape, ours),
    );
    if (owners.length === 0) return fault;
    const known = Object.keys(here).join(", ");
    return {
      ...fault,
      suggestion: ours,
      message: `${renderPath(fault.path)} is not a field of type ${form} (${known}); ${ours} belongs to ${owners.map(([name]) => name).join(", ")}. Change the type or remove it.`,
    };
  }

  private ofForm(
    form: FormName,
    checked: z.output<(typeof FORMS)[FormName]> | undefined,
    given: JsonObject,
    filePath: Path,
    names: readonly string[],
  ): SpaceParameter | undefined {
    if (form === "nested") {
      // Read even where the group has faults of its own: its parameters may have more.
      const params = given.params;
      return {
        type: "nested",
        children:
          params !== undefined && isMap(params)
            ? this.children(params, [...filePath, "params"], names)
            : [],
      };
    }
    if (!checked) return undefined;
    switch (checked.type) {
      case "const":
        return { type: "const", value: checked.val as Json };
      case "categorical":
        this.note(this.warnings, repeatWarning(checked.vals as Json[], filePath));
        return { type: "categorical", values: checked.vals as Json[] };
      case "int":
      case "double": {
        if (this.note(this.faults, rangeFault(checked, filePath))) return undefined;
        const { type, minval: min, maxval: max, count } = checked;
        return { type, min, max, ...counted(count) };
      }
      case "log": {
        if (this.note(this.faults, logFault(checked, filePath))) return undefined;
        this.note(this.warnings, logWarning(checked, filePath));
        const { base, minval: minExponent, maxval: maxExponent, count } = checked;
        return { type: "log", base, minExponent, maxExponent, ...counted(count) };
      }
      case "nested":
        return undefined;
    }
  }

  private note(list: Fault[], fault: Fault | undefined): boolean {
    if (fault) list.push(fault);
    return fault !== undefined;
  }

  private condition(when: Json | undefined, path: Path): SpaceCondition | undefined {
    if (when === undefined || !isMap(when)) return undefined;
    const entries = Object.entries(when);
    if (entries.length !== 1) {
      this.faults.push({
        code: "bad_format",
        path,
        value: when,
        limit: "exactly one condition",
        message: `${renderPath(path)} has ${entries.length} conditions; it must have exactly one. For two that must both hold put the parameter into a group (type: nested) with a condition of its own.`,
      });
      return undefined;
    }
    const [target, wanted] = entries[0]!;
    const values = Array.isArray(wanted) ? (wanted as readonly Json[]) : [wanted as Json];
    const paths = this.targets.get(target) ?? [];
    if (paths.length === 1 && values.length > 0) return { path: paths[0]!, values };
    if (paths.length !== 1) this.faults.push(this.targetFault(target, paths.length, path));
    return undefined;
  }

  private targetFault(target: string, found: number, path: Path): Fault {
    const place = [...path, target];
    const subject = `${renderPath(place)} names ${show(target)}`;
    const base = { code: "impossible_condition", path: place, at: "key", value: target } as const;
    if (found > 1)
      return {
        ...base,
        message: `${subject}, which may be ${found} different parameters, because a name contains a dot. Rename one of them.`,
      };
    const names = [...this.targets.keys()];
    const guess =
      this.faults.length < GUESSES_MAX
        ? (names.find((name) => name.endsWith(`.${target}`)) ?? nearest(target, names))
        : undefined;
    const advice =
      guess === undefined
        ? "Conditions name a parameter by its dotted path from the root."
        : `Did you mean ${guess}?`;
    return {
      ...base,
      limit: "the dotted path of a parameter",
      ...(guess === undefined ? {} : { suggestion: guess }),
      message: `${subject}, and there is no such parameter. ${advice}`,
    };
  }
}

const counted = (count: number | undefined): { count?: number } =>
  count === undefined ? {} : { count };

/** null is missing, but not as the value of a constant. */
const withoutNulls = (map: JsonObject, keep: string): JsonObject =>
  Object.fromEntries(Object.entries(map).filter(([key, value]) => value !== null || key === keep));
