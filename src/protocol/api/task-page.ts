/** Tasks that serve, as whoever opens them sees them. */
import { z } from "zod";
import { count, time } from "./common.ts";

/** What is known of a task's program by asking it. */
export const taskReadiness = z.object({
  /** The experiment's. */
  id: count,
  kind: z.enum(["shell", "notebook"]),
  /** waiting: it has no slots. starting: its program does not answer yet. ready: it does. over: it has ended or is paused. */
  state: z.enum(["waiting", "starting", "ready", "over"]),
  allocation: z.string().nullable(),
});
export type TaskReadiness = z.infer<typeof taskReadiness>;

/** Lets one browser in, once. */
export const taskLink = z.object({ url: z.string(), expires_at: time });
export type TaskLink = z.infer<typeof taskLink>;
