/** Signing in and out of the web page, and the links that open it. */
import { z } from "zod";
import * as api from "../../protocol/api.ts";
import { ContrailError } from "../../protocol/errors.ts";
import { SESSION_LIFETIME_MS } from "../access.ts";
import { type App, identify, PUBLIC_BODY_BYTES_MAX, person } from "./app.ts";
import type { RouteContext } from "./context.ts";
import { clearSession, requireOwnPage, setSession } from "./session-cookie.ts";

const tags = ["server"];

export function sessionRoutes(app: App, { access }: RouteContext): void {
  app.post(
    "/session",
    {
      config: { access: ["public"] },
      bodyLimit: PUBLIC_BODY_BYTES_MAX,
      schema: { body: api.loginRequest, response: { 200: api.session }, tags },
    },
    async (request, reply) => {
      // Another page must not sign a person in as somebody else.
      requireOwnPage(request);
      const { body } = request;
      const made =
        "one_time_token" in body
          ? await access.signInOnce(body.one_time_token, request.ip, "page")
          : await access.signIn(body.user, body.password, request.ip, "page");
      setSession(request, reply, made.token, SESSION_LIFETIME_MS);
      return { signed_in: { user: made.user, scope: "user" as const } };
    },
  );

  // Public, so that a page that nobody has signed in to can ask without being refused.
  app.get(
    "/session",
    {
      config: { access: ["public"] },
      schema: { response: { 200: api.session }, tags },
    },
    async (request) => {
      const caller = await identify(request, access).catch((error: unknown) => {
        if (error instanceof ContrailError && error.code === "not_authenticated") return undefined;
        throw error;
      });
      if (caller?.kind !== "user") return { signed_in: null };
      return { signed_in: { user: caller.name, scope: caller.scope } };
    },
  );

  app.delete(
    "/session",
    { config: { access: ["read"] }, schema: { response: { 204: z.null() }, tags } },
    async (request, reply) => {
      const { caller } = request;
      const byCookie = request.headers.authorization === undefined && caller?.kind === "user";
      if (!byCookie)
        throw new ContrailError("invalid_request", "the request carries no session's cookie", {
          hint: "A token ends with contrail token revoke ID.",
        });
      await access.signOut(caller);
      clearSession(request, reply);
      return reply.status(204).send(null);
    },
  );

  app.post(
    "/session/links",
    {
      config: { access: ["write"] },
      schema: {
        body: z.strictObject({}).nullish(),
        response: { 200: api.signInLink },
        tags,
      },
    },
    async (request) => {
      const { name } = person(request);
      const made = await access.makeOneTimeToken(name, name);
      return { one_time_token: made.token, expires_at: made.expiresAt.toISOString() };
    },
  );
}
