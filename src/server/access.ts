/**
 * Who is asking, and may they.
 *
 * Three kinds of token, told apart by their first letters, each good for its own routes and nothing else:
 *   cu_…  a person's, made at sign-in, stored as a SHA-256, with a scope and an end
 *   ca_…  one allocation's, given to training code; dies with the allocation
 *   cr_…  one runner's
 * The last two are an HMAC of what they speak for under a secret of this server: nothing to store, nothing to
 * leak from the database, and whether they still hold is a look at what lives now.
 */
import { createHash, createHmac, randomBytes, scrypt, timingSafeEqual } from "node:crypto";
import type pg from "pg";
import type { Logger } from "pino";
import { ContrailError } from "../protocol/errors.ts";
import * as access from "../store/access-store.ts";
import type { OtherChange, Recorder } from "./recorded.ts";

export type Caller =
  | {
      readonly kind: "user";
      readonly userId: number;
      readonly name: string;
      readonly scope: "user" | "read";
      /** Names the token that was shown; it is not the token. */
      readonly tokenId: string;
    }
  | { readonly kind: "allocation"; readonly allocation: string }
  | { readonly kind: "runner"; readonly runner: string };

export const ONE_TIME_LIFETIME_MS = 15 * 60_000;
export const LOGIN_LIFETIME_MS = 90 * 86_400_000;
/** Shorter than a command line's: browsers are shared and left open. */
export const SESSION_LIFETIME_MS = 14 * 86_400_000;
const PASSWORD_LENGTH_MIN = 8;
/** After this many failures in a row for an account or an address, each further one costs a wait. */
const FAILURES_FREE = 10;
const FAILURES_KEPT_MAX = 10_000;
const GENUINE_KEPT_MAX = 10_000;
const USE_NOTED_EVERY_MS = 60_000;
const USE_NOTED_MAX = 10_000;

/** What is signed in to: the web page in a browser, or the API by a program. */
export type Face = "page" | "program";

export interface AccessOptions {
  /** For reading. */
  readonly pool: pg.Pool;
  /** For writing: each change together with its entry in the log. */
  readonly record: Recorder;
  /** 32 random bytes that stay with the data folder. */
  readonly secret: Buffer;
  readonly nowMs: () => number;
  readonly log: Pick<Logger, "warn">;
  /** Is this very allocation alive? */
  readonly allocationLives: (id: string) => boolean;
}

export class Access {
  readonly #options: AccessOptions;
  readonly #failures = new Map<string, { count: number; lastMs: number }>();
  /** Signed tokens whose signature was found right: a runner shows the same one a thousand times a second. Whether
   *  what they speak for still lives is asked each time. */
  readonly #genuine = new Set<string>();
  /** When the use of a token was to be noted last, also where that failed. */
  readonly #useNoted = new Map<string, number>();

  constructor(options: AccessOptions) {
    this.#options = options;
  }

  allocationToken(allocation: string): string {
    return `ca_${allocation}_${this.#sign(`allocation ${allocation}`)}`;
  }

  runnerToken(runner: string): string {
    return `cr_${runner}_${this.#sign(`runner ${runner}`)}`;
  }

  #sign(text: string): string {
    return createHmac("sha256", this.#options.secret).update(text).digest("hex");
  }

