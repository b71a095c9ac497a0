/**
 * Kubernetes' API over HTTP: requests with bounded patience, a watch, and a command run in a container.
 *
 * Every request may be sent twice: what is made has a name, so that a second creation is answered with AlreadyExists, and
 * what is deleted or patched is as it was wanted. So trouble on the way and 429 and 5xx are tried again for some
 * seconds, and after that it is the engine that is out of reach.
 */
import { type IncomingMessage, Agent as PlainAgent, request as plainRequest } from "node:http";
import { Agent as TlsAgent, request as tlsRequest } from "node:https";
import type { Duplex } from "node:stream";
import { type Clock, sleep } from "../../base/clock.ts";
import { EngineUnreachable } from "../job-engine.ts";
import { Credentials, type Shown } from "./credentials.ts";
import { type ExecOutcome, outcomeOfExec } from "./exec-stream.ts";
import type { ClusterAccess } from "./kubeconfig.ts";
import type { KubernetesObject, Status } from "./objects.ts";

export type Query = Readonly<Record<string, string | number | boolean | readonly string[]>>;

export interface ApiRequest {
  readonly method: "GET" | "POST" | "PATCH" | "DELETE";
  readonly path: string;
  readonly query?: Query;
  readonly body?: object;
  /** Whatever the API answers is the answer. */
  readonly once?: boolean;
}

export interface WatchEvent {
  readonly type: "ADDED" | "MODIFIED" | "DELETED" | "BOOKMARK";
  readonly object: KubernetesObject;
}

/** The API answered, and said no. */
export class ApiFault extends Error {
  override name = "ApiFault";
  readonly code: number;
  /**
   * AlreadyExists, NotFound, Invalid, Expired, …; Unknown where Kubernetes gives none, as for a webhook that denies; empty where
   * not Kubernetes itself answered, but a proxy before it.
   */
  readonly reason: string;
  /** Of what it is the answer to: whether anything that we sent was judged. */
  readonly method: ApiRequest["method"];

  constructor(code: number, reason: string, message: string, method: ApiRequest["method"] = "GET") {
    super(message);
    this.code = code;
    this.reason = reason;
    this.method = method;
  }
}

export interface ApiOptions {
  readonly clock: Clock;
  readonly environment: NodeJS.ProcessEnv;
  /** Read before the first request, and again after one that got nowhere: files are put right meanwhile. */
  readonly access: () => ClusterAccess;
}

interface Connection {
  readonly access: ClusterAccess;
  readonly credentials: Credentials;
  readonly agents: Map<string, PlainAgent | TlsAgent>;
}

const REQUEST_TIMEOUT_MS = 10_000;
/** Of one call with all its tries; then nobody knows. */
const PATIENCE_MS = 12_000;
const TRIES_MAX = 5;
const FIRST_PAUSE_MS = 200;
const PAUSE_MAX_MS = 5000;
const ANSWER_MAX_BYTES = 64 * 1024 * 1024;
/** What a watch without a word may last; the server is asked to end it before. */
const WATCH_S = 240;
const WATCH_TIMEOUT_MS = (WATCH_S + 30) * 1000;
/** A log is followed while its pod leaves, which takes its grace. */
const FOLLOW_TIMEOUT_MS = 60 * 60_000;
/** A peer that vanished without a word is found out by the kernel. */
const KEEP_ALIVE_MS = 10_000;

export class KubernetesApi {
  readonly #options: ApiOptions;
  readonly #ends = new Set<() => void>();
  #connection: Connection | undefined;
  #closed = false;

  constructor(options: ApiOptions) {
    this.#options = options;
  }

  /** Where the cluster is said to be. @throws EngineUnreachable */
  get access(): ClusterAccess {
    return this.#connected().access;
  }

  /** @throws ApiFault, EngineUnreachable */
  async json<T>(request: ApiRequest): Promise<T> {
    const text = await this.text(request);
    try {
      return JSON.parse(text) as T;
    } catch (cause) {
      const what = new Error(`its answer is no JSON: ${text.slice(0, 200)}`, { cause });
      throw this.#unreachable(what);
    }
  }

