/**
 * How many connections there may be, and how slow. A connection costs a descriptor and about 10 KiB, and the
 * server needs descriptors for other things, so their number is bounded; but to turn newcomers away at the bound would
 * let a crowd that says nothing lock out everybody who works. So the one that has said nothing for longest makes
 * room. Only when all are in the middle of a request is a newcomer closed.
 *
 * Headers have to be complete within a time (node:http does that), and a body has to come at a pace. A pace and no
 * total time, because the largest file that is right to send over the slowest line that is right to use takes
 * hours. What waits for us, on a slow disk, is not blamed on the sender.
 */
import { readFileSync } from "node:fs";
import type { IncomingMessage, Server } from "node:http";
import type { Socket } from "node:net";
import type { Clock } from "../../base/clock.ts";
import { ContrailError } from "../../protocol/errors.ts";

export interface ConnectionLimits {
  readonly connectionsMax: number;
  /** In each stretch of this length a body must bring `bodyBytesMin`, or its end. */
  readonly bodyStretchMs: number;
  readonly bodyBytesMin: number;
}

/** Options of node:http. Looked at every few seconds, so a slow one is cut off at the latest after both. */
export const HEADERS_LIMITS = { headersTimeout: 20_000, connectionsCheckingInterval: 5_000 };

const CONNECTIONS_MAX = 10_000;
/** Descriptors for the database, files of blobs that are being sent, and logs. */
const DESCRIPTORS_KEPT = 512;

export function defaultLimits(): ConnectionLimits {
  const room = Math.max(64, descriptorsMax() - DESCRIPTORS_KEPT);
  return {
    connectionsMax: Math.min(CONNECTIONS_MAX, room),
    bodyStretchMs: 30_000,
    bodyBytesMin: 30 * 1024,
  };
}

/** Where the system does not say it: a number that every system allows Node. */
const DESCRIPTORS_MAX_UNKNOWN = 4096;

function descriptorsMax(): number {
  try {
    const limits = readFileSync("/proc/self/limits", "utf8");
    const soft = /^Max open files +([0-9]+)/m.exec(limits)?.[1];
    return soft === undefined ? Number.MAX_SAFE_INTEGER : Number(soft);
  } catch {
    return DESCRIPTORS_MAX_UNKNOWN;
  }
}

/** The connections that are bounded together: all listeners of a process take from the same descriptors. */
export interface Crowd {
  open: number;
  /** In the order in which they fell silent. */
  readonly silent: Set<Socket>;
}

export const newCrowd = (): Crowd => ({ open: 0, silent: new Set() });

export function limitConnections(
  server: Server,
  {
    clock,
    crowd,
    limits = defaultLimits(),
  }: { readonly clock: Clock; readonly crowd: Crowd; readonly limits?: ConnectionLimits },
): void {
  const { silent } = crowd;
  server.on("connection", (socket) => {
    crowd.open += 1;
    socket.once("close", () => {
      crowd.open -= 1;
      silent.delete(socket);
    });
    silent.add(socket);
    if (crowd.open <= limits.connectionsMax) return;
    // The newcomer is among the silent, and goes itself when nobody else is.
    const [first] = silent;
    silent.delete(first ?? socket);
    (first ?? socket).destroy();
  });
  // It waits for us, for as long as nobody needs it.
  server.on("upgrade", (request: IncomingMessage) => silent.delete(request.socket));
  server.on("request", (request, response) => {
    const { socket } = request;
    silent.delete(socket);
    response.once("close", () => {
      if (!socket.destroyed) silent.add(socket);
    });
    if (!request.complete) keepPace(request, clock, limits);
  });
}

/** Breaks a request off whose body comes too slowly; ends with the body. */
function keepPace(request: IncomingMessage, clock: Clock, limits: ConnectionLimits): void {
  const { bodyStretchMs, bodyBytesMin } = limits;
  const { socket } = request;
  let bytesBefore = socket.bytesRead;
  const judge = (): void => {
    if (request.complete) return;
    const bytes = socket.bytesRead - bytesBefore;
    bytesBefore = socket.bytesRead;
    // Bytes that lie here unread are ours to take.
    if (bytes < bodyBytesMin && request.readableLength === 0)
      return tooSlow(request, bytes, limits);
    cancel = clock.after(bodyStretchMs, look);
  };
  // What came while this process stood still is read first: the sender is not to blame for that.
  const look = (): void => {
    const soon = setImmediate(judge);
    cancel = () => clearImmediate(soon);
  };
  let cancel = clock.after(bodyStretchMs, look);
  const end = (): void => {
    cancel();
    socket.off("close", end);
  };
  request.once("end", end);
  request.once("close", end);
  // A request that was answered before its body was there hears nothing of its connection's end.
  socket.once("close", end);
}

/** Through the stream of the body: whoever reads it answers, as with any fault of it. */
function tooSlow(request: IncomingMessage, bytes: number, limits: ConnectionLimits): void {
  const { bodyStretchMs, bodyBytesMin } = limits;
  // Nobody reads: the answer was given before the body was there.
  if (request.listenerCount("error") === 0) return void request.destroy();
  request.emit(
    "error",
    new ContrailError(
      "too_slow",
      `${bytes} bytes of the body came in ${bodyStretchMs / 1000} s; the least is ${bodyBytesMin}`,
    ),
  );
}