  /** @param header the Authorization header as it came @throws ContrailError not_authenticated */
  async authenticate(header: string | undefined): Promise<Caller> {
    const token = /^Bearer +([\x21-\x7e]{1,300})$/i.exec(header ?? "")?.[1];
    if (token === undefined)
      throw new ContrailError("not_authenticated", "the request carries no token");
    if (token.startsWith("cu_")) return this.#user(token);
    const signed = /^(ca|cr)_([A-Za-z0-9.-]{1,64})_([0-9a-f]{64})$/.exec(token);
    if (!signed) throw unknownToken();
    const [, kind, subject = "", signature = ""] = signed;
    if (!this.#genuine.has(token)) {
      const what = kind === "ca" ? "allocation" : "runner";
      if (!equal(signature, this.#sign(`${what} ${subject}`))) throw unknownToken();
      if (this.#genuine.size >= GENUINE_KEPT_MAX) this.#genuine.clear();
      this.#genuine.add(token);
    }
    if (kind === "cr") return { kind: "runner", runner: subject };
    if (!this.#options.allocationLives(subject))
      throw new ContrailError(
        "not_authenticated",
        `allocation ${subject} is over, and its token with it`,
      );
    return { kind: "allocation", allocation: subject };
  }

  async #user(token: string): Promise<Caller> {
    const found = await access.findToken(this.#options.pool, sha256(token), this.#now());
    if (!found || found.scope === "one_time") throw unknownToken();
    const { user_id: userId, user: name, scope, id: tokenId } = found;
    this.#noteUse(found);
    return { kind: "user", userId, name, scope, tokenId };
  }

  /**
   * At most once a minute, so that reading does not mean writing; and beside the request, which a database that takes no
   * writes can still answer.
   */
  #noteUse({ id, last_used_at: lastUsedAt }: access.TokenRow): void {
    const now = this.#now();
    const lastMs = Math.max(lastUsedAt?.getTime() ?? 0, this.#useNoted.get(id) ?? 0);
    if (now.getTime() - lastMs <= USE_NOTED_EVERY_MS) return;
    if (this.#useNoted.size >= USE_NOTED_MAX) this.#useNoted.clear();
    this.#useNoted.set(id, now.getTime());
    access
      .noteTokenUse(this.#options.pool, id, now)
      .catch((error) => this.#options.log.warn({ err: error }, "the use of a token was not noted"));
  }

  /** Whether a person's token or session is still good, by its name. */
  async tokenHolds(tokenId: string): Promise<boolean> {
    return await access.tokenHolds(this.#options.pool, tokenId, this.#now());
  }

  #now(): Date {
    return new Date(this.#options.nowMs());
  }

  // ---- signing in ----------------------------------------------------------------------------

  /**
   * A token that signs its user in once within a quarter of an hour.
   * @param actor who asked for it
   */
  async makeOneTimeToken(
    name: string,
    actor = "contrail",
  ): Promise<{ token: string; expiresAt: Date }> {
    const token = this.#draw("sign-in link", "one_time", ONE_TIME_LIFETIME_MS);
    await this.#options.record("make a sign-in link", async (client, at) => {
      const { user, created } = await access.ensureUser(client, name, at);
      await access.insertToken(client, { ...token.row, userId: user.id });
      const about = { actor, cause: `for user ${name}; good once, for 15 minutes` };
      const changes: OtherChange[] = [
        { ...about, subject: `token ${token.row.id}`, what: "sign-in link made" },
      ];
      if (created)
        changes.unshift({
          ...about,
          subject: `user ${name}`,
          what: "created",
          cause: "first start of the server for this user",
        });
      return { value: null, changes };
    });
    return { token: token.token, expiresAt: token.row.expiresAt };
  }

  async makeToken(
    user: { readonly userId: number; readonly name: string },
    token: {
      readonly name: string;
      readonly scope: "user" | "read";
      readonly lifetimeMs: number;
    },
  ): Promise<{ id: string; token: string; expiresAt: Date }> {
    const made = this.#draw(token.name, token.scope, token.lifetimeMs);
    await this.#options.record("make a token", async (client) => {
      await access.insertToken(client, { ...made.row, userId: user.userId });
      const until = made.row.expiresAt.toISOString();
      return {
        value: null,
        changes: [
          {
            actor: user.name,
            subject: `token ${made.row.id}`,
            what: "created",
            cause: `"${token.name}", scope ${token.scope}, good until ${until}`,
          },
        ],
      };
    });
    return { id: made.row.id, token: made.token, expiresAt: made.row.expiresAt };
  }

  /** @returns false when the user has no such token */
  revokeToken(
    user: { readonly userId: number; readonly name: string },
    id: string,
  ): Promise<boolean> {
    return this.#options.record("revoke a token", async (client) => {
      const name = await access.deleteToken(client, user.userId, id);
      if (name === undefined) return { value: false, changes: [] };
      const cause = `"${name}", revoked by its owner`;
      return {
        value: true,
        changes: [{ actor: user.name, subject: `token ${id}`, what: "revoked", cause }],
      };
    });
  }

  /** Ends the session of the token that was shown. */
  async signOut(caller: {
    readonly name: string;
    readonly tokenId: string;
    readonly userId: number;
  }) {
    await this.#options.record("sign out", async (client) => {
      const name = await access.deleteToken(client, caller.userId, caller.tokenId);
      if (name === undefined) return { value: null, changes: [] };
      const change = { actor: caller.name, subject: `token ${caller.tokenId}`, what: "signed out" };
      return { value: null, changes: [{ ...change, cause: `"${name}", by its owner` }] };
    });
  }