  /** @throws ApiFault, EngineUnreachable */
  async text(request: ApiRequest): Promise<string> {
    const { clock } = this.#options;
    const endMs = clock.monotonicMs() + PATIENCE_MS;
    let pauseMs = FIRST_PAUSE_MS;
    let wasForgotten = false;
    for (let tries = 1; ; tries += 1) {
      let waitMs = pauseMs;
      let trouble: Error;
      try {
        const { status, headers, text } = await this.#once(request, endMs - clock.monotonicMs());
        if (status < 300) return text;
        const fault = faultOf(status, text, request.method);
        if (status === 401 && !wasForgotten && this.#connected().credentials.forget()) {
          wasForgotten = true;
          continue;
        }
        if (status === 401 || status === 407)
          throw new EngineUnreachable(
            `Kubernetes refuses our credentials (${this.#connected().access.source}): ${fault.message}`,
          );
        if (request.once || (status !== 429 && status < 500)) throw fault;
        trouble = fault;
        const afterS = Number(headers["retry-after"]);
        if (afterS > 0) waitMs = Math.max(waitMs, afterS * 1000);
      } catch (error) {
        if (error instanceof ApiFault || error instanceof EngineUnreachable) throw error;
        trouble = error as Error;
      }
      if (this.#closed || tries >= TRIES_MAX || clock.monotonicMs() + waitMs > endMs)
        throw this.#unreachable(trouble);
      await sleep(clock, waitMs);
      pauseMs = Math.min(pauseMs * 2, PAUSE_MAX_MS);
    }
  }

  #unreachable(trouble: Error): EngineUnreachable {
    const { server, source } = this.#connected().access;
    // Its address or our rights may be others by now.
    this.#disconnect();
    const said = trouble.message || (trouble as NodeJS.ErrnoException).code || "no reason given";
    return new EngineUnreachable(
      `the Kubernetes API at ${server.origin} (${source}) does not answer: ${said}`,
      { cause: trouble },
    );
  }

