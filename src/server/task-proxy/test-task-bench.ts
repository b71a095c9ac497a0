/**
 * For tests of pages of tasks: the whole server, notebooks that run in it with programs of ours behind them, and requests
 * as no browser would make them.
 */
import assert from "node:assert/strict";
import { once } from "node:events";
import { request as httpRequest, type IncomingMessage } from "node:http";
import { connect, type Socket } from "node:net";
import { after, before } from "node:test";
import { type TestServer, testServer } from "../http/test-server.ts";
import { layWays, TestProgram, type TestWays } from "./test-program.ts";

export const NOTEBOOK = `
name: notes
entrypoint: "true"
task: {kind: notebook, idle_timeout: 0}
searcher: {name: single}
max_restarts: 0
`;

export interface Told {
  readonly status: number;
  readonly headers: IncomingMessage["headers"];
  readonly body: Buffer;
}

/** A task that runs, with a program behind it. */
export interface Running {
  readonly id: number;
  readonly allocation: string;
  readonly program: TestProgram;
  readonly ways: TestWays;
  /** Name and port, as in a Host header. */
  readonly host: string;
  /** Of a person who was let in. */
  readonly cookie: string;
}

export async function until(what: string, wanted: () => boolean | Promise<boolean>): Promise<void> {
  for (const end = Date.now() + 60_000; Date.now() < end; ) {
    if (await wanted()) return;
    await new Promise((soon) => setTimeout(soon, 20));
  }
  assert.fail(`not within 60 s: ${what}`);
}

/** As it is, by whatever name: a browser would look up the host. */
export function ask(
  host: string,
  path: string,
  how: { method?: string; headers?: Record<string, string | string[]>; body?: Uint8Array } = {},
): Promise<Told> {
  return new Promise((resolve, reject) => {
    const asked = httpRequest({
      ...{ host: "127.0.0.1", port: Number(host.split(":").at(-1)), path, agent: false },
      method: how.method ?? "GET",
      headers: { Host: host, ...how.headers },
    });
    asked.on("error", reject);
    asked.once("response", async (answer) => {
      const pieces: Buffer[] = [];
      try {
        for await (const piece of answer) pieces.push(piece);
      } catch (error) {
        return reject(error);
      }
      resolve({
        status: answer.statusCode ?? 0,
        headers: answer.headers,
        body: Buffer.concat(pieces),
      });
    });
    asked.end(how.body);
  });
}

export interface TaskBench {
  readonly server: TestServer;
  /** A notebook whose program is one of ours, and a person who was let in to it. */
  running(program?: TestProgram, spares?: number): Promise<Running>;
  /** By a fresh link. */
  enter(id: number): Promise<{ host: string; cookie: string }>;
}

/** One server for all the tests of a `describe`; what they started is closed with it. */
export function taskBench(): TaskBench {
  let server: TestServer;
  const open: Running[] = [];
  before(async () => {
    server = await testServer({ slots: 64 });
  });
  after(async () => {
    for (const { ways, program } of open) {
      ways.close();
      program.close();
    }
    await server.stop();
  });

  async function running(program = new TestProgram(), spares = 4): Promise<Running> {
    const { experiment } = await server.client.createExperiment({ config: NOTEBOOK, code: null });
    assert.ok(experiment);
    const { id } = experiment;
    const allocation = `${id}.1.1`;
    await server.runner.started(allocation);
    await program.listen();
    const to = { allocation, path: program.path, spares };
    const ways = layWays(server.url, server.runner.token, to);
    await until("its ways lie ready", () => ways.spare() === spares);
    const { host, cookie } = await enter(id);
    const made = { id, allocation, program, ways, host, cookie };
    open.push(made);
    return made;
  }

  async function enter(id: number): Promise<{ host: string; cookie: string }> {
    const link = new URL((await server.client.openTask(id)).url);
    const entered = await ask(link.host, `${link.pathname}${link.search}`);
    assert.equal(entered.status, 303, entered.body.toString());
    assert.equal(entered.headers.location, "/");
    const [set = ""] = entered.headers["set-cookie"] ?? [];
    assert.match(set, /^contrail_task_\d+=[^;]+; Path=\/; HttpOnly; SameSite=Lax$/);
    return { host: link.host, cookie: set.split(";")[0] ?? "" };
  }

  return {
    ...{ running, enter },
    get server() {
      return server;
    },
  };
}

