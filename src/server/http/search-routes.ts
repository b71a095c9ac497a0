/** `GET /experiments/:id/search` and its log: what `contrail search replay` decides again. */
import { z } from "zod";
import * as api from "../../protocol/api.ts";
import { listSearchLog, readSearchLogHead } from "../../store/search-log.ts";
import type { App } from "./app.ts";
import { noExperiment, type RouteContext } from "./context.ts";
import { cursorNumber } from "./cursor.ts";

const params = z.object({ id: api.experimentIdParam });
const tags = ["experiments"];

export function searchRoutes(app: App, { readPool, version }: RouteContext): void {
  const head = async (id: number): Promise<api.SearchLogHead> => {
    const found = await readSearchLogHead(readPool, id);
    if (!found) throw noExperiment(id);
    const { spec, events, savedAfter, savedSha256, ended } = found;
    return {
      ...{ experiment: id, spec: spec as unknown as api.SearchLogHead["spec"], events },
      ...{ saved: { events: savedAfter, sha256: savedSha256 }, ended, version },
    };
  };

  app.get(
    "/experiments/:id/search",
    {
      config: { access: ["read"] },
      schema: { params, response: { 200: api.searchLogHead }, tags },
    },
    async (request) => head(request.params.id),
  );

  app.get(
    "/experiments/:id/search/log",
    {
      config: { access: ["read"] },
      schema: {
        params,
        querystring: api.pageQuery,
        response: { 200: api.page(api.searchLogEntry) },
        tags,
      },
    },
    async (request) => {
      const { id } = request.params;
      const { cursor, limit } = request.query;
      const after = cursor === undefined ? 0 : cursorNumber(cursor);
      const rows = await listSearchLog(readPool, { experiment: id, after, limit: limit + 1 });
      // An experiment has its first event from the turn on that made it.
      if (rows.length === 0 && after === 0) await head(id);
      const items = rows.slice(0, limit) as api.SearchLogEntry[];
      return { items, next_cursor: rows.length > limit ? String(items.at(-1)?.seq) : null };
    },
  );
}