  async #once(request: ApiRequest, leftMs: number) {
    const text = request.body === undefined ? undefined : JSON.stringify(request.body);
    const type = request.method === "PATCH" ? "application/merge-patch+json" : "application/json";
    const headers: Record<string, string> = text === undefined ? {} : { "content-type": type };
    const timeoutMs = Math.max(100, Math.min(REQUEST_TIMEOUT_MS, leftMs));
    const response = await this.#send({ ...request, headers, text, timeoutMs });
    return {
      status: response.statusCode ?? 0,
      headers: response.headers,
      text: await whole(response),
    };
  }

  /**
   * Hears what changes after `resourceVersion`, until the server ends it, which it does every few minutes.
   * @throws ApiFault (410 Gone: too old, list again), and whatever a connection dies of
   */
  async watch(
    path: string,
    query: Query,
    signal: AbortSignal,
    heard: (event: WatchEvent) => void,
  ): Promise<void> {
    const response = await this.#send({
      method: "GET",
      path,
      query: { ...query, watch: true, allowWatchBookmarks: true, timeoutSeconds: WATCH_S },
      headers: {},
      timeoutMs: WATCH_TIMEOUT_MS,
      signal,
    });
    if (response.statusCode !== 200) throw faultOf(response.statusCode ?? 0, await whole(response));
    let rest = "";
    for await (const chunk of response.setEncoding("utf8")) {
      const lines = (rest + chunk).split("\n");
      rest = lines.pop() as string;
      if (rest.length > ANSWER_MAX_BYTES) throw new Error("an event of the watch is too long");
      for (const line of lines) {
        if (line.trim() === "") continue;
        const event = JSON.parse(line) as WatchEvent | { type: "ERROR"; object: Status };
        if (event.type === "ERROR") {
          const { code = 500, reason = "", message = "" } = event.object;
          throw new ApiFault(code, reason, message);
        }
        heard(event);
      }
    }
  }

  /**
   * Reads an answer that comes bit by bit, to its end; first of all "", when it has begun.
   * @throws ApiFault, and whatever a connection dies of
   */
  async follow(
    path: string,
    query: Query,
    signal: AbortSignal,
    heard: (text: string) => void,
  ): Promise<void> {
    const sent = { method: "GET" as const, path, query, headers: {}, signal };
    const response = await this.#send({ ...sent, timeoutMs: FOLLOW_TIMEOUT_MS });
    if (response.statusCode !== 200) throw faultOf(response.statusCode ?? 0, await whole(response));
    heard("");
    for await (const chunk of response.setEncoding("utf8")) heard(chunk);
  }

  /** Runs a command in a running container. @throws ApiFault, and whatever a connection dies of */
  async exec(path: string, container: string, command: readonly string[]): Promise<ExecOutcome> {
    const query = { command, container, stdout: true, stderr: true };
    const stream = await this.#send({
      ...{ method: "GET" as const, path, query, timeoutMs: REQUEST_TIMEOUT_MS },
      headers: {
        connection: "Upgrade",
        upgrade: "websocket",
        "sec-websocket-version": "13",
        "sec-websocket-key": Buffer.from("contrail-engine!").toString("base64"),
        "sec-websocket-protocol": "v5.channel.k8s.io, v4.channel.k8s.io",
      },
      upgrades: true,
    });
    if ("statusCode" in stream) {
      const response = stream as IncomingMessage;
      throw faultOf(response.statusCode ?? 0, await whole(response));
    }
    return await outcomeOfExec(stream as Duplex);
  }

  #send(sent: SentRequest & { readonly upgrades: true }): Promise<IncomingMessage | Duplex>;
  #send(sent: SentRequest): Promise<IncomingMessage>;
  async #send(sent: SentRequest & { readonly upgrades?: boolean }) {
    const { access, credentials, agents } = this.#connected();
    const shown = await credentials.shown();
    const isTls = access.server.protocol === "https:";
    const base = access.server.pathname.replace(/\/$/, "");
    const options = {
      method: sent.method,
      host: access.server.hostname.replace(/^\[|\]$/g, ""),
      port: access.server.port || (isTls ? 443 : 80),
      path: `${base}${sent.path}${queryText(sent.query)}`,
      agent: sent.upgrades ? false : agentFor(access, shown, agents),
      ...(sent.upgrades && isTls ? tlsOf(access, shown) : {}),
      headers: {
        accept: "application/json",
        "user-agent": "contrail",
        ...(shown.authorization === undefined ? {} : { authorization: shown.authorization }),
        ...(sent.text === undefined ? {} : { "content-length": Buffer.byteLength(sent.text) }),
        ...sent.headers,
      },
    };
    return await new Promise<IncomingMessage | Duplex>((resolve, reject) => {
      const request = isTls ? tlsRequest(options) : plainRequest(options);
      let stream: Duplex | undefined;
      const end = (error: Error) => {
        request.destroy(error);
        stream?.destroy(error);
        reject(error);
      };
      const stop = () => end(new Error("we let go of it"));
      const cancelTimer = this.#options.clock.after(sent.timeoutMs, () =>
        end(new Error(`no answer within ${Math.round(sent.timeoutMs / 100) / 10} s`)),
      );
      this.#ends.add(stop);
      sent.signal?.addEventListener("abort", stop, { once: true });
      const done = () => {
        cancelTimer();
        this.#ends.delete(stop);
        sent.signal?.removeEventListener("abort", stop);
      };
      request.once("close", done);
      request.once("error", (error) => {
        done();
        reject(error);
      });
      request.once("socket", (socket) => socket.setKeepAlive(true, KEEP_ALIVE_MS));
      request.once("response", resolve);
      request.once("upgrade", (_, socket, head) => {
        stream = socket;
        this.#ends.add(stop);
        socket.once("close", () => this.#ends.delete(stop));
        if (head.length > 0) socket.unshift(head);
        resolve(socket);
      });
      if (sent.signal?.aborted) stop();
      else request.end(sent.text);
    });
  }

  #connected(): Connection {
    if (this.#closed) throw new EngineUnreachable("the engine has been closed");
    if (this.#connection === undefined) {
      const { clock, environment } = this.#options;
      const access = this.#options.access();
      const credentials = new Credentials(access, clock, environment);
      this.#connection = { access, credentials, agents: new Map() };
    }
    return this.#connection;
  }

  #disconnect(): void {
    for (const agent of this.#connection?.agents.values() ?? []) agent.destroy();
    this.#connection = undefined;
  }

  close(): void {
    this.#disconnect();
    this.#closed = true;
    for (const end of [...this.#ends]) end();
  }
}

interface SentRequest extends Omit<ApiRequest, "body" | "once"> {
  readonly headers: Readonly<Record<string, string>>;
  readonly text?: string | undefined;
  /** Until the answer has come to its end. */
  readonly timeoutMs: number;
  readonly signal?: AbortSignal;
}

function queryText(query: Query = {}): string {
  const parts = new URLSearchParams();
  for (const [name, value] of Object.entries(query))
    for (const one of [value].flat()) parts.append(name, String(one));
  return parts.size === 0 ? "" : `?${parts}`;
}

const tlsOf = (access: ClusterAccess, shown: Shown) => ({
  ca: access.ca,
  ...(shown.certificate ?? {}),
  rejectUnauthorized: !access.insecure,
  ...(access.serverName === undefined ? {} : { servername: access.serverName }),
});

/** One for each certificate: a program may give us another. */
function agentFor(access: ClusterAccess, shown: Shown, agents: Connection["agents"]) {
  const key = shown.certificate?.cert ?? "";
  let agent = agents.get(key);
  if (agent === undefined) {
    agent =
      access.server.protocol === "https:"
        ? new TlsAgent({ keepAlive: true, ...tlsOf(access, shown) })
        : new PlainAgent({ keepAlive: true });
    agents.set(key, agent);
  }
  return agent;
}

async function whole(response: IncomingMessage): Promise<string> {
  let text = "";
  for await (const chunk of response.setEncoding("utf8")) {
    text += chunk;
    if (text.length > ANSWER_MAX_BYTES) throw new Error("the answer is too long");
  }
  return text;
}

function faultOf(code: number, text: string, method: ApiRequest["method"] = "GET"): ApiFault {
  try {
    const { kind, reason, message = text } = JSON.parse(text) as Partial<Status>;
    return new ApiFault(code, kind === "Status" ? reason || "Unknown" : "", message, method);
  } catch {
    return new ApiFault(code, "", `${code}: ${text.trim().slice(0, 500)}`, method);
  }
}
