/** What the page has asked the API for, kept while it is looked at. */
import { QueryClient } from "@tanstack/react-query";

export const queries = new QueryClient({
  defaultOptions: {
    queries: {
      staleTime: 5_000,
      // A refusal stays one; a server that is away is asked again when it is back (app.tsx).
      retry: false,
      refetchOnWindowFocus: true,
    },
  },
});
