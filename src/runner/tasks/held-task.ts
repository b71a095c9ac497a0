/**
 * What a runner does for a task beside what it does for any trial. The program of a shell or a notebook knows nothing of
 * checkpoints, so its folder is kept for it: when nothing of it runs any more, whatever the end, and from time to time
 * before, for the day on which the node is gone. And it is watched for being used by nobody.
 */
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import type { Clock } from "../../base/clock.ts";
import { writePrivate } from "../../engines/runner-record.ts";
import type { LaunchSpec } from "../../protocol/runner-wire.ts";
import { removeCheckout } from "../../store/snapshot.ts";
import { isNoRoom, whenRoom } from "../backoff.ts";
import { type CheckpointKeeper, checkpointsIn } from "../checkpoint-keeper.ts";
import type { TaskTunnel } from "../tunnel/task-tunnel.ts";
import { IDLE_SOURCES } from "./idle-sources.ts";
import { IdleWatch, type IdleWatchOptions } from "./idle-watch.ts";
import { serves, taskSocketOf } from "./task-socket.ts";
import { keepWork, markOf, tellLeftOut } from "./work-folder.ts";

export interface HeldTaskOptions {
  readonly launch: LaunchSpec;
  /** The allocation's. */
  readonly folder: string;
  readonly socketPath: string;
  /** Where its program works. */
  readonly work: string;
  readonly keeper: Pick<CheckpointKeeper, "take" | "isEmpty">;
  readonly tell: IdleWatchOptions["tell"];
  /** A line in its output. */
  readonly note: (text: string) => void;
}

const KEPT_EVERY_MS = 5 * 60_000;

export class HeldTask {
  readonly #options: HeldTaskOptions;
  readonly #clock: Clock;
  /** Only where nobody else's program can put something in the way of our reading. */
  readonly #whileRunning: boolean;
  /** Ways to its program from the server; null = it serves nobody. */
  readonly #tunnel: TaskTunnel | null;
  readonly #over = new AbortController();
  #step: number;
  #mark: string | null = null;
  #told: ReadonlySet<string> = new Set();
  #watch: IdleWatch | null = null;
  #cancel: (() => void) | null = null;
  #keeping: Promise<void> = Promise.resolve();

  constructor(
    options: HeldTaskOptions,
    means: {
      readonly clock: Clock;
      readonly whileRunning: boolean;
      readonly tunnel: TaskTunnel | null;
    },
  ) {
    this.#options = options;
    this.#clock = means.clock;
    this.#whileRunning = means.whileRunning;
    this.#tunnel = means.tunnel;
    this.#step = options.launch.restore?.step ?? 0;
  }

  /** Its program is about to start. @throws what the disk throws, before anything has begun */
  async start(): Promise<void> {
    const { launch, folder, work } = this.#options;
    if (!serves(launch)) return;
    noteWork(folder, { step: this.#step, work });
    this.#tunnel?.start();
    // What lies there now can be had again from where it came.
    this.#mark = await markOf(work).catch(() => null);
    if (this.#whileRunning) this.#next();
  }

  /** Its program runs. While it is still started, which may take long, nobody could use it. */
  begun(): void {
    const { launch, socketPath, tell } = this.#options;
    const { task } = launch;
    const newSource = task === undefined ? null : IDLE_SOURCES[task.kind];
    if (task === undefined || newSource === null || this.#over.signal.aborted) return;
    this.#watch = new IdleWatch({
      ...{ clock: this.#clock, tell },
      source: newSource(taskSocketOf(socketPath), () => this.#clock.nowMs()),
      timeoutMs: task.idleTimeoutMs,
    });
  }

  /** The runner ends, or all is told. */
  stop(): void {
    this.#over.abort();
    this.#rest();
  }

  #rest(): void {
    this.#watch?.stop();
    this.#tunnel?.close();
    this.#cancel?.();
    this.#cancel = null;
  }

  /** Nothing of it runs any more. @returns when its folder was taken over; false where the runner ends before that */
  async end(): Promise<boolean> {
    this.#rest();
    const { launch, note } = this.#options;
    const { signal } = this.#over;
    return (
      !serves(launch) ||
      (await untilRoom(() => this.#keep(true), { clock: this.#clock, signal, note }))
    );
  }

  #next(): void {
    this.#cancel = this.#clock.after(KEPT_EVERY_MS, () => {
      void this.#keep(false).then(() => {
        if (this.#cancel !== null) this.#next();
      });
    });
  }

  #keep(still: boolean): Promise<void> {
    const kept = this.#keeping.then(() => this.#keepNow(still));
    this.#keeping = kept.catch(() => {});
    return kept;
  }

  /** Once, and not every five minutes. */
  #tellLeftOut(leftOut: readonly string[]): void {
    tellLeftOut(
      leftOut.filter((line) => !this.#told.has(line)),
      this.#options.note,
    );
    this.#told = new Set(leftOut);
  }

  /** @throws where nothing of it runs any more, and a disk has no room now */
  async #keepNow(still: boolean): Promise<void> {
    const { folder, work, keeper, note } = this.#options;
    const step = this.#step + 1;
    const place = join(checkpointsIn(folder), `task-${step}`);
    try {
      // While the server is away each copy would lie beside the ones before it.
      if (!still && !keeper.isEmpty) return;
      if ((await markOf(work)) === this.#mark) return;
      await removeCheckout(place);
      const { mark, leftOut } = await keepWork(work, place, { still });
      this.#tellLeftOut(leftOut);
      const why = await keeper.take(step, place, { task: true });
      if (still && why !== null && isNoRoom(why)) throw new Error(why);
      if (why !== null) return;
      this.#step = step;
      this.#mark = mark;
      noteWork(folder, { step, work });
    } catch (error) {
      // Half a copy would take the room that is missing.
      await removeCheckout(place).catch(() => {});
      if (still && isNoRoom(error)) throw error;
      note(`the folder could not be kept: ${(error as Error).message}`);
    }
  }
}

interface WorkPlace {
  readonly step: number;
  readonly work: string;
}

const noteWork = (folder: string, place: WorkPlace): void =>
  writePrivate(join(folder, "task.json"), JSON.stringify(place));

/** Keeps the folder of a task whose runner died, when nothing of it runs any more. */
export async function keepLeftWork(
  folder: string,
  keeper: Pick<CheckpointKeeper, "take">,
  note: (text: string) => void,
): Promise<void> {
  const text = await readFile(join(folder, "task.json"), "utf8").catch(() => undefined);
  if (text === undefined) return;
  const { step, work } = JSON.parse(text) as WorkPlace;
  const place = join(checkpointsIn(folder), `task-${step + 1}`);
  await removeCheckout(place);
  const { leftOut } = await keepWork(work, place, { still: true });
  tellLeftOut(leftOut, note);
  const why = await keeper.take(step + 1, place, { task: true });
  if (why !== null && isNoRoom(why)) throw new Error(why);
}

/**
 * The last of a folder is kept or lost, so while a disk has no room it is tried again, and the end waits for that.
 * @returns false where the signal came before; then the next runner finds the folder @throws what is no want of room
 */
export async function untilRoom(
  keep: () => Promise<void>,
  {
    clock,
    signal,
    note: tell,
  }: {
    readonly clock: Clock;
    readonly signal: AbortSignal;
    readonly note: (text: string) => void;
  },
): Promise<boolean> {
  const waits = "the folder could not be kept yet, and the end";
  try {
    await whenRoom(keep, { clock, signal, tell, waits });
    return true;
  } catch (error) {
    if (signal.aborted && error === signal.reason) return false;
    throw error;
  }
}
