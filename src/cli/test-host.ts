/**
 * A host for tests: streams that collect, a real monotonic clock, and a server of node:http that answers
 * from a table. Not a test itself; imported by the tests of this room.
 */
import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import type { Clock } from "../base/clock.ts";
import { realClock } from "../base/real-clock.ts";
import type { Host, Sink } from "./cli.ts";
import { runCli } from "./run-cli.ts";

/** Waits between attempts pass quickly; timeouts stay as long as they are. */
export const hastyClock: Clock = {
  ...realClock,
  after: (delayMs, callback) => realClock.after(delayMs < 5_000 ? delayMs / 50 : delayMs, callback),
};

export interface Collected extends Sink {
  text(): string;
  lines(): string[];
}

export function collect(
  options: { isTTY?: boolean; columns?: number; rows?: number } = {},
): Collected {
  const chunks: Buffer[] = [];
  const text = (): string => Buffer.concat(chunks).toString("utf8");
  return {
    write: (data) => void chunks.push(Buffer.from(data as string)),
    isTTY: options.isTTY ?? false,
    columns: options.columns ?? 80,
    rows: options.rows ?? 24,
    text,
    lines: () => text().split("\n").slice(0, -1),
  };
}

export interface TestHost extends Host {
  readonly stdout: Collected;
  readonly stderr: Collected;
  readonly interrupt: AbortController;
}

export function testHost(
  over: Partial<Host> & { isTTY?: boolean; columns?: number } = {},
): TestHost {
  const { isTTY, columns, ...rest } = over;
  const shape = {
    ...(isTTY === undefined ? {} : { isTTY }),
    ...(columns === undefined ? {} : { columns }),
  };
  const interrupt = new AbortController();
  let key = 0;
  return {
    env: { CONTRAIL_CONFIG_DIR: "/nonexistent/contrail-test" },
    cwd: process.cwd(),
    argv: [],
    clock: hastyClock,
    newKey: () => `key-${++key}`,
    catchInterrupt: () => interrupt.signal,
    capture: async () => undefined,
    readSecret: async () => undefined,
    ...rest,
    stdout: collect(shape),
    stderr: collect(shape),
    interrupt,
  };
}

export interface Ran {
  readonly code: number;
  readonly out: string;
  readonly err: string;
}

/** Runs the command line against a server (or none). */
export async function run(
  args: readonly string[],
  options: { url?: string; host?: Partial<Host> & { isTTY?: boolean; columns?: number } } = {},
): Promise<Ran> {
  const server =
    options.url === undefined ? {} : { CONTRAIL_SERVER: options.url, CONTRAIL_TOKEN: "cu_test" };
  const base = testHost();
  const host = testHost({
    ...options.host,
    env: { ...base.env, ...server, ...options.host?.env },
  });
  const code = await runCli(args, host);
  return { code, out: host.stdout.text(), err: host.stderr.text() };
}

export interface Request {
  readonly method: string;
  /** Below /api/v1, without the query. */
  readonly path: string;
  readonly query: URLSearchParams;
  readonly headers: IncomingMessage["headers"];
  readonly body: Buffer;
}

/** An answer: JSON with status 200, or whatever a function does to the response. */
export type Answer =
  | object
  | ((request: Request, response: ServerResponse) => void | Promise<void>);

export interface FakeServer {
  readonly url: string;
  readonly requests: Request[];
  answer(route: string, answer: Answer): void;
  close(): Promise<void>;
}

/** @param answers "METHOD /path" → answer; a path may end in * */
export async function fakeServer(answers: { [route: string]: Answer } = {}): Promise<FakeServer> {
  const table = new Map(Object.entries(answers));
  const requests: Request[] = [];
  const server: Server = createServer((incoming, response) => {
    void (async () => {
      const chunks: Buffer[] = [];
      for await (const chunk of incoming) chunks.push(chunk as Buffer);
      const url = new URL(incoming.url ?? "/", "http://fake");
      const request: Request = {
        method: incoming.method ?? "",
        path: url.pathname.replace(/^\/api\/v1/, ""),
        query: url.searchParams,
        headers: incoming.headers,
        body: Buffer.concat(chunks),
      };
      requests.push(request);
      const answer = find(table, `${request.method} ${request.path}`);
      if (answer === undefined) problem(response, 404, "not_found", `there is no ${request.path}`);
      else if (typeof answer === "function") await answer(request, response);
      else json(response, answer);
    })();
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const { port } = server.address() as AddressInfo;
  return {
    url: `http://127.0.0.1:${port}`,
    requests,
    answer: (route, answer) => void table.set(route, answer),
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        server.closeAllConnections();
      }),
  };
}

function find(table: ReadonlyMap<string, Answer>, route: string): Answer | undefined {
  const exact = table.get(route);
  if (exact !== undefined) return exact;
  for (const [pattern, answer] of table)
    if (pattern.endsWith("*") && route.startsWith(pattern.slice(0, -1))) return answer;
  return undefined;
}

export function json(response: ServerResponse, body: object, status = 200): void {
  response.writeHead(status, { "content-type": "application/json" });
  response.end(JSON.stringify(body));
}

export function problem(
  response: ServerResponse,
  status: number,
  code: string,
  detail: string,
  more: object = {},
): void {
  json(
    response,
    {
      type: `urn:contrail:error:${code}`,
      code,
      title: code,
      status,
      detail,
      hint: "Try `contrail experiment list`.",
      class: "fix",
      ...more,
    },
    status,
  );
}

/** Server-sent events, then the end of the connection. */
export function events(
  response: ServerResponse,
  list: readonly (readonly [string, unknown, string?])[],
): void {
  response.writeHead(200, { "content-type": "text/event-stream" });
  for (const [event, data, id] of list)
    response.write(
      `${id === undefined ? "" : `id: ${id}\n`}event: ${event}\ndata: ${JSON.stringify(data)}\n\n`,
    );
  response.end();
}
