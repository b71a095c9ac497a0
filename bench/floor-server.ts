/**
 * The floors that are servers: bare node:http doing the least that the same work could take.
 *
 *   POST /append        the body to the end of a file, fsync, then the answer; who comes meanwhile shares
 *                       the next fsync, which is the fastest way to be durable
 *   GET  /curve         a series held in memory, thinned to 1,000 points by last, min, max and mean
 *   GET  /events        server-sent events; POST /publish sends its body to all who listen
 *
 * `node bench/floor-server.ts FOLDER POINTS`; says one line of JSON when it is ready, ends with its stdin.
 */
import { once } from "node:events";
import { open } from "node:fs/promises";
import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { join } from "node:path";

export interface FloorReady {
  readonly url: string;
}

const [folder, pointsText] = process.argv.slice(2);
if (folder === undefined || pointsText === undefined) throw new Error("floor-server FOLDER POINTS");

const file = await open(join(folder, "appended"), "a");
let waiting: { body: Buffer; done: () => void }[] = [];
let flushing = false;

async function flush(): Promise<void> {
  flushing = true;
  while (waiting.length > 0) {
    const batch = waiting;
    waiting = [];
    await file.appendFile(Buffer.concat(batch.map(({ body }) => body)));
    await file.datasync();
    for (const { done } of batch) done();
  }
  flushing = false;
}

function append(body: Buffer, response: ServerResponse): void {
  waiting.push({
    body,
    done: () => response.writeHead(200, { "content-type": "application/json" }).end("{}"),
  });
  if (!flushing) void flush();
}

/** A loss curve with noise, so that neighbouring buckets differ. */
const series = Float64Array.from(
  { length: Number(pointsText) },
  (_, step) => 1 / (1 + step / 1000) + Math.sin(step * 12.9898) / 100,
);

function thinned(buckets: number): object[] {
  const width = Math.max(1, Math.ceil(series.length / buckets));
  const points: object[] = [];
  for (let start = 0; start < series.length; start += width) {
    const end = Math.min(series.length, start + width);
    let min = Number.POSITIVE_INFINITY;
    let max = Number.NEGATIVE_INFINITY;
    let sum = 0;
    for (let at = start; at < end; at++) {
      const value = series[at] as number;
      if (value < min) min = value;
      if (value > max) max = value;
      sum += value;
    }
    points.push({ step: end, value: series[end - 1], run: 1, min, max, mean: sum / (end - start) });
  }
  return points;
}

const listeners = new Set<ServerResponse>();

async function bodyOf(request: IncomingMessage): Promise<Buffer> {
  const chunks: Buffer[] = [];
  for await (const chunk of request) chunks.push(chunk as Buffer);
  return Buffer.concat(chunks);
}

const server = createServer((request, response) => {
  const path = request.url ?? "";
  if (path === "/curve") {
    response.writeHead(200, { "content-type": "application/json" });
    response.end(JSON.stringify({ series: [{ name: "loss", points: thinned(1000) }] }));
  } else if (path === "/events") {
    response.writeHead(200, { "content-type": "text/event-stream" }).flushHeaders();
    listeners.add(response);
    response.once("close", () => listeners.delete(response));
  } else
    void bodyOf(request).then((body) => {
      if (path === "/append") return append(body, response);
      for (const listener of listeners) listener.write(body);
      response.end("{}");
    });
});
server.keepAliveTimeout = 60_000;

const ended = once(process.stdin.resume(), "end");
server.listen(0, "127.0.0.1");
await once(server, "listening");
const ready: FloorReady = { url: `http://127.0.0.1:${(server.address() as AddressInfo).port}` };
process.stdout.write(`${JSON.stringify(ready)}\n`);
await ended;
process.exit(0);
