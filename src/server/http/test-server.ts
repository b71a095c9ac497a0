/**
 * The whole server in this process, over a database of its own, with an engine that starts nothing: the test plays
 * the runner itself. So every route answers as it does in earnest, and a test says what happens and when.
 */
import { randomUUID } from "node:crypto";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type pg from "pg";
import pino from "pino";
import type { Clock } from "../../base/clock.ts";
import type { LeaseLimits } from "../../core/lease/lease.ts";
import type { Engine, RunnerObservation } from "../../engines/engine.ts";
import type { Problem } from "../../protocol/errors.ts";
import type { OrdersReply, SyncReply } from "../../protocol/runner-wire.ts";
import { Client } from "../../sdk/client.ts";
import type { Database } from "../../store/schema.ts";
import { withTestDatabase } from "../../store/test-database.ts";
import type { ServerPool } from "../pools/server-pool.ts";
import { startServer } from "../server.ts";
import type { ConnectionLimits } from "./connections.ts";

const HOUR_MS = 3_600_000;

export interface CallOptions {
  /** null = none; absent = the person's. */
  readonly token?: string | null;
  readonly body?: unknown;
  /** Sent as it is, in place of `body`. */
  readonly raw?: string | Uint8Array<ArrayBuffer>;
  readonly headers?: Record<string, string>;
}

export interface Answer {
  readonly status: number;
  readonly headers: Headers;
  readonly text: string;
  /** Parsed, where it is JSON. */
  readonly json: unknown;
  readonly problem: Problem;
}

export interface LoggedLine {
  readonly level: number;
  readonly msg: string;
  readonly err?: { readonly message: string; readonly stack: string };
}

export interface TestServer extends AsyncDisposable {
  readonly url: string;
  readonly token: string;
  readonly client: Client;
  readonly pool: pg.Pool;
  readonly runner: TestRunner;
  readonly clock: { advance(ms: number): void };
  /** What the server logged at level warn and above. */
  readonly troubles: readonly LoggedLine[];
  readonly oneTimeToken: string;
  readonly dataDir: string;
  call(method: string, path: string, options?: CallOptions): Promise<Answer>;
  /** Stops the server and starts one anew over the same folder and database, at the same address. */
  restart(trials: "stop" | "keep"): Promise<void>;
  stop(): Promise<void>;
}

export interface TestServerOptions {
  readonly slots?: number;
  /** Besides the one whose runner the test plays. */
  readonly pools?: readonly ServerPool[];
  /** Absent = longer than any test: most play a runner that speaks when the test has something to say. */
  readonly lease?: LeaseLimits;
  /** What the engine says of the runner; absent = that it lives. */
  readonly observe?: () => RunnerObservation;
  /** False leaves the one-time token unused. */
  readonly signIn?: boolean;
  /** The wall clock moves by `advance` alone, for tests that a slow machine must not tell apart. */
  readonly clockStands?: boolean;
  /** The monotonic clock does, too; timers stay real, and who is woken by one looks at the clock. */
  readonly monotonicStands?: boolean;
  /** Where the built web page lies; absent = nowhere, so that no test depends on a build. */
  readonly pageDir?: string;
  readonly connectionLimits?: ConnectionLimits;
}

export async function testServer(options: TestServerOptions = {}): Promise<TestServer> {
  const database = await withTestDatabase<Database>();
  const dataDir = await mkdtemp(join(tmpdir(), "contrail-http-"));
  let offsetMs = 0;
  const startMs = Date.now();
  const clock: Clock = {
    nowMs: () => (options.clockStands ? startMs : Date.now()) + offsetMs,
    monotonicMs: () => (options.monotonicStands ? offsetMs : performance.now()),
    after(delayMs, callback) {
      const timer = setTimeout(callback, delayMs);
      return () => clearTimeout(timer);
    },
  };
  const troubles: LoggedLine[] = [];
  const log = pino({ level: "warn" }, { write: (line) => void troubles.push(JSON.parse(line)) });
  let runnerToken = "";
  const start = (port: number): ReturnType<typeof startServer> =>
    startServer({
      ...{ dataDir, clock, log, port, host: "127.0.0.1", version: "0.0.0", user: "ada" },
      databaseUrl: database.url,
      pageDir: options.pageDir ?? join(dataDir, "no-page"),
      pools: [
        {
          name: "default",
          engine: {
            ...idleEngine(options.slots ?? 2, (token) => {
              runnerToken = token;
            }),
            ...(options.observe === undefined ? {} : { observe: options.observe }),
          },
        },
        ...(options.pools ?? []),
      ],
      lease: options.lease ?? { silentMs: HOUR_MS, leaseMs: HOUR_MS, lostMs: HOUR_MS },
      onStopWanted: () => undefined,
      ...(options.connectionLimits && { connectionLimits: options.connectionLimits }),
    });
  let server = await start(0);
  const { url, oneTimeToken } = server;
  const call = (method: string, path: string, how: CallOptions = {}): Promise<Answer> =>
    send(url, token, method, path, how);
  let token = "";
  if (options.signIn !== false) {
    const body = { one_time_token: oneTimeToken };
    const login = await call("POST", "/api/v1/login", { token: null, body });
    token = (login.json as { token: string }).token;
  }
  let stopping: Promise<void> | undefined;
  const stop = (): Promise<void> => {
    stopping ??= (async () => {
      await server.stop("keep");
      await database.drop();
      await rm(dataDir, { recursive: true, force: true });
    })();
    return stopping;
  };
  const restart = async (trials: "stop" | "keep"): Promise<void> => {
    await server.stop(trials);
    server = await start(Number(new URL(url).port));
  };
  return {
    ...{ restart, url, token, dataDir, oneTimeToken, troubles, call, stop, pool: database.pool },
    client: new Client({ url, token, clock, newKey: randomUUID, attemptsMax: 1 }),
    runner: new TestRunner(call, runnerToken),
    clock: {
      advance(ms) {
        offsetMs += ms;
      },
    },
    [Symbol.asyncDispose]: stop,
  };
}

