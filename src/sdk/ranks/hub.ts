/** Rank 0 among the ranks: it listens, adds up what all have sent, and gives the sum to each. See `ranks.ts`. */
import { randomBytes } from "node:crypto";
import { once } from "node:events";
import { createServer, type Server, type Socket } from "node:net";
import { type Frame, type Hello, isProof, jsonOf, KIND, Link, proofOf } from "./link.ts";
import type { Meeting, Party } from "./meeting.ts";
import { RanksError, ranksWords } from "./ranks-error.ts";
import { addUp, bytesOf, kindWords, type Values, valuesOf } from "./sum.ts";
import { Waiting } from "./waiting.ts";

/** Who says nothing for so long after it was asked who it is, is not one of us. */
const STRANGER_MS = 10_000;

export class Hub implements Party {
  readonly #meeting: Meeting;
  readonly #waiting = new Waiting();
  readonly #server: Server;
  readonly #links = new Map<number, Link>();
  readonly #strangers = new Set<Socket>();
  /** Ranks whose connection has ended. */
  readonly #gone = new Set<number>();
  /** What has come for the sum that is next, or is being made. */
  readonly #came = new Map<number, Frame>();
  /** The sum that this rank is at: 0 before the first. */
  #turn = 0;
  /** This rank has given its own numbers for that sum, and the others' are not all there. */
  #isSumming = false;
  /** Once there is one, every later sum fails by it on every rank. */
  #fault: RanksError | null = null;

  constructor(meeting: Meeting) {
    this.#meeting = meeting;
    this.#server = createServer((socket) => this.#accept(socket));
  }

