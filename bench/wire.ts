/**
 * The HTTP client of the benchmarks: node:http and nothing on top, the same for subject and floor, so that
 * what it costs stands on both sides of every ratio.
 */
import { Agent, type IncomingMessage, request } from "node:http";

export interface Answer {
  readonly status: number;
  readonly body: Buffer;
  readonly firstByteMs: number;
  readonly totalMs: number;
}

export class Wire {
  readonly url: URL;
  readonly #token: string | undefined;
  readonly #agent: Agent;

  constructor(url: string, options: { token?: string; sockets?: number } = {}) {
    this.url = new URL(url);
    this.#token = options.token;
    this.#agent = new Agent({ keepAlive: true, maxSockets: options.sockets ?? 64 });
  }

  post(path: string, body: string | Buffer): Promise<Answer> {
    return this.#send("POST", path, body);
  }

  get(path: string): Promise<Answer> {
    return this.#send("GET", path);
  }

  /** An answer that does not end; the caller destroys it. */
  stream(path: string): Promise<IncomingMessage> {
    return new Promise((resolve, reject) => {
      const sent = request(this.url, {
        path,
        agent: false,
        headers: { ...this.#headers(), accept: "text/event-stream" },
      });
      sent.once("error", reject);
      sent.once("response", (response) => {
        response.on("error", () => undefined);
        resolve(response);
      });
      sent.end();
    });
  }

  close(): void {
    this.#agent.destroy();
  }

  #headers(): Record<string, string> {
    return this.#token === undefined ? {} : { authorization: `Bearer ${this.#token}` };
  }

  /** @throws Error for anything but a 2xx */
  #send(method: string, path: string, body?: string | Buffer): Promise<Answer> {
    const startMs = performance.now();
    return new Promise((resolve, reject) => {
      const headers: Record<string, string | number> = this.#headers();
      if (body !== undefined) {
        headers["content-type"] = "application/json";
        headers["content-length"] = Buffer.byteLength(body);
      }
      const sent = request(this.url, { method, path, headers, agent: this.#agent });
      sent.once("error", reject);
      sent.once("response", (response) => {
        const firstByteMs = performance.now() - startMs;
        const chunks: Buffer[] = [];
        response.on("data", (chunk: Buffer) => chunks.push(chunk));
        response.once("error", reject);
        response.once("end", () => {
          const status = response.statusCode ?? 0;
          const bytes = Buffer.concat(chunks);
          if (status >= 200 && status < 300)
            resolve({ status, body: bytes, firstByteMs, totalMs: performance.now() - startMs });
          else reject(new Error(`${method} ${path}: ${status} ${bytes.toString("utf8", 0, 400)}`));
        });
      });
      sent.end(body);
    });
  }
}
