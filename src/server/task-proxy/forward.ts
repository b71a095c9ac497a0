/**
 * One request, or one WebSocket, carried between a browser and a task's program over a way of its own. Nothing is kept
 * here: what one side does not read, the other is not asked for.
 */
import { request as httpRequest, type IncomingMessage, type ServerResponse } from "node:http";
import type { Socket } from "node:net";
import { pipeline } from "node:stream";
import type { Clock } from "../../base/clock.ts";
import { join } from "../../base/join.ts";
import { ContrailError } from "../../protocol/errors.ts";
import { headersIn, headersOut, pairsOf } from "./headers.ts";
import { sendPage } from "./plain-page.ts";

export interface Way {
  /** A fresh byte stream to the program. @throws ContrailError */
  readonly take: (signal: AbortSignal) => Promise<Socket>;
  readonly scheme: "http" | "https";
  readonly clock: Clock;
}

/** For a program that is starting: the page looks again. */
const AGAIN_S = 2;

/** Never rejects: whatever goes wrong is answered, or the connection closed where an answer has begun. */
export async function forward(
  request: IncomingMessage,
  response: ServerResponse,
  way: Way,
): Promise<void> {
  const left = leftBy(response);
  const socket = await take(response, way, left);
  if (socket === undefined) return;
  const asked = toProgram(request, socket, headersIn(request.rawHeaders, way.scheme));
  left.addEventListener("abort", () => asked.destroy(), { once: true });
  asked.once("response", (answer) => passOn(answer, response));
  asked.on("error", () => noAnswer(response));
  request.pipe(asked);
}

/** @param response for whatever is not an upgrade; `takeOver` lets go of the connection that it answers on */
export async function forwardUpgrade(
  request: IncomingMessage,
  response: ServerResponse,
  way: Way & { readonly takeOver: () => Socket; readonly onOpen: (browser: Socket) => void },
): Promise<void> {
  const left = leftBy(response);
  const socket = await take(response, way, left);
  if (socket === undefined) return;
  const headers = headersIn(request.rawHeaders, way.scheme);
  headers.push("Connection", "Upgrade", "Upgrade", "websocket");
  const asked = toProgram(request, socket, headers);
  left.addEventListener("abort", () => asked.destroy(), { once: true });
  asked.once("response", (answer) => passOn(answer, response));
  asked.on("error", () => noAnswer(response));
  asked.once("upgrade", (answer, program, head) => {
    const browser = way.takeOver();
    const lines = pairsOf(headersOut(answer.rawHeaders)).map(
      ([name, value]) => `${name}: ${value}`,
    );
    const first = ["HTTP/1.1 101 Switching Protocols", "Connection: Upgrade", "Upgrade: websocket"];
    browser.write(`${[...first, ...lines].join("\r\n")}\r\n\r\n`, "latin1");
    browser.setNoDelay(true);
    if (head.length > 0) program.unshift(head);
    join(browser, program as Socket, way.clock);
    way.onOpen(browser);
  });
  asked.end();
}

/** When nobody waits for the answer any more, which may be already. */
export function leftBy(response: ServerResponse): AbortSignal {
  const left = new AbortController();
  const leave = (): void =>
    left.abort(new ContrailError("invalid_request", "whoever asked has left"));
  if (response.destroyed) leave();
  else response.once("close", leave);
  return left.signal;
}

async function take(
  response: ServerResponse,
  way: Way,
  signal: AbortSignal,
): Promise<Socket | undefined> {
  try {
    return await way.take(signal);
  } catch (error) {
    if (signal.aborted) return undefined;
    if (!(error instanceof ContrailError)) throw error;
    sendPage(response, {
      ...{ status: error.status, title: "Not to be reached now", againS: AGAIN_S },
      text: `${error.message}. ${error.hint}`,
    });
    return undefined;
  }
}

function toProgram(request: IncomingMessage, socket: Socket, headers: string[]) {
  // A body whose length is not told is passed on in pieces, as it came.
  if (request.headers["transfer-encoding"] !== undefined)
    headers.push("Transfer-Encoding", "chunked");
  if (!headers.includes("Connection")) headers.push("Connection", "close");
  return httpRequest({
    createConnection: () => socket,
    method: request.method ?? "GET",
    path: request.url ?? "/",
    headers,
    setHost: false,
  });
}

function passOn(answer: IncomingMessage, response: ServerResponse): void {
  try {
    response.writeHead(
      answer.statusCode ?? 502,
      answer.statusMessage,
      headersOut(answer.rawHeaders),
    );
  } catch {
    answer.destroy();
    return noAnswer(response);
  }
  // An answer that breaks off must not look like one that has ended.
  pipeline(answer, response, (error) => error && response.destroy());
}

function noAnswer(response: ServerResponse): void {
  if (response.headersSent) return void response.destroy();
  if (response.destroyed) return;
  sendPage(response, {
    ...{ status: 502, title: "It does not answer", againS: AGAIN_S },
    text: "The task runs, but its program does not answer: it is starting, or it broke the connection. This page looks again by itself; the task's logs say more.",
  });
}
