/**
 * The Unix socket of one allocation: hears its training code and speaks to it. Ranks of other nodes reach it by their agents.
 *
 * Whoever connects runs as the same user and inside the allocation, so the socket needs no password
 * beyond its file mode; it is still treated as hostile input, because a stray `echo` into it must not
 * cost the trial. Only rank 0 reports and saves for the trial; that its hyperparameters cannot work, any rank may find.
 */

import { chmodSync, chownSync, rmSync } from "node:fs";
import { createServer, type Server, type Socket } from "node:net";
import type { Orders, ToTrial } from "../protocol/trial-socket.ts";
import { isOneWay, LINE_MAX_BYTES, parseTrialLine, type TrialMessage } from "./trial-message.ts";

export interface TrialSocketEvents {
  /** With the orders as they stand, for whoever connects again. */
  welcome(rank: number): ToTrial;
  /** @param connection its number: several may speak for a rank, one after the other or beside each other */
  hello(rank: number, connection: number): void;
  message(
    message: Exclude<TrialMessage, { type: "hello" | "checkpoint" | "agree" }>,
    rank: number,
    connection: number,
  ): void;
  /** One that had said hello hears nothing any more. */
  closed(connection: number): void;
  /** What every rank does at this turn. */
  agree(turn: number, rank: number): Orders;
  /** @returns why the checkpoint cannot be kept, or null */
  checkpoint(message: Extract<TrialMessage, { type: "checkpoint" }>): Promise<string | null>;
  /** Something that the training code should not have sent. */
  fault(text: string, rank: number): void;
}

export interface TrialSocketOptions {
  readonly path: string;
  readonly ranks: number;
  readonly events: TrialSocketEvents;
  /** Whose programs may connect, besides our own user; absent = nobody else's. */
  readonly owner?: { readonly uid: number; readonly gid: number };
}

/** A client that gets this many lines wrong in a row is cut off. */
const FAULTS_MAX = 100;
/** Of one client's wrong lines so many are told: they go past the bound of what is printed. */
const FAULTS_TOLD_MAX = 1_000;
/** A client that reads nothing is cut off when this much waits for it. */
const UNREAD_MAX_BYTES = 1024 * 1024;
/** By which a line that is too long is told apart. */
const BEGINNING_BYTES = 100;
const NEWLINE = 0x0a;

export class TrialSocket {
  readonly #options: TrialSocketOptions;
  readonly #server: Server;
  readonly #clients = new Set<Client>();
  #accepted = 0;
  #paused = false;

  constructor(options: TrialSocketOptions) {
    this.#options = options;
    this.#server = createServer((socket) => this.#accept(socket));
  }

