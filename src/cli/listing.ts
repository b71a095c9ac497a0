/** `--limit` and `--all` of the list commands: one page's worth, or every page. */
import type { Page, PageQuery } from "../sdk/client.ts";
import { wholeOf } from "./values.ts";

export interface ListOptions {
  readonly limit?: string;
  readonly all?: boolean;
}

const PAGE_MAX = 1000;

export const limitOf = (options: ListOptions): number =>
  options.all === true
    ? Number.POSITIVE_INFINITY
    : wholeOf("--limit", options.limit ?? "50", 1, 1_000_000);

/** Reads pages until `limit` items are there. */
export async function gather<T>(
  next: (query: PageQuery) => Promise<Page<T>>,
  limit: number,
): Promise<Page<T>> {
  const items: T[] = [];
  let cursor: string | undefined;
  do {
    const page = await next({ limit: Math.min(PAGE_MAX, limit - items.length), cursor });
    items.push(...page.items);
    cursor = page.next_cursor ?? undefined;
  } while (cursor !== undefined && items.length < limit);
  return { items, next_cursor: cursor ?? null };
}
