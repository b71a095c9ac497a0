/**
 * What holds where a submission says nothing: its template, the defaults of its workspace and of its pool, one under the
 * other. A layer is part of a configuration; what is wrong with it by itself is said when it is set, and what
 * another layer may still supply is no fault of it.
 */
import type { JsonObject } from "../../base/json.ts";
import { type Fault, renderPath, show } from "./issue.ts";
import { underlay, WHOLE } from "./underlay.ts";

/** From the highest to the lowest; all of them lie under what was submitted. */
export const LAYER_KINDS = ["template", "workspace", "pool"] as const;
export type LayerKind = (typeof LAYER_KINDS)[number];

export interface LayerName {
  readonly kind: LayerKind;
  readonly name: string;
  /** Counted by the server that keeps it; null of a pool, which stands in a file. */
  readonly version: number | null;
}

export interface Layer extends LayerName {
  readonly value: JsonObject;
}

/** What a layer gave: paths of values as they are written in messages, `.resources.priority`. */
export interface LayerGiven extends LayerName {
  readonly fields: readonly string[];
}

/** What was written, over the layers so far. */
export interface Layered {
  readonly value: JsonObject;
  readonly layers: readonly LayerGiven[];
}

export const layUnder = ({ value, layers }: Layered, { value: lower, ...name }: Layer): Layered => {
  const { value: whole, given } = underlay(value, lower);
  return { value: whole, layers: [...layers, { ...name, fields: given }] };
};

/** How people read it: `template base@2`, `the defaults of pool team`. */
export function layerText({ kind, name, version }: LayerName): string {
  const full = version === null ? name : `${name}@${version}`;
  return kind === "template" ? `template ${full}` : `the defaults of ${kind} ${full}`;
}

const under = (path: string, field: string): boolean =>
  path.startsWith(field) && /^($|[.[])/.test(path.slice(field.length));

/** @returns the layer that gave the value at a path, and as part of which field; nothing where none did */
export function giverOf<L extends LayerGiven>(
  layers: readonly L[],
  path: string,
): { readonly layer: L; readonly field: string } | undefined {
  let found: { readonly layer: L; readonly field: string } | undefined;
  // A higher layer gave the list, a lower one a variable of it: the nearest field knows.
  for (const layer of layers)
    for (const field of layer.fields)
      if (under(path, field) && field.length > (found?.field.length ?? -1))
        found = { layer, field };
  return found;
}

/** What chooses a layer cannot stand in that layer, nor in one below it. */
const CHOOSING: readonly (readonly [path: readonly string[], LayerKind])[] = [
  [["template"], "template"],
  [["workspace"], "workspace"],
  [["project"], "workspace"],
  [["resources", "resource_pool"], "pool"],
];

export function choosingFaults(kind: LayerKind, value: JsonObject): Fault[] {
  const faults: Fault[] = [];
  for (const [path, chosen] of CHOOSING) {
    if (LAYER_KINDS.indexOf(kind) < LAYER_KINDS.indexOf(chosen)) continue;
    const found = path.reduce<unknown>(
      (at, part) => (at as Record<string, unknown> | null | undefined)?.[part],
      value,
    );
    if (found == null) continue;
    const rendered = renderPath(path);
    faults.push({
      code: "conflict",
      path,
      at: "key",
      value: found,
      message: `${rendered} is ${show(found)}, and stands in ${kind === "template" ? "a template" : `the defaults of a ${kind}`}: by then it has been chosen. Remove it here; the submission says it.`,
    });
  }
  return faults;
}

/** Whether another layer may still supply what is missed; of what is taken whole and of lists all has to be there. */
export const suppliable = ({ code, path, eventually }: Fault): boolean =>
  eventually === true ||
  (code === "missing" &&
    path.every((part) => typeof part === "string") &&
    !path.some((_, length) => WHOLE.has(renderPath(path.slice(0, length)))));
