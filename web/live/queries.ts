/** What the page has asked the API for, kept while it is looked at. */
import { QueryClient } from "@tanstack/react-query";
import { untilAnswered } from "./news.ts";

export const queries = new QueryClient({
  defaultOptions: {
    queries: {
      staleTime: 5_000,
      // A refusal stays one. A server that is away is asked again when it is back (app.tsx); one that only this question
      // did not reach never goes.
      retry: false,
      refetchInterval: untilAnswered,
      refetchOnWindowFocus: true,
    },
  },
});
