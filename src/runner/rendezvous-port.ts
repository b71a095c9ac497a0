/**
 * The port at which the ranks of one allocation meet.
 *
 * Asking the kernel for a free port and handing the number on is a race: until rank 0 binds it, the kernel may give it
 * to anybody. So the number comes from below the range that the kernel hands out by itself, and is claimed on the whole
 * host while the allocation lives: by listening on an abstract Unix socket of that name, which the kernel gives to one
 * process alone, across all runners and servers of the host, and takes back when that process dies. (Such names belong
 * to a network namespace, exactly as ports do.) A port that some other program listens on is passed over.
 */
import { createHash } from "node:crypto";
import { readFileSync } from "node:fs";
import { createServer, type Server } from "node:net";
import { isNoRoom } from "./backoff.ts";

export interface RendezvousPort {
  readonly port: number;
  /** The allocation is over. */
  release(): void;
}

export class NoPort extends Error {
  override name = "NoPort";
}

export interface PortRange {
  readonly first: number;
  readonly last: number;
}

const PORTS = 4096;
const LOWEST = 10_000;

/**
 * @param key what tells this allocation from others: each begins its search at another place
 * @throws NoPort; or what says that there is no room to look just now
 */
export async function claimPort(
  key: string,
  { first, last }: PortRange = ownRange(),
): Promise<RendezvousPort> {
  const count = last - first + 1;
  const start = createHash("sha256").update(key).digest().readUInt32LE(0) % count;
  for (let tried = 0; tried < count; tried++) {
    const port = first + ((start + tried) % count);
    const claim = await claimed(port);
    if (claim === undefined) continue;
    let isOurs = false;
    try {
      isOurs = await isFree(port);
    } finally {
      if (!isOurs) claim.close();
    }
    if (isOurs) return { port, release: () => void claim.close() };
  }
  throw new NoPort(
    `every port from ${first} to ${last} is taken on this machine; the ranks of a trial need one to meet at`,
  );
}

/** Where the kernel finds ports for outgoing connections by itself is no place for one that has to stay free. */
function ownRange(): PortRange {
  const [low = 32_768] = ephemeral();
  const last = low - 1 >= LOWEST + PORTS ? low - 1 : LOWEST + PORTS;
  return { first: last - PORTS + 1, last };
}

function ephemeral(): number[] {
  try {
    const text = readFileSync("/proc/sys/net/ipv4/ip_local_port_range", "utf8");
    return text.trim().split(/\s+/).map(Number).filter(Number.isInteger);
  } catch {
    return []; // Another system than Linux; theirs begin at 49,152.
  }
}

interface Claim {
  close(): void;
}

/** @returns undefined when somebody has it @throws want of room */
async function claimed(port: number): Promise<Claim | undefined> {
  if (process.platform === "linux") return listening({ path: `\0contrail-rendezvous-${port}` });
  // Without abstract names only this process's own allocations are kept apart.
  if (ownClaims.has(port)) return undefined;
  ownClaims.add(port);
  return { close: () => void ownClaims.delete(port) };
}
const ownClaims = new Set<number>();

async function isFree(port: number): Promise<boolean> {
  const server = await listening({ host: "127.0.0.1", port });
  if (server === undefined) return false;
  await new Promise((closed) => {
    server.close(closed);
  });
  return true;
}

function listening(
  place: { readonly path: string } | { readonly host: string; readonly port: number },
): Promise<Server | undefined> {
  return new Promise((resolve, reject) => {
    const server = createServer((socket) => socket.destroy());
    // Who may open no more files finds every port taken.
    server.once("error", (error) => (isNoRoom(error) ? reject(error) : resolve(undefined)));
    server.listen({ ...place, exclusive: true }, () => {
      server.unref();
      resolve(server);
    });
  });
}
