/**
 * A server for tests: the runner's wire over real HTTP, with everything in memory. It checks every
 * request against the contract, takes streams as the contract says (contiguous, repeats ignored), and
 * can go away, come back on another port, lose answers and refuse.
 */
import { createHash } from "node:crypto";
import { once } from "node:events";
import { writeFileSync } from "node:fs";
import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { join } from "node:path";
import { type Meeting, meeting } from "../protocol/node-wire.ts";
import {
  type AllocationOrders,
  type LaunchSpec,
  type LogLine,
  logsRequest,
  type RunnerEvent,
  syncRequest,
} from "../protocol/runner-wire.ts";
import { canonicalTree } from "../store/snapshot.ts";

export const RUNNER_TOKEN = "runner-token-for-tests";

interface Stream<T> {
  acked: number;
  readonly items: T[];
}

export class FakeServer {
  readonly serverFile: string;
  readonly tokenFile: string;
  readonly blobs = new Map<string, Buffer>();
  readonly orders = new Map<string, AllocationOrders>();
  /** What was wrong with requests; tests end with none. */
  readonly faults: string[] = [];
  /** Method and path of each request. */
  readonly requests: string[] = [];
  /** Looked at before a request is served; a status answers with it, "lose" serves it and drops the answer. */
  intercept: (method: string, path: string, body: Buffer) => number | "lose" | undefined = () =>
    undefined;
  /** Allocations that are answered as gone. */
  readonly gone = new Set<string>();
  token = RUNNER_TOKEN;
  /** Where the head of several nodes listens. */
  meeting: Meeting | null = null;
  #version = 0;
  #server: Server | null = null;
  readonly #events = new Map<string, Stream<RunnerEvent>>();
  readonly #logs = new Map<string, Stream<LogLine>>();
  readonly #watchers = new Set<() => void>();
  readonly #polls = new Set<() => void>();

  constructor(folder: string) {
    this.serverFile = join(folder, "server.json");
    this.tokenFile = join(folder, "token");
    writeFileSync(this.tokenFile, RUNNER_TOKEN);
  }

