import type { Readable } from "node:stream";
import { z } from "zod";
import * as api from "../../protocol/api.ts";
import { ContrailError } from "../../protocol/errors.ts";
import { addDataset, type DatasetRow, listDatasets } from "../../store/dataset-store.ts";
import { checkTree } from "../../store/snapshot.ts";
import { requireSnapshot } from "../create-experiment.ts";
import { recordIn } from "../recorded.ts";
import { missingBlobs, putBlob } from "../retention/uploads.ts";
import { type App, LARGE_BODY_BYTES_MAX, person } from "./app.ts";
import type { RouteContext } from "./context.ts";
import { datasetCursor, datasetPlace } from "./cursor.ts";

const hash = z.string().regex(/^[0-9a-f]{64}$/, "64 lower-case hexadecimal digits");
const params = z.object({ hash });
const missingRequest = z.strictObject({
  hashes: z.array(hash).max(100_000),
  /** A runner's: for which checkpoint it asks. What is here stays until that is written down. */
  for: z.strictObject({ allocation: z.string().max(64), tree: hash }).optional(),
});
const tags = ["blobs"];

export function blobRoutes(app: App, context: RouteContext): void {
  const { blobs } = context;

  app.post(
    "/blobs/missing",
    {
      config: { access: ["write", "any_runner"] },
      bodyLimit: LARGE_BODY_BYTES_MAX,
      schema: {
        body: missingRequest,
        response: { 200: z.object({ missing: z.array(hash) }) },
        tags,
      },
    },
    async (request) => ({
      missing: await missingBlobs(context, request.caller, request.body),
    }),
  );

  app.put(
    "/blobs/:hash",
    {
      config: { access: ["write", "any_runner"] },
      // The body is a stream that never stands in memory; the store bounds its size.
      bodyLimit: Number.MAX_SAFE_INTEGER,
      schema: {
        params,
        response: { 200: z.object({ hash, size: z.int(), existed: z.boolean() }) },
        tags,
      },
    },
    async (request) => {
      if (request.headers["content-type"] !== "application/octet-stream")
        throw new ContrailError(
          "invalid_request",
          "the body of a blob is application/octet-stream",
        );
      // A body that is refused half-way is read to its end all the same: a sender that cannot get rid of it would hear
      // of a broken connection, or of nothing, in place of the reason.
      const sent = request.body as Readable;
      try {
        const body = sent.iterator({ destroyOnReturn: false });
        return await putBlob(context, request.caller, { hash: request.params.hash, body });
      } finally {
        sent.resume();
      }
    },
  );

  app.get(
    "/blobs/:hash",
    {
      config: { access: ["read", "any_runner"], produces: "application/octet-stream" },
      schema: { params, tags },
    },
    async (request, reply) => {
      const opened = await blobs.open(request.params.hash);
      if (!opened) throw new ContrailError("not_found", `there is no blob ${request.params.hash}`);
      return reply
        .header("content-type", "application/octet-stream")
        .header("content-length", opened.size)
        .header("content-disposition", "attachment")
        .header("content-security-policy", "sandbox")
        .send(opened.stream);
    },
  );

  app.post(
    "/datasets",
    {
      config: { access: ["write"] },
      bodyLimit: LARGE_BODY_BYTES_MAX,
      schema: {
        body: api.createDatasetRequest,
        response: { 200: api.createDatasetReply },
        tags: ["datasets"],
      },
    },
    async (request) => {
      const { name, tree } = request.body;
      const unsafe = checkTree(tree)[0];
      if (unsafe) throw new ContrailError("invalid_request", `${unsafe.path}: ${unsafe.message}`);
      if (tree.length === 0)
        throw new ContrailError("invalid_request", `the dataset ${name} has no files`);
      using kept = await requireSnapshot(context, tree, "dataset");
      const snapshot = kept.hash;
      const { userId, name: actor } = person(request);
      const { row, created } = await recordIn(context.loop)(
        "add a dataset",
        async (client, now) => {
          const size = tree.reduce((sum, entry) => sum + entry.size, 0);
          const entry = { name, snapshot, files: tree.length, bytes: size, userId, now };
          const value = await addDataset(client, entry);
          const subject = `dataset ${name}@${value.row.version}`;
          const cause = `${tree.length} files, ${size} bytes, snapshot ${snapshot}`;
          const change = { actor, subject, what: "created", cause };
          return { value, changes: value.created ? [change] : [] };
        },
      );
      return { ...datasetView(row), created };
    },
  );

  app.get(
    "/datasets",
    {
      config: { access: ["read"] },
      schema: {
        querystring: api.pageQuery,
        response: { 200: api.page(api.dataset) },
        tags: ["datasets"],
      },
    },
    async (request) => {
      const { cursor, limit } = request.query;
      const after = cursor === undefined ? undefined : datasetPlace(cursor);
      const rows = await listDatasets(context.readPool, { after, limit: limit + 1 });
      const items = rows.slice(0, limit);
      const last = items.at(-1);
      return {
        items: items.map(datasetView),
        next_cursor: rows.length > limit && last ? datasetCursor(last) : null,
      };
    },
  );
}

const datasetView = (row: DatasetRow): api.Dataset => ({
  name: row.name,
  version: row.version,
  snapshot: row.snapshot,
  files: row.files,
  bytes: Number(row.bytes),
  created_at: row.created_at.toISOString(),
});