  /** Random, and nowhere yet. */
  #drawSignIn(face: Face) {
    return face === "page"
      ? this.#draw("web page", "user", SESSION_LIFETIME_MS)
      : this.#draw("sign-in", "user", LOGIN_LIFETIME_MS);
  }

  #draw(name: string, scope: "user" | "read" | "one_time", lifetimeMs: number) {
    const token = `cu_${randomBytes(32).toString("base64url")}`;
    const id = randomBytes(8).toString("hex");
    const createdAt = this.#now();
    const expiresAt = new Date(createdAt.getTime() + lifetimeMs);
    return { token, row: { id, name, scope, hash: sha256(token), createdAt, expiresAt } };
  }

  /** @param address of the caller, for the count of failures @throws ContrailError */
  async signInOnce(
    oneTimeToken: string,
    address: string,
    face: Face = "program",
  ): Promise<{ user: string; token: string; expiresAt: Date }> {
    this.#checkDelay([`address ${address}`]);
    const made = this.#drawSignIn(face);
    const user = await this.#options.record("sign in", async (client, at) => {
      const taken = await access.takeOneTimeToken(client, sha256(oneTimeToken), at);
      if (!taken)
        return {
          value: undefined,
          changes: [refusedSignIn("server", "the sign-in link does not hold", address)],
        };
      await access.insertToken(client, { ...made.row, userId: taken.user_id });
      const cause = `with a sign-in link, from ${address}`;
      return { value: taken.user, changes: [signedIn(taken.user, made.row.id, cause)] };
    });
    if (user === undefined) {
      this.#noteFailure([`address ${address}`]);
      throw new ContrailError(
        "not_authenticated",
        "this sign-in link was used already, is older than 15 minutes, or is not ours",
        {
          hint: "Start the server again for a new link: contrail up.",
        },
      );
    }
    // Failures in a row: those of months, one now and then, must not lock out all that share an address.
    this.#failures.delete(`address ${address}`);
    return { user, token: made.token, expiresAt: made.row.expiresAt };
  }

  async signIn(
    user: string,
    password: string,
    address: string,
    face: Face = "program",
  ): Promise<{ user: string; token: string; expiresAt: Date }> {
    const keys = [`account ${user}`, `address ${address}`];
    this.#checkDelay(keys);
    // Counted before it is known to have failed: a thousand guesses at once are a thousand, not one.
    this.#noteFailure(keys);
    const row = await access.findUser(this.#options.pool, user);
    // An unknown user costs as much time as a wrong password.
    const good = await checkPassword(password, row?.password_hash ?? DUMMY_HASH);
    if (!row?.password_hash || !good) {
      const why = "the user or the password is wrong";
      await this.#options.record("refuse a sign-in", async () => ({
        value: null,
        changes: [refusedSignIn(`user ${user}`, why, address)],
      }));
      throw new ContrailError("not_authenticated", why);
    }
    for (const key of keys) this.#failures.delete(key);
    const made = this.#drawSignIn(face);
    await this.#options.record("sign in", async (client) => {
      await access.insertToken(client, { ...made.row, userId: row.id });
      const change = signedIn(row.name, made.row.id, `with a password, from ${address}`);
      return { value: null, changes: [change] };
    });
    return { user: row.name, token: made.token, expiresAt: made.row.expiresAt };
  }

  /** @throws ContrailError when it is too short */
  async setPassword(
    user: { readonly userId: number; readonly name: string },
    password: string,
  ): Promise<void> {
    if (password.length < PASSWORD_LENGTH_MIN)
      throw new ContrailError(
        "invalid_request",
        `the password has ${password.length} characters; the least is ${PASSWORD_LENGTH_MIN}`,
        { hint: `Choose one of at least ${PASSWORD_LENGTH_MIN} characters.` },
      );
    const hash = await hashPassword(password);
    await this.#options.record("set a password", async (client) => {
      await access.setPassword(client, user.userId, hash);
      const subject = `user ${user.name}`;
      const cause = "set over HTTP";
      return { value: null, changes: [{ actor: user.name, subject, what: "password set", cause }] };
    });
  }

  #checkDelay(keys: readonly string[]): void {
    for (const key of keys) {
      const failed = this.#failures.get(key);
      if (!failed || failed.count < FAILURES_FREE) continue;
      const waitMs = Math.min(300_000, 1000 * 2 ** (failed.count - FAILURES_FREE));
      const leftMs = failed.lastMs + waitMs - this.#options.nowMs();
      if (leftMs <= 0) continue;
      const seconds = Math.ceil(leftMs / 1000);
      throw new ContrailError(
        "too_many_attempts",
        `${failed.count} sign-ins failed; the next may come in ${seconds} s`,
        {
          retryAfterS: seconds,
        },
      );
    }
  }

  #noteFailure(keys: readonly string[]): void {
    if (this.#failures.size > FAILURES_KEPT_MAX) this.#failures.clear();
    for (const key of keys) {
      const failed = this.#failures.get(key);
      this.#failures.set(key, { count: (failed?.count ?? 0) + 1, lastMs: this.#options.nowMs() });
    }
  }
}

