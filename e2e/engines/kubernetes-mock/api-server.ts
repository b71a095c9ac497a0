/**
 * The HTTP side: Kubernetes' API (v1) as far as pods need it, with versions, watches, bookmarks, deletion with grace, logs and
 * `Status` bodies, and with faults at hand. kubectl can drive it.
 */
import { closeSync, openSync, readSync, statSync } from "node:fs";
import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http";
import { createServer as createTlsServer } from "node:https";
import type { AddressInfo, Socket } from "node:net";
import type { Duplex } from "node:stream";
import { discoveryOf } from "./discovery.ts";
import { serveExec } from "./exec.ts";
import { type Selector, selectorOf } from "./selectors.ts";
import { type Change, KINDS, now, type Plural, type Store, type Stored } from "./store.ts";
import { causesAgainst } from "./validation.ts";

export interface PodAccess {
  /** Evicts it, as the API for that does. */
  evict(pod: Stored): void;
  log(pod: Stored, container: string): string | undefined;
  /** The first process of a container that runs. */
  first(pod: Stored, container: string): number | undefined;
  /** Its node does not answer. */
  isLost(pod: Stored): boolean;
}

export interface Faults {
  /** These many requests to come are answered so. */
  refuse: { count: number; status: number; retryAfterS?: number } | undefined;
  /** Requests that are made, and whose answers are lost. */
  loseAnswers: number;
  /** Every event of a watch is told twice, and the one before once more. */
  doubled: boolean;
  /** Nobody gets an answer, and nobody is told so. */
  hangs: boolean;
  /** What is asked for is refused as forbidden. */
  forbidden: RegExp | undefined;
  /** A quota on pods. */
  podsMax: number | undefined;
}

export interface ApiServerOptions {
  readonly store: Store;
  readonly pods: PodAccess;
  readonly bookmarkEveryMs: number;
  /** Asked of everybody. */
  readonly token?: string | undefined;
  readonly tls?: { readonly key: string; readonly cert: string; readonly ca?: string } | undefined;
}

const POLL_MS = 25;

export class ApiServer {
  readonly faults: Faults = {
    ...{ refuse: undefined, loseAnswers: 0, doubled: false, hangs: false, forbidden: undefined },
    podsMax: undefined,
  };
  /** What was asked, for those who count. */
  readonly requests: string[] = [];
  readonly #options: ApiServerOptions;
  readonly #sockets = new Set<Duplex>();
  readonly #watches = new Set<ServerResponse>();
  #server: Server | undefined;
  port = 0;

  constructor(options: ApiServerOptions) {
    this.#options = options;
  }

  async listen(): Promise<void> {
    const { tls } = this.#options;
    const server =
      tls === undefined
        ? createServer()
        : createTlsServer({ ...tls, requestCert: tls.ca !== undefined, rejectUnauthorized: true });
    server.on(
      "request",
      (request: IncomingMessage, response: ServerResponse) =>
        void this.#serve(request, response).catch((error: Error) =>
          refuse(response, 500, "InternalError", error.stack ?? error.message),
        ),
    );
    server.on("upgrade", (request: IncomingMessage, socket: Duplex) =>
      this.#upgrade(request, socket),
    );
    for (const event of ["connection", "secureConnection"])
      server.on(event, (socket: Socket) => {
        this.#sockets.add(socket);
        socket.once("close", () => this.#sockets.delete(socket));
      });
    await new Promise<void>((resolve) => server.listen(this.port, "127.0.0.1", resolve));
    this.port = (server.address() as AddressInfo).port;
    this.#server = server;
  }

  get url(): string {
    return `${this.#options.tls === undefined ? "http" : "https"}://127.0.0.1:${this.port}`;
  }

