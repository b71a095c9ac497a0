/** All experiments, live: which ones changed. One stream for the whole page, which also shows that the server is there. */
import type { Experiment } from "../../src/protocol/api.ts";
import { client } from "./client.ts";
import { Feed } from "./connection.ts";

const listeners = new Set<(changed: readonly Experiment[]) => void>();
const backAgain = new Set<() => void>();

export const experimentsFeed = new Feed<Experiment[]>({
  open: (how) => client.experimentsStream(how),
  onItem: (items) => {
    if (items.length > 0) for (const heard of listeners) heard(items);
    return false;
  },
  onFailure: () => {},
  onBackAgain: () => {
    for (const heard of backAgain) heard();
  },
});

/** Calls `heard` with experiments as they now are, whenever some change. */
export function onExperiments(heard: (changed: readonly Experiment[]) => void): () => void {
  listeners.add(heard);
  return () => listeners.delete(heard);
}

/**
 * Calls `heard` when the stream is there again after the server was away or the tab was hidden. It begins with what is
 * not over, so what ended or changed at its end meanwhile is told by nobody: whoever shows it asks once more.
 */
export function onBackAgain(heard: () => void): () => void {
  backAgain.add(heard);
  return () => backAgain.delete(heard);
}
