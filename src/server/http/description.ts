/**
 * The API's description (OpenAPI 3.1), made from the routes themselves: schemas are the ones that requests are
 * checked by, who may call is the rule that is enforced. A description kept by hand was refused: it is wrong from
 * its first forgotten edit on.
 */
import fastifySwagger from "@fastify/swagger";
import type { FastifyInstance, RouteOptions } from "fastify";
import {
  createJsonSchemaTransform,
  createJsonSchemaTransformObject,
} from "fastify-type-provider-zod";
import { z } from "zod";
import * as api from "../../protocol/api.ts";
import { problem } from "../../protocol/errors.ts";
import * as wire from "../../protocol/runner-wire.ts";

/** Nouns that are described once and referred to by name. */
const NAMED = {
  Problem: problem,
  Tree: wire.tree,
  Plan: api.plan,
  Experiment: api.experiment,
  ExperimentDetail: api.experimentDetail,
  Trial: api.trial,
  TrialDetail: api.trialDetail,
  Standing: api.standing,
  Rung: api.rung,
  LogEntry: api.logEntry,
  Verdict: api.verdict,
  Checkpoint: api.checkpoint,
  Dataset: api.dataset,
  Slot: api.slot,
  Runner: api.runner,
  Job: api.job,
  Change: api.change,
  Token: api.token,
} satisfies Record<string, z.ZodType>;

const TAGS = {
  server: "The server, signing in, tokens, slots and the queue.",
  experiments: "Experiments: submit, steer, watch.",
  trials: "Trials: state, decisions, metrics.",
  metrics: "All points of metrics as files.",
  logs: "What training programs printed.",
  checkpoints: "Checkpoints and their files.",
  blobs: "Content by its SHA-256.",
  datasets: "Versions of data.",
  templates: "Parts of configurations that experiments name, by version.",
  workspaces: "Defaults of what is submitted to a workspace, by version.",
  storage: "What stays and what goes: runs that free the bytes of what nothing needs.",
  audit: "The log of changes, and why things are as they are.",
  tasks: "Commands, shells and notebooks.",
  runners: "What runners and the server say to each other; no part of the public API.",
};

/** Registers before any route, or those before it would be missing. */
export async function describeRoutes(app: FastifyInstance, version: string): Promise<void> {
  app.addHook("onRoute", describe);
  const registry = z.registry<{ id: string }>();
  for (const [id, schema] of Object.entries(NAMED)) registry.add(schema, { id });
  const named = createJsonSchemaTransformObject({ schemaRegistry: registry });
  await app.register(fastifySwagger, {
    openapi: {
      openapi: "3.1.0",
      info: {
        title: "Contrail",
        version,
        description:
          "Times are RFC 3339 in UTC. Measured numbers may be the words NaN, Infinity and -Infinity. " +
          "Every refusal is a problem (RFC 9457) with a code of docs/errors.md.",
        license: { name: "Apache-2.0", identifier: "Apache-2.0" },
      },
      tags: Object.entries(TAGS).map(([name, description]) => ({ name, description })),
      components: { securitySchemes: { token: { type: "http", scheme: "bearer" } } },
      security: [{ token: [] }],
    },
    transform: createJsonSchemaTransform({ schemaRegistry: registry }),
    transformObject: (document) => tidied(named(document)),
  });
}

const COMPONENT = "#/components/schemas/";
/** How the recursive schema of "any JSON" is referred to: by a place that a finished document does not have. */
const UNPLACED = /^#\/components\/schemas\/(?:__shared#\/\$defs\/)?schema[0-9]+$|^#\/\$defs\//;

/** Gives "any JSON" a name of its own, and leaves out the nouns that nothing refers to. */
function tidied<T>(document: T): T {
  const text = JSON.stringify(document, (key, value: unknown) =>
    key === "$ref" && typeof value === "string" && UNPLACED.test(value)
      ? `${COMPONENT}Json`
      : value,
  );
  const whole = JSON.parse(text) as T & { components: { schemas: Record<string, unknown> } };
  const { schemas } = whole.components;
  schemas.Json = { description: "Any JSON value." };
  for (let dropped = true; dropped; ) {
    const all = JSON.stringify(whole);
    const unused = Object.keys(schemas).filter((name) => !all.includes(`"${COMPONENT}${name}"`));
    for (const name of unused) delete schemas[name];
    dropped = unused.length > 0;
  }
  return whole;
}

/** Adds to a route's schema what follows from the rest of it. */
function describe(route: RouteOptions): void {
  const { schema = {}, config } = route;
  const produces = config?.produces;
  const described: Record<number, unknown> = { ...(schema.response as object | undefined) };
  if (produces !== undefined)
    described[200] = {
      description: produces === "text/event-stream" ? "Server-sent events." : "The bytes.",
      content: { [produces]: { schema: z.string() } },
    };
  if (config?.becomes !== undefined)
    described[101] = {
      description: `The connection is a byte stream from here on: ${config.becomes}.`,
      content: { "application/octet-stream": { schema: z.string() } },
    };
  route.schema = {
    ...schema,
    operationId: operationId(String(route.method), route.url),
    ...(config?.access?.includes("public") ? { security: [] } : {}),
    response: {
      ...described,
      default: {
        description: "A refusal or a failure.",
        content: { "application/problem+json": { schema: problem } },
      },
    },
  };
}

/** `POST /api/v1/trials/:id/pause` → `postTrialsByIdPause`. */
function operationId(method: string, url: string): string {
  const words = url
    .replace(/^\/api\/v1/, "")
    .split(/[/.]/)
    .filter((part) => part !== "")
    .map((part) => (part.startsWith(":") ? `By${capital(part.slice(1))}` : capital(part)));
  return method.toLowerCase() + words.join("");
}

const capital = (word: string): string => word.charAt(0).toUpperCase() + word.slice(1);