const signedIn = (user: string, token: string, cause: string): OtherChange => ({
  actor: user,
  subject: `token ${token}`,
  what: "signed in",
  cause,
});

/** Nobody is known to have asked: the actor is an address. Those refused for coming too often are not written down. */
const refusedSignIn = (subject: string, why: string, address: string): OtherChange => ({
  actor: `address ${address}`,
  subject,
  what: "sign-in refused",
  cause: why,
});

const unknownToken = (): ContrailError =>
  new ContrailError("not_authenticated", "the token is unknown, was revoked or has expired");

export const sha256 = (text: string): Buffer => createHash("sha256").update(text).digest();

const equal = (a: string, b: string): boolean =>
  a.length === b.length && timingSafeEqual(Buffer.from(a), Buffer.from(b));

// ---- passwords: scrypt with the parameters of OWASP's password storage sheet (N = 2^17, r = 8, p = 1)

const COST = { N: 2 ** 17, r: 8, p: 1 } as const;
const DUMMY_HASH = `scrypt$${COST.N}$${COST.r}$${COST.p}$${"00".repeat(16)}$${"00".repeat(32)}`;

const derive = (
  password: string,
  salt: Buffer,
  cost: { N: number; r: number; p: number },
): Promise<Buffer> =>
  new Promise((resolve, reject) => {
    scrypt(
      password.normalize("NFKC"),
      salt,
      32,
      { ...cost, maxmem: 256 * cost.N * cost.r },
      (error, key) => (error ? reject(error) : resolve(key)),
    );
  });

export async function hashPassword(password: string): Promise<string> {
  const salt = randomBytes(16);
  const key = await derive(password, salt, COST);
  return `scrypt$${COST.N}$${COST.r}$${COST.p}$${salt.toString("hex")}$${key.toString("hex")}`;
}

export async function checkPassword(password: string, stored: string): Promise<boolean> {
  const [, N, r, p, salt = "", key = ""] = stored.split("$");
  const derived = await derive(password, Buffer.from(salt, "hex"), {
    N: Number(N),
    r: Number(r),
    p: Number(p),
  });
  return timingSafeEqual(derived, Buffer.from(key, "hex"));
}