  /** Nobody listens any more, and all connections break. */
  async cut(): Promise<void> {
    const closed = new Promise((resolve) => this.#server?.close(resolve));
    for (const socket of this.#sockets) socket.destroy();
    await closed;
  }

  dropWatches(): void {
    for (const response of this.#watches) response.destroy();
  }

  async #serve(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const url = new URL(request.url ?? "/", "http://localhost");
    this.requests.push(`${request.method} ${url.pathname}${url.search}`);
    const { faults } = this;
    if (faults.hangs) return;
    if (!this.#mayEnter(request)) return refuse(response, 401, "Unauthorized", "Unauthorized");
    if (faults.refuse !== undefined && faults.refuse.count > 0) {
      const { status, retryAfterS } = faults.refuse;
      faults.refuse.count -= 1;
      if (retryAfterS !== undefined) response.setHeader("retry-after", String(retryAfterS));
      const reason = status === 429 ? "TooManyRequests" : "InternalError";
      return refuse(response, status, reason, "the server is not up to it right now");
    }
    if (faults.forbidden?.test(`${request.method} ${url.pathname}`))
      return refuse(response, 403, "Forbidden", `${url.pathname} is forbidden: User "u" cannot`);
    if (["/readyz", "/livez", "/healthz"].includes(url.pathname)) return void response.end("ok");
    const found = discoveryOf(url.pathname);
    if (found !== undefined) return answer(response, 200, found);
    const target = targetOf(url.pathname);
    if (target === undefined)
      return refuse(response, 404, "NotFound", "the server could not find the requested resource");
    const body = await bodyOf(request);
    if (faults.loseAnswers > 0 && request.method !== "GET") {
      faults.loseAnswers -= 1;
      await this.#act(target, request, url.searchParams, body, new Unheard(request) as never);
      request.socket.destroy();
      return;
    }
    await this.#act(target, request, url.searchParams, body, response);
  }

  #mayEnter(request: IncomingMessage): boolean {
    const { token } = this.#options;
    return token === undefined || request.headers.authorization === `Bearer ${token}`;
  }

  async #act(
    target: Target,
    request: IncomingMessage,
    query: URLSearchParams,
    body: Stored,
    response: ServerResponse,
  ): Promise<void> {
    const { plural, name, part } = target;
    const { method } = request;
    if (name === undefined) {
      if (method === "GET" && ["1", "true"].includes(query.get("watch") ?? ""))
        return this.#watch(target, query, response);
      if (method === "GET") return this.#list(target, query, response);
      if (method === "POST") return this.#create(target, body, response);
      return refuse(response, 405, "MethodNotAllowed", `${method} is not supported here`);
    }
    const object = this.#options.store.get(plural, target.namespace, name);
    if (object === undefined)
      return refuse(response, 404, "NotFound", `${plural} "${name}" not found`);
    if (part === "log") return await this.#log(object, query, response);
    if (part === "eviction" && method === "POST") {
      this.#options.pods.evict(object);
      return answer(response, 201, status({ status: "Success", code: 201 }));
    }
    if (part !== undefined)
      return refuse(response, 404, "NotFound", `${plural}/${part} is not served`);
    if (method === "GET") return answer(response, 200, object);
    if (method === "PATCH") return this.#patch(plural, object, body, response);
    if (method === "DELETE") return this.#delete(plural, object, query, body, response);
    refuse(response, 405, "MethodNotAllowed", `${method} is not supported here`);
  }

  #list({ plural, namespace }: Target, query: URLSearchParams, response: ServerResponse): void {
    const { store } = this.#options;
    const all = store.list(plural, namespace).filter(selectorOf(query));
    const start = Number(query.get("continue") ?? 0);
    const limit = Number(query.get("limit") ?? 0) || all.length;
    const items = all.slice(start, start + limit);
    const rest = start + limit < all.length ? { continue: String(start + limit) } : {};
    const metadata = { resourceVersion: String(store.version), ...rest };
    const kind = `${KINDS[plural].kind}List`;
    answer(response, 200, { kind, apiVersion: "v1", metadata, items });
  }

