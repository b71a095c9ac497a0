/** The description says what the server does: every route, who may call it, and nothing that does not resolve. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { declaredApp, openapiDocument } from "./openapi.ts";
import { testServer } from "./test-server.ts";

interface Operation {
  readonly operationId: string;
  readonly tags: readonly string[];
  readonly security?: readonly unknown[];
  readonly parameters?: readonly { readonly name: string; readonly in: string }[];
  readonly responses: Readonly<Record<string, { readonly content?: Record<string, unknown> }>>;
}
interface Description {
  readonly openapi: string;
  readonly paths: Readonly<Record<string, Readonly<Record<string, Operation>>>>;
  readonly tags: readonly { readonly name: string }[];
  readonly security: readonly unknown[];
  readonly components: {
    readonly schemas: Readonly<Record<string, unknown>>;
    readonly securitySchemes: Readonly<Record<string, unknown>>;
  };
}

const described = async (): Promise<Description> =>
  (await openapiDocument("1.2.3")) as unknown as Description;

const operationsOf = ({ paths }: Description): [name: string, operation: Operation][] =>
  Object.entries(paths).flatMap(([path, methods]) =>
    Object.entries(methods).map(([method, operation]): [string, Operation] => [
      `${method.toUpperCase()} ${path.replace(/\{([a-z]+)\}/g, ":$1")}`,
      operation,
    ]),
  );

test("every route is described, and nothing else", async () => {
  const app = await declaredApp("0");
  const routes = app.routeTable
    // The files of the web page are no part of the API.
    .filter(({ url }) => url.startsWith("/api/"))
    .map(({ method, url }) => `${method} ${url}`);
  await app.close();
  const names = operationsOf(await described()).map(([name]) => name);
  assert.deepEqual(names.sort(), routes.sort());
});

test("each operation has its own id, a known tag, its parameters and its refusal", async () => {
  const document = await described();
  const operations = operationsOf(document);
  const ids = operations.map(([, { operationId }]) => operationId);
  assert.equal(new Set(ids).size, ids.length);
  const tags = new Set(document.tags.map(({ name }) => name));
  for (const [name, { operationId, tags: own, parameters = [], responses }] of operations) {
    assert.match(operationId, /^(get|post|put|patch|delete)[A-Za-z]+$/);
    assert.ok(own.length === 1 && tags.has(own[0] ?? ""), `${name}: ${own}`);
    const wanted = [...name.matchAll(/:([a-z]+)/g)].map((match) => match[1]);
    const inPath = parameters.filter((p) => p.in === "path").map((p) => p.name);
    assert.deepEqual(inPath, wanted, name);
    assert.ok(
      Object.keys(responses).some((status) => status.startsWith("2") || status === "101"),
      name,
    );
    assert.deepEqual(Object.keys(responses.default?.content ?? {}), ["application/problem+json"]);
  }
  assert.deepEqual(
    Object.keys(
      document.paths["/api/v1/experiments/{id}/stream"]?.get?.responses[200]?.content ?? {},
    ),
    ["text/event-stream"],
  );
});

test("a token is asked for everywhere but where none is needed", async () => {
  const document = await described();
  assert.deepEqual(document.security, [{ token: [] }]);
  assert.deepEqual(document.components.securitySchemes, {
    token: { type: "http", scheme: "bearer" },
  });
  const open = operationsOf(document).filter(([, { security }]) => security !== undefined);
  assert.deepEqual(open.map(([name, { security }]) => [name, security]).sort(), [
    ["GET /api/v1/health", []],
    ["GET /api/v1/session", []],
    ["POST /api/v1/login", []],
    ["POST /api/v1/session", []],
  ]);
});

test("every reference leads to a schema, and every schema is referred to", async () => {
  const document = await described();
  const text = JSON.stringify(document);
  const names = Object.keys(document.components.schemas);
  const used = new Set([...text.matchAll(/"\$ref":"([^"]*)"/g)].map((match) => match[1] ?? ""));
  assert.deepEqual([...used].sort(), names.map((name) => `#/components/schemas/${name}`).sort());
  assert.ok(!text.includes('"$defs"'));
});

test("the server gives the same, and it is the same each time", async () => {
  await using server = await testServer();
  const served = (await server.call("GET", "/api/v1/openapi.json")).json as {
    info: { version: string };
  };
  served.info.version = "1.2.3";
  assert.deepEqual(served, JSON.parse(JSON.stringify(await described())));
  assert.equal(JSON.stringify(await described()), JSON.stringify(await described()));
});
