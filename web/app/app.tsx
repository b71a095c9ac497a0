/** The page put together: theme, queries, addresses. */
import { localStorageColorSchemeManager, MantineProvider } from "@mantine/core";
import { QueryClientProvider } from "@tanstack/react-query";
import { RouterProvider } from "@tanstack/react-router";
import { isSignedOut } from "../live/client.ts";
import { onBackAgain } from "../live/experiments.ts";
import { queries } from "../live/queries.ts";
import { SESSION_KEY, signedOut } from "../live/session.ts";
import { styleNonce } from "./nonce.ts";
import { router } from "./router.tsx";
import { theme } from "./theme.ts";

// The same key is read before the first paint, in index.html.
const colorScheme = localStorageColorSchemeManager({ key: "contrail-color-scheme" });

// What was fetched before the server went away, or the tab was hidden, may be old now.
onBackAgain(() => void queries.invalidateQueries());
queries.getQueryCache().subscribe(({ type, query }) => {
  if (type !== "updated" || query.queryKey[0] === SESSION_KEY[0]) return;
  if (query.state.status === "error" && isSignedOut(query.state.error)) signedOut();
});

export function App() {
  return (
    <MantineProvider
      theme={theme}
      defaultColorScheme="auto"
      colorSchemeManager={colorScheme}
      getStyleNonce={styleNonce}
    >
      <QueryClientProvider client={queries}>
        <RouterProvider router={router} />
      </QueryClientProvider>
    </MantineProvider>
  );
}