  #create({ plural, namespace }: Target, body: Stored, response: ServerResponse): void {
    const { kind } = KINDS[plural];
    const { name } = body.metadata ?? {};
    if (body.metadata?.namespace !== undefined && body.metadata.namespace !== namespace)
      return refuse(response, 400, "BadRequest", "the namespace of the object does not match");
    const causes = causesAgainst(plural, body);
    if (causes.length > 0) {
      const said = causes.map(({ field, message }) => `${field}: ${message}`).join(", ");
      const message = `${kind} "${name}" is invalid: ${said}`;
      return refuse(response, 422, "Invalid", message, { name, kind, causes });
    }
    const isPod = plural === "pods";
    const isOver = ({ status }: Stored) => ["Succeeded", "Failed"].includes(status?.phase ?? "");
    const used = this.#options.store.list("pods", namespace).filter((pod) => !isOver(pod)).length;
    const { podsMax = Number.POSITIVE_INFINITY } = this.faults;
    if (isPod && used >= podsMax) {
      const message = `pods "${name}" is forbidden: exceeded quota: team, requested: pods=1, used: pods=${used}, limited: pods=${podsMax}`;
      return refuse(response, 403, "Forbidden", message);
    }
    const made = this.#options.store.create(plural, namespace, {
      ...body,
      ...(isPod ? { spec: podDefaults(body.spec), status: { phase: "Pending" } } : {}),
    });
    if (made === undefined)
      return refuse(response, 409, "AlreadyExists", `${plural} "${name}" already exists`, {
        ...{ name, kind },
      });
    answer(response, 201, made);
  }

  #patch(plural: Plural, object: Stored, body: Stored, response: ServerResponse): void {
    const changed = this.#options.store.change(plural, object, (next) => merge(next, body));
    answer(response, 200, changed ?? object);
  }

  #delete(
    plural: Plural,
    object: Stored,
    query: URLSearchParams,
    body: Stored,
    response: ServerResponse,
  ): void {
    const { name, uid } = object.metadata;
    const wanted = body.preconditions?.uid;
    if (wanted !== undefined && wanted !== uid)
      return refuse(
        ...([response, 409, "Conflict"] as const),
        `Precondition failed: UID in precondition: ${wanted}, UID in object meta: ${uid}`,
      );
    if (plural !== "pods") {
      this.#options.store.remove(plural, object);
      return answer(response, 200, status({ status: "Success", details: { name, uid } }));
    }
    const asked = query.get("gracePeriodSeconds") ?? body.gracePeriodSeconds;
    const left = deletePod(
      this.#options.store,
      object,
      asked === undefined ? undefined : Number(asked),
    );
    answer(response, 200, left);
  }

  #watch({ plural, namespace }: Target, query: URLSearchParams, response: ServerResponse): void {
    const { store, bookmarkEveryMs } = this.#options;
    const since = Number(query.get("resourceVersion") ?? 0);
    if (since > 0 && since < store.oldest)
      return refuse(
        ...([response, 410, "Expired"] as const),
        `too old resource version: ${since} (${store.oldest})`,
      );
    const selects = selectorOf(query);
    response.writeHead(200, { "content-type": "application/json" });
    response.flushHeaders();
    this.#watches.add(response);
    const tell = (change: Change) => this.#tell(response, change, plural, namespace, selects);
    if (since === 0)
      for (const object of store.list(plural, namespace))
        tell({ version: store.version, type: "ADDED", plural, object });
    else for (const change of store.changesSince(since)) tell(change);
    const unsubscribe = store.subscribe(tell);
    const bookmarks = setInterval(() => {
      if (query.get("allowWatchBookmarks") !== "true") return;
      const metadata = { resourceVersion: String(store.version), creationTimestamp: null };
      const object = { kind: KINDS[plural].kind, apiVersion: "v1", metadata };
      if (!this.faults.hangs) writeEvent(response, "BOOKMARK", object);
    }, bookmarkEveryMs);
    const limitS = Number(query.get("timeoutSeconds") ?? 300);
    const limit = setTimeout(() => response.end(), limitS * 1000);
    response.once("close", () => {
      unsubscribe();
      clearInterval(bookmarks);
      clearTimeout(limit);
      this.#watches.delete(response);
    });
  }

  #tell(
    response: ServerResponse,
    { type, plural: of, object }: Change,
    plural: Plural,
    namespace: string | undefined,
    selects: Selector,
  ): void {
    if (of !== plural || !selects(object) || this.faults.hangs) return;
    if (namespace !== undefined && KINDS[plural].namespaced)
      if (object.metadata.namespace !== namespace) return;
    writeEvent(response, type, object);
    if (this.faults.doubled) writeEvent(response, type, object);
  }

  /** An error within the stream, as caches of a watch tell it. */
  expireWatches(): void {
    const object = status({ status: "Failure", reason: "Expired", code: 410, message: "too old" });
    for (const response of this.#watches) {
      writeEvent(response, "ERROR", object);
      response.end();
    }
  }

  async #log(pod: Stored, query: URLSearchParams, response: ServerResponse): Promise<void> {
    const container = query.get("container") ?? pod.spec.containers[0].name;
    const state = () => {
      const { namespace, name, uid } = pod.metadata;
      const current = this.#options.store.get("pods", namespace, name);
      if (current?.metadata.uid !== uid) return undefined;
      return current.status?.containerStatuses?.find(
        (one: { name: string }) => one.name === container,
      )?.state;
    };
    const { running, terminated, waiting } = state() ?? {};
    if (running === undefined && terminated === undefined)
      return refuse(
        ...([response, 400, "BadRequest"] as const),
        `container "${container}" in pod "${pod.metadata.name}" is waiting to start: ${waiting?.reason ?? "ContainerCreating"}`,
      );
    if (this.#options.pods.isLost(pod))
      return refuse(response, 500, "InternalError", "dial tcp: connect: no route to host");
    const path = this.#options.pods.log(pod, container);
    if (path === undefined) return void response.end();
    const lines = query.get("tailLines");
    let at = lines === null ? 0 : tailStart(path, Number(lines));
    response.writeHead(200, { "content-type": "text/plain" });
    response.flushHeaders();
    const follows = query.get("follow") === "true";
    let left = Number(query.get("limitBytes") ?? Number.POSITIVE_INFINITY);
    for (;;) {
      const isOver = !follows || state()?.running === undefined;
      const bytes = readFrom(path, at, left);
      at += bytes.length;
      left -= bytes.length;
      if (bytes.length > 0) response.write(bytes);
      if (isOver || response.destroyed) break;
      await new Promise((resolve) => setTimeout(resolve, POLL_MS));
    }
    response.end();
  }

  #upgrade(request: IncomingMessage, socket: Duplex): void {
    const url = new URL(request.url ?? "/", "http://localhost");
    this.requests.push(`${request.method} ${url.pathname}${url.search}`);
    const { namespace, name = "", part, plural } = targetOf(url.pathname) ?? {};
    const pod = plural === "pods" ? this.#options.store.get("pods", namespace, name) : undefined;
    const container = url.searchParams.get("container") ?? pod?.spec.containers[0].name;
    const first = pod === undefined ? undefined : this.#options.pods.first(pod, container);
    if (part !== "exec" || first === undefined || !this.#mayEnter(request)) {
      socket.end("HTTP/1.1 404 Not Found\r\ncontent-length: 0\r\nconnection: close\r\n\r\n");
      return;
    }
    this.#sockets.add(socket);
    socket.once("close", () => this.#sockets.delete(socket));
    serveExec(request, socket, first, url.searchParams.getAll("command"));
  }
}

