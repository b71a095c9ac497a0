/**
 * The runner's side of HTTP. Where the server is stands in a file that the server writes at each
 * start, so a new port after a restart is found by reading it again; the token is read again when it
 * is refused. Nothing here retries: what to do about a failure is the loops' business, and each
 * failure says which kind it is.
 */
import { readFileSync } from "node:fs";
import type { Socket } from "node:net";
import { z } from "zod";
import type { Clock } from "../base/clock.ts";
import { type Content, ContentError } from "../base/content.ts";
import { requestUpgrade, UpgradeRefused } from "./server-upgrade.ts";

export type Fetch = typeof fetch;

export interface ServerClientOptions {
  readonly fetch: Fetch;
  readonly clock: Clock;
  readonly runnerId: string;
  readonly serverFile: string;
  readonly tokenFile: string;
}

/**
 * - unreachable: no answer, or none that a Contrail server gives
 * - broken: the connection ended before the answer did; so end those of a server that dies, and those of a proxy for what is too large
 * - unanswered: no answer in the time that was given
 * - unauthorized: the token is not accepted
 * - forbidden: it is, but not for this, or not by whoever stands before the server
 * - missing: the thing asked for does not exist there
 * - too_large, refused: the server will never take this request as it is, or what it was to hold cannot be read
 * - busy: the server cannot now (disk full, overload, fault of its own)
 */
export type ServerFailureKind =
  | "unreachable"
  | "broken"
  | "unanswered"
  | "unauthorized"
  | "forbidden"
  | "missing"
  | "too_large"
  | "refused"
  | "busy";

/** Nothing that the server says, as where it is away. */
export const SILENT: ReadonlySet<ServerFailureKind> = new Set([
  ...(["unreachable", "broken", "unanswered"] as const),
]);

export class ServerFailure extends Error {
  override name = "ServerFailure";
  readonly kind: ServerFailureKind;
  constructor(kind: ServerFailureKind, message: string, options?: ErrorOptions) {
    super(message, options);
    this.kind = kind;
  }
}

export interface RequestOptions {
  readonly method: "GET" | "POST" | "PUT";
  readonly path: string;
  readonly body?: string | Uint8Array | Content;
  readonly type?: string;
  /** Until the head of the answer is there; the body of `json` counts too. */
  readonly timeoutMs: number;
  readonly signal?: AbortSignal | undefined;
}

const ERROR_TEXT_MAX_CHARS = 500;
/** Slowest line that a blob is allowed to take. */
const BLOB_MIN_BYTES_PER_MS = 100;
const BLOB_TIMEOUT_MS = 60_000;
const HASHES_AT_ONCE = 1_000;
const UPGRADE_MS = 15_000;
const missingReply = z.object({ missing: z.array(z.string()) });
const storedReply = z.object({ hash: z.string(), size: z.int() });

export type AnswerForm<T> = Pick<z.ZodType<T>, "safeParse">;

/** @throws ServerFailure unreachable: a portal, a cache or whoever has that port by now answers yes to anything */
export function answerOf<T>(form: AnswerForm<T>, answer: unknown, path: string): T {
  const { success, data, error } = form.safeParse(answer);
  if (success) return data;
  const [issue] = error.issues;
  const where = issue?.path.join(".") || "the whole";
  throw new ServerFailure(
    "unreachable",
    `the answer to ${path} is not one of a Contrail server: ${where}: ${issue?.message}`,
  );
}

export interface BlobPurpose {
  readonly allocation: string;
  readonly tree: string;
}

export class ServerClient {
  readonly #options: ServerClientOptions;
  #url: string | null = null;
  #token: string | null = null;
  readonly #open = new Set<Call>();
  #closed = false;

  constructor(options: ServerClientOptions) {
    this.#options = options;
  }

  get runnerId(): string {
    return this.#options.runnerId;
  }

