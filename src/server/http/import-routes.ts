/** `POST /experiments/import`: a bundle that was made elsewhere becomes an experiment here. */
import { z } from "zod";
import * as api from "../../protocol/api.ts";
import { ContrailError } from "../../protocol/errors.ts";
import { readExperiment } from "../../store/experiment-reads.ts";
import { readImport } from "../../store/import-store.ts";
import { readTree } from "../../store/read-tree.ts";
import { importExperiment } from "../import/import-experiment.ts";
import { experimentView } from "../views.ts";
import { type App, LARGE_BODY_BYTES_MAX, person } from "./app.ts";
import { experimentHead, noExperiment, type RouteContext } from "./context.ts";

const tags = ["experiments"];

export function importRoutes(app: App, context: RouteContext): void {
  const { readPool, blobs, clock } = context;

  app.post(
    "/experiments/import",
    {
      config: { access: ["write"] },
      bodyLimit: LARGE_BODY_BYTES_MAX,
      schema: {
        body: api.importRequest,
        headers: z.object({ "idempotency-key": z.string().min(1).max(200).optional() }),
        ...{ response: { 200: api.importReply }, tags },
      },
    },
    async (request) => {
      const { manifest } = request.body;
      const {
        experiment: id,
        created,
        data,
      } = await importExperiment(context, {
        ...{ manifest, by: person(request) },
        idempotencyKey: request.headers["idempotency-key"],
      });
      const row = await readExperiment(context.pool, id);
      if (!row) throw noExperiment(id);
      return {
        experiment: experimentView(row, new Date(clock.nowMs()), context.verdicts),
        ...{ created, data: [...data] },
      };
    },
  );

  app.get(
    "/experiments/:id/import",
    {
      config: { access: ["read"] },
      schema: {
        params: z.object({ id: api.experimentIdParam }),
        response: { 200: api.importOrigin },
        tags,
      },
    },
    async (request): Promise<api.ImportOrigin> => {
      const { id } = request.params;
      await experimentHead(context, id);
      const found = await readImport(readPool, id);
      const files = found && (await readTree(blobs, found.record));
      if (!found || !files)
        throw new ContrailError("not_found", `experiment ${id} was not imported`, {
          hint: `It was made here: contrail audit list ${id} --oldest.`,
        });
      const { content, by, at, origin } = found;
      return {
        ...{ content, by, at: at.toISOString(), files: files.entries },
        origin: origin as api.ImportOrigin["origin"],
      };
    },
  );
}
