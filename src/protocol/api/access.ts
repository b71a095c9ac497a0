/** Signing in, tokens, and what the server says of itself. */
import { z } from "zod";
import { count, text, time } from "./common.ts";

export const loginRequest = z.union([
  z.strictObject({ one_time_token: z.string().max(256) }),
  z.strictObject({ user: text(128), password: z.string().max(1024) }),
]);
export const loginReply = z.object({
  token: z.string(),
  user: z.string(),
  expires_at: time.nullable(),
});
export type LoginReply = z.infer<typeof loginReply>;

export const tokenScope = z.enum(["user", "read"]);
export const token = z.object({
  id: z.string(),
  name: z.string(),
  scope: tokenScope,
  created_at: time,
  expires_at: time.nullable(),
  last_used_at: time.nullable(),
});
export const createTokenRequest = z.strictObject({
  name: text(128).min(1),
  scope: tokenScope.default("user"),
  /** Seconds from now; absent = 90 days. */
  lifetime_s: z.int().min(1).max(315_360_000).default(7_776_000),
});
export const createTokenReply = token.extend({ token: z.string() });

export const health = z.object({
  status: z.enum(["ready", "starting", "stopping"]),
  version: z.string(),
});
export type Health = z.infer<typeof health>;

export const serverInfo = z.object({
  version: z.string(),
  user: z.string(),
  scope: z.string(),
  slots: count,
  data_dir: z.string(),
  postgres: z.enum(["embedded", "external"]),
  started_at: time,
});
export type ServerInfo = z.infer<typeof serverInfo>;

/** Who is signed in to the page, null for nobody; the token itself is in a cookie that only the server reads. */
export const session = z.object({
  signed_in: z.object({ user: z.string(), scope: tokenScope }).nullable(),
});
export type Session = z.infer<typeof session>;

/** Good for one sign-in, as `SERVER/sign-in#TOKEN`: what follows the # reaches no server and no log. */
export const signInLink = z.object({ one_time_token: z.string(), expires_at: time });
export type SignInLink = z.infer<typeof signInLink>;
