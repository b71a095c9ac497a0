/** Experiments as the API shows what runs of them and what waits. */
import type * as api from "../../protocol/api.ts";
import { silenceOf } from "../runner-view.ts";
import type { World } from "../world.ts";
import { mayWait, type WaitContext, waitOf, waitWords } from "./wait-reasons.ts";

const JOB_WAITS_SHOWN = 20;

/** In the order in which the scheduler looks at them. */
export function jobViews(context: WaitContext & { readonly world: World }): api.Job[] {
  const { world, clock } = context;
  const nowMs = clock.nowMs();
  const live = [...world.experiments.values()].sort(
    (a, b) =>
      a.priority - b.priority ||
      a.row.created_at.getTime() - b.row.created_at.getTime() ||
      a.id - b.id,
  );
  return live.map((experiment) => {
    // One whose job waits in its engine's queue has slots, too: it is queued all the same, and nothing of it runs.
    const queued = [...experiment.x.live].filter((number) => mayWait(context, experiment, number));
    const waiting = queued.flatMap((number) => {
      const wait = waitOf(context, experiment, number);
      return wait === undefined ? [] : [{ trial: `${experiment.id}.${number}`, wait }];
    });
    const held = [...experiment.allocations];
    return {
      experiment: experiment.id,
      name: experiment.row.name,
      owner: experiment.row.owner,
      priority: experiment.priority,
      submitted_at: experiment.row.created_at.toISOString(),
      running: held.filter(([number]) => !mayWait(context, experiment, number)).length,
      queued: queued.length,
      silent: held.filter(([number]) => silenceOf(world, experiment, number) !== undefined).length,
      slots_held: held.reduce((sum, [, { slots }]) => sum + slots.length, 0),
      waiting: waiting
        .slice(0, JOB_WAITS_SHOWN)
        .map(({ trial, wait }) => ({ trial, reason: waitWords(wait, nowMs) })),
    };
  });
}
