/**
 * Which servers this person is signed in to: one JSON file, readable by its owner alone, with the
 * tokens by address and the address that is used when none is named.
 *
 * Kept out of the data folder on purpose: a token belongs to a person, and the server's folder may be
 * on another machine. A keychain was refused: there is none on the machines where models are trained.
 */
import { chmodSync, mkdirSync, readFileSync, renameSync, writeFileSync } from "node:fs";
import { homedir } from "node:os";
import { dirname, join } from "node:path";
import { CliError } from "./exit-code.ts";

export interface ServerCredentials {
  readonly token: string;
  readonly user: string;
  /** RFC 3339; null = it does not expire. */
  readonly expires_at: string | null;
  /** The data folder, when `contrail up` started this server on this machine. */
  readonly data_dir?: string;
}
interface CredentialsFile {
  readonly version: 1;
  readonly current: string | null;
  readonly servers: { readonly [url: string]: ServerCredentials };
}
type Env = { readonly [name: string]: string | undefined };

const EMPTY: CredentialsFile = { version: 1, current: null, servers: {} };

export const credentialsPath = (env: Env): string =>
  join(
    env.CONTRAIL_CONFIG_DIR ||
      join(env.XDG_CONFIG_HOME || join(env.HOME || homedir(), ".config"), "contrail"),
    "credentials.json",
  );

/** What only saves time. */
export const cacheFolder = (env: Env): string =>
  env.CONTRAIL_CONFIG_DIR
    ? join(env.CONTRAIL_CONFIG_DIR, "cache")
    : join(env.XDG_CACHE_HOME || join(env.HOME || homedir(), ".cache"), "contrail");

/** @throws CliError when the file is there but is not what it should be */
export function readCredentials(env: Env): CredentialsFile {
  const path = credentialsPath(env);
  let text: string;
  try {
    text = readFileSync(path, "utf8");
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ENOENT") return EMPTY;
    throw error;
  }
  try {
    const file = JSON.parse(text) as CredentialsFile;
    if (file.version === 1 && typeof file.servers === "object" && file.servers !== null)
      return { version: 1, current: file.current ?? null, servers: { ...file.servers } };
  } catch {
    // Said below: the text is not quoted, it may hold a token.
  }
  throw new CliError("bad_credentials_file", `${path} is not a credentials file of this version.`, {
    hint: `Move it away and sign in again: mv ${path} ${path}.old`,
  });
}

/** Remembers how to reach `url` and makes it the current server. */
export function storeCredentials(env: Env, url: string, entry: ServerCredentials): void {
  const file = readCredentials(env);
  write(env, { ...file, current: url, servers: { ...file.servers, [url]: entry } });
}

/** Makes a known server the current one. */
export function makeCurrent(env: Env, url: string): void {
  const file = readCredentials(env);
  if (file.current !== url) write(env, { ...file, current: url });
}

function write(env: Env, file: CredentialsFile): void {
  const path = credentialsPath(env);
  mkdirSync(dirname(path), { recursive: true, mode: 0o700 });
  const next = `${path}.${process.pid}.next`;
  writeFileSync(next, `${JSON.stringify(file, null, 2)}\n`, { mode: 0o600 });
  chmodSync(next, 0o600);
  renameSync(next, path);
}

export interface Target {
  readonly url: string;
  readonly token: string | undefined;
  /** Where the address came from, for messages. */
  readonly from: string;
}

/** The server that a command talks to: the option, the environment, the file; in this order. */
export function findServer(env: Env, option: string | undefined): Target {
  const named = option ?? (env.CONTRAIL_SERVER || undefined);
  const file = readCredentials(env);
  const url = named === undefined ? file.current : normalUrl(named, option === undefined);
  if (url === null)
    throw new CliError("no_server", "No server is known yet.", {
      hint: "Start one on this machine with `contrail up`, or sign in to another with `contrail login URL`.",
      exitCode: 5,
    });
  const from =
    option !== undefined
      ? "--server"
      : named !== undefined
        ? "CONTRAIL_SERVER"
        : credentialsPath(env);
  return { url, token: tokenFor(env, url, file), from };
}

/**
 * The token for the server at `url`: the one in the environment where that is meant for it, else the stored one.
 * Named together, CONTRAIL_SERVER and CONTRAIL_TOKEN belong together; to another server the token is a secret that
 * it could use.
 */
export function tokenFor(env: Env, url: string, file = readCredentials(env)): string | undefined {
  const { CONTRAIL_SERVER: server, CONTRAIL_TOKEN: token } = env;
  if (token && (!server || normalUrl(server, true) === url)) return token;
  return Object.hasOwn(file.servers, url) ? file.servers[url]?.token : undefined;
}

/**
 * What goes into a header must be made for it. Checked before anything is sent, and never shown: the library
 * that sends would quote a bad value in its complaint.
 * @param from where it came from, for the message
 */
export function checkToken(token: string | undefined, from: string): void {
  if (token === undefined || /^[\x21-\x7e]{1,300}$/.test(token)) return;
  throw new CliError(
    "malformed_token",
    `The token in ${from} is not one: it must be 1 to 300 printable characters without spaces or line breaks.`,
    { hint: "Copy it again; `contrail token create NAME` makes a new one.", exitCode: 4 },
  );
}

/** The address without a trailing slash. @throws CliError when it is not an http(s) address, or carries a password */
export function normalUrl(text: string, fromEnv = false): string {
  const where = fromEnv ? "CONTRAIL_SERVER" : "The server";
  const url = URL.canParse(text) ? new URL(text) : undefined;
  // Not shown: what stands before the @ may be a password, also where the rest is mistyped.
  if (text.includes("@"))
    throw new CliError("usage", `${where} is an address with a user name or password in it.`, {
      hint: "Write it like http://127.0.0.1:4747, and sign in with `contrail login`, or a token in CONTRAIL_TOKEN.",
      exitCode: 2,
    });
  if (url === undefined || (url.protocol !== "http:" && url.protocol !== "https:"))
    throw new CliError("usage", `${where} "${text}" is not an http or https address.`, {
      hint: "Write it like http://127.0.0.1:4747",
      exitCode: 2,
    });
  return `${url.origin}${url.pathname.replace(/\/+$/, "")}`;
}
