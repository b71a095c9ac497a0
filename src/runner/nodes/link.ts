/**
 * A connection between two nodes of one job: TLS with a key that both have (RFC 4279, with a Diffie-Hellman exchange of its
 * own for each connection), and over it lines of JSON, or bytes.
 *
 * The key is made of the runner's own token, which the engine has brought to every node of the job and to nobody else, and
 * which is never sent. So who does not have it is turned away before a byte of his is looked at, and nobody on the way
 * reads or changes anything. Certificates were refused: somebody would have to issue one for every job.
 */
import { createHmac } from "node:crypto";
import { connect as connectTls, createServer, type Server, type TLSSocket } from "node:tls";
import type { z } from "zod";
import type { Clock } from "../../base/clock.ts";
import {
  type Meeting,
  NODE_LINE_BYTES_MAX,
  type NodeHello,
  nodeHello,
} from "../../protocol/node-wire.ts";

const TLS = {
  minVersion: "TLSv1.2",
  maxVersion: "TLSv1.2",
  ciphers: "ECDHE-PSK-CHACHA20-POLY1305",
} as const;
const IDENTITY = "contrail-node";
/** Who says nothing for so long is not one of us. */
const STRANGER_MS = 10_000;
const CONNECT_MS = 10_000;
const HELLO_BYTES_MAX = 4096;
/** Of messages that the other side does not take. */
const UNSENT_BYTES_MAX = 2 * NODE_LINE_BYTES_MAX;
const BEATS_OF_LEASE = 12;
/** Without a word for so long the other side counts as gone: as a runner's lease, by default. */
export const LINK_LEASE_MS = 60_000;
const NEWLINE = 0x0a;

export const linkKey = (runnerToken: string): Buffer =>
  createHmac("sha256", runnerToken).update("contrail: the nodes of one job").digest();

/** Listens for agents. @param heard the first line of one, whose socket is paused and to be resumed by whoever takes it */
export function listener(
  key: Buffer,
  clock: Clock,
  heard: (hello: NodeHello, socket: TLSSocket) => void,
): Server {
  const server = createServer(
    {
      ...TLS,
      handshakeTimeout: STRANGER_MS,
      pskCallback: (_socket, identity) => (identity === IDENTITY ? key : null),
    },
    (socket) => {
      socket.on("error", () => {}); // `close` follows.
      const cancel = clock.after(STRANGER_MS, () => socket.destroy());
      socket.once("close", cancel);
      firstLine(socket, (line) => {
        cancel();
        const hello = nodeHello.safeParse(jsonOf(line));
        if (hello.success) heard(hello.data, socket);
        else socket.destroy();
      });
    },
  );
  server.on("tlsClientError", (_error, socket) => socket.destroy());
  return server;
}

function firstLine(socket: TLSSocket, heard: (line: string) => void): void {
  let held = Buffer.alloc(0);
  const take = (chunk: Buffer): void => {
    held = Buffer.concat([held, chunk]);
    const newline = held.indexOf(NEWLINE);
    if (newline === -1) {
      if (held.length > HELLO_BYTES_MAX) socket.destroy();
      return;
    }
    socket.off("data", take);
    socket.pause();
    if (newline + 1 < held.length) socket.unshift(held.subarray(newline + 1));
    heard(held.toString("utf8", 0, newline));
  };
  socket.on("data", take);
}

/** @throws the network's error, or that the other side has another key */
export function connect(place: Meeting, key: Buffer, hello: NodeHello): Promise<TLSSocket> {
  return new Promise((resolve, reject) => {
    const socket = connectTls({
      ...TLS,
      ...{ host: place.address, port: place.port, timeout: CONNECT_MS },
      pskCallback: () => ({ identity: IDENTITY, psk: key }),
      // The key is the proof; there is no certificate.
      checkServerIdentity: () => undefined,
    });
    const failed = (error: Error): void => {
      socket.destroy();
      reject(error);
    };
    socket.once("error", failed);
    socket.once("timeout", () => failed(new Error(`no answer within ${CONNECT_MS} ms`)));
    socket.once("secureConnect", () => {
      socket.off("error", failed);
      socket.on("error", () => {}); // `close` follows.
      socket.setTimeout(0);
      socket.setKeepAlive(true, CONNECT_MS);
      socket.write(`${JSON.stringify(hello)}\n`);
      resolve(socket);
    });
  });
}

export interface ChannelOptions<In> {
  readonly clock: Clock;
  readonly socket: TLSSocket;
  /** What may come. */
  readonly schema: z.ZodType<In>;
  readonly leaseMs: number;
  readonly heard: (message: In) => void;
  /** Once, and not after `end`. */
  readonly closed: (why: string) => void;
}

/** Messages over one connection, and whether the other side is still there. */
export class Channel<In, Out> {
  readonly #options: ChannelOptions<In>;
  #held: Buffer[] = [];
  #heldBytes = 0;
  /** Beats of ours since anything was heard: by count, so that a time in which this process stood still is one. */
  #quiet = 0;
  #over = false;
  #cancel = (): void => {};

  constructor(options: ChannelOptions<In>) {
    this.#options = options;
    const { socket } = options;
    socket.on("data", (chunk: Buffer) => this.#data(chunk));
    socket.on("error", (error: NodeJS.ErrnoException) =>
      this.#close(`the connection broke: ${error.code ?? error.message}`),
    );
    socket.on("close", () => this.#close("the other side is gone: the connection was closed"));
    this.#beat();
    socket.resume();
  }

  send(message: Out | { readonly type: "beat" }): void {
    const { socket } = this.#options;
    if (this.#over || !socket.writable) return;
    if (socket.writableLength > UNSENT_BYTES_MAX) this.#close("the other side reads nothing");
    else socket.write(`${JSON.stringify(message)}\n`);
  }

  /** In good order, after what was sent. */
  end(): void {
    this.#over = true;
    this.#cancel();
    this.#options.socket.end();
  }

  #beat(): void {
    const { clock, leaseMs } = this.#options;
    this.#cancel = clock.after(leaseMs / BEATS_OF_LEASE, () => {
      this.#quiet += 1;
      if (this.#quiet > BEATS_OF_LEASE)
        return this.#close(`nothing was heard for ${leaseMs / 1000} s`);
      this.send({ type: "beat" });
      if (!this.#over) this.#beat();
    });
  }

  #close(why: string): void {
    if (this.#over) return;
    this.#over = true;
    this.#cancel();
    this.#options.socket.destroy();
    this.#options.closed(why);
  }

  #data(chunk: Buffer): void {
    this.#quiet = 0;
    let start = 0;
    for (;;) {
      const newline = chunk.indexOf(NEWLINE, start);
      if (newline === -1) break;
      this.#held.push(chunk.subarray(start, newline));
      start = newline + 1;
      this.#line(Buffer.concat(this.#held).toString("utf8"));
      this.#held = [];
      this.#heldBytes = 0;
      if (this.#over) return;
    }
    this.#held.push(chunk.subarray(start));
    this.#heldBytes += chunk.length - start;
    if (this.#heldBytes > NODE_LINE_BYTES_MAX)
      this.#close(`it sent a line of more than ${NODE_LINE_BYTES_MAX} bytes`);
  }

  #line(line: string): void {
    const { schema, heard } = this.#options;
    const message = schema.safeParse(jsonOf(line));
    if (message.success) {
      if ((message.data as { type?: string }).type !== "beat") heard(message.data);
    } else this.#close(`it sent ${line.length} characters that are no message`);
  }
}

function jsonOf(line: string): unknown {
  try {
    return JSON.parse(line);
  } catch {
    return undefined;
  }
}
