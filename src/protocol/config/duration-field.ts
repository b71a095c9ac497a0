/** A length of time in a configuration; seconds once it is read. */
import * as z from "zod";
import { DURATION, secondsOf } from "./duration.ts";

export const duration = z.union(
  [
    z.number().positive(),
    z
      .string()
      .regex(DURATION, "a length of time such as 90s, 15m, 2h, 1d or 1h30m")
      .transform((text) => secondsOf(text)!),
  ],
  { error: "a number of seconds, or a length of time such as 90s, 15m, 2h, 1d or 1h30m" },
);
