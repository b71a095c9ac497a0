/** All experiments, live: which ones changed. One stream for the whole page, which also shows that the server is there. */
import type { Experiment } from "../../src/protocol/api.ts";
import { client } from "./client.ts";
import { Feed } from "./connection.ts";

const listeners = new Set<(changed: readonly Experiment[]) => void>();

export const experimentsFeed = new Feed<Experiment[]>({
  open: (how) => client.experimentsStream(how),
  onItem: (items) => {
    if (items.length > 0) for (const heard of listeners) heard(items);
    return false;
  },
  onFailure: () => {},
});

/** Calls `heard` with experiments as they now are, whenever some change. */
export function onExperiments(heard: (changed: readonly Experiment[]) => void): () => void {
  listeners.add(heard);
  return () => listeners.delete(heard);
}
