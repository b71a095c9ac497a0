/** Makes names in a folder durable: a file that was flushed is only found after a power cut if its folder was, too. */
import { open } from "node:fs/promises";

/** Flushes of many writers: callers that come while one flush of a folder runs share the next. */
export class FolderFlushes {
  readonly #flushes = new Map<string, Flush>();

  flush(folder: string): Promise<void> {
    const current = this.#flushes.get(folder);
    if (current?.next !== undefined) return current.next;
    const start = (): Promise<void> => {
      const flush: Flush = { running: syncFolder(folder), next: undefined };
      this.#flushes.set(folder, flush);
      return flush.running.finally(() => {
        if (this.#flushes.get(folder) === flush) this.#flushes.delete(folder);
      });
    };
    if (current === undefined) return start();
    current.next = current.running.then(start, start);
    return current.next;
  }
}

interface Flush {
  readonly running: Promise<void>;
  /** A flush that starts when this one is through, for those who came too late for it. */
  next: Promise<void> | undefined;
}

export async function syncFolder(folder: string): Promise<void> {
  const handle = await open(folder, "r");
  try {
    await handle.sync();
  } finally {
    await handle.close();
  }
}
