/** Versions of data: registered, listed, looked into, compared with what they were, removed. See docs/data.md. */
import * as api from "../../protocol/api.ts";
import { ContrailError } from "../../protocol/errors.ts";
import {
  type DatasetRow,
  type DatasetUseRow,
  listDatasets,
  readStatistics,
  removeDataset,
  usesOf,
} from "../../store/dataset-store.ts";
import { registerDataset } from "../datasets/add.ts";
import { anyDataset, currentDataset } from "../datasets/find.ts";
import { Verifications } from "../datasets/verify.ts";
import { recordIn } from "../recorded.ts";
import { type App, LARGE_BODY_BYTES_MAX, person } from "./app.ts";
import type { RouteContext } from "./context.ts";
import { versionCursor, versionPlace } from "./cursor.ts";

const tags = ["datasets"];
const USES_SHOWN = 100;
/** Of one request that verifies. */
const STRETCH_MS = 2_000;

export function datasetRoutes(app: App, context: RouteContext): void {
  const { readPool, loop } = context;
  const verifications = new Verifications();

  app.post(
    "/datasets",
    {
      config: { access: ["write"] },
      bodyLimit: LARGE_BODY_BYTES_MAX,
      schema: { body: api.createDatasetRequest, response: { 200: api.createDatasetReply }, tags },
    },
    async (request) => {
      const { row, created } = await registerDataset(context, request.body, person(request));
      return { ...datasetView(row), created };
    },
  );

  app.get(
    "/datasets",
    {
      config: { access: ["read"] },
      schema: {
        querystring: api.datasetsQuery,
        response: { 200: api.page(api.dataset) },
        tags,
      },
    },
    async (request) => {
      const { cursor, limit, name, removed } = request.query;
      const after = cursor === undefined ? undefined : versionPlace(cursor);
      const rows = await listDatasets(readPool, { name, removed, after, limit: limit + 1 });
      const items = rows.slice(0, limit);
      const last = items.at(-1);
      return {
        items: items.map(datasetView),
        next_cursor: rows.length > limit && last ? versionCursor(last) : null,
      };
    },
  );

  app.get(
    "/datasets/:name/:version",
    {
      config: { access: ["read"] },
      schema: { params: api.datasetParams, response: { 200: api.datasetDetail }, tags },
    },
    async (request) => {
      const row = await anyDataset(readPool, request.params);
      const uses = await usesOf(readPool, row, USES_SHOWN);
      return {
        ...datasetView(row),
        statistics: await readStatistics(readPool, row.id),
        used_by: uses.map(useView),
        used_by_total: uses[0]?.total ?? 0,
      };
    },
  );

  app.post(
    "/datasets/:name/:version/verify",
    {
      // It changes nothing, however long it takes.
      config: { access: ["read"] },
      schema: {
        params: api.datasetParams,
        body: api.verifyDatasetRequest,
        response: { 200: api.verifyDatasetReply },
        tags,
      },
    },
    async (request) => {
      const row = await currentDataset(readPool, request.params);
      return await verifications.stretch(context, row, { ...request.body, limitMs: STRETCH_MS });
    },
  );

  app.delete(
    "/datasets/:name/:version",
    {
      config: { access: ["write"] },
      schema: {
        params: api.datasetParams,
        querystring: api.removeDatasetQuery,
        response: { 200: api.removeDatasetReply },
        tags,
      },
    },
    async (request) => {
      const actor = person(request).name;
      const found = await anyDataset(readPool, request.params);
      const full = `${found.name}@${found.version}`;
      return await recordIn(loop)("remove a dataset", async (client, at) => {
        const uses = await usesOf(client, found, USES_SHOWN);
        const total = uses[0]?.total ?? 0;
        if (total > 0 && request.query.force !== full && found.removed_at === null)
          throw new ContrailError(
            "conflict",
            `${full} was given to ${total === 1 ? "experiment" : `${total} experiments:`} ${uses
              .slice(0, 10)
              .map(({ id }) => id)
              .join(", ")}${total > 10 ? ", …" : ""}; without it none of them can be run again`,
            {
              hint: `Delete them first, or say it by name: contrail data rm ${full} --force ${full}`,
            },
          );
        const changed = await removeDataset(client, { id: found.id, by: actor, at });
        const row = await anyDataset(client, { name: found.name, version: found.version });
        const cause = total > 0 ? `by force, used by ${total} experiments` : "asked for";
        const change = { actor, subject: `dataset ${full}`, what: "removed", cause };
        const value = { ...datasetView(row), used_by: uses.map(useView) };
        return { value, changes: changed ? [change] : [] };
      });
    },
  );
}

export const datasetView = (row: DatasetRow): api.Dataset => ({
  name: row.name,
  version: row.version,
  kind: row.kind,
  place: row.place,
  snapshot: row.snapshot,
  content: row.content,
  files: row.files,
  bytes: Number(row.bytes),
  created_at: row.created_at.toISOString(),
  created_by: row.created_by,
  removed:
    row.removed_at === null ? null : { at: row.removed_at.toISOString(), by: row.removed_by ?? "" },
});

const useView = ({ id, name, state, as }: DatasetUseRow): api.DatasetUse => ({
  experiment: id,
  name,
  state,
  as,
});
