/**
 * One connection between two ranks, as frames: kind, width of a number, turn, length, then that many bytes. And the proof
 * that the other side belongs to the same allocation: both know its token, and neither says it.
 */
import { createHmac, timingSafeEqual } from "node:crypto";
import type { Socket } from "node:net";

export const KIND = {
  /** Rank 0 → other: bytes that nobody can foresee. */
  challenge: 1,
  /** Other → rank 0: JSON `Hello`. */
  hello: 2,
  /** Rank 0 → other: the proof of its own; both may talk now. */
  welcome: 3,
  /** Numbers of this rank for the sum of this turn. */
  values: 4,
  /** Rank 0 → other: the sum. */
  sum: 5,
  /** Rank 0 → other: JSON of an error that all ranks share. */
  fault: 6,
  /** Other → rank 0: who is it that we wait for? Answered by `missing`, JSON with their ranks. */
  ask: 7,
  missing: 8,
} as const;

export interface Frame {
  readonly kind: number;
  /** Bytes of a number: 4, 8, or 0 where there are none. */
  readonly width: number;
  readonly turn: number;
  /** Begins an ArrayBuffer of its own, so that numbers can be read in place. */
  readonly bytes: Uint8Array<ArrayBuffer>;
}

export interface Hello {
  readonly rank: number;
  readonly size: number;
  /** Foreseen by nobody either, for the answer. */
  readonly nonce: string;
  readonly proof: string;
}

export const VALUES_MAX_BYTES = 2 ** 30;
/** Of what comes from somebody who has proved nothing yet. */
const STRANGER_MAX_BYTES = 4096;
const HEAD_BYTES = 12;
const NONE = new Uint8Array();

export class Link {
  readonly #socket: Socket;
  readonly #frame: (frame: Frame) => void;
  #maxBytes = STRANGER_MAX_BYTES;
  readonly #head = Buffer.alloc(HEAD_BYTES);
  #headBytes = 0;
  #body: Uint8Array<ArrayBuffer> = new Uint8Array();
  #bodyBytes = 0;

  /** @param on.closed called once, whoever ended it */
  constructor(
    socket: Socket,
    on: { readonly frame: (frame: Frame) => void; readonly closed: () => void },
  ) {
    this.#socket = socket;
    this.#frame = on.frame;
    socket.setNoDelay(true);
    socket.on("data", (chunk: Buffer) => this.#take(chunk));
    socket.on("error", () => {}); // `close` follows.
    socket.on("close", on.closed);
    // Only a wait keeps the process alive: a script that returns, ends.
    socket.unref();
  }

  /** The other side has proved who it is. */
  trust(): void {
    this.#maxBytes = VALUES_MAX_BYTES;
  }

  /** Resolves when the kernel has all of it, or the connection is gone. */
  send(kind: number, turn = 0, bytes: Uint8Array = NONE, width = 0): Promise<void> {
    const head = Buffer.alloc(HEAD_BYTES);
    head.writeUInt8(kind, 0);
    head.writeUInt8(width, 1);
    head.writeUInt32LE(turn, 4);
    head.writeUInt32LE(bytes.byteLength, 8);
    return new Promise((sent) => {
      if (!this.#socket.writable) return sent();
      this.#socket.once("close", sent);
      const done = () => {
        this.#socket.off("close", sent);
        sent();
      };
      if (bytes.byteLength === 0) this.#socket.write(head, done);
      else {
        this.#socket.write(head);
        this.#socket.write(bytes, done);
      }
    });
  }

  sendJson(kind: number, value: unknown, turn = 0): Promise<void> {
    return this.send(kind, turn, Buffer.from(JSON.stringify(value)));
  }

  destroy(): void {
    this.#socket.destroy();
  }

  #take(chunk: Buffer): void {
    let rest = chunk;
    while (rest.length > 0 && !this.#socket.destroyed) {
      if (this.#headBytes < HEAD_BYTES) {
        const taken = rest.copy(this.#head, this.#headBytes);
        this.#headBytes += taken;
        rest = rest.subarray(taken);
        if (this.#headBytes < HEAD_BYTES) return;
        const length = this.#head.readUInt32LE(8);
        if (length > this.#maxBytes) return this.destroy();
        this.#body = new Uint8Array(length);
        this.#bodyBytes = 0;
      }
      const part = rest.subarray(0, this.#body.byteLength - this.#bodyBytes);
      this.#body.set(part, this.#bodyBytes);
      this.#bodyBytes += part.length;
      rest = rest.subarray(part.length);
      if (this.#bodyBytes < this.#body.byteLength) return;
      this.#headBytes = 0;
      const [kind, width] = [this.#head.readUInt8(0), this.#head.readUInt8(1)];
      this.#frame({ kind, width, turn: this.#head.readUInt32LE(4), bytes: this.#body });
    }
  }
}

/** @param words what the proof is about, so that none can be used for another */
export const proofOf = (key: string, ...words: readonly (string | number)[]): string =>
  createHmac("sha256", key).update(JSON.stringify(words)).digest("base64");

export function isProof(given: unknown, proof: string): boolean {
  const [a, b] = [Buffer.from(String(given)), Buffer.from(proof)];
  return a.length === b.length && timingSafeEqual(a, b);
}

/** @returns undefined for what is not JSON of an object */
export function jsonOf(frame: Frame): { readonly [name: string]: unknown } | undefined {
  try {
    const value: unknown = JSON.parse(Buffer.from(frame.bytes).toString("utf8"));
    return typeof value === "object" && value !== null
      ? (value as { readonly [name: string]: unknown })
      : undefined;
  } catch {
    return undefined;
  }
}
