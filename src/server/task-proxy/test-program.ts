/**
 * For tests: a program that serves, on a Unix socket of its own, and a runner's part of the ways to it. The program says what
 * it was asked, takes and gives bodies of any size, and speaks WebSocket as far as an upgrade and an echo of bytes go.
 */
import { once } from "node:events";
import { mkdtempSync, rmSync } from "node:fs";
import {
  createServer,
  request as httpRequest,
  type IncomingMessage,
  type Server,
  type ServerResponse,
} from "node:http";
import { connect, type Socket } from "node:net";
import { tmpdir } from "node:os";
import { join as joinPath } from "node:path";
import { join } from "../../base/join.ts";
import { realClock } from "../../base/real-clock.ts";
import { TUNNEL_PROTOCOL, tunnelPath } from "../../protocol/task-tunnel.ts";

export class TestProgram {
  readonly folder = mkdtempSync(joinPath(tmpdir(), "ct-"));
  readonly path = joinPath(this.folder, "s");
  /** Raw heads of what it was asked, in order. */
  readonly asked: { readonly method: string; readonly url: string; readonly raw: string[] }[] = [];
  /** Connections that are open to it. */
  readonly sockets = new Set<Socket>();
  readonly #server: Server;

  constructor(answer: (request: IncomingMessage, response: ServerResponse) => void = echo) {
    this.#server = createServer((request, response) => {
      this.#note(request);
      answer(request, response);
    });
    this.#server.on("connection", (socket) => {
      this.sockets.add(socket);
      socket.on("error", () => {});
      socket.once("close", () => this.sockets.delete(socket));
    });
    this.#server.on("upgrade", (request: IncomingMessage, socket: Socket, head: Buffer) => {
      this.#note(request);
      if (request.url === "/no-socket")
        return socket.end("HTTP/1.1 403 No\r\nContent-Length: 2\r\n\r\nno");
      socket.write(
        "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n" +
          "Sec-WebSocket-Accept: as-it-is\r\nSet-Cookie: wide=1; Domain=localhost\r\n\r\n",
      );
      if (head.length > 0) socket.write(head);
      socket.pipe(socket);
    });
  }

  #note({ method = "", url = "", rawHeaders }: IncomingMessage): void {
    this.asked.push({ method, url, raw: rawHeaders });
  }

  async listen(): Promise<this> {
    this.#server.listen(this.path);
    await once(this.#server, "listening");
    return this;
  }

  /** As the program's death does. */
  kill(): void {
    this.#server.close();
    for (const socket of this.sockets) socket.destroy();
  }

  close(): void {
    this.kill();
    rmSync(this.folder, { recursive: true, force: true });
  }
}

/** `/bytes?n=N` gives N bytes, anything else gives back what it was sent. */
function echo(request: IncomingMessage, response: ServerResponse): void {
  const bytes = /^\/bytes\?n=(\d+)$/.exec(request.url ?? "")?.[1];
  if (bytes === undefined) return void request.pipe(response);
  response.writeHead(200, { "Content-Length": bytes });
  let left = Number(bytes);
  const more = (): void => {
    while (left > 0) {
      const piece = Buffer.alloc(Math.min(left, 65_536), left % 251);
      left -= piece.length;
      if (!response.write(piece)) return void response.once("drain", more);
    }
    response.end();
  };
  more();
}

export interface TestWays {
  /** Those that nobody has used yet. */
  readonly spare: () => number;
  close(): void;
}

/** Lays ways from the server at `url` to a program, and a new one for each that is used. */
export function layWays(
  url: string,
  token: string,
  to: { readonly allocation: string; readonly path: string; readonly spares?: number },
): TestWays {
  const open = new Set<Socket>();
  let spare = 0;
  let over = false;
  const lay = (): void => {
    if (over) return;
    const asked = httpRequest(`${url}${tunnelPath("local", to.allocation)}`, {
      agent: false,
      headers: {
        Authorization: `Bearer ${token}`,
        Connection: "Upgrade",
        Upgrade: TUNNEL_PROTOCOL,
      },
    });
    asked.on("error", () => {});
    asked.once("upgrade", (_answer, socket: Socket, head: Buffer) => {
      // Of one that was waited for.
      if (head.length > 0) socket.unshift(head);
      if (over) return void socket.destroy();
      open.add(socket);
      spare += 1;
      socket.on("error", () => socket.destroy());
      socket.once("close", () => open.delete(socket));
      socket.once("data", (first: Buffer) => {
        spare -= 1;
        socket.pause();
        socket.unshift(first);
        lay();
        const program = connect(to.path);
        program.on("error", () => program.destroy());
        open.add(program);
        join(socket, program, realClock);
      });
    });
    asked.end();
  };
  for (let at = 0; at < (to.spares ?? 4); at++) lay();
  return {
    spare: () => spare,
    close() {
      over = true;
      for (const socket of open) socket.destroy();
    },
  };
}
