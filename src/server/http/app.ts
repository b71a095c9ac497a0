/**
 * The HTTP shell: every route says who may call it (`config.access`), and one that does not say so stops the
 * server from starting, which is what "deny by default" means here. Validation is zod's, from the same source
 * as the types and OpenAPI; failures are problem details with the catalogue's code.
 */
import { randomUUID } from "node:crypto";
import type { IncomingMessage } from "node:http";
import { Readable } from "node:stream";
import { finished } from "node:stream/promises";
import Fastify, {
  type FastifyBaseLogger,
  type FastifyInstance,
  type FastifyReply,
  type FastifyRequest,
  LogController,
} from "fastify";
import { validatorCompiler, type ZodTypeProvider } from "fastify-type-provider-zod";
import { parseId } from "../../base/ids.ts";
import { ContrailError } from "../../protocol/errors.ts";
import type { Access, Caller } from "../access.ts";
import { HEADERS_LIMITS } from "./connections.ts";
import { describeRoutes } from "./description.ts";
import { toContrailError } from "./failures.ts";
import { requireOwnPage, sessionToken } from "./session-cookie.ts";
import { routeUpgrades, shouldUpgradeCallback } from "./upgrades.ts";

/**
 * public: anybody. read: a person's token of any scope. write: one of scope `user`. runner: the runner named
 * in the path. own_trial: also the token of an allocation of the trial named in the path.
 */
export type AccessRule = "public" | "read" | "write" | "runner" | "own_trial" | "any_runner";

declare module "fastify" {
  interface FastifyContextConfig {
    access?: readonly AccessRule[];
    /** Media type of the answer where it is not JSON; only for the description. */
    produces?: string;
    /** Protocol that the connection speaks afterwards, for a route that takes it over; only for the description. */
    becomes?: string;
  }
  interface FastifyRequest {
    caller: Caller | null;
  }
  interface FastifyInstance {
    /** Every route that was declared, for tests that walk all of them. */
    routeTable: {
      method: string;
      url: string;
      access: readonly AccessRule[];
      bodyLimit?: number;
    }[];
  }
}

export const BODY_BYTES_MAX = 1024 * 1024;
/** Of routes that anybody may call: they must not be a place to leave megabytes. */
export const PUBLIC_BODY_BYTES_MAX = 16 * 1024;
/** A snapshot of 100,000 files, a batch of reports. */
export const LARGE_BODY_BYTES_MAX = 64 * 1024 * 1024;

export type App = FastifyInstance<
  import("node:http").Server,
  import("node:http").IncomingMessage,
  import("node:http").ServerResponse,
  FastifyBaseLogger,
  ZodTypeProvider
>;

export interface AppOptions {
  readonly access: Access;
  readonly logger: FastifyBaseLogger;
  readonly version: string;
  /** False until everything is loaded: only health answers then. */
  readonly isReady: () => boolean;
}

export async function buildApp(options: AppOptions): Promise<App> {
  const app = Fastify({
    loggerInstance: options.logger,
    logController: new LogController({ disableRequestLogging: true }),
    exposeHeadRoutes: false,
    bodyLimit: BODY_BYTES_MAX,
    // `__proto__` is refused. `constructor` is a name like any other: schemas build their values anew, and nothing
    // here merges what was sent into anything.
    onConstructorPoisoning: "ignore",
    genReqId: () => randomUUID(),
    routerOptions: { maxParamLength: 200 },
    requestTimeout: 0,
    connectionTimeout: 0,
    keepAliveTimeout: 60_000,
    forceCloseConnections: true,
    http: { ...HEADERS_LIMITS, shouldUpgradeCallback },
    // A path that cannot be decoded meets no hook and no handler: it is judged here like any other.
    frameworkErrors: (error, request, reply) =>
      void authorize(request as unknown as FastifyRequest, options)
        .then(
          () => error,
          (refused: unknown) => refused,
        )
        .then((why) =>
          sendProblem(why, request as unknown as FastifyRequest, reply as unknown as FastifyReply),
        ),
  }).withTypeProvider<ZodTypeProvider>();
  app.setValidatorCompiler(validatorCompiler);
  // Answers are built by typed views; checking them again would double their cost.
  app.setSerializerCompiler(() => (data) => JSON.stringify(data));
  app.decorateRequest("caller", null);
  app.decorate("routeTable", []);
  app.addHook("onRoute", ({ method, url, config, bodyLimit }) => {
    if (!config?.access?.length)
      throw new Error(`route ${method} ${url} does not say who may call it (config.access)`);
    app.routeTable.push({
      ...{ method: String(method), url, access: config.access },
      ...(bodyLimit !== undefined && { bodyLimit }),
    });
  });
  app.addHook("onRequest", async (request, reply) => {
    reply.header("x-content-type-options", "nosniff");
    reply.header("cache-control", "no-store");
    await authorize(request, options);
    refuseEncodings(request);
  });
  app.setErrorHandler(sendProblem);
  app.setNotFoundHandler((request) => {
    throw new ContrailError("not_found", `there is no ${request.method} ${pathOf(request)}`, {
      hint: "GET /api/v1/openapi.json lists every route.",
    });
  });
  app.addContentTypeParser("application/octet-stream", (_request, payload, done) =>
    done(null, payload),
  );
  await describeRoutes(app, options.version);
  routeUpgrades(app);
  return app;
}

