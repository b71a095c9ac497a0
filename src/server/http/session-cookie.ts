/**
 * A person's session in a browser: the same kind of token as everywhere, but in a cookie that scripts cannot read.
 *
 * A cookie is sent by the browser whoever asks, so a request that lives by it must also prove that our own page asked:
 * its Origin names this very host, or it is a read that the browser itself vouches for. SameSite alone is not
 * enough, because ports do not count for it: any other server on 127.0.0.1 is the same site. For the same reason
 * the cookie's name holds the port, or two servers on one machine would sign each other out.
 */
import type { FastifyReply, FastifyRequest } from "fastify";
import { ContrailError } from "../../protocol/errors.ts";

/** Not sent with the page itself and its files: they need no one to be known. */
const PATH = "/api/v1";

/** @returns the token in the cookie, undefined where there is none */
export function sessionToken(request: FastifyRequest): string | undefined {
  const name = cookieName(request);
  for (const part of (request.headers.cookie ?? "").split(";")) {
    const equals = part.indexOf("=");
    if (equals > 0 && part.slice(0, equals).trim() === name) return part.slice(equals + 1).trim();
  }
  return undefined;
}

/** @throws ContrailError not_allowed unless the page of this very server sent the request */
export function requireOwnPage(request: FastifyRequest): void {
  const { origin, host } = request.headers;
  const site = request.headers["sec-fetch-site"];
  const isRead = request.method === "GET";
  if (origin !== undefined ? hostOf(origin) !== host : !isRead)
    throw foreign(
      origin === undefined ? "names no origin" : `comes from ${JSON.stringify(cut(origin))}`,
    );
  // "none" is an address that the person typed: good for looking, never for changing.
  if (site !== undefined && site !== "same-origin" && !(isRead && site === "none"))
    throw foreign(`comes from another page (${cut(String(site))})`);
}

export function setSession(
  request: FastifyRequest,
  reply: FastifyReply,
  token: string,
  lifetimeMs: number,
): void {
  const seconds = Math.floor(lifetimeMs / 1000);
  reply.header("set-cookie", cookie(request, token, seconds));
}

export function clearSession(request: FastifyRequest, reply: FastifyReply): void {
  reply.header("set-cookie", cookie(request, "", 0));
}

function cookie(request: FastifyRequest, value: string, maxAgeS: number): string {
  const base = `${cookieName(request)}=${value}; Path=${PATH}; Max-Age=${maxAgeS}; HttpOnly; SameSite=Strict`;
  // Browsers say where the page came from; behind a proxy with TLS that is https.
  return request.headers.origin?.startsWith("https://") ? `${base}; Secure` : base;
}

function cookieName(request: FastifyRequest): string {
  const port = /:(\d{1,5})$/.exec(request.headers.host ?? "")?.[1];
  return port === undefined ? "contrail_session" : `contrail_session_${port}`;
}

function hostOf(origin: string): string | undefined {
  return URL.canParse(origin) ? new URL(origin).host : undefined;
}

const cut = (text: string): string => text.slice(0, 100);

const foreign = (how: string): ContrailError =>
  new ContrailError("not_allowed", `the request carries a session's cookie but ${how}`, {
    hint: "Programs send a token in the Authorization header; contrail token create makes one.",
  });
