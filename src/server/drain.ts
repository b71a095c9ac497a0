/** Before the server stops together with its runners: everything that runs saves and goes, to come back later. */
import type { Clock } from "../base/clock.ts";
import type { DecisionLoop } from "./loops/decision-loop.ts";

/** Time that running trials get to save when the server stops together with them. */
const DRAIN_MS_MAX = 8_000;

/** Asks every running trial to save and go, and waits for that within a bound. */
export async function drain(loop: DecisionLoop, clock: Clock): Promise<void> {
  const { world } = loop;
  world.draining = true;
  await loop
    .submit({
      name: "drain",
      run: (w, turn) => {
        const reason = "the server stops; it goes on when the server is back";
        for (const live of w.experiments.values()) {
          for (const number of w.apply(turn, live, { type: "drain", reason }).ordersChanged.keys())
            turn.batch.change({
              ...{ at: new Date(turn.nowMs), actor: "contrail", experimentId: live.id },
              ...{ subject: `trial ${live.id}.${number}`, what: "pausing", cause: reason },
            });
        }
      },
    })
    .catch(() => undefined);
  const endMs = clock.monotonicMs() + DRAIN_MS_MAX;
  while (world.holders.size > 0 && clock.monotonicMs() < endMs)
    await new Promise<void>((done) => clock.after(50, done));
}
