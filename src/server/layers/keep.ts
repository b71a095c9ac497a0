/** Templates and defaults of workspaces are set and removed: a text that is wrong by itself is never kept. */
import { openConfig, readLayer } from "../../protocol/config/config.ts";
import { ContrailError } from "../../protocol/errors.ts";
import type { Queryable } from "../../store/audit-reads.ts";
import {
  addLayer,
  findLayer,
  type KeptKind,
  type LayerReference,
  type LayerRow,
  removeLayers,
} from "../../store/layer-store.ts";
import { storable } from "../../store/storable.ts";
import { describeFaults, toProblemIssue } from "../config-faults.ts";
import type { RouteContext } from "../http/context.ts";
import { recordIn } from "../recorded.ts";
import { withoutLogin } from "../sealed-logins.ts";

type Actor = { readonly userId: number; readonly name: string };

/** @throws ContrailError invalid_config with every fault of it */
export async function setLayer(
  { loop, logins }: Pick<RouteContext, "loop" | "logins">,
  { kind, name, text: written }: { kind: KeptKind; name: string; text: string },
  { userId, name: actor }: Actor,
): Promise<{ row: LayerRow; created: boolean }> {
  const reading = readLayer(openConfig(written), kind);
  if (!reading.ok)
    throw new ContrailError("invalid_config", describeFaults(reading.issues), {
      issues: reading.issues.map(toProblemIssue),
      hint: "Correct each line and set it again; what held before holds on.",
    });
  const { text } = withoutLogin({ config: reading.value, text: written }, logins);
  return await recordIn(loop)<{ row: LayerRow; created: boolean }>(
    `set a ${kind}`,
    async (client, now) => {
      const before = await findLayer(client, { kind, name });
      if (before?.config_text === storable(text))
        return { value: { row: before, created: false }, changes: [] };
      const entry = { kind, name, config_text: storable(text), created_at: now, userId };
      const row = await addLayer(client, entry);
      const fields = Object.keys(reading.value).join(", ") || "nothing";
      const cause = `says ${fields}${before ? `; in place of version ${before.version}` : ""}`;
      const change = { actor, subject: `${kind} ${name}@${row.version}`, what: "set", cause };
      return { value: { row, created: true }, changes: [change] };
    },
  );
}

/** @throws ContrailError not_found */
export async function removeLayer(
  { loop }: Pick<RouteContext, "loop">,
  reference: { kind: KeptKind; name: string },
  actor: string,
): Promise<{ row: LayerRow; versions: number[] }> {
  const { kind, name } = reference;
  return await recordIn(loop)(`remove a ${kind}`, async (client, at) => {
    const { version } = await keptLayer(client, reference);
    const versions = await removeLayers(client, reference, { by: actor, at });
    const row = await keptLayer(client, { ...reference, version });
    const cause = `asked for; version ${versions.join(", ")}`;
    const change = { actor, subject: `${kind} ${name}`, what: "removed", cause };
    return { value: { row, versions }, changes: [change] };
  });
}

/** @throws ContrailError not_found */
export async function keptLayer(db: Queryable, reference: LayerReference): Promise<LayerRow> {
  const row = await findLayer(db, reference);
  if (row) return row;
  const { kind, name, version } = reference;
  const full = version === undefined ? name : `${name}@${version}`;
  const message =
    kind === "template"
      ? `there is no template ${full}`
      : `there are no defaults of workspace ${full}`;
  throw new ContrailError("not_found", message, {
    hint: `See what there is: contrail ${kind} list.`,
  });
}
