/** How often a page asks again for what no stream tells: the log of changes, and what becomes of checkpoints by rule or by hand. */

export const NEWS_MS = 5_000;

/** Of lists that are fetched page by page from the top: who has read further down reads on in peace. */
export const PAGES_LIVE_MAX = 3;

/** For `refetchInterval` of an infinite query. */
export const newsOfPages = ({
  state,
}: {
  readonly state: { readonly data?: { readonly pages: readonly unknown[] } | undefined };
}): number | false => ((state.data?.pages.length ?? 0) <= PAGES_LIVE_MAX ? NEWS_MS : false);
