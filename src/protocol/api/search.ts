/** The log of a search: all it was told and all it answered, so that it can be decided again elsewhere. */
import { z } from "zod";
import { count, hash } from "./common.ts";

export const searchLogHead = z.object({
  experiment: z.int(),
  /** What the search was asked for: with it and the log everything is decided again. */
  spec: z.json(),
  /** Events in the log now; while the experiment lives more may follow. */
  events: count,
  /** The search's state as the server saved it last: after how many events, and its SHA-256. */
  saved: z.object({ events: count, sha256: hash }),
  ended: z.boolean(),
  /** Of the server that gave this. */
  version: z.string(),
});
export type SearchLogHead = z.infer<typeof searchLogHead>;

/** As stored: inside, NaN and the infinities are {"$number": "NaN"} and so on. */
export const searchLogEntry = z.object({
  seq: z.int().min(1),
  /** Wall time of the server, in milliseconds since 1970. */
  at_ms: z.int(),
  event: z.json(),
  actions: z.array(z.json()),
});
export type SearchLogEntry = z.infer<typeof searchLogEntry>;
