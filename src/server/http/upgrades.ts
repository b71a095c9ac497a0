/**
 * Connections that become something else than HTTP. A request to upgrade is a request like any other: it goes through the
 * same routes, and so the same hooks and rules; its route takes the connection over, or it is answered and closed.
 * Only what names our own protocol is taken out of the ordinary way: who offers h2c besides is served as before.
 */
import { type IncomingMessage, type Server, ServerResponse } from "node:http";
import { Socket } from "node:net";
import type { Duplex } from "node:stream";
import { TUNNEL_PROTOCOL } from "../../protocol/task-tunnel.ts";

const taken = new WeakMap<IncomingMessage, () => Socket>();

/** An option of node:http. */
export const shouldUpgradeCallback = (request: IncomingMessage): boolean =>
  request.method === "GET" && request.headers.upgrade?.toLowerCase() === TUNNEL_PROTOCOL;

/** @param app its listener, and what every request goes through */
export function routeUpgrades(app: {
  readonly server: Server;
  routing(request: IncomingMessage, response: ServerResponse): void;
  addHook(when: "preClose", closing: () => Promise<void>): unknown;
}): void {
  const open = new Set<Socket>();
  app.server.on("upgrade", (request: IncomingMessage, stream: Duplex, head: Buffer) => {
    // Nobody may speak before the answer.
    if (!(stream instanceof Socket) || head.length > 0) return void stream.destroy();
    open.add(stream);
    stream.once("close", () => open.delete(stream));
    const response = answerOn(request, stream);
    taken.set(request, () => {
      response.detachSocket(stream);
      stream.write(
        `HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: ${TUNNEL_PROTOCOL}\r\n\r\n`,
      );
      return stream;
    });
    app.routing(request, response);
  });
  // The listener has let go of them, and waits for their end all the same when it closes.
  app.addHook("preClose", async () => {
    for (const socket of open) socket.destroy();
  });
}

/** The connection itself, with the upgrade said on it; undefined where the request asks for none. */
export const takeUpgrade = (request: IncomingMessage): Socket | undefined => taken.get(request)?.();

/** For an ordinary answer to a request whose connection node:http has let go of; it closes after it. */
export function answerOn(request: IncomingMessage, socket: Socket): ServerResponse {
  const response = new ServerResponse(request);
  response.shouldKeepAlive = false;
  socket.on("error", () => socket.destroy());
  response.assignSocket(socket);
  response.once("finish", () => {
    response.detachSocket(socket);
    socket.destroySoon();
  });
  return response;
}