/**
 * Tells a pod to go; one that nobody runs is gone at once.
 * @returns the pod as it is then
 */
export function deletePod(store: Store, pod: Stored, askedS: number | undefined): Stored {
  const isOver = ["Succeeded", "Failed"].includes(pod.status?.phase);
  const graceS =
    !pod.spec.nodeName || isOver ? 0 : (askedS ?? pod.spec.terminationGracePeriodSeconds ?? 30);
  const earlier = pod.metadata.deletionGracePeriodSeconds;
  if (graceS > 0 && earlier !== undefined && earlier <= graceS) return pod;
  const told = store.change("pods", pod, ({ metadata }) => {
    metadata.deletionTimestamp = now(graceS);
    metadata.deletionGracePeriodSeconds = graceS;
  });
  if (graceS === 0 && told !== undefined) store.remove("pods", told);
  return told ?? pod;
}

/** What the API adds to a pod that somebody makes. */
const podDefaults = (spec: Stored["spec"]) => ({
  ...{ restartPolicy: "Always", terminationGracePeriodSeconds: 30, dnsPolicy: "ClusterFirst" },
  ...{ schedulerName: "default-scheduler", serviceAccountName: "default" },
  ...spec,
});

interface Target {
  readonly plural: Plural;
  readonly namespace: string | undefined;
  readonly name: string | undefined;
  readonly part: string | undefined;
}