  listen(): Promise<void> {
    const { path, owner } = this.#options;
    rmSync(path, { force: true });
    return new Promise((resolve, reject) => {
      this.#server.once("error", reject);
      this.#server.listen(path, () => {
        this.#server.off("error", reject);
        this.#server.on("error", () => {}); // Out of descriptors for one accept; the next may succeed.
        chmodSync(path, 0o600);
        if (owner !== undefined) chownSync(path, owner.uid, owner.gid);
        resolve();
      });
    });
  }

  push(orders: Orders): void {
    for (const client of this.#clients)
      if (client.rank !== null) client.send({ type: "orders", ...orders });
  }

  /**
   * Stops reading from everybody, so that nothing more has to be kept. Who comes meanwhile is greeted all the same: it waits
   * for that, and not for ever.
   */
  pause(): void {
    this.#paused = true;
    for (const client of this.#clients) client.pause();
  }

  resume(): void {
    this.#paused = false;
    for (const client of this.#clients) client.resume();
  }

  /** Resolves when everything that dead processes had written has been heard. */
  async drained(): Promise<void> {
    // Connections that were made just before the end wait to be accepted: the loop does that in one turn.
    for (let turn = 0; turn < 2; turn++) await new Promise(setImmediate);
    this.resume();
    await Promise.all([...this.#clients].map((client) => client.closed));
  }

  close(): void {
    for (const client of this.#clients) client.socket.destroy();
    if (this.#server.listening) this.#server.close();
    rmSync(this.#options.path, { force: true });
  }

  /** One that has come by another way than the path: from a rank of another node, which finds things elsewhere. */
  attach(socket: Socket, welcome: TrialSocketEvents["welcome"]): void {
    const { events } = this.#options;
    this.#accept(socket, { ...this.#options, events: { ...events, welcome } });
    socket.resume();
  }

  #accept(socket: Socket, options = this.#options): void {
    this.#accepted += 1;
    const client = new Client(socket, this.#accepted, options);
    this.#clients.add(client);
    if (this.#paused) client.pause();
    socket.on("close", () => {
      this.#clients.delete(client);
      if (client.rank !== null) options.events.closed(client.connection);
    });
  }
}

class Client {
  readonly socket: Socket;
  readonly connection: number;
  readonly closed: Promise<void>;
  rank: number | null = null;
  readonly #options: TrialSocketOptions;
  #held: Buffer[] = [];
  #heldBytes = 0;
  /** The line is too long: skip to its end. */
  #skipping = false;
  /** Since the last good line. */
  #faults = 0;
  #faultsTold = 0;
  #paused = false;

  constructor(socket: Socket, connection: number, options: TrialSocketOptions) {
    this.socket = socket;
    this.connection = connection;
    this.#options = options;
    this.closed = new Promise((resolve) => socket.on("close", () => resolve()));
    socket.on("error", () => {}); // The peer died; `close` follows.
    socket.on("data", (chunk: Buffer) => this.#data(chunk));
  }

  pause(): void {
    this.#paused = true;
    if (this.rank !== null) this.socket.pause();
  }

  resume(): void {
    this.#paused = false;
    this.socket.resume();
  }

  send(message: ToTrial): void {
    if (!this.socket.writable) return;
    if (this.socket.writableLength > UNREAD_MAX_BYTES) this.socket.destroy();
    else this.socket.write(`${JSON.stringify(message)}\n`);
  }

  #data(chunk: Buffer): void {
    let start = 0;
    for (;;) {
      const newline = chunk.indexOf(NEWLINE, start);
      if (newline === -1) break;
      const piece = chunk.subarray(start, newline);
      start = newline + 1;
      if (this.#skipping) this.#skipping = false;
      else this.#line(this.#heldBytes === 0 ? piece : Buffer.concat([...this.#held, piece]));
      this.#held = [];
      this.#heldBytes = 0;
      if (this.#paused && this.rank !== null) return this.#putBack(chunk.subarray(start));
    }
    if (start === chunk.length || this.#skipping) return;
    this.#held.push(chunk.subarray(start));
    this.#heldBytes += chunk.length - start;
    if (this.#heldBytes <= LINE_MAX_BYTES) return;
    this.#skipping = true;
    const isPassedOver = isOneWay(Buffer.concat(this.#held).subarray(0, BEGINNING_BYTES));
    this.#held = [];
    this.#heldBytes = 0;
    const long = `a line on the socket is longer than ${LINE_MAX_BYTES} bytes`;
    if (isPassedOver) return this.#fault(`${long} and was skipped`);
    // Whoever sent it may wait for an answer, and which one cannot be known.
    this.#fault(`${long}; the connection was closed`);
    this.socket.destroy();
  }

  #putBack(rest: Buffer): void {
    this.socket.pause();
    if (rest.length > 0 && !this.socket.destroyed) this.socket.unshift(rest);
  }

  #line(line: Buffer): void {
    if (line.length === 0 || this.socket.destroyed) return;
    const parsed = parseTrialLine(line);
    const before = this.#faults;
    if ("message" in parsed) {
      this.#message(parsed.message);
      if (this.#faults === before) this.#faults = 0;
      return;
    }
    this.#fault(parsed.fault);
    if (parsed.checkpoint !== undefined && this.rank !== null)
      this.send({ type: "checkpointed", step: parsed.checkpoint, error: parsed.fault });
  }

  #message(message: TrialMessage): void {
    const { events, ranks } = this.#options;
    if (message.type === "hello") {
      if (message.rank >= ranks) {
        this.#fault(
          `hello from rank ${message.rank}, but this allocation has ranks 0 to ${ranks - 1}`,
        );
        return;
      }
      this.rank = message.rank;
      this.send(events.welcome(message.rank));
      events.hello(message.rank, this.connection);
      return;
    }
    if (this.rank === null) {
      this.#fault(`${message.type} before hello; say {"type":"hello","rank":0,"sdk":"…"} first`);
      return;
    }
    if (message.type === "agree") {
      const { turn } = message;
      this.send({ type: "agreed", turn, ...events.agree(turn, this.rank) });
      return;
    }
    if (
      message.type === "wait" ||
      message.type === "bye" ||
      message.type === "invalid_hyperparameters"
    ) {
      events.message(message, this.rank, this.connection);
      return;
    }
    if (this.rank !== 0) {
      const text = `${message.type} from rank ${this.rank}; rank 0 speaks for all`;
      this.#fault(text);
      if (message.type === "checkpoint")
        this.send({ type: "checkpointed", step: message.step, error: text });
      return;
    }
    if (message.type !== "checkpoint") {
      events.message(message, 0, this.connection);
      return;
    }
    events.checkpoint(message).then(
      (error) => this.send({ type: "checkpointed", step: message.step, error }),
      (error: Error) =>
        this.send({ type: "checkpointed", step: message.step, error: error.message }),
    );
  }

  #fault(text: string): void {
    this.#faults += 1;
    this.#faultsTold += 1;
    const last = this.#faults === FAULTS_MAX;
    const isEnough = this.#faultsTold === FAULTS_TOLD_MAX;
    const more = last
      ? `; after ${FAULTS_MAX} such lines the connection was closed`
      : isEnough
        ? `; of ${FAULTS_TOLD_MAX} such lines this is the last that is told`
        : "";
    if (last || this.#faultsTold <= FAULTS_TOLD_MAX)
      this.#options.events.fault(`${text}${more}`, this.rank ?? 0);
    if (last) this.socket.destroy();
  }
}
