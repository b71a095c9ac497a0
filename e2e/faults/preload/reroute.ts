/**
 * Loaded before every Node program of a stand whose network is to be cut; acts in the runner alone, and there sends
 * each request to the proxy that FAULTS_PROXY names in place of the server's address. So the runner is the one that
 * ships, and the server never hears of the proxy.
 */
if (process.argv[1]?.endsWith("src/runner/main.ts")) {
  const proxy = process.env.FAULTS_PROXY ?? "";
  const { fetch } = globalThis;
  globalThis.fetch = (input, init) => {
    const { pathname, search } = new URL(String(input));
    return fetch(`${proxy}${pathname}${search}`, init);
  };
}
