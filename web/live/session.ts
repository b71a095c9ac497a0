/** Who is signed in. Whoever hears "401" says so here, and the page asks for a sign-in in place of its content. */
import { queryOptions } from "@tanstack/react-query";
import { client } from "./client.ts";
import { queries } from "./queries.ts";

export const SESSION_KEY = ["session"] as const;

export const sessionQuery = queryOptions({
  queryKey: SESSION_KEY,
  queryFn: async () => (await client.session()).signed_in,
  staleTime: Number.POSITIVE_INFINITY,
  retry: false,
});

/** The session is over: ended elsewhere, or by its age. */
export function signedOut(): void {
  void queries.resetQueries({ queryKey: SESSION_KEY });
}

export async function signOut(): Promise<void> {
  await client.closeSession();
  queries.clear();
  // Everything that was shown goes with it.
  location.assign("/");
}
