/** The layers of a submission: each is chosen by what was written and by the layers above it, from the top down. */
import type { Json, JsonObject } from "../../base/json.ts";
import { type OpenConfig, openConfig, readLayer, writtenIn } from "../../protocol/config/config.ts";
import { issueAt } from "../../protocol/config/edit.ts";
import { type Layer, type Layered, layerText, layUnder } from "../../protocol/config/layers.ts";
import { nearest } from "../../protocol/config/nearest.ts";
import { ContrailError } from "../../protocol/errors.ts";
import { DEFAULT_POOL } from "../../protocol/pools/pools.ts";
import { findLayer, type LayerRow, layerNames, listLayers } from "../../store/layer-store.ts";
import { storable } from "../../store/storable.ts";
import type { RouteContext } from "../http/context.ts";
import { findPool } from "../pools/fit.ts";

const DEFAULT_WORKSPACE = "default";
const REFERENCE = /^([a-z0-9][a-z0-9._-]{0,127})(?:@([1-9][0-9]{0,8}))?$/;

type Context = Pick<RouteContext, "readPool" | "world">;

/**
 * @param submitted `template` is the one that was asked for beside the text, and counts before the text's
 * @returns what was written over all that holds beneath it; what is malformed chooses nothing, and is said by whoever reads it
 * @throws ContrailError where its template is not there
 */
export async function overLayers(
  { readPool, world }: Context,
  submitted: {
    readonly open: OpenConfig;
    readonly text: string;
    readonly template?: string | undefined;
  },
): Promise<Layered> {
  let over: Layered = { value: writtenIn(submitted.open), layers: [] };
  const template = REFERENCE.exec(textAt(submitted.template ?? over.value.template));
  if (template) {
    const [full, name = "", version] = template;
    const reference = {
      kind: "template",
      name,
      version: version ? Number(version) : undefined,
    } as const;
    const found = await findLayer(readPool, reference);
    const row = found ?? (await listLayers(readPool, { kind: "template", name, limit: 1 }))[0];
    if (found === undefined || found.removed_at !== null)
      throw noTemplate({ full, row, known: await layerNames(readPool, "template"), ...submitted });
    over = layUnder(over, layerOf(found));
  }
  const workspace = over.value.workspace ?? DEFAULT_WORKSPACE;
  const named = textAt(workspace);
  // PostgreSQL refuses even to look for what it could not hold.
  const row =
    named === storable(named) && (await findLayer(readPool, { kind: "workspace", name: named }));
  if (row) over = layUnder(over, layerOf(row));
  const resources = over.value.resources as JsonObject | null | undefined;
  const pool = findPool(textAt(resources?.resource_pool) || DEFAULT_POOL, world.pools);
  if (!pool || Object.keys(pool.defaults).length === 0) return over;
  return layUnder(over, { kind: "pool", name: pool.name, version: null, value: pool.defaults });
}

const textAt = (value: Json | undefined): string => (typeof value === "string" ? value : "");

/** @throws ContrailError where another version of Contrail accepted it and this one does not */
function layerOf({ kind, name, version, config_text: text }: LayerRow): Layer {
  const reading = readLayer(openConfig(text), kind);
  if (reading.ok) return { kind, name, version, value: reading.value };
  throw new ContrailError(
    "invalid_config",
    `${layerText({ kind, name, version })} is refused by this version of Contrail: ${reading.issues[0]?.message}`,
    { hint: `Set it anew: contrail ${kind} set ${JSON.stringify(name)} FILE.` },
  );
}

function noTemplate(asked: {
  readonly full: string;
  readonly row: LayerRow | undefined;
  readonly known: readonly string[];
  readonly text: string;
  readonly template?: string | undefined;
}): ContrailError {
  const { full, row, known, text } = asked;
  const suggestion = row ? undefined : nearest(full.replace(/@.*/, ""), known);
  const why = row?.removed_at
    ? `was removed by ${row.removed_by} at ${row.removed_at.toISOString()}`
    : "is not there";
  const path = ".template";
  const message = `${path} is "${full}", and template ${full} ${why}`;
  const place = asked.template === undefined ? issueAt(text, ["template"]) : {};
  const issue = { code: "unknown_template", path, message, value: full, ...place };
  const there =
    known.length === 0 ? "There are no templates." : `There are: ${known.slice(0, 20).join(", ")}.`;
  return new ContrailError("invalid_config", message, {
    issues: [suggestion === undefined ? issue : { ...issue, suggestion }],
    hint: `${there}${suggestion === undefined ? "" : ` Did you mean ${suggestion}?`}`,
  });
}