const portOf = (host: string): number => Number(host.split(":")[1]);

/** Until the first bytes of an answer are under way. */
export async function rawRequest(it: Running, what: string): Promise<Socket> {
  const socket = connect(portOf(it.host), "127.0.0.1");
  socket.on("error", () => {});
  socket.write(`${what} HTTP/1.1\r\nHost: ${it.host}\r\nCookie: ${it.cookie}\r\n\r\n`);
  await until("it is asked", () => it.program.asked.some(({ url }) => what.endsWith(url)));
  return socket;
}

export async function rawHead(it: Running, line: string): Promise<string> {
  const socket = connect(portOf(it.host), "127.0.0.1");
  socket.on("error", () => {});
  socket.write(`${line}\r\nHost: ${it.host}\r\nCookie: ${it.cookie}\r\nConnection: close\r\n\r\n`);
  return await headOf(socket);
}

export async function upgrade(
  it: Pick<Running, "host" | "cookie">,
  {
    path = "/socket",
    headers = {},
  }: { path?: string; headers?: Record<string, string | undefined> },
): Promise<{ socket: Socket; head: string }> {
  const socket = connect(portOf(it.host), "127.0.0.1");
  socket.on("error", () => {});
  const all = { cookie: it.cookie, origin: `http://${it.host}`, ...headers };
  const lines = Object.entries(all).flatMap(([name, value]) =>
    value === undefined ? [] : [`${name}: ${value}`],
  );
  const own = [
    "Upgrade: websocket",
    "Connection: Upgrade",
    "Sec-WebSocket-Key: a",
    "Sec-WebSocket-Version: 13",
  ];
  socket.write([`GET ${path} HTTP/1.1`, `Host: ${it.host}`, ...own, ...lines, "", ""].join("\r\n"));
  return { socket, head: await headOf(socket) };
}

export async function webSocket(it: Pick<Running, "host" | "cookie">): Promise<Socket> {
  const { socket, head } = await upgrade(it, {});
  assert.match(head, /^HTTP\/1\.1 101 /);
  return socket;
}

/** What is answered before the body; empty where the connection is closed without a word. Leaves the rest unread. */
export async function headOf(socket: Socket): Promise<string> {
  let text = "";
  for (;;) {
    const closed = once(socket, "close").then(() => null);
    const piece: Buffer | null =
      socket.read() ??
      (await Promise.race([once(socket, "readable").then(() => socket.read()), closed]));
    if (piece === null && (socket.readableEnded || socket.destroyed)) return text;
    text += piece?.toString("latin1") ?? "";
    const end = text.indexOf("\r\n\r\n");
    if (end === -1) continue;
    const rest = text.slice(end + 4);
    if (rest !== "") socket.unshift(Buffer.from(rest, "latin1"));
    return text.slice(0, end);
  }
}

export function gather(socket: Socket): () => Buffer {
  const pieces: Buffer[] = [];
  socket.on("data", (piece: Buffer) => pieces.push(piece));
  socket.resume();
  return () => Buffer.concat(pieces);
}

/** @returns the head of the answer to a request for a way */
export async function rawUpgrade(url: string, path: string, headers: string): Promise<string> {
  const socket = askForWay(url, path, headers);
  const head = await headOf(socket);
  socket.destroy();
  return head;
}

/** As `contrail shell open` has it, with this token. */
export async function shellTerminal(url: string, id: number, token: string): Promise<Socket> {
  const bearer = `Authorization: Bearer ${token}\r\n`;
  const socket = askForWay(url, `/api/v1/tasks/${id}/shell`, bearer);
  assert.match(await headOf(socket), /^HTTP\/1\.1 101 /);
  return socket;
}

function askForWay(url: string, path: string, headers: string): Socket {
  const socket = connect(Number(new URL(url).port), "127.0.0.1");
  socket.on("error", () => {});
  const own = "Connection: Upgrade\r\nUpgrade: contrail-tunnel\r\n";
  socket.write(`GET ${path} HTTP/1.1\r\nHost: here\r\n${own}${headers}\r\n`);
  return socket;
}
