/**
 * Docker's HTTP API over its Unix socket, as far as it is used: JSON there and back, streams, and the raw output of a
 * container. The library that everybody takes for this was refused: it is some fifteen packages for what Node's own
 * `http` does, and hides which of the two ends failed.
 *
 * That is the difference everything above lives by: `DockerRefused` is the engine's answer, final but where it says that
 * it cannot now (`isForNow`); `DockerUnreachable` proves nothing, because a container goes on or ends whether the engine can be asked or not.
 */
import { request as httpRequest, type IncomingMessage } from "node:http";
import type { Socket } from "node:net";

export class DockerRefused extends Error {
  override name = "DockerRefused";
  /** HTTP status; 404 there is no such thing, 409 it is not in that state. */
  readonly status: number;

  constructor(status: number, message: string) {
    super(message);
    this.status = status;
  }

  /** Nothing is wrong with what was asked for, and the same may be done later. */
  get isForNow(): boolean {
    const { status, message } = this;
    return status === 429 || status === 503 || (status >= 500 && isForNow(message));
  }
}

/**
 * Says it in the engine's words that it, its disk, or a registry cannot just now? It has 500 for that and for all
 * else. A timeout counts as a word alone: programs and images are called so, too.
 */
export const isForNow = (text: string): boolean =>
  /no space left on device|disk quota exceeded|too many open files|cannot allocate memory|resource temporarily unavailable|too ?many ?requests|(?:client\.|(?<![\w./"'`-]))time(?:d )?-?out(?![\w/"'`-]|[.:]\S|, repository)|deadline exceeded|connection reset|broken pipe|: unavailable$|unexpected eof|: eof$|temporary failure in name|server misbehaving|\b50[0234] (?:internal server error|bad gateway|service (?:temporarily )?unavailable)|network is unreachable|no route to host|transport is closing|ttrpc: closed|shutting down/i.test(
    text.trim(),
  );

export class DockerUnreachable extends Error {
  override name = "DockerUnreachable";
}

export interface DockerRequest {
  readonly method: "GET" | "POST" | "DELETE";
  /** Without the version, such as `/containers/json`. */
  readonly path: string;
  readonly query?: Readonly<Record<string, string>>;
  readonly body?: unknown;
  readonly headers?: Readonly<Record<string, string>>;
  readonly signal?: AbortSignal;
  /** Default a minute; null = as long as it takes. */
  readonly timeoutMs?: number | null;
}

/** Newer engines still speak it, and what is used here has not changed since the oldest that is served. */
const NEWEST_KNOWN = "1.47";
const TIMEOUT_MS = 60_000;
const ANSWER_BYTES_MAX = 32 * 1024 * 1024;

export class DockerApi {
  readonly socketPath: string;
  #version: Promise<string> | null = null;

  constructor(socketPath: string) {
    this.socketPath = socketPath;
  }

  /** @returns undefined for an answer without content @throws DockerRefused, DockerUnreachable; or the signal's reason */
  async json<T>(asked: DockerRequest): Promise<T> {
    const response = await this.stream(asked);
    const text = await textOf(response).catch((error: Error) => {
      throw this.#unreachable(error);
    });
    return (text.trim() === "" ? undefined : JSON.parse(text)) as T;
  }

  /** An answer that is read while it comes. @throws DockerRefused, DockerUnreachable; or the signal's reason */
  async stream(asked: DockerRequest): Promise<IncomingMessage> {
    const response = await this.#send(asked, await this.#speaks());
    if (isFine(response)) return response;
    throw await refusal(response);
  }

  /**
   * Everything that a container prints from now on, as frames (`output-frames.ts`); read slowly, its program waits in
   * its own `write`.
   */
  async attach(container: string): Promise<{ readonly socket: Socket; readonly head: Buffer }> {
    const version = await this.#speaks();
    const query = new URLSearchParams({ stream: "1", stdout: "1", stderr: "1" });
    return new Promise((resolve, reject) => {
      const request = httpRequest({
        socketPath: this.socketPath,
        method: "POST",
        path: `/v${version}/containers/${container}/attach?${query}`,
        headers: { connection: "Upgrade", upgrade: "tcp" },
      });
      request.on("upgrade", (_response, socket, head) =>
        resolve({ socket: socket as Socket, head }),
      );
      request.on("response", (response) => {
        refusal(response).then(reject, reject);
      });
      request.on("error", (error) => reject(this.#unreachable(error)));
      request.end();
    });
  }

  /** The newest version that both sides know; asked once, and again where nobody answered. */
  #speaks(): Promise<string> {
    this.#version ??= this.#ask().catch((error: Error) => {
      this.#version = null;
      throw error;
    });
    return this.#version;
  }

  async #ask(): Promise<string> {
    const response = await this.#send({ method: "GET", path: "/_ping", timeoutMs: 10_000 }, null);
    response.resume();
    const theirs = String(response.headers["api-version"] ?? "");
    if (!/^\d+\.\d+$/.test(theirs))
      throw new DockerUnreachable(`what answers at ${this.socketPath} is no Docker engine`);
    return isNewer(theirs, NEWEST_KNOWN) ? NEWEST_KNOWN : theirs;
  }

  #send(asked: DockerRequest, version: string | null): Promise<IncomingMessage> {
    const { method, path, query, body, headers, signal, timeoutMs = TIMEOUT_MS } = asked;
    const search = query === undefined ? "" : `?${new URLSearchParams(query)}`;
    const text = body === undefined ? undefined : JSON.stringify(body);
    return new Promise((resolve, reject) => {
      signal?.throwIfAborted();
      const request = httpRequest({
        socketPath: this.socketPath,
        method,
        path: `${version === null ? "" : `/v${version}`}${path}${search}`,
        headers: {
          host: "docker",
          ...(text === undefined ? {} : { "content-type": "application/json" }),
          ...headers,
        },
        ...(timeoutMs === null ? {} : { timeout: timeoutMs }),
      });
      const abort = (): void => void request.destroy(signal?.reason as Error);
      signal?.addEventListener("abort", abort, { once: true });
      request.on("timeout", () =>
        request.destroy(new Error(`no answer to ${method} ${path} within ${timeoutMs} ms`)),
      );
      request.on("response", resolve);
      request.on("close", () => signal?.removeEventListener("abort", abort));
      request.on("error", (error) =>
        reject(signal?.aborted ? signal.reason : this.#unreachable(error)),
      );
      request.end(text);
    });
  }

  #unreachable(cause: Error): DockerUnreachable {
    const { code } = cause as NodeJS.ErrnoException;
    const hint =
      code === "EACCES"
        ? `user id ${process.getuid?.()} may not use the socket; add the user to its group (docker) and start the server anew`
        : code === "ENOENT" || code === "ECONNREFUSED"
          ? "is the engine running, and is that its socket?"
          : "it may be starting anew";
    return new DockerUnreachable(
      `the Docker engine at ${this.socketPath} does not answer (${cause.message}): ${hint}`,
      { cause },
    );
  }
}

const isFine = ({ statusCode = 0 }: IncomingMessage): boolean =>
  (statusCode >= 200 && statusCode < 300) || statusCode === 304;

async function refusal(response: IncomingMessage): Promise<DockerRefused> {
  const text = await textOf(response).catch(() => "");
  let message = text.trim();
  try {
    message = (JSON.parse(text) as { message?: string }).message ?? message;
  } catch {} // Its words as they are.
  const status = response.statusCode ?? 0;
  return new DockerRefused(status, message || `HTTP status ${status}`);
}

async function textOf(response: IncomingMessage): Promise<string> {
  const chunks: Buffer[] = [];
  let bytes = 0;
  for await (const chunk of response as AsyncIterable<Buffer>) {
    chunks.push(chunk);
    bytes += chunk.length;
    if (bytes > ANSWER_BYTES_MAX)
      throw new Error(`an answer of more than ${ANSWER_BYTES_MAX} bytes`);
  }
  return Buffer.concat(chunks).toString("utf8");
}

function isNewer(one: string, other: string): boolean {
  const [[a = 0, b = 0], [c = 0, d = 0]] = [one, other].map((text) =>
    text.split(".").map(Number),
  ) as [number[], number[]];
  return a > c || (a === c && b > d);
}
