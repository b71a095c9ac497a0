/** Users and their tokens. Tokens are found by the SHA-256 of what the caller sent; the token itself is never stored. */
import type pg from "pg";
import type { Queryable } from "./audit-reads.ts";

export interface UserRow {
  id: number;
  name: string;
  password_hash: string | null;
}

export interface TokenRow {
  id: string;
  user_id: number;
  user: string;
  name: string;
  scope: "user" | "read" | "one_time";
  created_at: Date;
  expires_at: Date | null;
  last_used_at: Date | null;
}

/** @returns the user, and whether it was made just now */
export async function ensureUser(
  db: Queryable,
  name: string,
  now: Date,
): Promise<{ user: UserRow; created: boolean }> {
  const { rowCount } = await db.query(
    "insert into users (name, password_hash, created_at) values ($1, null, $2) on conflict do nothing",
    [name, now],
  );
  const user = await findUser(db, name);
  if (!user) throw new Error(`user ${name} vanished`);
  return { user, created: rowCount === 1 };
}

export async function findUser(db: Queryable, name: string): Promise<UserRow | undefined> {
  const { rows } = await db.query<UserRow>(
    "select id, name, password_hash from users where name = $1",
    [name],
  );
  return rows[0];
}

export async function setPassword(db: Queryable, userId: number, hash: string): Promise<void> {
  await db.query("update users set password_hash = $2 where id = $1", [userId, hash]);
}

export async function insertToken(
  db: Queryable,
  token: {
    id: string;
    userId: number;
    name: string;
    scope: TokenRow["scope"];
    hash: Buffer;
    createdAt: Date;
    expiresAt: Date | null;
  },
): Promise<void> {
  await db.query(
    `insert into tokens (id, user_id, name, scope, hash, created_at, expires_at)
     values ($1, $2, $3, $4, $5, $6, $7)`,
    [token.id, token.userId, token.name, token.scope, token.hash, token.createdAt, token.expiresAt],
  );
}

/** Valid ones only. */
export async function findToken(
  pool: pg.Pool,
  hash: Buffer,
  now: Date,
): Promise<TokenRow | undefined> {
  const { rows } = await pool.query<TokenRow>({
    name: "find_token",
    text: `select t.id, t.user_id, u.name as user, t.name, t.scope, t.created_at, t.expires_at, t.last_used_at
      from tokens t join users u on u.id = t.user_id
      where t.hash = $1 and (t.expires_at is null or t.expires_at > $2)`,
    values: [hash, now],
  });
  return rows[0];
}

export async function noteTokenUse(pool: pg.Pool, id: string, now: Date): Promise<void> {
  await pool.query("update tokens set last_used_at = $2 where id = $1", [id, now]);
}

/** @param id names the token; it is not the token */
export async function tokenHolds(pool: pg.Pool, id: string, now: Date): Promise<boolean> {
  const { rowCount } = await pool.query({
    name: "token_holds",
    text: "select 1 from tokens where id = $1 and (expires_at is null or expires_at > $2)",
    values: [id, now],
  });
  return rowCount === 1;
}

/** Takes a one-time token out of the world. @returns its user when it was valid */
export async function takeOneTimeToken(
  db: Queryable,
  hash: Buffer,
  now: Date,
): Promise<{ user_id: number; user: string } | undefined> {
  const { rows } = await db.query<{ user_id: number; user: string }>(
    `delete from tokens t using users u
     where t.hash = $1 and t.scope = 'one_time' and t.expires_at > $2 and u.id = t.user_id
     returning t.user_id, u.name as user`,
    [hash, now],
  );
  return rows[0];
}

export async function listTokens(pool: pg.Pool, userId: number): Promise<TokenRow[]> {
  const { rows } = await pool.query<TokenRow>(
    `select t.*, u.name as user from tokens t join users u on u.id = t.user_id
     where t.user_id = $1 and t.scope <> 'one_time' order by t.created_at desc, t.id limit 1000`,
    [userId],
  );
  return rows;
}

/** @returns its name when there was one */
export async function deleteToken(
  db: Queryable,
  userId: number,
  id: string,
): Promise<string | undefined> {
  const { rows } = await db.query<{ name: string }>(
    "delete from tokens where user_id = $1 and id = $2 returning name",
    [userId, id],
  );
  return rows[0]?.name;
}

/** @returns those that were removed */
export async function deleteExpiredTokens(
  db: Queryable,
  now: Date,
): Promise<{ id: string; name: string; user: string }[]> {
  const { rows } = await db.query<{ id: string; name: string; user: string }>(
    `delete from tokens t using users u where t.expires_at < $1 and u.id = t.user_id
     returning t.id, t.name, u.name as user`,
    [now],
  );
  return rows;
}
