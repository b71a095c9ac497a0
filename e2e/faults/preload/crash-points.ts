/**
 * Loaded before the server's own program (`node --import`), in tests alone: counts the points at which something has
 * become, or is about to become, durable or known to others, and kills the process with SIGKILL at the one named in
 * FAULTS_CRASH_AT. So the server under test is the one that ships, to the byte, and nothing of this is in it.
 *
 * Points lie before and after each statement that ends a transaction or is one by itself, each fsync, each rename,
 * each removal of a file, and each answer over HTTP. A migration is one query of many statements; here it goes out statement by
 * statement, so that a kill can fall between any two of them.
 *
 * FAULTS_POINTS names a file to which each point is written as it is passed, one line each.
 */
import { appendFileSync } from "node:fs";
import promises, { open } from "node:fs/promises";
import { ServerResponse } from "node:http";
import { syncBuiltinESMExports } from "node:module";
import pg from "pg";
import { statementsOf } from "./statements.ts";

const crashAt = Number(process.env.FAULTS_CRASH_AT ?? Number.NaN);
const list = process.env.FAULTS_POINTS;
let passed = 0;

/** Where the environment is handed on (runner, training), only the server dies. */
const isServer = /(?:server\/main|stub-server)\.ts$/.test(process.argv[1] ?? "");

function point(what: string): void {
  if (!isServer) return;
  passed += 1;
  if (list !== undefined) appendFileSync(list, `${what}\n`);
  if (passed === crashAt) process.kill(process.pid, "SIGKILL");
}

/** Reads leave nothing behind; `begin` and what stands between it and `commit` is as if it had not been. */
const ENDS_OR_IS_A_TRANSACTION = /^\s*(?:commit|insert|update|delete|create|with)\b/i;

const textOf = (query: unknown): string =>
  typeof query === "string" ? query : ((query as { text?: string }).text ?? "");

type Callback = (error: Error | null, result: unknown) => void;
type Query = (...args: unknown[]) => unknown;
const { query } = pg.Client.prototype as unknown as { query: Query };

interface Patched {
  /** Between `begin` and the end of the transaction: only the end counts. */
  inTransaction?: boolean;
}

function patchedQuery(this: Patched & pg.Client, ...args: unknown[]): unknown {
  const text = textOf(args[0]);
  if (/^\s*begin\b/i.test(text)) this.inTransaction = true;
  const ends = /^\s*(?:commit|rollback)\b/i.test(text);
  const counts = ENDS_OR_IS_A_TRANSACTION.test(text) && (ends || this.inTransaction !== true);
  if (ends) this.inTransaction = false;
  const statements = args.length === 1 ? statementsOf(text) : [];
  if (statements.length > 1) return oneByOne(this, statements);
  if (!counts) return query.apply(this, args);
  const name = text.trim().replaceAll(/\s+/g, " ").slice(0, 40);
  point(`before ${name}`);
  const callback = args.at(-1);
  if (typeof callback === "function") {
    const then: Callback = (error, result) => {
      point(`after ${name}`);
      (callback as Callback)(error, result);
    };
    return query.apply(this, [...args.slice(0, -1), then]);
  }
  const result = query.apply(this, args);
  if (!(result instanceof Promise)) return result;
  return result.then((value) => {
    point(`after ${name}`);
    return value;
  });
}

async function oneByOne(client: pg.Client, statements: readonly string[]): Promise<unknown> {
  let last: unknown;
  for (const [index, statement] of statements.entries()) {
    point(`before statement ${index + 1} of a migration`);
    last = await query.call(client, statement);
  }
  return last;
}

pg.Client.prototype.query = patchedQuery as unknown as typeof pg.Client.prototype.query;

const { end } = ServerResponse.prototype;
ServerResponse.prototype.end = function (this: ServerResponse, ...args: unknown[]) {
  const { method = "", url = "" } = this.req;
  const name = `${method} ${url.split("?")[0]?.replaceAll(/[0-9a-f]{64}/g, ":hash")}`;
  // A long poll that found nothing and health are nobody's acknowledgement.
  if (method === "GET") return end.apply(this, args as never);
  point(`before the answer to ${name}`);
  this.once("finish", () => point(`after the answer to ${name}`));
  return end.apply(this, args as never);
} as typeof end;

const handle = await open(process.execPath);
const files = Object.getPrototypeOf(handle) as { sync: () => Promise<void> };
await handle.close();
const { sync } = files;
files.sync = async function (this: unknown): Promise<void> {
  point("before an fsync");
  await sync.call(this);
  point("after an fsync");
};
const { rename, unlink } = promises;
promises.rename = async (from, to) => {
  point("before a rename");
  await rename(from, to);
  point("after a rename");
};
promises.unlink = async (path) => {
  point("before a removal");
  await unlink(path);
  point("after a removal");
};
syncBuiltinESMExports();
