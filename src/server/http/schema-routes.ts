/** For editors of configurations: their JSON Schema, and what the server says of a text that may not be finished yet. */
import { z } from "zod";
import * as api from "../../protocol/api.ts";
import { configJsonSchema } from "../../protocol/config/json-schema.ts";
import { ContrailError } from "../../protocol/errors.ts";
import { createExperiment } from "../create-experiment.ts";
import { type App, person } from "./app.ts";
import type { RouteContext } from "./context.ts";

const tags = ["experiments"];

export function schemaRoutes(app: App, context: RouteContext): void {
  let schema: ReturnType<typeof configJsonSchema> | undefined;
  app.get(
    "/schema/experiment",
    {
      config: { access: ["read"] },
      schema: { response: { 200: z.looseObject({}) }, tags },
    },
    async () => {
      schema ??= configJsonSchema();
      return schema;
    },
  );

  app.post(
    "/experiments/check",
    {
      config: { access: ["read"] },
      schema: {
        body: api.checkExperimentRequest,
        response: { 200: api.checkExperimentReply },
        tags,
      },
    },
    async (request) => {
      const { config } = request.body;
      try {
        const accepted = await createExperiment(context, {
          request: { config, code: null, provenance: {}, activate: false, dry_run: true },
          owner: person(request),
          idempotencyKey: undefined,
        });
        return { accepted, refused: null };
      } catch (error) {
        if (!(error instanceof ContrailError)) throw error;
        const { code, class: kind, detail, hint, issues = [] } = error.toProblem();
        if (kind !== "fix") throw error;
        return { accepted: null, refused: { code, message: detail, hint, issues } };
      }
    },
  );
}
