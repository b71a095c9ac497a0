/** The door of a server that may die at any moment: an answer, a refusal, or nobody there. */
import { Agent, request } from "node:http";

export interface Door {
  readonly url: string;
  readonly runnerToken: string;
  readonly oneTimeToken: string;
}

/** Nobody answers: the server is dead, or dies just now. */
export class NoAnswer extends Error {
  override name = "NoAnswer";
}

export interface CallOptions {
  /** A Buffer goes out as it is, everything else as JSON. */
  readonly body?: unknown;
  readonly token?: string | undefined;
  /** Makes a creation one that may be sent twice. */
  readonly key?: string;
}

export class ScriptedWire {
  // One connection, as everything is said in turn; a server that is started again listens elsewhere.
  readonly #agent = new Agent({ keepAlive: true, maxSockets: 1 });
  door: Door | undefined;

  async json<T>(method: string, path: string, options: CallOptions = {}): Promise<T> {
    return JSON.parse((await this.bytes(method, path, options)).toString("utf8")) as T;
  }

  /** @throws NoAnswer; Error where the answer is no 2xx */
  async bytes(method: string, path: string, options: CallOptions = {}): Promise<Buffer> {
    const { status, body } = await this.#send(method, path, options);
    if (status >= 200 && status < 300) return body;
    throw new Error(`${method} ${path}: ${status} ${body.toString("utf8", 0, 1_000)}`);
  }

  close(): void {
    this.#agent.destroy();
  }

  #send(method: string, path: string, { body, token, key }: CallOptions) {
    const raw = body instanceof Buffer;
    const bytes = body === undefined ? undefined : raw ? body : Buffer.from(JSON.stringify(body));
    const headers: Record<string, string | number> = {};
    if (token !== undefined) headers.authorization = `Bearer ${token}`;
    if (key !== undefined) headers["idempotency-key"] = key;
    if (bytes !== undefined) {
      headers["content-type"] = raw ? "application/octet-stream" : "application/json";
      headers["content-length"] = bytes.length;
    }
    return new Promise<{ status: number; body: Buffer }>((resolve, reject) => {
      const nobody = (cause: Error): void => reject(new NoAnswer(`${method} ${path}`, { cause }));
      const url = `${this.door?.url}/api/v1${path}`;
      const sent = request(url, { method, headers, agent: this.#agent });
      sent.once("error", nobody);
      sent.once("response", (response) => {
        const chunks: Buffer[] = [];
        response.on("data", (chunk: Buffer) => chunks.push(chunk));
        response.once("error", nobody);
        response.once("end", () =>
          resolve({ status: response.statusCode ?? 0, body: Buffer.concat(chunks) }),
        );
      });
      sent.end(bytes);
    });
  }
}
