/**
 * Loaded before the server's own program, in tests alone: whatever is to become durable does so only after as many
 * milliseconds as the file says that FAULTS_SLOW_DISK names; without the file at once. That is the end of each transaction, each
 * statement that is one by itself, and each fsync of a file. What only reads is as quick as ever, as it is on a disk
 * that is slow to say that something is written.
 */
import { readFileSync } from "node:fs";
import { open } from "node:fs/promises";
import { setTimeout as wait } from "node:timers/promises";
import pg from "pg";

/** Where the environment is handed on (runner, training), only the server's disk is slow. */
const isServer = process.argv[1]?.endsWith("server/main.ts") === true;
const file = process.env.FAULTS_SLOW_DISK ?? "";

function slowMs(): number {
  try {
    return Number(readFileSync(file, "utf8"));
  } catch {
    return 0;
  }
}

const WRITES =
  /^\s*(?:commit|insert|update|delete|with\b.*\b(?:insert into|update|delete from))\b/is;

const textOf = (query: unknown): string =>
  typeof query === "string" ? query : ((query as { text?: string }).text ?? "");

type Query = (...args: unknown[]) => unknown;

interface Patched {
  /** Between `begin` and the end of the transaction: only the end is durable. */
  inTransaction?: boolean;
}

if (isServer) {
  const { query } = pg.Client.prototype as unknown as { query: Query };
  const slowQuery = function (this: Patched & pg.Client, ...args: unknown[]): unknown {
    const text = textOf(args[0]);
    if (/^\s*begin\b/i.test(text)) this.inTransaction = true;
    const ends = /^\s*(?:commit|rollback)\b/i.test(text);
    const counts = WRITES.test(text) && (ends || this.inTransaction !== true);
    if (ends) this.inTransaction = false;
    if (!counts) return query.apply(this, args);
    const callback = args.at(-1);
    if (typeof callback === "function") {
      const late = (...answer: unknown[]): void =>
        void wait(slowMs()).then(() => callback(...answer));
      return query.apply(this, [...args.slice(0, -1), late]);
    }
    const result = query.apply(this, args);
    return result instanceof Promise ? result.then((value) => wait(slowMs(), value)) : result;
  };
  pg.Client.prototype.query = slowQuery as unknown as typeof pg.Client.prototype.query;

  const handle = await open(process.execPath);
  const files = Object.getPrototypeOf(handle) as { sync: () => Promise<void> };
  await handle.close();
  const { sync } = files;
  files.sync = async function (this: unknown): Promise<void> {
    await sync.call(this);
    await wait(slowMs());
  };
}
