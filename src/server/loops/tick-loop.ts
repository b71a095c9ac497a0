/** Time as an event: for backoff that runs out, budgets of time, and searches that count seconds. */
import type { Clock } from "../../base/clock.ts";
import type { LiveExperiment } from "../live-experiment.ts";
import type { DecisionLoop } from "./decision-loop.ts";

const TICK_MS = 250;

/** @param wants whether time alone can change anything for this experiment; @returns what stops the ticks */
export function startTickLoop(
  loop: DecisionLoop,
  clock: Clock,
  wants: (live: LiveExperiment) => boolean,
): () => void {
  let stopped = false;
  let cancel = (): void => {};
  const tick = async (): Promise<void> => {
    const due = [...loop.world.experiments.values()].filter(wants).map((live) => live.id);
    if (due.length > 0)
      await loop
        .submit({
          name: "tick",
          run: (world, turn) => {
            // A backoff may be over: plan even where nothing else changes.
            turn.slotsChanged.value = true;
            for (const id of due) {
              const live = world.experiments.get(id);
              if (live) world.apply(turn, live, { type: "tick" });
            }
          },
        })
        // The loop has reported the failure; the next tick tries again.
        .catch(() => undefined);
    if (!stopped) cancel = clock.after(TICK_MS, () => void tick());
  };
  cancel = clock.after(TICK_MS, () => void tick());
  return () => {
    stopped = true;
    cancel();
  };
}
