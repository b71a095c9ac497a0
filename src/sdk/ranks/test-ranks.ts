/** Test support: the ranks of a trial in one process, over real sockets. Not a test itself. */
import { createServer } from "node:net";
import { type MeetOptions, meet, type Ranks } from "./ranks.ts";

export const TOKEN = "ca_test_token";

export interface TogetherOptions extends MeetOptions {
  /** In place of what the ranks get by themselves. */
  readonly environment?: (rank: number) => { readonly [name: string]: string | undefined };
}

/**
 * Nobody gets one of these without asking for it: the kernel hands out others by itself, and would hand out again what it
 * gave to us until rank 0 listens there. Another run of the tests begins elsewhere.
 */
const PORTS = { first: 12_000, count: 8_000 };
let tried = (process.pid * 97) % PORTS.count;

async function freePort(): Promise<number> {
  for (;;) {
    const port = PORTS.first + (tried++ % PORTS.count);
    const server = createServer();
    const isFree = await new Promise<boolean>((resolve) => {
      server.once("error", () => resolve(false));
      server.listen({ port, host: "127.0.0.1", exclusive: true }, () => resolve(true));
    });
    if (!isFree) continue;
    await new Promise((closed) => server.close(closed));
    return port;
  }
}

/** What the runner gives to the ranks of one allocation. */
export async function surroundings(): Promise<{ readonly [name: string]: string }> {
  const port = await freePort();
  return { MASTER_ADDR: "127.0.0.1", MASTER_PORT: String(port), CONTRAIL_TOKEN: TOKEN };
}

/** Brings so many ranks together, lets each do its work, and waits for all of them. @returns by rank */
export async function together<T>(
  size: number,
  work: (ranks: Ranks) => Promise<T>,
  { environment, ...options }: TogetherOptions = {},
): Promise<T[]> {
  const around = await surroundings();
  const met: Ranks[] = [];
  const all = Array.from({ length: size }, async (_, rank) => {
    const ranks = await meet({ rank, size }, options, { ...around, ...environment?.(rank) });
    met.push(ranks);
    return await work(ranks);
  });
  const ended = await Promise.allSettled(all);
  for (const ranks of met) ranks.close();
  return ended.map((end) => {
    if (end.status === "rejected") throw end.reason;
    return end.value;
  });
}

/** The same where something fails: by rank the error's message, or null. */
export async function failuresOf(
  size: number,
  work: (ranks: Ranks) => Promise<unknown>,
  options: TogetherOptions = {},
): Promise<(string | null)[]> {
  const around = await surroundings();
  const met: Ranks[] = [];
  const all = Array.from({ length: size }, async (_, rank) => {
    const own = { ...around, ...options.environment?.(rank) };
    const ranks = await meet({ rank, size }, options, own);
    met.push(ranks);
    await work(ranks);
  });
  const ended = await Promise.allSettled(all);
  for (const ranks of met) ranks.close();
  return ended.map((end) => (end.status === "rejected" ? (end.reason as Error).message : null));
}
