/** A list that is fetched page by page as it is read, and asked for again from the top while somebody reads near it. */
import {
  type InfiniteData,
  type UseInfiniteQueryResult,
  useInfiniteQuery,
} from "@tanstack/react-query";
import { useEffect, useMemo, useRef } from "react";
import type { Page } from "../../src/sdk/client.ts";
import { newsOfPages, PAGES_LIVE_MAX } from "./news.ts";
import { queries } from "./queries.ts";
import { renewal } from "./renewal.ts";

const PAGE = 200;

/**
 * @param asked.key without anything that changes while it is read: a list of another key begins anew with one page, and
 *   who has read down to the third is thrown back
 * @param asked.stamp another one is news that need not be waited for
 */
export function usePages<T>(asked: {
  readonly key: readonly string[];
  readonly stamp: string;
  readonly ask: (query: { cursor: string | undefined; limit: number }) => Promise<Page<T>>;
}): UseInfiniteQueryResult<InfiniteData<Page<T>>> {
  const { stamp, ask } = asked;
  // biome-ignore lint/correctness/useExhaustiveDependencies: the key is its words
  const key = useMemo(() => asked.key, [asked.key.join(" ")]);
  const pages = useInfiniteQuery({
    queryKey: key,
    queryFn: ({ pageParam }) => ask({ cursor: pageParam, limit: PAGE }),
    initialPageParam: undefined as string | undefined,
    getNextPageParam: (last) => last.next_cursor ?? undefined,
    refetchInterval: newsOfPages,
    placeholderData: (before) => before,
  });
  const renew = useMemo(() => renewal(queries, key), [key]);
  const isFar = (pages.data?.pages.length ?? 0) > PAGES_LIVE_MAX;
  const known = useRef(stamp);
  useEffect(() => {
    if (known.current === stamp) return;
    known.current = stamp;
    if (!isFar) renew();
  }, [stamp, isFar, renew]);
  return pages;
}
