/** Every rank but 0: sends its numbers to rank 0 and gets the sum. See `ranks.ts`. */
import { randomBytes } from "node:crypto";
import { once } from "node:events";
import { connect, type Socket } from "node:net";
import { type Frame, isProof, jsonOf, KIND, Link, proofOf } from "./link.ts";
import type { Meeting, Party } from "./meeting.ts";
import { RanksError, ranksErrorOf, ranksWords } from "./ranks-error.ts";
import { bytesOf, type Values, valuesOf } from "./sum.ts";
import { Waiting } from "./waiting.ts";

/** Between two looks whether rank 0 listens. */
const KNOCK_MS = 50;
/** What rank 0 has to say about who is missing it says at once, unless it is the one. */
const ASK_MS = 5_000;

export class Spoke implements Party {
  readonly #meeting: Meeting;
  readonly #waiting = new Waiting();
  readonly #nonce = randomBytes(32).toString("base64");
  #link: Link | null = null;
  #isWelcome = false;
  #isGone = false;
  #turn = 0;
  #sum: Frame | null = null;
  #missing: readonly number[] | null = null;
  #fault: Error | null = null;

  constructor(meeting: Meeting) {
    this.#meeting = meeting;
  }

  /** Finds rank 0, however long that takes to begin. @throws RanksError ranks_apart */
  async open(): Promise<void> {
    const { address, port, rank, timeoutMs } = this.#meeting;
    const endMs = performance.now() + timeoutMs;
    while (this.#fault === null) {
      const leftMs = endMs - performance.now();
      if (leftMs <= 0) break;
      const socket = await knocked(address, port);
      if (socket !== undefined) {
        this.#isGone = false;
        this.#link = new Link(socket, {
          frame: (frame) => this.#heard(frame),
          closed: () => {
            this.#isGone = true;
            this.#waiting.look();
          },
        });
        const settled = () => this.#isWelcome || this.#isGone || this.#fault !== null;
        await this.#waiting.until(settled, leftMs);
        if (this.#isWelcome) return;
        this.#link.destroy();
      }
      // Somebody else may have answered, or rank 0 has not begun.
      await new Promise((resolve) => setTimeout(resolve, Math.min(KNOCK_MS, leftMs)));
    }
    const fields = {
      rank,
      seconds: timeoutMs / 1000,
      place: `${address}:${port}`,
      missing: "rank 0",
    };
    throw this.#fault ?? new RanksError("ranks_apart", fields);
  }

  async sum(values: Values): Promise<void> {
    this.#turn += 1;
    this.#sum = null;
    const { BYTES_PER_ELEMENT: width } = values;
    void this.#link?.send(KIND.values, this.#turn, bytesOf(values), width);
    const settled = () => this.#sum !== null || this.#fault !== null || this.#isGone;
    if (!(await this.#waiting.until(settled, this.#meeting.timeoutMs)))
      await this.#askWhom(settled);
    if (this.#fault !== null) throw this.#fault;
    const sum = this.#sum as Frame | null;
    if (sum === null) throw new RanksError("rank_gone", { missing: 0, turn: this.#turn });
    values.set(valuesOf(sum.bytes, width));
  }

  close(): void {
    this.#link?.destroy();
  }

  /** Time is over. Rank 0 knows who has not come; where it says nothing, it is rank 0 itself. */
  async #askWhom(settled: () => boolean): Promise<void> {
    this.#missing = null;
    void this.#link?.send(KIND.ask, this.#turn);
    await this.#waiting.until(() => settled() || this.#missing !== null, ASK_MS);
    if (settled()) return;
    const missing = ranksWords(this.#missing ?? [0]);
    const seconds = this.#meeting.timeoutMs / 1000;
    this.#fault = new RanksError("rank_late", { turn: this.#turn, seconds, missing });
  }

  #heard(frame: Frame): void {
    const { key, rank, size } = this.#meeting;
    if (frame.kind === KIND.challenge) {
      const proof = proofOf(key, "rank", Buffer.from(frame.bytes).toString("base64"), rank, size);
      void this.#link?.sendJson(KIND.hello, { rank, size, nonce: this.#nonce, proof });
    } else if (frame.kind === KIND.welcome) {
      if (!isProof(jsonOf(frame)?.proof, proofOf(key, "hub", this.#nonce, rank, size)))
        return this.#link?.destroy();
      this.#link?.trust();
      this.#isWelcome = true;
    } else if (this.#isWelcome) this.#heardFromHub(frame);
    this.#waiting.look();
  }

  #heardFromHub(frame: Frame): void {
    if (frame.kind === KIND.sum && frame.turn === this.#turn) this.#sum = frame;
    else if (frame.kind === KIND.fault)
      this.#fault ??= ranksErrorOf(Buffer.from(frame.bytes).toString("utf8"));
    else if (frame.kind === KIND.missing) {
      const missing = jsonOf(frame)?.missing;
      this.#missing = Array.isArray(missing) ? missing.map(Number) : [0];
    }
  }
}

async function knocked(host: string, port: number): Promise<Socket | undefined> {
  const socket = connect({ host, port });
  try {
    await once(socket, "connect");
    return socket;
  } catch {
    return undefined;
  }
}
