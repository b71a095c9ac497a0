/**
 * How often a page asks again for what no stream tells: the log of changes, what becomes of checkpoints by rule or by hand,
 * and everything that nobody gave an answer to.
 */
import { isAway } from "./client.ts";

export const NEWS_MS = 5_000;

/** Of lists that are fetched page by page from the top: who has read further down reads on in peace. */
export const PAGES_LIVE_MAX = 3;

interface Asked {
  readonly state: { readonly status: string; readonly error: unknown };
}

/** For `refetchInterval` of what does not change: a refusal is an answer, a server that was away or overloaded gave none. */
export const untilAnswered = ({ state }: Asked): number | false =>
  state.status === "error" && isAway(state.error) ? NEWS_MS : false;

/** For `refetchInterval` of an infinite query. */
export const newsOfPages = ({
  state,
}: {
  readonly state: { readonly data?: { readonly pages: readonly unknown[] } | undefined };
}): number | false => ((state.data?.pages.length ?? 0) <= PAGES_LIVE_MAX ? NEWS_MS : false);
