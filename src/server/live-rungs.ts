/**
 * The rungs of a search that goes on, as they are shown. To lay out those of 10,000 trials takes 14 ms, and most
 * reports tell the search nothing: so they are laid out when somebody looks and the search has heard something since,
 * once for everybody who looks.
 */
import { searchRungs } from "../core/search/methods.ts";
import type { Rung } from "../protocol/api.ts";
import type { LiveExperiment } from "./live-experiment.ts";
import { rungView } from "./views.ts";

export interface LiveRungs {
  /** Whose search; another object once it was loaded again, which may have taken something back. */
  readonly live: LiveExperiment;
  /** How many events the search had heard. */
  readonly searchEvents: number;
  /** Lowest first, bracket by bracket. */
  readonly rungs: readonly Rung[];
}

const latest = new WeakMap<LiveExperiment, LiveRungs>();

/** @returns the same object until the search hears something */
export function liveRungs(live: LiveExperiment): LiveRungs {
  const known = latest.get(live);
  if (known && isCurrent(known, live)) return known;
  const rungs = searchRungs(live.x.spec.search, live.x.search).map((rung) =>
    rungView(live.id, rung),
  );
  const made = { live, searchEvents: live.searchEvents, rungs };
  latest.set(live, made);
  return made;
}

/** Whether they are still what there is to show. */
export const isCurrent = (known: LiveRungs | undefined, live: LiveExperiment): boolean =>
  known?.live === live && known.searchEvents === live.searchEvents;
