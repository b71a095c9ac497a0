/** What goes over live streams. */
import type { Experiment } from "./experiment.ts";
import type { Rung } from "./plan.ts";
import type { Trial } from "./trial.ts";

/**
 * `GET /api/v1/experiments/:id/stream` (server-sent events). Each event carries whole current things,
 * so a reader that missed some only lacks the ones in between: `experiment` (Experiment), `trials`
 * (Trial[] that changed), `rungs` (Rung[]), and `end` when the experiment is over. On connection
 * everything is sent once. A slow reader gets fewer, later events; it never slows anyone down.
 */
export type StreamEvent =
  | { readonly event: "experiment"; readonly data: Experiment }
  | { readonly event: "trials"; readonly data: readonly Trial[] }
  | { readonly event: "rungs"; readonly data: readonly Rung[] }
  | { readonly event: "end"; readonly data: Experiment };
