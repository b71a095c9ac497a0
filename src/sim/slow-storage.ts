/**
 * A server's way to its blobs and to the register of snapshots: each step takes its time, so that a server can die, and
 * others can come in, between any two of them. Where nothing is slow it is the storage itself, which costs nothing.
 */
import type { Random } from "../base/random.ts";
import type { RetentionStore } from "../store/retention-store.ts";
import type { MemoryBlobs, MemoryTrees } from "./memory-retention.ts";
import type { SimContext } from "./sim-context.ts";
import type { Life } from "./timeline.ts";

export interface Storage {
  readonly blobs: MemoryBlobs;
  readonly trees: MemoryTrees;
  readonly store: RetentionStore;
}

export function slowStorage(
  context: SimContext,
  storage: Storage,
  of: { readonly life: Life; readonly random: Random },
): Storage {
  if (context.scenario.faults.storageMsMax === 0) return storage;
  const step = (): Promise<void> => {
    const { timeline, faults } = context;
    const ms = 1 + of.random.below(faults.storageMsMax);
    return new Promise((resolve) => {
      timeline.at(timeline.nowMs + ms, resolve, of.life);
    });
  };
  const { blobs, trees, store } = storage;
  return { blobs: slow(blobs, step), trees: slow(trees, step), store: slow(store, step) };
}

type Method = (...args: unknown[]) => unknown;

/** Methods that give a promise begin later; all else is as it was. */
function slow<T extends object>(inner: T, step: () => Promise<void>): T {
  const slowed = new Map<string | symbol, Method>();
  return new Proxy(inner, {
    get: (_target, name) => {
      const member: unknown = Reflect.get(inner, name, inner);
      if (typeof member !== "function" || name === "list") return member;
      const known = slowed.get(name);
      if (known) return known;
      const method: Method = async (...args) => {
        await step();
        return (member as Method).apply(inner, args);
      };
      slowed.set(name, method);
      return method;
    },
  });
}
