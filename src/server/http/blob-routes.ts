import type { Readable } from "node:stream";
import { z } from "zod";
import { ContrailError } from "../../protocol/errors.ts";
import { missingBlobs, putBlob } from "../retention/uploads.ts";
import { type App, LARGE_BODY_BYTES_MAX } from "./app.ts";
import type { RouteContext } from "./context.ts";

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
      // The body is a stream that never stands in memory; what the disk does not take is refused.
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
}
