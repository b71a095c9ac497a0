/**
 * Which versions of data stay on a node (dataset-folders.ts, s3-data.ts): those that an allocation has, and those that one has had
 * within the last 30 days. When one was used last is noted on its folder, so that the next runner knows it too.
 *
 * A bound in bytes was refused: the bytes of a version are shared with others and with the blob cache, and what is in use has to
 * stay whatever it takes. A timer was refused: versions go when a runner starts and while allocations come and go.
 */
import { randomUUID } from "node:crypto";
import { renameSync, utimesSync } from "node:fs";
import { lstat, readdir } from "node:fs/promises";
import { join } from "node:path";
import type { Clock } from "../base/clock.ts";
import type { LaunchSpec } from "../protocol/runner-wire.ts";
import { removeCheckout } from "../store/snapshot.ts";
import { UNUSED_KEPT_MS } from "./state-folder.ts";

const LOOK_AGAIN_MS = 3_600_000;

export interface VersionRoomOptions {
  /** Where versions are laid out, each under its hash. */
  readonly folder: string;
  readonly clock: Pick<Clock, "nowMs" | "monotonicMs">;
  readonly say: (text: string) => void;
}

export class VersionRoom {
  readonly #options: VersionRoomOptions;
  /** Hashes, by the folder of the allocation that has them. */
  readonly #held = new Map<string, readonly string[]>();
  #lookedAtMs: number;

  constructor(options: VersionRoomOptions) {
    this.#options = options;
    this.#lookedAtMs = options.clock.monotonicMs();
  }

  /** From before its data is laid out, or what is found to be there might go. */
  hold(allocation: string, { data }: Pick<LaunchSpec, "data">): void {
    const hashes = Object.values(data).flatMap((item) =>
      "snapshot" in item ? item.snapshot : "reference" in item ? item.reference : [],
    );
    this.#held.set(allocation, hashes);
    this.#used(hashes);
  }

  release(allocation: string): void {
    this.#used(this.#held.get(allocation) ?? []);
    this.#held.delete(allocation);
    const sinceMs = this.#options.clock.monotonicMs() - this.#lookedAtMs;
    if (sinceMs < LOOK_AGAIN_MS) return;
    this.tidy().catch((error: Error) =>
      this.#options.say(`unused data could not be cleared away: ${error.message}`),
    );
  }

  /** Removes what nobody has used for long, and what earlier runners left half laid out. @throws the file system's error */
  async tidy(): Promise<void> {
    const { folder, clock } = this.#options;
    this.#lookedAtMs = clock.monotonicMs();
    for (const name of await readdir(folder)) {
      const path = join(folder, name);
      const usedMs = (await lstat(path).catch(() => undefined))?.mtimeMs;
      const [hash = ""] = name.split(".");
      if (usedMs === undefined || this.#isHeld(hash)) continue;
      const isVersion = name === hash;
      if (isVersion && clock.nowMs() - usedMs <= UNUSED_KEPT_MS) continue;
      const going = isVersion ? `${path}.${randomUUID()}` : path;
      // In the same breath as the look at who has it: to remove a large one takes longer than others should wait.
      if (isVersion) renameSync(path, going);
      await removeCheckout(going);
    }
  }

  #isHeld(hash: string): boolean {
    return [...this.#held.values()].some((hashes) => hashes.includes(hash));
  }

  #used(hashes: readonly string[]): void {
    const now = new Date(this.#options.clock.nowMs());
    for (const hash of hashes)
      try {
        utimesSync(join(this.#options.folder, hash), now, now);
      } catch {
        // Not laid out yet, or one that stays where it is.
      }
  }
}
