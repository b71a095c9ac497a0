/** `GET /lineage/:thing`: the graph of what a thing was made from and what was made from it. */
import { z } from "zod";
import * as api from "../../protocol/api.ts";
import { ContrailError } from "../../protocol/errors.ts";
import { lineageOf } from "../lineage/graph.ts";
import type { App } from "./app.ts";
import type { RouteContext } from "./context.ts";

export function lineageRoutes(app: App, { readPool }: RouteContext): void {
  app.get(
    "/lineage/:thing",
    {
      config: { access: ["read"] },
      schema: {
        params: z.object({ thing: api.lineageThing }),
        querystring: api.lineageQuery,
        response: { 200: api.lineage },
        tags: ["audit"],
      },
    },
    async (request): Promise<api.Lineage> => {
      const { thing } = request.params;
      const found = await lineageOf(readPool, thing, request.query.depth);
      if (found === undefined)
        throw new ContrailError(
          "not_found",
          `there is no ${thing.replace(":", " ")} in the record`,
        );
      return found;
    },
  );
}
