/** Turning a one-time token or a password into a stored user token. */
import type { Login } from "../sdk/client.ts";
import { RemoteError } from "../sdk/remote-error.ts";
import type { Cli } from "./cli.ts";
import { makeCurrent, readCredentials, storeCredentials } from "./credentials.ts";

/** Signs in at `url` and remembers the token there. @returns the user's name */
export async function signIn(
  cli: Cli,
  url: string,
  login: Login,
  dataDir?: string,
): Promise<{ user: string; token: string }> {
  const reply = await cli.client({ url }).login(login);
  storeCredentials(cli.host.env, url, {
    token: reply.token,
    user: reply.user,
    expires_at: reply.expires_at,
    ...(dataDir === undefined ? {} : { data_dir: dataDir }),
  });
  return { user: reply.user, token: reply.token };
}

/**
 * After `up`: the stored token when it still works at this very server, else a new one for the
 * one-time token that the start gave us.
 * @returns undefined when neither works
 */
export async function ensureSignedIn(
  cli: Cli,
  server: { url: string; oneTimeToken: string | null; dataDir: string },
): Promise<{ user: string; token: string } | undefined> {
  const { env } = cli.host;
  const stored = readCredentials(env).servers[server.url];
  if (stored !== undefined) {
    try {
      const { user } = await cli.client({ url: server.url, token: stored.token }).me();
      if (stored.data_dir === server.dataDir) makeCurrent(env, server.url);
      else storeCredentials(env, server.url, { ...stored, data_dir: server.dataDir });
      return { user, token: stored.token };
    } catch (error) {
      if (!(error instanceof RemoteError) || (error.status !== 401 && error.status !== 403))
        throw error;
    }
  }
  if (server.oneTimeToken === null) return undefined;
  return await signIn(cli, server.url, { one_time_token: server.oneTimeToken }, server.dataDir);
}