  /** Waits until every rank is there. @throws RanksError port_taken, ranks_apart */
  async open(): Promise<void> {
    const { address, port, size, timeoutMs } = this.#meeting;
    this.#server.listen({ host: address, port, exclusive: true });
    const place = `${address}:${port}`;
    try {
      await once(this.#server, "listening");
    } catch (cause) {
      throw new RanksError("port_taken", { place, cause: (cause as Error).message });
    }
    const all = () => this.#links.size === size - 1 || this.#fault !== null;
    await this.#waiting.until(all, timeoutMs);
    this.#stopListening();
    if (this.#fault !== null) throw this.#fault;
    if (this.#links.size === size - 1) return;
    const missing = ranksWords(this.#others().filter((rank) => !this.#links.has(rank)));
    const fault = new RanksError("ranks_apart", {
      ...{ rank: 0, seconds: timeoutMs / 1000, place, missing },
    });
    await this.#tell(fault);
    throw fault;
  }

  async sum(values: Values): Promise<void> {
    const { timeoutMs } = this.#meeting;
    this.#turn += 1;
    this.#isSumming = true;
    this.#lookForGone();
    const settled = () => this.#fault !== null || this.#missing().length === 0;
    if (!(await this.#waiting.until(settled, timeoutMs))) {
      const missing = ranksWords(this.#missing());
      const fields = { turn: this.#turn, seconds: timeoutMs / 1000, missing };
      await this.#tell(new RanksError("rank_late", fields));
    }
    this.#isSumming = false;
    if (this.#fault === null) await this.#check(values);
    if (this.#fault !== null) throw this.#fault;
    const { BYTES_PER_ELEMENT: width } = values;
    const parts = this.#others().map((rank) => valuesOf(this.#came.get(rank)!.bytes, width));
    this.#came.clear();
    addUp([values, ...parts], values);
    // Until the kernel has it: nothing else keeps this process alive for those that have not read yet.
    await this.#all((link) => link.send(KIND.sum, this.#turn, bytesOf(values), width));
  }

  close(): void {
    this.#stopListening();
    for (const link of this.#links.values()) link.destroy();
  }

  #stopListening(): void {
    this.#server.close();
    for (const socket of this.#strangers) socket.destroy();
  }

  #others(): number[] {
    return Array.from({ length: this.#meeting.size - 1 }, (_, i) => i + 1);
  }

  #missing(): number[] {
    return this.#others().filter((rank) => !this.#came.has(rank));
  }

  async #all(send: (link: Link) => Promise<void>): Promise<void> {
    await Promise.all([...this.#links.values()].map(send));
  }

  /** The first fault is that of all ranks, now and later. */
  async #tell(fault: RanksError): Promise<void> {
    if (this.#fault !== null) return;
    this.#fault = fault;
    this.#waiting.look();
    const { code, fields } = fault;
    await this.#all((link) => link.sendJson(KIND.fault, { code, fields }));
  }

  async #check(values: Values): Promise<void> {
    const { BYTES_PER_ELEMENT: width, byteLength } = values;
    for (const rank of this.#others()) {
      const frame = this.#came.get(rank)!;
      if (frame.width === width && frame.bytes.byteLength === byteLength) continue;
      const own = kindWords(width, byteLength);
      const theirs = kindWords(frame.width, frame.bytes.byteLength);
      return this.#tell(new RanksError("ranks_differ", { turn: this.#turn, rank, own, theirs }));
    }
  }

  /** Somebody who may or may not be one of us: the port is open to every process of this machine. */
  #accept(socket: Socket): void {
    const nonce = randomBytes(32);
    let rank: number | undefined;
    const late = setTimeout(() => socket.destroy(), STRANGER_MS);
    late.unref();
    this.#strangers.add(socket);
    const link = new Link(socket, {
      frame: (frame) => {
        if (rank !== undefined) return this.#heard(rank, link, frame);
        rank = this.#rankOf(frame, nonce, link);
        if (rank === undefined) return link.destroy();
        clearTimeout(late);
        this.#strangers.delete(socket);
        this.#links.set(rank, link);
        this.#waiting.look();
      },
      closed: () => {
        clearTimeout(late);
        this.#strangers.delete(socket);
        if (rank !== undefined) this.#lost(rank);
      },
    });
    void link.send(KIND.challenge, 0, nonce);
  }

  /** Which rank it has proved to be; undefined = none, or one that is here already. */
  #rankOf(frame: Frame, nonce: Buffer, link: Link): number | undefined {
    const { key, size } = this.#meeting;
    const said =
      frame.kind === KIND.hello ? (jsonOf(frame) as Partial<Hello> | undefined) : undefined;
    const rank = Number(said?.rank);
    const isOurs = Number.isInteger(rank) && rank > 0 && rank < size && said?.size === size;
    if (!isOurs || this.#links.has(rank)) return undefined;
    if (!isProof(said?.proof, proofOf(key, "rank", nonce.toString("base64"), rank, size)))
      return undefined;
    link.trust();
    const proof = proofOf(key, "hub", String(said?.nonce), rank, size);
    void link.sendJson(KIND.welcome, { proof });
    return rank;
  }

  #heard(rank: number, link: Link, frame: Frame): void {
    if (frame.kind === KIND.values) {
      const next = this.#isSumming ? this.#turn : this.#turn + 1;
      // One that counts otherwise cannot be helped, and is found out by its silence.
      if (frame.turn === next) this.#came.set(rank, frame);
      this.#waiting.look();
    } else if (frame.kind === KIND.ask) {
      const missing = this.#isSumming ? this.#missing() : [0, ...this.#missing()];
      void link.sendJson(KIND.missing, { missing }, frame.turn);
    }
  }

  #lost(rank: number): void {
    this.#links.delete(rank);
    this.#gone.add(rank);
    this.#lookForGone();
  }

  /** What a rank gave before it went still counts. */
  #lookForGone(): void {
    const [missing] = this.#missing().filter((rank) => this.#gone.has(rank));
    const turn = this.#isSumming ? this.#turn : this.#turn + 1;
    if (missing !== undefined) void this.#tell(new RanksError("rank_gone", { missing, turn }));
  }
}