function targetOf(path: string): Target | undefined {
  const [, , , ...parts] = path.split("/");
  if (!path.startsWith("/api/v1/")) return undefined;
  const namespace = parts[0] === "namespaces" && parts.length > 2 ? parts[1] : undefined;
  const [plural = "", name, part] = namespace === undefined ? parts : parts.slice(2);
  return plural in KINDS ? { plural: plural as Plural, namespace, name, part } : undefined;
}

async function bodyOf(request: IncomingMessage): Promise<Stored> {
  let text = "";
  for await (const chunk of request.setEncoding("utf8")) text += chunk;
  return text === "" ? ({} as Stored) : (JSON.parse(text) as Stored);
}

function answer(response: ServerResponse, code: number, body: object): void {
  response.writeHead(code, { "content-type": "application/json" });
  response.end(`${JSON.stringify(body)}\n`);
}

const status = (fields: object) => ({ kind: "Status", apiVersion: "v1", metadata: {}, ...fields });

function refuse(
  response: ServerResponse,
  code: number,
  reason: string,
  message: string,
  details: object = {},
): void {
  if (response.headersSent) return void response.destroy();
  answer(response, code, status({ status: "Failure", code, reason, message, details }));
}

function writeEvent(response: ServerResponse, type: string, object: object): void {
  if (!response.destroyed) response.write(`${JSON.stringify({ type, object })}\n`);
}

/** RFC 7386, which is what maps of a strategic merge are too. */
function merge(under: Record<string, unknown>, patch: Record<string, unknown>): void {
  for (const [key, value] of Object.entries(patch))
    if (value === null) delete under[key];
    else if (typeof value === "object" && !Array.isArray(value)) {
      const below = under[key];
      const next = typeof below === "object" && below !== null ? below : {};
      under[key] = next;
      merge(next as Record<string, unknown>, value as Record<string, unknown>);
    } else under[key] = value;
}

function readFrom(path: string, at: number, limit: number): Buffer {
  const size = Math.min(statSync(path, { throwIfNoEntry: false })?.size ?? 0, at + limit);
  if (size <= at) return Buffer.alloc(0);
  const bytes = Buffer.alloc(size - at);
  const file = openSync(path, "r");
  const count = readSync(file, bytes, 0, bytes.length, at);
  closeSync(file);
  return bytes.subarray(0, count);
}

function tailStart(path: string, lines: number): number {
  const bytes = readFrom(path, 0, Number.POSITIVE_INFINITY);
  let at = bytes.length - 1;
  for (let left = lines; at > 0; at -= 1)
    if (bytes[at - 1] === 10) {
      left -= 1;
      if (left === 0) break;
    }
  return Math.max(0, at);
}

/** An answer on its way to nobody. */
class Unheard {
  readonly headersSent = false;
  readonly destroyed = true;
  readonly request: IncomingMessage;
  constructor(request: IncomingMessage) {
    this.request = request;
  }
  setHeader(): void {}
  writeHead(): void {}
  end(): void {}
}
