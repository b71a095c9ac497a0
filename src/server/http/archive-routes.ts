/** All files of a checkpoint in one download. The command line fetches them one by one and writes a folder. */

import { Readable } from "node:stream";
import { json } from "node:stream/consumers";
import { z } from "zod";
import { ContrailError } from "../../protocol/errors.ts";
import type { Tree } from "../../protocol/runner-wire.ts";
import { findCheckpoint } from "../../store/checkpoint-reads.ts";
import { tarBytes, tarStream } from "../tar.ts";
import type { App } from "./app.ts";
import type { RouteContext } from "./context.ts";
import { deletedCheckpoint } from "./retention-routes.ts";

export function archiveRoutes(app: App, { readPool, blobs }: RouteContext): void {
  app.get(
    "/checkpoints/:id/archive",
    {
      config: { access: ["read"], produces: "application/x-tar" },
      schema: {
        params: z.object({ id: z.string().regex(/^[0-9a-f]{64}$/, "64 hexadecimal digits") }),
        tags: ["checkpoints"],
      },
    },
    async (request, reply) => {
      const { id } = request.params;
      const place = await findCheckpoint(readPool, id);
      if (place?.deletedAt) throw deletedCheckpoint(id, place);
      const opened = place && (await blobs.open(id));
      if (!opened)
        throw new ContrailError("not_found", `there is no checkpoint ${id}`, {
          hint: "List them: contrail checkpoint list EXPERIMENT.",
        });
      const tree = (await json(opened.stream)) as Tree;
      const gone = await blobs.missing(tree.map(({ hash }) => hash));
      // Said now, while there is still an answer to say it in.
      if (gone.length > 0)
        throw new ContrailError(
          "not_found",
          `${gone.length} of the ${tree.length} files of checkpoint ${id} are not in store any more`,
        );
      // By its content: several trials can have saved the same.
      const folder = `checkpoint-${id.slice(0, 12)}`;
      const archive = { folder, tree };
      const open = async (hash: string) => {
        const file = await blobs.open(hash);
        if (!file) throw new Error(`blob ${hash} went away while it was being sent`);
        return file.stream;
      };
      return reply
        .header("content-type", "application/x-tar")
        .header("content-length", tarBytes(archive))
        .header("content-disposition", `attachment; filename="${folder}.tar"`)
        .header("content-security-policy", "sandbox")
        .send(Readable.from(tarStream(archive, open), { objectMode: false }));
    },
  );
}
