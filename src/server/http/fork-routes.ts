/** Copies that can be run. */
import { z } from "zod";
import * as api from "../../protocol/api.ts";
import { createFork } from "../fork/create-fork.ts";
import { type App, LARGE_BODY_BYTES_MAX, person } from "./app.ts";
import type { RouteContext } from "./context.ts";

export function forkRoutes(app: App, context: RouteContext): void {
  app.post(
    "/forks",
    {
      config: { access: ["write"] },
      bodyLimit: LARGE_BODY_BYTES_MAX,
      schema: {
        headers: z.object({ "idempotency-key": z.string().min(1).max(200).optional() }),
        body: api.createForkRequest,
        response: { 200: api.createForkReply },
        tags: ["experiments"],
      },
    },
    async (request) =>
      createFork(context, request.body, {
        owner: person(request),
        idempotencyKey: request.headers["idempotency-key"],
      }),
  );
}
