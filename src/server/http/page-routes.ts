/**
 * The web page under the same origin as the API. Its files are public (they are the same for everybody); all that it
 * shows comes from the API and needs a session. Only addresses that the build names as pages get the page: any
 * other one is refused as before.
 */
import { randomBytes } from "node:crypto";
import type { FastifyReply, FastifyRequest } from "fastify";
import { ContrailError } from "../../protocol/errors.ts";
import { type BuiltPage, NONCE_MARK } from "../page-files.ts";
import { type App, identify } from "./app.ts";
import type { RouteContext } from "./context.ts";

const YEAR_S = 31_536_000;
const open = { config: { access: ["public"] }, schema: { hide: true } } as const;

const HEADERS: Readonly<Record<string, string>> = {
  "cross-origin-opener-policy": "same-origin",
  "cross-origin-resource-policy": "same-origin",
  "permissions-policy": "camera=(), geolocation=(), microphone=()",
  "referrer-policy": "no-referrer",
  "x-content-type-options": "nosniff",
  // For browsers that are older than frame-ancestors.
  "x-frame-options": "DENY",
};

/** What the page may load and do: its own files, its own API, nothing else, and in nobody's frame. */
const policy = (scriptHashes: readonly string[], nonce: string): string =>
  [
    "default-src 'none'",
    `script-src ${["'self'", ...scriptHashes].join(" ")}`,
    `style-src 'self' 'nonce-${nonce}'`,
    "img-src 'self' data: blob:",
    "font-src 'self'",
    "connect-src 'self'",
    "form-action 'self'",
    "base-uri 'none'",
    "frame-ancestors 'none'",
  ].join("; ");

const NOT_BUILT = `<!doctype html><html lang="en"><meta charset="utf-8"><title>Contrail</title>
<h1>The web page is not built</h1>
<p>The server runs; only its page is missing. In the folder that Contrail was cloned to, run
<pre>npm run build</pre><p>and load this page again. Nothing has to be restarted.
`;

export function pageRoutes(app: App, { page, access }: RouteContext): void {
  app.get("/", open, async (_request, reply) => sendIndex(reply, await page.current()));

  app.get("/assets/:file", open, async (request, reply) => {
    const { file } = request.params as { file: string };
    const asset = (await page.current())?.assets.get(file);
    if (!asset)
      throw new ContrailError("not_found", "the page has no such file", {
        hint: "A new version may be there: load the page again.",
      });
    const encoding = encodingFor(request, asset.packed);
    reply.headers({
      ...HEADERS,
      "cache-control": `public, max-age=${YEAR_S}, immutable`,
      "content-security-policy": "default-src 'none'; frame-ancestors 'none'; sandbox",
      vary: "accept-encoding",
      ...(encoding === undefined ? {} : { "content-encoding": encoding }),
    });
    const body = encoding === undefined ? asset.plain : asset.packed[encoding];
    return reply.type(asset.type).send(body);
  });

  app.get("/*", open, async (request, reply) => {
    const path = request.url.split("?")[0] ?? "";
    const built = await page.current();
    if (built?.isPage(path)) return sendIndex(reply, built);
    request.caller = await identify(request, access);
    throw new ContrailError("not_found", `there is no GET ${path.slice(0, 200)}`, {
      hint: "GET /api/v1/openapi.json lists every route.",
    });
  });
}

function sendIndex(reply: FastifyReply, built: BuiltPage | undefined): FastifyReply {
  const nonce = randomBytes(16).toString("base64");
  reply.headers({
    ...HEADERS,
    "cache-control": "no-cache",
    "content-security-policy": policy(built?.scriptHashes ?? [], nonce),
  });
  reply.type("text/html; charset=utf-8");
  if (!built) return reply.status(503).send(NOT_BUILT);
  return reply.send(built.index.replaceAll(NONCE_MARK, nonce));
}

/** The smallest form that the browser takes. */
function encodingFor(
  request: FastifyRequest,
  packed: { readonly br?: Buffer; readonly gzip?: Buffer },
): "br" | "gzip" | undefined {
  const accepted = String(request.headers["accept-encoding"] ?? "")
    .split(",")
    .map((part) => part.trim().split(/\s*;\s*/))
    .filter(([, quality]) => quality !== "q=0")
    .map(([name]) => name);
  if (packed.br && accepted.includes("br")) return "br";
  if (packed.gzip && accepted.includes("gzip")) return "gzip";
  return undefined;
}