  /** Breaks off every request, now and later. */
  close(): void {
    this.#closed = true;
    for (const call of this.#open) call.abort(new Error("the runner ends"));
  }

  /** Where the server is, as far as known. @throws ServerFailure unreachable */
  url(): string {
    this.#url ??= readUrl(this.#options.serverFile);
    return this.#url;
  }

  /** @returns the parsed body. @throws ServerFailure */
  async json(options: RequestOptions): Promise<unknown> {
    return await this.#request(options, async (response) => {
      const text = await response.text();
      try {
        return JSON.parse(text) as unknown;
      } catch (cause) {
        throw new ServerFailure(
          "unreachable",
          `the answer to ${options.path} is not JSON: ${text.slice(0, 100)}`,
          { cause },
        );
      }
    });
  }

  /** Opens a blob for reading. @throws ServerFailure, also while it is read */
  async blob(hash: string, signal?: AbortSignal): Promise<AsyncIterable<Uint8Array>> {
    const path = `/api/v1/blobs/${hash}`;
    const call = this.#begin(signal);
    call.within(BLOB_TIMEOUT_MS);
    try {
      const response = await this.#fetch({ method: "GET", path, timeoutMs: BLOB_TIMEOUT_MS }, call);
      return this.#bytes(response, path, call);
    } catch (cause) {
      call.end();
      throw this.#failed(cause, path);
    }
  }

  /** Each piece may take as long as the head might; a line that hangs is given up. */
  async *#bytes(response: Response, path: string, call: Call): AsyncGenerator<Uint8Array> {
    try {
      for await (const bytes of response.body ?? []) {
        call.within(BLOB_TIMEOUT_MS);
        yield bytes;
      }
    } catch (cause) {
      throw this.#failed(cause, path);
    } finally {
      call.end();
    }
  }

  /**
   * @param purpose the checkpoint that is to be made of them: what the server has stays until it is told of it
   * @returns those of `hashes` that the server lacks
   */
  async missingBlobs(hashes: readonly string[], purpose?: BlobPurpose): Promise<string[]> {
    const missing: string[] = [];
    for (let at = 0; at < hashes.length; at += HASHES_AT_ONCE) {
      const part = hashes.slice(at, at + HASHES_AT_ONCE);
      const body = JSON.stringify({ hashes: part, ...(purpose ? { for: purpose } : {}) });
      const path = "/api/v1/blobs/missing";
      const reply = await this.json({ method: "POST", path, body, timeoutMs: BLOB_TIMEOUT_MS });
      missing.push(...answerOf(missingReply, reply, path).missing);
    }
    return missing;
  }

  /** @throws ServerFailure, also where the answer does not say that it is stored */
  async putBlob(hash: string, content: Content): Promise<void> {
    const path = `/api/v1/blobs/${hash}`;
    const reply = await this.json({
      ...{ method: "PUT", path, body: content, type: "application/octet-stream" },
      timeoutMs: Math.round(BLOB_TIMEOUT_MS + content.size / BLOB_MIN_BYTES_PER_MS),
    });
    const stored = answerOf(storedReply, reply, path);
    if (stored.hash !== hash || stored.size !== content.size)
      throw new ServerFailure(
        "unreachable",
        `the answer to ${path} speaks of ${stored.size} bytes of ${stored.hash}`,
      );
  }

  /** A byte stream to the server instead of an answer. @throws ServerFailure */
  async upgrade(path: string, protocol: string, signal: AbortSignal): Promise<Socket> {
    const call = this.#begin(signal);
    call.within(UPGRADE_MS);
    this.#token ??= readToken(this.#options.tokenFile);
    try {
      const url = `${this.url()}${path}`;
      return await requestUpgrade({ url, token: this.#token, protocol, signal: call.signal });
    } catch (cause) {
      throw this.#failed(cause, path);
    } finally {
      call.end();
    }
  }

  async #request<T>(options: RequestOptions, read: (response: Response) => Promise<T>): Promise<T> {
    const used = this.#token;
    try {
      return await this.#attempt(options, read);
    } catch (cause) {
      const failure = this.#failed(cause, options.path);
      // A server that was started anew may have given us a new token: worth one more try at once.
      if (
        failure.kind !== "unauthorized" ||
        used === null ||
        used === readToken(this.#options.tokenFile)
      )
        throw failure;
    }
    try {
      return await this.#attempt(options, read);
    } catch (cause) {
      throw this.#failed(cause, options.path);
    }
  }

  async #attempt<T>(options: RequestOptions, read: (response: Response) => Promise<T>): Promise<T> {
    const call = this.#begin(options.signal);
    call.within(options.timeoutMs);
    try {
      return await read(await this.#fetch(options, call));
    } finally {
      call.end();
    }
  }

  /** @returns the head of an answer that says yes */
  async #fetch(options: RequestOptions, call: Call): Promise<Response> {
    const { method, path, body } = options;
    this.#token ??= readToken(this.#options.tokenFile);
    const headers: Record<string, string> = { authorization: `Bearer ${this.#token}` };
    if (body !== undefined) headers["content-type"] = options.type ?? "application/json";
    const init: RequestInit = { method, headers, signal: call.signal, redirect: "error" };
    const url = `${this.url()}${path}`;
    const opened = isContent(body) ? await body.open() : undefined;
    try {
      if (isContent(body)) headers["content-length"] = String(body.size);
      const sent = opened?.body ?? (body as string | Uint8Array<ArrayBuffer> | undefined);
      if (sent !== undefined) Object.assign(init, { body: sent, duplex: "half" });
      const response = await this.#options.fetch(url, init);
      if (!response.ok) throw await failureOf(response, path);
      return response;
    } finally {
      await opened?.close();
    }
  }

  #begin(signal: AbortSignal | undefined): Call {
    const call = new Call(this.#options.clock, signal, () => this.#open.delete(call));
    this.#open.add(call);
    if (this.#closed) call.abort(new Error("the runner ends"));
    return call;
  }

  #failed(cause: unknown, path: string): ServerFailure {
    const failure = asFailure(cause, path);
    if (MISLED.has(failure.kind)) this.#url = null;
    if (failure.kind === "unauthorized") {
      this.#token = null;
      this.#url = null;
    }
    return failure;
  }
}

