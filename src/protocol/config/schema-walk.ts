/** Looking into zod schemas: the field at a path, its default, the names that a block knows. */
import type * as z from "zod";
import type { Path } from "./issue.ts";

export function valueAt(root: unknown, path: Path): unknown {
  let value = root;
  for (const part of path) {
    if (typeof value !== "object" || value === null || !Object.hasOwn(value, part))
      return undefined;
    value = (value as { [key: string | number]: unknown })[part];
  }
  return value;
}

/** The schema without defaults, null and transforms around it. */
export function unwrapped(schema: z.ZodType): z.ZodType {
  const def = schema.def as { type: string; innerType?: z.ZodType; in?: z.ZodType };
  if (def.innerType) return unwrapped(def.innerType);
  if (def.type === "pipe" && def.in) return unwrapped(def.in);
  return schema;
}

/** The schema of the field at `path`, with its description and default; undefined inside unions. */
export function schemaAt(schema: z.ZodType | undefined, path: Path): z.ZodType | undefined {
  let at = schema;
  for (const part of path) {
    if (!at) return undefined;
    const def = unwrapped(at).def as {
      shape?: { [key: string]: z.ZodType };
      element?: z.ZodType;
      valueType?: z.ZodType;
    };
    at =
      def.shape && Object.hasOwn(def.shape, part)
        ? def.shape[part]
        : (def.element ?? def.valueType);
  }
  return at;
}

/** The names that an object schema knows; empty for anything else. */
export function keysOf(schema: z.ZodType | undefined): string[] {
  const shapeOf = schema && (unwrapped(schema).def as { shape?: object }).shape;
  return shapeOf ? Object.keys(shapeOf) : [];
}

/** The default of a field; undefined where there is none. */
export function defaultOf(schema: z.ZodType | undefined): unknown {
  let at = schema;
  while (at) {
    const def = at.def as {
      type: string;
      defaultValue?: unknown;
      innerType?: z.ZodType;
      in?: z.ZodType;
    };
    if (def.type === "default") return def.defaultValue;
    at = def.innerType ?? (def.type === "pipe" ? def.in : undefined);
  }
  return undefined;
}