const pathOf = (request: FastifyRequest): string => request.url.split("?")[0]?.slice(0, 200) ?? "";

/** Nothing is unpacked here, so a small body cannot become a large one. */
function refuseEncodings(request: FastifyRequest): void {
  const encoding = request.headers["content-encoding"];
  if (encoding !== undefined && encoding.toLowerCase() !== "identity")
    throw new ContrailError(
      "invalid_request",
      `the body has content-encoding ${JSON.stringify(encoding.slice(0, 50))}; bodies are taken as they are`,
      { hint: "Send the body without a content-encoding." },
    );
}

function sendProblem(error: unknown, request: FastifyRequest, reply: FastifyReply): FastifyReply {
  const failure = toContrailError(error);
  if (failure.code === "internal")
    request.log.error({ err: error, instance: request.id }, failure.message);
  // A runner says nothing that it should not: a refusal of it is a fault of ours.
  else if (failure.status >= 500 || request.caller?.kind === "runner")
    request.log.warn({ path: pathOf(request) }, failure.message);
  if (failure.retryAfterS !== undefined) reply.header("retry-after", failure.retryAfterS);
  // The rest of the body would be waited for.
  if (failure.code === "too_slow") reply.header("connection", "close");
  if (failure.code === "not_authenticated") reply.header("www-authenticate", "Bearer");
  reply.status(failure.status).header("content-type", "application/problem+json; charset=utf-8");
  const answer = failure.toProblem(failure.status >= 500 ? request.id : undefined);
  if (failure.code !== "too_large" || request.raw.complete) return reply.send(answer);
  const text = JSON.stringify(answer);
  return reply
    .header("connection", "close")
    .header("content-length", Buffer.byteLength(text))
    .send(Readable.from(lingering(text, request.raw), { objectMode: false }));
}

const LINGER_MS = 2_000;

/**
 * An answer to a body that is still being sent. Closed at once, the connection would be reset under whoever sends, and
 * the answer be lost with it; so what comes is thrown away until the sender has stopped, for a while at most.
 */
async function* lingering(text: string, body: IncomingMessage): AsyncGenerator<string> {
  yield text;
  body.resume();
  await finished(body, { signal: AbortSignal.timeout(LINGER_MS), cleanup: true }).catch(() => {});
}

async function authorize(request: FastifyRequest, options: AppOptions): Promise<void> {
  const rules = request.routeOptions.config?.access ?? ["read"];
  if (rules.includes("public")) return;
  if (!options.isReady()) throw new ContrailError("unavailable", "the server is starting");
  const caller = await identify(request, options.access);
  request.caller = caller;
  if (!rules.some((rule) => permits(rule, caller, request)))
    throw new ContrailError("not_allowed", refusal(caller, rules));
}

/** By the token in the header, or else by the session's cookie. @throws ContrailError not_authenticated */
export async function identify(request: FastifyRequest, access: Access): Promise<Caller> {
  const { authorization } = request.headers;
  const cookie = authorization === undefined ? sessionToken(request) : undefined;
  if (cookie === undefined) return access.authenticate(authorization);
  const caller = await access.authenticate(`Bearer ${cookie}`);
  if (caller.kind !== "user")
    throw new ContrailError("not_authenticated", "a session's cookie holds a person's token");
  requireOwnPage(request);
  return caller;
}

function permits(rule: AccessRule, caller: Caller, request: FastifyRequest): boolean {
  const params = (request.params ?? {}) as { id?: string; runner?: string };
  switch (rule) {
    case "public":
      return true;
    case "read":
      return caller.kind === "user";
    case "write":
      return caller.kind === "user" && caller.scope === "user";
    case "any_runner":
      return caller.kind === "runner";
    case "runner":
      return caller.kind === "runner" && caller.runner === params.runner;
    case "own_trial": {
      if (caller.kind !== "allocation") return false;
      const own = parseId(caller.allocation);
      return params.id === `${own?.experiment}.${own?.trial}`;
    }
  }
}

function refusal(caller: Caller, rules: readonly AccessRule[]): string {
  if (caller.kind === "user")
    return `a token of scope "${caller.scope}" may not do this; it takes scope "user"`;
  if (caller.kind === "runner") return `runner ${caller.runner} may not do this`;
  const own = rules.includes("own_trial") ? " for another trial" : "";
  return `the token of allocation ${caller.allocation} may not do this${own}`;
}

/** The person behind a request whose route only people may call. */
export function person(request: FastifyRequest): Extract<Caller, { kind: "user" }> {
  if (request.caller?.kind !== "user")
    throw new ContrailError("not_allowed", "this takes a person's token");
  return request.caller;
}