/** One request that is under way. A shared AbortSignal would keep every request that ever used it. */
class Call {
  readonly #abort = new AbortController();
  readonly #clock: Clock;
  readonly #outer: AbortSignal | undefined;
  readonly #onAbort: () => void;
  readonly #ended: () => void;
  #cancel: (() => void) | null = null;

  constructor(clock: Clock, outer: AbortSignal | undefined, ended: () => void) {
    this.#clock = clock;
    this.#outer = outer;
    this.#ended = ended;
    this.#onAbort = () => this.abort(outer?.reason);
    outer?.addEventListener("abort", this.#onAbort, { once: true });
    if (outer?.aborted) this.#onAbort();
  }

  get signal(): AbortSignal {
    return this.#abort.signal;
  }

  /** Something has to happen within `ms` from now; replaces what was said before. */
  within(ms: number): void {
    this.#cancel?.();
    this.#cancel = this.#clock.after(ms, () =>
      this.abort(new NoAnswer(`no answer within ${ms} ms`)),
    );
  }

  abort(reason: unknown): void {
    this.#abort.abort(reason);
  }

  end(): void {
    this.#cancel?.();
    this.#outer?.removeEventListener("abort", this.#onAbort);
    this.#ended();
  }
}

/** Whoever this is may not be the server any more. */
const MISLED: ReadonlySet<ServerFailureKind> = new Set([...SILENT, "missing"]);
/** As sockets and fetch say it. */
const BROKEN: ReadonlySet<unknown> = new Set(["ECONNRESET", "EPIPE", "UND_ERR_SOCKET"]);

class NoAnswer extends Error {}

const isContent = (body: RequestOptions["body"]): body is Content =>
  typeof body === "object" && "open" in body;

function asFailure(error: unknown, path: string): ServerFailure {
  if (error instanceof ServerFailure) return error;
  if (error instanceof UpgradeRefused)
    return new ServerFailure(kindOf(error.status), `${path}: ${error.message}`, { cause: error });
  const { cause } = error as Error;
  const unread = [error, cause].find((each) => each instanceof ContentError);
  if (unread) return new ServerFailure("refused", unread.message, { cause: unread });
  const isLate = [error, cause].some((each) => each instanceof NoAnswer);
  const isBroken = [error, cause].some((each) => BROKEN.has((each as { code?: unknown })?.code));
  const kind = isLate ? "unanswered" : isBroken ? "broken" : "unreachable";
  return new ServerFailure(kind, `${path}: ${reasonOf(error)}`, { cause: error });
}

/** Empty when there is no such file: the server will refuse it and say so. */
function readToken(file: string): string {
  try {
    return readFileSync(file, "utf8").trim();
  } catch {
    return "";
  }
}

function readUrl(file: string): string {
  let url: unknown;
  try {
    url = (JSON.parse(readFileSync(file, "utf8")) as { url?: unknown }).url;
  } catch (cause) {
    throw new ServerFailure(
      "unreachable",
      `${file} does not say where the server is: ${(cause as Error).message}`,
      { cause },
    );
  }
  if (typeof url !== "string" || !/^https?:\/\//.test(url))
    throw new ServerFailure("unreachable", `${file} names no server yet`);
  return url.replace(/\/+$/, "");
}

async function failureOf(response: Response, path: string): Promise<ServerFailure> {
  const text = (await response.text().catch(() => "")).slice(0, ERROR_TEXT_MAX_CHARS);
  return new ServerFailure(kindOf(response.status), `${path}: ${response.status} ${text}`);
}

function kindOf(status: number): ServerFailureKind {
  if (status === 401) return "unauthorized";
  if (status === 403) return "forbidden";
  if (status === 404 || status === 405 || status === 410) return "missing";
  if (status === 413) return "too_large";
  if (status === 408 || status === 409 || status === 423 || status === 425 || status === 429)
    return "busy";
  if (status === 400 || status === 422) return "refused";
  // A server of ours says none of these: a proxy with rules of its own may think better of it.
  if (status >= 400 && status < 500) return "forbidden";
  return status >= 500 ? "busy" : "unreachable";
}

/** fetch says "fetch failed" and hides why in the cause. */
function reasonOf(error: unknown): string {
  const { message, cause } = error as Error;
  const inner = cause as NodeJS.ErrnoException | undefined;
  return inner?.message ? `${message} (${inner.code ?? ""} ${inner.message})` : message;
}
