/** Templates, and defaults of workspaces: the same nouns under two addresses. See docs/templates.md. */
import { z } from "zod";
import * as api from "../../protocol/api.ts";
import { type KeptKind, type LayerRow, listLayers } from "../../store/layer-store.ts";
import { keptLayer, removeLayer, setLayer } from "../layers/keep.ts";
import { type App, person } from "./app.ts";
import type { RouteContext } from "./context.ts";
import { versionCursor, versionPlace } from "./cursor.ts";

export function layerRoutes(app: App, context: RouteContext): void {
  const templates = { name: api.templateName, query: api.templatesQuery };
  routes(app, context, { kind: "template", url: "/templates", ...templates });
  const workspaces = { name: api.workspaceName, query: api.workspacesQuery };
  routes(app, context, { kind: "workspace", url: "/workspaces", ...workspaces });
}

interface Noun {
  readonly kind: KeptKind;
  readonly url: string;
  readonly name: z.ZodString;
  readonly query: typeof api.templatesQuery;
}

function routes(app: App, context: RouteContext, { kind, url, name, query }: Noun): void {
  const { readPool } = context;
  const params = z.object({ name });
  const tags = [url.slice(1)];

  app.get(
    url,
    {
      config: { access: ["read"] },
      schema: { querystring: query, response: { 200: api.page(api.layer) }, tags },
    },
    async (request) => {
      const { cursor, limit, name: only } = request.query;
      const after = cursor === undefined ? undefined : versionPlace(cursor);
      const rows = await listLayers(readPool, { kind, name: only, after, limit: limit + 1 });
      const items = rows.slice(0, limit);
      const last = items.at(-1);
      return {
        items: items.map(layerView),
        next_cursor: rows.length > limit && last ? versionCursor(last) : null,
      };
    },
  );

  app.get(
    `${url}/:name`,
    {
      config: { access: ["read"] },
      schema: {
        params,
        querystring: api.layerQuery,
        response: { 200: api.layerDetail },
        tags,
      },
    },
    async (request) => {
      const row = await keptLayer(readPool, { kind, ...request.params, ...request.query });
      return { ...layerView(row), config: row.config_text };
    },
  );

  app.put(
    `${url}/:name`,
    {
      config: { access: ["write"] },
      schema: { params, body: api.setLayerRequest, response: { 200: api.setLayerReply }, tags },
    },
    async (request) => {
      const entry = { kind, name: request.params.name, text: request.body.config };
      const { row, created } = await setLayer(context, entry, person(request));
      return { ...layerView(row), created };
    },
  );

  app.delete(
    `${url}/:name`,
    {
      config: { access: ["write"] },
      schema: { params, response: { 200: api.removeLayerReply }, tags },
    },
    async (request) => {
      const reference = { kind, name: request.params.name };
      const { row, versions } = await removeLayer(context, reference, person(request).name);
      return { ...layerView(row), versions };
    },
  );
}

const layerView = (row: LayerRow): api.Layer => ({
  name: row.name,
  version: row.version,
  created_at: row.created_at.toISOString(),
  created_by: row.created_by,
  removed:
    row.removed_at === null ? null : { at: row.removed_at.toISOString(), by: row.removed_by ?? "" },
});
