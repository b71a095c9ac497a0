/**
 * Takes checkpoints over from training code and makes them exist.
 *
 * Taking over is a rename and a note beside it, so training goes on at once and a runner that dies
 * leaves nothing in between. Then, one after the other: hash, ask which blobs the server lacks, send
 * those, and only when all are stored say so. A checkpoint of which half was sent is nothing at all;
 * equal files (a frozen layer, a saved state that did not change) travel once.
 */
import { join } from "node:path";
import type { Clock } from "../base/clock.ts";
import type { JsonObject } from "../base/json.ts";
import type { Tree } from "../protocol/runner-wire.ts";
import { Backoff, isSpoiled, mayPass, SPOILED_TRIES } from "./backoff.ts";
import { type KeptCheckpoint, type KeptFiles, KeptFolder } from "./kept-files.ts";
import { type ServerClient, ServerFailure, SILENT } from "./server-client.ts";
import { metadataFault } from "./trial-message.ts";

export interface CheckpointEvents {
  /** Exactly one of `stored` and `lost` follows, unless the runner ends before. */
  offered(checkpoint: KeptCheckpoint): void;
  /** All its blobs are at the server. Resolves when that has been written down. */
  stored(checkpoint: KeptCheckpoint, tree: Tree): Promise<void>;
  /** It cannot be sent now, and is tried again: told once. @param why null = it was sent in the end */
  waits(checkpoint: KeptCheckpoint, why: string | null): void;
  /** It cannot be kept. */
  lost(checkpoint: KeptCheckpoint, why: string): void;
}

export interface CheckpointKeeperOptions {
  readonly allocation: string;
  /** The allocation's folder. */
  readonly folder: string;
  readonly client: Pick<ServerClient, "missingBlobs" | "putBlob">;
  readonly clock: Clock;
  readonly signal: AbortSignal;
  readonly events: CheckpointEvents;
  /** For the runner's own log. */
  readonly say: (text: string) => void;
  /** Where they lie meanwhile; default: below the folder. */
  readonly files?: KeptFiles;
}

/** Where training code makes its folders. @param folder the allocation's */
export const checkpointsIn = (folder: string): string => join(folder, "checkpoints");

const SENT_AT_ONCE = 3;
/** A blob that the server refuses changed under our hands; hashing again settles it. */
const REFUSED_TRIES = 3;
/** A server that answers, and whose connection breaks with each blob, is there: somebody before it takes none so large. */
const BROKEN_TRIES = 3;

export class CheckpointKeeper {
  /** Where training code makes its folders. */
  readonly checkpoints: string;
  readonly #files: KeptFiles;
  readonly #options: CheckpointKeeperOptions;
  readonly #backoff: Backoff;
  #next = 1;
  /** Taken over, and neither stored nor lost. */
  #waiting = 0;
  /** Of which nothing was told so far. */
  readonly #owed = new Set<KeptCheckpoint>();
  /** Told of, and their files are still here. */
  readonly #undropped = new Set<number>();
  #taking: Promise<void> = Promise.resolve();
  #queue: Promise<void> = Promise.resolve();

  constructor(options: CheckpointKeeperOptions) {
    this.#options = options;
    this.checkpoints = checkpointsIn(options.folder);
    this.#files = options.files ?? new KeptFolder(options.folder, this.checkpoints);
    this.#backoff = new Backoff(options.clock);
    options.signal.addEventListener("abort", () => this.#backoff.cut(), { once: true });
  }

  /** Is everything that was taken over at the server, or lost? */
  get isEmpty(): boolean {
    return this.#waiting === 0;
  }

  open(): Promise<void> {
    return this.#files.open();
  }

  /**
   * Takes the folder over; when null is returned the caller may go on.
   * @returns why it cannot be kept
   */
  take(step: number, path: string, metadata: JsonObject): Promise<string | null> {
    const checkpoint: KeptCheckpoint = { step, metadata, atMs: this.#options.clock.nowMs() };
    this.#options.events.offered(checkpoint);
    // One after the other, so that they are stored in the order in which they were offered.
    const taken = this.#taking.then(() => this.#take(checkpoint, path));
    this.#taking = taken.then(
      () => {},
      () => {},
    );
    return taken;
  }

  async #take(checkpoint: KeptCheckpoint, path: string): Promise<string | null> {
    try {
      const fault = metadataFault(checkpoint.metadata) ?? (await this.#files.fault(path));
      const why = fault ?? (await this.#keepFiles(checkpoint, path));
      if (why === null) return null;
      await this.#discard(checkpoint, path);
      this.#options.events.lost(checkpoint, why);
      return why;
    } catch (error) {
      this.#options.events.lost(checkpoint, (error as Error).message);
      throw error;
    }
  }

  /** Refused at every save, it would fill the disk. */
  async #discard({ step }: KeptCheckpoint, path: string): Promise<void> {
    try {
      await this.#files.discard(path);
    } catch (error) {
      this.#options.say(
        `the checkpoint at step ${step} was refused, but its files could not be removed: ${(error as Error).message}. They go with the allocation's folder`,
      );
    }
  }

