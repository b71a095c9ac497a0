import * as api from "../../protocol/api.ts";
import { diffRuns } from "../diff/diff-runs.ts";
import type { App } from "./app.ts";
import type { RouteContext } from "./context.ts";

export function diffRoutes(app: App, context: RouteContext): void {
  app.get(
    "/diff",
    {
      config: { access: ["read"] },
      schema: {
        querystring: api.diffQuery,
        response: { 200: api.diffReply },
        tags: ["experiments"],
      },
    },
    async (request) => diffRuns(context, request.query.a, request.query.b),
  );
}
