import { z } from "zod";
import * as api from "../../protocol/api.ts";
import { ContrailError } from "../../protocol/errors.ts";
import { listTokens } from "../../store/access-store.ts";
import { stopAsked } from "../own-changes.ts";
import { poolViews } from "../pools/pool-view.ts";
import { recordIn } from "../recorded.ts";
import { runnerView } from "../runner-view.ts";
import { type App, PUBLIC_BODY_BYTES_MAX, person } from "./app.ts";
import type { RouteContext } from "./context.ts";
import { jobViews } from "./job-view.ts";

const tags = ["server"];

export function systemRoutes(app: App, context: RouteContext): void {
  const { access, loop, world, clock, readPool } = context;

  app.post(
    "/login",
    {
      config: { access: ["public"] },
      bodyLimit: PUBLIC_BODY_BYTES_MAX,
      schema: { body: api.loginRequest, response: { 200: api.loginReply }, tags },
    },
    async (request) => {
      const { body } = request;
      const made =
        "one_time_token" in body
          ? await access.signInOnce(body.one_time_token, request.ip)
          : await access.signIn(body.user, body.password, request.ip);
      return { token: made.token, user: made.user, expires_at: made.expiresAt.toISOString() };
    },
  );

  app.get(
    "/server",
    { config: { access: ["read"] }, schema: { response: { 200: api.serverInfo }, tags } },
    async (request) => {
      const caller = request.caller;
      return {
        version: context.version,
        user: person(request).name,
        scope: caller?.kind === "user" ? caller.scope : "",
        slots: world.slots.length,
        data_dir: context.dataDir,
        postgres: context.postgres,
        started_at: new Date(context.startedAtMs).toISOString(),
      };
    },
  );

  app.get(
    "/me",
    {
      config: { access: ["read"] },
      schema: { response: { 200: z.object({ user: z.string(), scope: z.string() }) }, tags },
    },
    async (request) => ({
      user: person(request).name,
      scope: request.caller?.kind === "user" ? request.caller.scope : "",
    }),
  );

  app.put(
    "/me/password",
    {
      config: { access: ["write"] },
      schema: {
        body: z.strictObject({ password: z.string().max(1024) }),
        response: { 204: z.null() },
        tags,
      },
    },
    async (request, reply) => {
      await access.setPassword(person(request), request.body.password);
      return reply.status(204).send(null);
    },
  );

  app.post(
    "/tokens",
    {
      config: { access: ["write"] },
      schema: { body: api.createTokenRequest, response: { 200: api.createTokenReply }, tags },
    },
    async (request) => {
      const { name, scope, lifetime_s: lifetimeS } = request.body;
      const lifetimeMs = lifetimeS * 1000;
      const made = await access.makeToken(person(request), { name, scope, lifetimeMs });
      return {
        id: made.id,
        name,
        scope,
        created_at: new Date(clock.nowMs()).toISOString(),
        expires_at: made.expiresAt.toISOString(),
        last_used_at: null,
        token: made.token,
      };
    },
  );

  app.get(
    "/tokens",
    { config: { access: ["read"] }, schema: { response: { 200: api.page(api.token) }, tags } },
    async (request) => {
      const rows = await listTokens(readPool, person(request).userId);
      const items = rows.map((row) => ({
        id: row.id,
        name: row.name,
        scope: row.scope === "read" ? ("read" as const) : ("user" as const),
        created_at: row.created_at.toISOString(),
        expires_at: row.expires_at?.toISOString() ?? null,
        last_used_at: row.last_used_at?.toISOString() ?? null,
      }));
      return { items, next_cursor: null };
    },
  );

  app.delete(
    "/tokens/:token",
    {
      config: { access: ["write"] },
      schema: {
        params: z.object({
          token: z.string().regex(/^[0-9a-f]{1,32}$/, "must be the id of a token, such as ab12"),
        }),
        response: { 204: z.null() },
        tags,
      },
    },
    async (request, reply) => {
      if (!(await access.revokeToken(person(request), request.params.token)))
        throw new ContrailError("not_found", `you have no token ${request.params.token}`, {
          hint: "List your tokens: contrail token list.",
        });
      return reply.status(204).send(null);
    },
  );

  app.get(
    "/slots",
    {
      config: { access: ["read"] },
      schema: { response: { 200: z.object({ items: z.array(api.slot) }) }, tags },
    },
    async () => ({
      items: await loop.view("slots", (world) =>
        world.slots.map((slot) => {
          const holder = world.holders.get(slot.id);
          return {
            ...slot,
            allocation: holder ? `${holder.experiment}.${holder.trial}.${holder.run}` : null,
            since: holder ? new Date(holder.sinceMs).toISOString() : null,
            withheld: world.runners.withheld(slot.runner) ?? null,
          };
        }),
      ),
    }),
  );

  app.get(
    "/pools",
    {
      config: { access: ["read"] },
      schema: { response: { 200: z.object({ items: z.array(api.pool) }) }, tags },
    },
    async () => ({ items: await loop.view("pools", (world) => poolViews(world, context)) }),
  );

  app.get(
    "/runners",
    {
      config: { access: ["read"] },
      schema: { response: { 200: z.object({ items: z.array(api.runner) }) }, tags },
    },
    async () => ({
      items: await loop.view("runners", (world) => {
        const at = { nowMs: clock.nowMs(), limits: context.leases.limits };
        return world.runners.all.map((runner) => runnerView(world, runner, at));
      }),
    }),
  );

  app.get(
    "/jobs",
    {
      config: { access: ["read"] },
      schema: { response: { 200: z.object({ items: z.array(api.job) }) }, tags },
    },
    async () => ({ items: await loop.view("jobs", () => jobViews(context)) }),
  );

  app.post(
    "/shutdown",
    {
      config: { access: ["write"] },
      schema: {
        body: z.strictObject({ trials: z.enum(["stop", "keep"]).default("stop") }),
        response: { 202: z.object({ status: z.literal("stopping") }) },
        tags,
      },
    },
    async (request, reply) => {
      const { trials } = request.body;
      const change = stopAsked(person(request).name, trials);
      // A server that cannot write any more must still be one that can be stopped.
      await recordIn(context.loop)("ask to stop", async () => ({
        value: null,
        changes: [change],
      })).catch((error) => request.log.error({ err: error }, "the log of changes was not written"));
      context.shutdown(trials);
      return reply.status(202).send({ status: "stopping" as const });
    },
  );

  app.get(
    "/openapi.json",
    {
      config: { access: ["read"] },
      schema: { response: { 200: z.looseObject({}) }, tags },
    },
    async () => ({ ...app.swagger() }),
  );
}

/** Answers before anything is loaded, so that whoever starts the server can see how far it is. */
export function healthRoute(app: App, status: () => api.Health["status"], version: string): void {
  app.get(
    "/health",
    { config: { access: ["public"] }, schema: { response: { 200: api.health }, tags } },
    async () => ({ status: status(), version }),
  );
}