  async #keepFiles(checkpoint: KeptCheckpoint, path: string): Promise<string | null> {
    const number = this.#next++;
    try {
      await this.#files.take(number, checkpoint, path);
    } catch (error) {
      return `the folder could not be taken over: ${(error as Error).message}`;
    }
    this.#enqueue(number, checkpoint);
    return null;
  }

  /** Takes up what a runner that died had taken over. @returns how many there are */
  async recover(): Promise<number> {
    await this.open();
    let count = 0;
    for (const { number, checkpoint } of await this.#files.found()) {
      this.#next = number + 1;
      if (checkpoint === undefined) continue;
      count += 1;
      this.#options.events.offered(checkpoint);
      this.#enqueue(number, checkpoint);
    }
    return count;
  }

  #enqueue(number: number, checkpoint: KeptCheckpoint): void {
    this.#waiting += 1;
    this.#owed.add(checkpoint);
    this.#queue = this.#queue
      .then(() => this.#keep(number, checkpoint))
      // What goes wrong with one must not end those behind it, nor the events that wait for them.
      .catch((error: Error) => {
        this.#options.say(`the checkpoint at step ${checkpoint.step}: ${error.stack ?? error}`);
        this.#lose(checkpoint, error.message);
      })
      .finally(() => {
        this.#waiting -= 1;
      });
  }

  async #keep(number: number, checkpoint: KeptCheckpoint): Promise<void> {
    const sent = await this.#sendInTheEnd(number, checkpoint);
    // What is given up here lies in `kept` still, and the next runner takes it up.
    if (sent === null) return;
    if ("why" in sent) this.#lose(checkpoint, sent.why);
    else {
      this.#owed.delete(checkpoint);
      await this.#options.events.stored(checkpoint, sent.tree);
    }
    this.#backoff.reset();
    await this.#drop(number, checkpoint);
  }

  #lose(checkpoint: KeptCheckpoint, why: string): void {
    if (this.#owed.delete(checkpoint)) this.#options.events.lost(checkpoint, why);
  }

  /** @returns null where the runner ends before; or why it cannot be kept */
  async #sendInTheEnd(
    number: number,
    checkpoint: KeptCheckpoint,
  ): Promise<{ readonly tree: Tree } | { readonly why: string } | null> {
    const { signal, say, events } = this.#options;
    const name = `the checkpoint at step ${checkpoint.step} of ${this.#options.allocation}`;
    let refused = 0;
    let spoiled = 0;
    let broken = 0;
    let said = false;
    let told = false;
    for (;;) {
      if (signal.aborted) return null;
      let isThere = false;
      try {
        const tree = await this.#send(number, () => {
          isThere = true;
        });
        if (said) say(`${name} is at the server now`);
        if (told) events.waits(checkpoint, null);
        return { tree };
      } catch (error) {
        if (signal.aborted) return null;
        const kind = error instanceof ServerFailure ? error.kind : null;
        if (isSpoiled(error)) spoiled += 1;
        const passes = mayPass(error) && (!isSpoiled(error) || spoiled < SPOILED_TRIES);
        if (kind === "refused" && !passes) refused += 1;
        if ((kind === null && !passes) || kind === "too_large" || refused >= REFUSED_TRIES)
          return { why: (error as Error).message };
        const why = (error as Error).message;
        if (!said) say(`${name} could not be sent, will go on trying: ${why}`);
        said = true;
        if (kind === "broken" && isThere) broken += 1;
        // A server that is away is no news to a program. One that has no room is.
        if (!told && (kind === null || !SILENT.has(kind) || broken >= BROKEN_TRIES)) {
          told = true;
          events.waits(checkpoint, why);
        }
        await this.#backoff.wait({ slow: kind === "unauthorized" });
      }
    }
  }

  /** Files that cannot be removed now (a file server keeps what is open, a disk fails) take room, and hold up nothing. */
  async #drop(number: number, checkpoint: KeptCheckpoint): Promise<void> {
    for (const each of [number, ...this.#undropped]) {
      try {
        await this.#files.drop(each);
        this.#undropped.delete(each);
      } catch (error) {
        // Said once of each.
        if (each !== number) return;
        this.#undropped.add(number);
        this.#options.say(
          `the checkpoint at step ${checkpoint.step} is done with, but its files could not be removed: ${(error as Error).message}. It is tried again after the next checkpoint, and when the allocation's folder is removed`,
        );
        return;
      }
    }
  }

  /** @param answered called when the server has said what it lacks */
  async #send(number: number, answered: () => void): Promise<Tree> {
    const { client, allocation } = this.#options;
    const { tree, hash: name, blob } = await this.#files.scan(number);
    const hashes = [...new Set(tree.map((entry) => entry.hash)), name];
    const missing = await client.missingBlobs(hashes, { allocation, tree: name });
    answered();
    let next = 0;
    const worker = async (): Promise<void> => {
      for (let hash = missing[next++]; hash !== undefined; hash = missing[next++])
        await client.putBlob(hash, blob(hash));
    };
    // All have ended before the folder may be touched again; the first failure stands for all.
    const ends = await Promise.allSettled(Array.from({ length: SENT_AT_ONCE }, worker));
    for (const end of ends) if (end.status === "rejected") throw end.reason;
    return tree;
  }
}