  /** Listens on a new port and says so in the server file. */
  async up(): Promise<void> {
    const server = createServer((request, response) => {
      this.#serve(request, response).catch((error: Error) => {
        this.faults.push(error.stack ?? error.message);
        response.destroy();
      });
    });
    this.#server = server;
    server.listen(0, "127.0.0.1");
    await once(server, "listening");
    const { port } = server.address() as AddressInfo;
    writeFileSync(
      this.serverFile,
      JSON.stringify({ pid: process.pid, url: `http://127.0.0.1:${port}` }),
    );
  }

  /** Cuts every connection and stops listening. */
  async down(): Promise<void> {
    const server = this.#server;
    if (server === null) return;
    this.#server = null;
    const closed = once(server, "close");
    server.close();
    server.closeAllConnections();
    await closed;
  }

  blob(content: string | Buffer): { hash: string; size: number } {
    const bytes = Buffer.from(content);
    const hash = createHash("sha256").update(bytes).digest("hex");
    this.blobs.set(hash, bytes);
    return { hash, size: bytes.length };
  }

  /** Stores files and their tree. @returns the tree's hash */
  tree(files: Readonly<Record<string, string | Buffer>>): string {
    const entries = Object.entries(files).map(([path, content]) => ({
      path,
      ...this.blob(content),
      executable: false,
    }));
    const { bytes, hash } = canonicalTree(entries);
    this.blobs.set(hash, Buffer.from(bytes));
    return hash;
  }

  /** Orders an allocation to be started. */
  launch(id: string, entrypoint: readonly string[], more: Partial<LaunchSpec> = {}): void {
    const [experiment, trial, fence] = id.split(".");
    this.order(id, {
      fence: Number(fence),
      launch: {
        experiment: Number(experiment),
        trial: `${experiment}.${trial}`,
        allocation: id,
        slots: ["cpu:0"],
        ranks: 1,
        entrypoint: [...entrypoint],
        code: null,
        data: {},
        environment: {},
        params: {},
        seed: 7,
        unit: "steps",
        restore: null,
        token: "trial-token",
        killGraceMs: 2_000,
        yieldGraceMs: 2_000,
        ...more,
      },
    });
  }

  /** Changes orders; absolute as on the wire, with a new version. */
  order(id: string, change: Partial<AllocationOrders>): void {
    const known = this.orders.get(id);
    const base = {
      id,
      fence: 1,
      target: null,
      yield: null,
      kill: false,
      reason: "test",
      launch: null,
    };
    this.orders.set(id, { ...base, ...known, ...change, version: ++this.#version });
    for (const wake of [...this.#polls]) wake();
  }

  /** As after a restore of an old backup: no orders, and versions from 1. */
  beginAnew(): void {
    this.orders.clear();
    this.#version = 0;
    for (const wake of [...this.#polls]) wake();
  }

  /** As after a restore of a backup in which that allocation lives, and of which so many events were heard. */
  liveAgain(id: string, heard: number): void {
    this.beginAnew();
    const items = this.#events.get(id)?.items.slice(0, heard) ?? [];
    this.#events.set(id, { acked: items.length, items });
  }

  /** Without parts of records, which come when they are ready and decide nothing. */
  events(id: string): readonly RunnerEvent[] {
    return this.#events.get(id)?.items.filter((event) => event.type !== "record") ?? [];
  }

  records(id: string): Extract<RunnerEvent, { type: "record" }>[] {
    return this.#events.get(id)?.items.filter((event) => event.type === "record") ?? [];
  }

  types(id: string): string[] {
    return this.events(id).map((event) => event.type);
  }

  exit(id: string): Extract<RunnerEvent, { type: "exited" }> | undefined {
    return this.events(id).find((event) => event.type === "exited");
  }

  logs(id: string): readonly LogLine[] {
    return this.#logs.get(id)?.items ?? [];
  }

  /** The bytes of one stream of one rank, put together again. */
  output(id: string, stream: "stdout" | "stderr", rank = 0): Buffer {
    const parts = this.logs(id)
      .filter((line) => line.stream === stream && line.rank === rank)
      .flatMap((line) => [
        Buffer.from(line.bytes, "base64"),
        Buffer.from(line.complete ? "\n" : ""),
      ]);
    return Buffer.concat(parts);
  }

  /** Waits until something holds; it is looked at after each request. */
  async until(what: string, holds: () => boolean, timeoutMs = 180_000): Promise<void> {
    if (holds()) return;
    await new Promise<void>((resolve, reject) => {
      const timer = setTimeout(() => {
        this.#watchers.delete(look);
        const seen = [...this.#events].map(
          ([id, { items }]) => `${id}: ${items.map(({ type }) => type).join(" ")}`,
        );
        reject(
          new Error(
            `waited ${timeoutMs} ms for ${what}; events: ${seen.join("; ")}; ${this.faults.join("; ")}`,
          ),
        );
      }, timeoutMs);
      const look = () => {
        if (!holds()) return;
        clearTimeout(timer);
        this.#watchers.delete(look);
        resolve();
      };
      this.#watchers.add(look);
    });
  }

  async untilExit(id: string): Promise<Extract<RunnerEvent, { type: "exited" }>> {
    await this.until(`the exit of ${id}`, () => this.exit(id) !== undefined);
    return this.exit(id)!;
  }

  async #serve(request: IncomingMessage, response: ServerResponse): Promise<void> {
    await this.#handle(request, response);
    for (const look of [...this.#watchers]) look();
  }

  async #handle(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const chunks: Buffer[] = [];
    for await (const chunk of request) chunks.push(chunk as Buffer);
    const body = Buffer.concat(chunks);
    const path = request.url ?? "";
    const method = request.method ?? "";
    this.requests.push(`${method} ${path}`);
    if (request.headers.authorization !== `Bearer ${this.token}`)
      return this.#answer(response, 401, { code: "unauthorized" });
    const verdict = this.intercept(method, path, body);
    if (typeof verdict === "number")
      return this.#answer(response, verdict, { code: "refused by test" });
    const reply = await this.#route(method, path, body, request);
    if (verdict === "lose") response.destroy();
    else if (reply instanceof Buffer)
      response.writeHead(200, { "content-type": "application/octet-stream" }).end(reply);
    else this.#answer(response, reply === undefined ? 404 : 200, reply ?? { code: "not_found" });
  }

  #answer(response: ServerResponse, status: number, body: unknown): void {
    response.writeHead(status, { "content-type": "application/json" }).end(JSON.stringify(body));
  }

  async #route(
    method: string,
    path: string,
    body: Buffer,
    request: IncomingMessage,
  ): Promise<unknown> {
    const blob = /^\/api\/v1\/blobs\/([0-9a-f]{64})$/.exec(path)?.[1];
    if (blob !== undefined && method === "GET") return this.blobs.get(blob);
    if (blob !== undefined && method === "PUT") {
      const stored = this.blob(body);
      if (stored.hash !== blob) this.faults.push(`PUT of ${blob} carried ${stored.hash}`);
      return stored;
    }
    if (path === "/api/v1/blobs/missing") {
      const { hashes } = JSON.parse(body.toString()) as { hashes: string[] };
      return { missing: hashes.filter((hash) => !this.blobs.has(hash)) };
    }
    if (path.endsWith("/meeting")) {
      if (method === "PUT") this.meeting = meeting.parse(JSON.parse(body.toString()));
      return method === "PUT" ? {} : { meeting: this.meeting };
    }
    if (path.endsWith("/sync")) return this.#sync(JSON.parse(body.toString()));
    if (path.endsWith("/logs")) return this.#takeLogs(JSON.parse(body.toString()));
    if (path.includes("/orders?"))
      return await this.#ordersReply(new URL(path, "http://x").searchParams, request);
    return undefined;
  }

  #sync(value: unknown): unknown {
    const { allocations, ordersAfter } = syncRequest.parse(value);
    const acked: Record<string, number> = {};
    for (const { id, events } of allocations) acked[id] = this.#take(this.#events, id, events);
    const { orders, ordersVersion } = this.#ordersSince(ordersAfter);
    return {
      acked,
      gone: allocations
        .map(({ id }) => id)
        .filter((id) => this.gone.has(id) || this.exit(id) !== undefined),
      orders,
      ordersVersion,
    };
  }

  #takeLogs(value: unknown): unknown {
    const acked: Record<string, number> = {};
    for (const { id, lines } of logsRequest.parse(value).allocations)
      acked[id] = this.#take(this.#logs, id, lines);
    return { acked };
  }

  #take<T extends { seq: number }>(
    streams: Map<string, Stream<T>>,
    id: string,
    items: readonly T[],
  ): number {
    const stream = streams.get(id) ?? { acked: 0, items: [] };
    streams.set(id, stream);
    for (const item of items) {
      if (item.seq <= stream.acked) continue;
      if (item.seq !== stream.acked + 1) {
        this.faults.push(`${id}: after ${stream.acked} came ${item.seq}`);
        break;
      }
      stream.acked = item.seq;
      stream.items.push(item);
      const { type } = item as { type?: string };
      const known = this.orders.get(id);
      if ((type === "started" || type === "exited") && known !== undefined)
        this.orders.set(id, { ...known, launch: null });
    }
    return stream.acked;
  }

  #ordersSince(after: number): { orders: AllocationOrders[]; ordersVersion: number } {
    const orders = [...this.orders.values()].filter((order) => order.version > after);
    return { orders, ordersVersion: this.#version };
  }

  async #ordersReply(query: URLSearchParams, request: IncomingMessage): Promise<unknown> {
    const after = Number(query.get("after"));
    if (after !== 0 && this.#ordersSince(after).orders.length === 0 && this.#version >= after)
      await new Promise<void>((resolve) => {
        const wake = () => {
          clearTimeout(timer);
          request.socket.off("close", wake);
          this.#polls.delete(wake);
          resolve();
        };
        const timer = setTimeout(wake, Number(query.get("wait_ms")));
        this.#polls.add(wake);
        request.socket.once("close", wake);
      });
    return { ...this.#ordersSince(after), all: after === 0 ? [...this.orders.keys()] : null };
  }
}
