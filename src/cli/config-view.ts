/** The whole configuration of an experiment, with whence each value comes. */
import { Document, isScalar, visit } from "yaml";
import type { Json, JsonObject } from "../base/json.ts";
import type { ExperimentDetail } from "../protocol/api.ts";
import { openConfig, withoutNulls, writtenIn } from "../protocol/config/config.ts";
import { renderPath } from "../protocol/config/issue.ts";
import { giverOf, layerText } from "../protocol/config/layers.ts";
import { valueAt } from "../protocol/config/schema-walk.ts";
import { inertLines } from "./inert.ts";

export interface ValueOrigin {
  readonly path: string;
  readonly value: Json;
  /** `written`: in what was submitted. `default`: nobody said anything. */
  readonly from: "written" | "default" | "template" | "workspace" | "pool";
  /** Of a layer: `template base@2`. */
  readonly layer: string | null;
}

type Source = Pick<ExperimentDetail, "config" | "config_text" | "layers">;

/** Every value of the resolved configuration, with whence it comes; lists are one value. */
export function valueOrigins(detail: Source): ValueOrigin[] {
  const written = writtenIn(openConfig(detail.config_text));
  const origins: ValueOrigin[] = [];
  const walk = (value: Json, path: readonly string[]): void => {
    if (isMap(value) && Object.keys(value).length > 0) {
      for (const [key, inner] of Object.entries(value)) walk(inner, [...path, key]);
      return;
    }
    const rendered = renderPath(path);
    const layer = giverOf(detail.layers, rendered)?.layer;
    const from = layer?.kind ?? (isWritten(written, path) ? "written" : "default");
    origins.push({ path: rendered, value, from, layer: layer ? layerText(layer) : null });
  };
  for (const [key, value] of Object.entries(withoutNulls(detail.config as JsonObject)))
    walk(value, [key]);
  return origins;
}

const isMap = (value: Json): value is JsonObject =>
  typeof value === "object" && value !== null && !Array.isArray(value);

/** A short form stands for all that is under it: `max_length: 9`, a list of variables. */
function isWritten(written: JsonObject, path: readonly string[]): boolean {
  for (let length = 1; length <= path.length; length++) {
    const value = valueAt(written, path.slice(0, length));
    if (value === undefined || value === null) return false;
    if (typeof value !== "object" || Array.isArray(value)) return true;
  }
  return true;
}

/** As YAML; what stands without a remark was written so by whoever submitted it. */
export function configLines(detail: Source): string[] {
  const origins = new Map(valueOrigins(detail).map((origin) => [origin.path, origin]));
  const document = new Document(withoutNulls(detail.config as JsonObject));
  visit(document, {
    Pair: (_, pair, ancestors) => {
      const parts = [...ancestors.flatMap(keyOf), ...keyOf(pair)];
      const origin = origins.get(renderPath(parts));
      if (origin === undefined || origin.from === "written") return;
      const node = pair.value as { comment?: string; flow?: boolean } | null;
      if (node === null) return;
      // A list in one line, or its remark would stand behind its last entry.
      node.flow = true;
      node.comment = ` ${origin.layer ?? "default"}`;
    },
  });
  return inertLines(document.toString({ lineWidth: 0, flowCollectionPadding: false }).trimEnd());
}

function keyOf(node: unknown): string[] {
  const key = (node as { key?: unknown } | null)?.key;
  return isScalar(key) ? [String(key.value)] : [];
}
