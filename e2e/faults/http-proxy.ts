/**
 * A proxy that understands HTTP, for faults that concern messages rather than bytes: it takes each request whole, and
 * a handler decides when, how often and in which order it reaches the server, and which answer comes back.
 */
import { createServer, type IncomingHttpHeaders, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import type { NetworkProxy, Target } from "./rerouted-stand.ts";

export interface Message {
  readonly method: string;
  readonly path: string;
  readonly body: Buffer;
}

export interface Reply {
  readonly status: number;
  readonly type: string;
  readonly body: Buffer;
}

/** @param forward brings the message to the server, as often as one likes @returns the answer; undefined = none */
export type Handler = (
  message: Message,
  forward: () => Promise<Reply>,
) => Promise<Reply | undefined>;

export class HttpProxy implements NetworkProxy {
  readonly #server: Server;
  readonly url: string;
  handler: Handler = (_message, forward) => forward();

  private constructor(server: Server) {
    this.#server = server;
    this.url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  }

  static async open(target: Target): Promise<HttpProxy> {
    let proxy: HttpProxy | undefined;
    const server = createServer(async (request, response) => {
      const { method = "", url: path = "", headers } = request;
      const chunks: Buffer[] = [];
      for await (const chunk of request) chunks.push(chunk as Buffer);
      const message = { method, path, body: Buffer.concat(chunks) };
      const forward = (): Promise<Reply> => send(target, message, headers);
      const reply = await proxy?.handler(message, forward).catch(() => undefined);
      if (reply === undefined) return void response.destroy();
      response.writeHead(reply.status, { "content-type": reply.type }).end(reply.body);
    });
    server.on("error", () => undefined);
    await new Promise<void>((done) => server.listen(0, "127.0.0.1", done));
    proxy = new HttpProxy(server);
    return proxy;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#server.closeAllConnections();
    await new Promise((done) => this.#server.close(done));
  }
}

async function send(target: Target, message: Message, from: IncomingHttpHeaders): Promise<Reply> {
  const address = target();
  if (address === undefined) throw new Error("nobody knows where the server is");
  const { method, path, body } = message;
  const headers: Record<string, string> = {};
  for (const name of ["authorization", "content-type"]) {
    const value = from[name];
    if (typeof value === "string") headers[name] = value;
  }
  const response = await fetch(`http://${address.host}:${address.port}${path}`, {
    method,
    headers,
    ...(method === "GET" ? {} : { body: new Uint8Array(body) }),
  });
  return {
    status: response.status,
    type: response.headers.get("content-type") ?? "application/json",
    body: Buffer.from(await response.arrayBuffer()),
  };
}