export async function send(
  url: string,
  ownToken: string,
  method: string,
  path: string,
  { token = ownToken, body, raw, headers = {} }: CallOptions,
): Promise<Answer> {
  const payload = raw ?? (body === undefined ? undefined : JSON.stringify(body));
  const response = await fetch(`${url}${path}`, {
    method,
    headers: {
      ...(token === null ? {} : { authorization: `Bearer ${token}` }),
      ...(payload === undefined ? {} : { "content-type": "application/json" }),
      ...headers,
    },
    ...(payload === undefined ? {} : { body: payload }),
  });
  const text = await response.text();
  let json: unknown;
  try {
    json = JSON.parse(text);
  } catch {
    json = undefined;
  }
  return {
    status: response.status,
    headers: response.headers,
    text,
    json,
    problem: json as Problem,
  };
}

export function idleEngine(slots: number, onToken: (token: string) => void): Engine {
  return {
    name: "idle",
    capacity: async () => ({
      node: "here",
      slots: Array.from({ length: slots }, (_, i) => ({
        id: `cpu:${i}`,
        kind: "cpu" as const,
        name: "one core",
        memoryBytes: null,
        device: null,
      })),
      reason: "as the test says",
    }),
    ensureRunner: async ({ token }) => {
      onToken(token);
      return { pid: process.pid, adopted: false };
    },
    observe: () => ({ state: "alive", pid: process.pid, boot: "test" }),
    stopRunner: async () => undefined,
  };
}

/** Speaks the runner's part, one allocation's events in order. */
export class TestRunner {
  readonly token: string;
  readonly #call: TestServer["call"];
  readonly #seqs = new Map<string, number>();
  readonly #lines = new Map<string, number>();

  constructor(call: TestServer["call"], token: string) {
    this.#call = call;
    this.token = token;
  }

  async orders(after = 0): Promise<OrdersReply> {
    const path = `/api/v1/runners/local/orders?after=${after}&wait_ms=0`;
    return (await this.#call("GET", path, { token: this.token })).json as OrdersReply;
  }

  /** @param events without `seq` and `atMs` */
  async tell(id: string, ...events: readonly object[]): Promise<SyncReply> {
    const answer = await this.send(id, ...events);
    if (answer.status !== 200) throw new Error(`sync: ${answer.status} ${answer.text}`);
    return answer.json as SyncReply;
  }

  async send(id: string, ...events: readonly object[]): Promise<Answer> {
    let seq = this.#seqs.get(id) ?? 0;
    const numbered = events.map((event) => ({ seq: ++seq, atMs: Date.now(), ...event }));
    const answer = await this.sync([{ id, fence: fenceOf(id), events: numbered }]);
    if (answer.status === 200) this.#seqs.set(id, seq);
    return answer;
  }

  sync(allocations: readonly object[]): Promise<Answer> {
    const body = { boot: "test", ordersAfter: 0, allocations };
    return this.#call("POST", "/api/v1/runners/local/sync", { token: this.token, body });
  }

  started = (id: string): Promise<SyncReply> => this.tell(id, { type: "started", pid: 4242 });
  report = (id: string, step: number, metrics: Record<string, unknown>): Promise<SyncReply> =>
    this.tell(id, { type: "report", step, metrics });

  /** Ends every process of the allocation. */
  exited(id: string, code = 0, more: object = {}): Promise<SyncReply> {
    return this.tell(id, {
      ...{ type: "exited", kind: "processes", processes: [{ rank: 0, code, signal: null }] },
      ...{ outOfMemory: null, signalsSent: [], yielded: false, detail: "" },
      logLines: this.#lines.get(id) ?? 0,
      ...more,
    });
  }

  async print(id: string, ...lines: readonly (string | Uint8Array)[]): Promise<Answer> {
    const first = this.#lines.get(id) ?? 0;
    this.#lines.set(id, first + lines.length);
    const records = lines.map((line, i) => ({
      ...{ seq: first + i + 1, atMs: Date.now(), rank: 0, stream: "stdout", complete: true },
      bytes: Buffer.from(line as string).toString("base64"),
    }));
    const body = { allocations: [{ id, fence: fenceOf(id), lines: records }] };
    return this.#call("POST", "/api/v1/runners/local/logs", { token: this.token, body });
  }
}

const fenceOf = (id: string): number => Number(id.split(".")[2]);

/** A configuration whose trials the test trains by hand. */
export const RANDOM_CONFIG = `
name: by-hand
entrypoint: "true"
hyperparameters: {x: {type: double, minval: 0, maxval: 1}}
searcher: {name: random, metric: loss, max_length: {steps: 4}, max_trials: 2}
max_restarts: 0
`;
