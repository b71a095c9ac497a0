/**
 * Answers that cost the server something, asked for again while what they are about goes on, at a pace that follows how
 * long an answer takes. Once it is over they stand.
 */
import { type UseQueryResult, useQuery } from "@tanstack/react-query";
import { untilAnswered } from "./news.ts";

const EVERY_MS_MIN = 2_000;
/** Between two questions this many times as long passes as an answer takes. */
const REST_PER_LOAD = 10;

export interface Timed<T> {
  readonly value: T;
  readonly tookMs: number;
}

export function usePaced<T>(asked: {
  readonly key: readonly unknown[];
  readonly isOver: boolean;
  readonly ask: () => Promise<T>;
  /** False: there is nothing to ask for now. */
  readonly enabled?: boolean;
}): UseQueryResult<Timed<T>> {
  const { key, isOver, ask, enabled = true } = asked;
  return useQuery({
    queryKey: [...key, isOver],
    queryFn: async () => {
      const beganMs = performance.now();
      const value = await ask();
      return { value, tookMs: performance.now() - beganMs };
    },
    enabled,
    staleTime: isOver ? Number.POSITIVE_INFINITY : 0,
    refetchInterval: (query) =>
      isOver
        ? untilAnswered(query)
        : Math.max(EVERY_MS_MIN, REST_PER_LOAD * (query.state.data?.tookMs ?? 0)),
    placeholderData: (before) => before,
  });
}
