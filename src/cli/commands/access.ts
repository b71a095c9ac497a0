/** `contrail login` and `contrail token create|list|revoke`. */
import type { Cli } from "../cli.ts";
import { normalUrl } from "../credentials.ts";
import { actOnEach } from "../each-id.ts";
import { CliError, EXIT, usageError } from "../exit-code.ts";
import { ago, moment } from "../figures.ts";
import { inert } from "../inert.ts";
import { gather, type ListOptions, limitOf } from "../listing.ts";
import { signIn } from "../sign-in.ts";
import { table } from "../table.ts";
import { choiceOf, wholeOf } from "../values.ts";

/** @param address a server, or the link with a one-time token that the server printed */
export async function login(
  cli: Cli,
  address: string | undefined,
  options: { user?: string },
): Promise<number> {
  const { url, oneTimeToken } = readAddress(address ?? cli.target().url);
  const me =
    oneTimeToken !== undefined
      ? await signIn(cli, url, { one_time_token: oneTimeToken })
      : await signIn(cli, url, await askPassword(cli, options.user));
  cli.show({ url, user: me.user }, () => [`signed in to ${url} as ${inert(me.user)}`]);
  cli.next("experiment list");
  return EXIT.ok;
}

/** A link carries its token in the query or, so that no proxy logs it, behind the #. */
export function readAddress(address: string): { url: string; oneTimeToken: string | undefined } {
  const url = normalUrl(address);
  const link = new URL(address);
  const behind = new URLSearchParams(link.hash.replace(/^#\/?\??/, ""));
  const token = [link.searchParams, behind]
    .flatMap((words) => [words.get("one_time_token"), words.get("token")])
    .find((word) => word !== null && word !== "");
  if (token === undefined || token === null) return { url, oneTimeToken: undefined };
  return { url: normalUrl(link.origin), oneTimeToken: token };
}

async function askPassword(
  cli: Cli,
  user: string | undefined,
): Promise<{ user: string; password: string }> {
  if (user === undefined)
    throw usageError(
      "Whose account? There is no one-time token in the address and no user was named.",
      "Name the user (login URL --user NAME), or paste the link that the server printed at its start.",
    );
  const password = await cli.host.readSecret(`password of ${inert(user)}: `);
  if (password === undefined || password === "")
    throw new CliError("no_password", "No password was given.", {
      hint: "Type it, or give it on stdin: login URL --user NAME < FILE",
    });
  return { user, password };
}

export async function createToken(
  cli: Cli,
  name: string,
  options: { scope?: string; days?: string },
): Promise<number> {
  const scope = choiceOf("--scope", options.scope ?? "user", ["user", "read"]);
  const days = wholeOf("--days", options.days ?? "90", 1, 3650);
  const token = await cli.client().createToken({ name, scope, lifetime_s: days * 86_400 });
  const about = `token ${inert(token.id)} "${inert(token.name)}", scope ${token.scope}, until ${moment(token.expires_at)}. It is shown this once.`;
  const next = ["token list", `token revoke ${token.id}`];
  if (cli.json || cli.host.stdout.isTTY) {
    cli.show(token, () => [token.token, cli.paint.dim(about)]);
    cli.next(...next);
    return EXIT.ok;
  }
  // Into a file or a variable goes the token and nothing else.
  cli.out(token.token);
  cli.err(about);
  for (const command of next) cli.err(`next: ${cli.self} ${command}`);
  return EXIT.ok;
}

export async function listTokens(cli: Cli, options: ListOptions): Promise<number> {
  const client = cli.client();
  const page = await gather((query) => client.tokens(query), limitOf(options));
  const nowMs = cli.host.clock.nowMs();
  cli.show(page, () =>
    table(
      [
        { head: "id" },
        { head: "name", flexible: true },
        { head: "scope" },
        { head: "created", drop: 1 },
        { head: "last used" },
        { head: "expires" },
      ],
      page.items.map((token) => [
        token.id,
        token.name,
        token.scope,
        ago(token.created_at, nowMs),
        token.last_used_at === null ? "never" : ago(token.last_used_at, nowMs),
        token.expires_at === null ? "never" : moment(token.expires_at),
      ]),
      { width: cli.width, headPaint: cli.paint.dim },
    ),
  );
  return EXIT.ok;
}

export async function revokeToken(cli: Cli, ids: readonly string[]): Promise<number> {
  const client = cli.client();
  return actOnEach(cli, {
    noun: "token",
    ids,
    act: async (id) => {
      await client.revokeToken(id);
      return id;
    },
    lines: (id) => [`token ${inert(id)} is revoked`],
    document: (revoked, refused) => (refused.length === 0 ? { revoked } : { revoked, refused }),
  });
}
