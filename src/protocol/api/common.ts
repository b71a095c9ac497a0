/** What all the nouns of the HTTP API share: times, counts, ids, paging. */
import { z } from "zod";

export const time = z.iso.datetime();
export const hash = z.string().regex(/^[0-9a-f]{64}$/);
export const count = z.int().min(0);
/** Ranks are stored in two bytes. */
export const RANK_MAX = 32_767;

/** Text that a database can hold: PostgreSQL knows no NUL. */
export const text = (charsMax: number) =>
  z
    .string()
    .max(charsMax)
    .refine((value) => !value.includes("\0"), "must not contain a NUL character");

export const experimentIdParam = z.coerce.number().int().min(1).max(2147483647);
export const trialIdParam = z.string().regex(/^[1-9][0-9]{0,9}\.[1-9][0-9]{0,9}$/);

export const pageQuery = z.strictObject({
  /** From `next_cursor` of the page before. */
  cursor: z.string().max(512).optional(),
  limit: z.coerce.number().int().min(1).max(1000).default(50),
});

export const page = <T extends z.ZodType>(item: T) =>
  z.object({ items: z.array(item), next_cursor: z.string().nullable() });
