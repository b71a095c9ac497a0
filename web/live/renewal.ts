/**
 * Answers asked for again when something has changed, as often as that happens and no faster than they come. Left to
 * itself each piece of news cancels the question under way, and where news come twice a second an answer that takes
 * longer never arrives.
 */
import type { QueryClient, QueryKey } from "@tanstack/react-query";

/**
 * @param key of the answers, or the beginning of theirs
 * @param rest what passes after an answer before the next question; absent = nothing
 * @returns to be called at each piece of news; those that come while an answer is awaited, or in
 *   the rest after it, are made good by one question after that
 */
export function renewal(
  queries: QueryClient,
  key: QueryKey,
  rest?: () => Promise<void>,
): () => void {
  let isAsking = false;
  let again = false;
  const ask = async (): Promise<void> => {
    isAsking = true;
    do {
      // What is under way for another reason is waited for, and may have been answered before the news.
      again = queries.isFetching({ queryKey: key }) > 0;
      await queries.invalidateQueries({ queryKey: key }, { cancelRefetch: false });
      await rest?.();
    } while (again);
    isAsking = false;
  };
  return () => {
    again = true;
    if (!isAsking) void ask();
  };
}
