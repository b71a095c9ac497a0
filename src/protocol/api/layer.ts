/**
 * Parts of configurations that hold where a submission says nothing: templates, and defaults of workspaces, kept by
 * version. See docs/templates.md.
 */
import { z } from "zod";
import { LAYER_KINDS } from "../config/layers.ts";
import { count, pageQuery, time } from "./common.ts";

export const layer = z.object({
  name: z.string(),
  version: count,
  created_at: time,
  created_by: z.string(),
  /** It holds for nobody any more, and can still be shown. */
  removed: z.object({ at: time, by: z.string() }).nullable(),
});
export type Layer = z.infer<typeof layer>;

export const layerDetail = layer.extend({
  /** YAML as it was written; a login in it is sealed. */
  config: z.string(),
});
export type LayerDetail = z.infer<typeof layerDetail>;

/** What an experiment has from a layer. */
export const layerGiven = z.object({
  kind: z.enum(LAYER_KINDS),
  name: z.string(),
  /** Null of a pool, whose defaults stand in a file. */
  version: z.int().nullable(),
  /** Paths of the values that come from there, such as `.resources.priority`. */
  fields: z.array(z.string()),
});

export const templateName = z
  .string()
  .regex(/^[a-z0-9][a-z0-9._-]{0,127}$/, "must be 1 to 128 of a-z 0-9 . _ -, a-z or 0-9 first");
/** With or without a version: `base`, `base@2`. */
export const templateReference = z
  .string()
  .regex(/^[a-z0-9][a-z0-9._-]{0,127}(@[1-9][0-9]{0,8})?$/, "must be NAME or NAME@VERSION");
export const workspaceName = z
  .string()
  .regex(
    /^[A-Za-z0-9][A-Za-z0-9 ._-]{0,99}$/,
    "must be 1 to 100 letters, digits, spaces, dots, hyphens and underscores, a letter or digit first",
  );

export const layerQuery = z.object({
  /** Left out: the one that holds. A removed one only by its number. */
  version: z.coerce
    .number()
    .int()
    .min(1)
    .max(2 ** 31 - 1)
    .optional(),
});

export const templatesQuery = pageQuery.extend({
  /** Every version of this one, also removed ones; left out, what holds of each. */
  name: templateName.optional(),
});
export const workspacesQuery = pageQuery.extend({ name: workspaceName.optional() });

export const setLayerRequest = z.strictObject({
  /** YAML: part of a configuration. Faults point into it. */
  config: z.string().max(1_000_000),
});
/** `created` is false when this very text holds already. */
export const setLayerReply = layer.extend({ created: z.boolean() });
export type SetLayerReply = z.infer<typeof setLayerReply>;

/** What held, and the versions that do not any more. */
export const removeLayerReply = layer.extend({ versions: z.array(count) });
export type RemoveLayerReply = z.infer<typeof removeLayerReply>;
