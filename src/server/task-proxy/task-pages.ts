/**
 * The second listener: pages of tasks, each under an origin of its own, and nothing else. The app's own listener never
 * serves a byte of a task, and this one never a byte of the app.
 *
 * Who has a ticket from the app gets the task's cookie for it; who has the cookie, and asks from the task's own page, is
 * carried through to the task's program. Everybody else learns nothing, not even which tasks there are. WebSockets are
 * held to the same, and cut when the person's session or the allocation is over.
 */
import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http";
import { Socket } from "node:net";
import type { Logger } from "pino";
import type { Clock } from "../../base/clock.ts";
import {
  type ConnectionLimits,
  type Crowd,
  HEADERS_LIMITS,
  limitConnections,
} from "../http/connections.ts";
import type { OpenConnections } from "../http/open-connections.ts";
import { answerOn } from "../http/upgrades.ts";
import type { World } from "../world.ts";
import { type TaskAddress, taskOfHost } from "./address.ts";
import { forward, forwardUpgrade, type Way } from "./forward.ts";
import { foreignAsker } from "./headers.ts";
import { type LiveTask, liveTask, servesNow } from "./live-task.ts";
import { sendPage } from "./plain-page.ts";
import type { TaskCookies } from "./task-cookie.ts";
import type { Admission, Tickets } from "./tickets.ts";
import type { Tunnels } from "./tunnels.ts";

/** Ours below each task's host; the program never sees a request for it. */
export const ENTER_PATH = "/.contrail/enter";
const OURS = /^\/\.contrail(?:[/?]|$)/;

export interface TaskPagesOptions {
  readonly world: World;
  readonly tunnels: Tunnels;
  readonly tickets: Tickets;
  readonly cookies: TaskCookies;
  /** Known once it listens. */
  readonly address: () => TaskAddress;
  readonly connections: OpenConnections;
  readonly clock: Clock;
  readonly log: Pick<Logger, "error">;
  /** Bounded together with the app's. */
  readonly crowd: Crowd;
  readonly limits?: ConnectionLimits;
}

interface Refusal {
  readonly refused: 401 | 403;
  readonly why: string;
}
type Entry = { readonly task: LiveTask; readonly admission: Admission } | Refusal;

export class TaskPages {
  readonly server: Server;
  readonly #options: TaskPagesOptions;
  readonly #connections = new Set<Socket>();

  constructor(options: TaskPagesOptions) {
    this.#options = options;
    const { clock, crowd, limits } = options;
    this.server = createServer({
      ...{ ...HEADERS_LIMITS, keepAliveTimeout: 60_000, requestTimeout: 0 },
      shouldUpgradeCallback: ({ headers }: IncomingMessage) => asksForWebSocket(headers.upgrade),
    });
    this.server.on("connection", (socket) => {
      this.#connections.add(socket);
      socket.once("close", () => this.#connections.delete(socket));
    });
    limitConnections(this.server, { clock, crowd, ...(limits && { limits }) });
    this.server.on("request", (request, response) =>
      this.#guarded(response, this.#serve(request, response)),
    );
    this.server.on("upgrade", (request: IncomingMessage, stream, head: Buffer) => {
      if (!(stream instanceof Socket)) return void stream.destroy();
      const response = answerOn(request, stream);
      this.#guarded(response, this.#upgrade(request, response, { socket: stream, head }));
    });
  }

  close(): Promise<void> {
    // Also those that are WebSockets by now, of which the server itself knows nothing.
    for (const socket of this.#connections) socket.destroy();
    return new Promise((closed) => void this.server.close(() => closed()));
  }

  /** Something has changed with these experiments: what has ended is cut off at once. */
  changed(experiments: ReadonlySet<number>): void {
    const { world, tunnels } = this.#options;
    for (const allocation of tunnels.allocations())
      if (experiments.has(Number(allocation.split(".")[0])) && !servesNow(world, allocation))
        tunnels.cut(allocation);
  }

  #guarded(response: ServerResponse, work: Promise<void>): void {
    work.catch((error: Error) => {
      this.#options.log.error({ err: error }, "a page of a task could not be served");
      if (response.headersSent) return void response.destroy();
      sendPage(response, {
        status: 500,
        title: "Contrail made a mistake",
        text: "The server's log says which.",
      });
    });
  }

  async #serve(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const { url = "", headers } = request;
    if (!url.startsWith("/"))
      return sendPage(response, {
        status: 400,
        title: "Not a path",
        text: "The address in the request has to begin with a slash.",
      });
    const experiment = taskOfHost(this.#options.address(), headers.host);
    if (experiment === undefined) return nobody(response);
    if (OURS.test(url)) return this.#enter(request, response, experiment);
    const entry = await this.#entry(request, experiment, false);
    if ("refused" in entry) return refuse(response, entry);
    this.#options.connections.watch(request.socket, entry.admission, response);
    await forward(request, response, this.#way(entry.task));
  }

  async #upgrade(
    request: IncomingMessage,
    response: ServerResponse,
    { socket, head }: { readonly socket: Socket; readonly head: Buffer },
  ): Promise<void> {
    const experiment = taskOfHost(this.#options.address(), request.headers.host);
    if (experiment === undefined) return nobody(response);
    const { method, url = "", headers } = request;
    const isOrdinary = method === "GET" && asksForWebSocket(headers.upgrade);
    if (!isOrdinary || !url.startsWith("/") || OURS.test(url))
      return sendPage(response, {
        status: 400,
        title: "Not an upgrade that is served",
        text: "Only a GET that asks for a WebSocket is.",
      });
    const entry = await this.#entry(request, experiment, true);
    if ("refused" in entry) return refuse(response, entry);
    await forwardUpgrade(request, response, {
      ...this.#way(entry.task),
      takeOver: () => {
        response.detachSocket(socket);
        if (head.length > 0) socket.unshift(head);
        return socket;
      },
      onOpen: (browser) => this.#options.connections.watch(browser, entry.admission),
    });
  }

  #way({ allocation }: LiveTask): Way {
    const { tunnels, clock, address } = this.#options;
    const { scheme } = address();
    return { scheme, clock, take: (signal) => tunnels.take(allocation, signal) };
  }

  /** A ticket for the task's cookie, once. */
  async #enter(
    request: IncomingMessage,
    response: ServerResponse,
    experiment: number,
  ): Promise<void> {
    const { tickets, cookies, world } = this.#options;
    const { scheme } = this.#options.address();
    const host = request.headers.host ?? "";
    const url = new URL(request.url ?? "/", `${scheme}://task`);
    if (request.method !== "GET" || url.pathname !== ENTER_PATH) return nobody(response);
    const admission = tickets.take(url.searchParams.get("ticket") ?? "");
    const task = liveTask(world, experiment);
    const isHere = admission !== undefined && admission.allocation === task?.allocation;
    if (!isHere || !(await this.#options.connections.holds(admission.tokenId)))
      return sendPage(response, {
        ...{ status: 401, title: "This link does not hold" },
        text: "It was used already, is older than a minute, or its task is over. Open the task again from Contrail.",
      });
    response.writeHead(303, {
      Location: "/",
      "Set-Cookie": cookies.header(admission, host, scheme === "https"),
      "Cache-Control": "no-store",
      "Referrer-Policy": "no-referrer",
    });
    response.end();
  }

  async #entry(request: IncomingMessage, experiment: number, isUpgrade: boolean): Promise<Entry> {
    const { headers, method = "" } = request;
    const host = headers.host ?? "";
    const task = liveTask(this.#options.world, experiment);
    const admission = this.#options.cookies
      .read(headers.cookie, host)
      .find(({ allocation }) => allocation === task?.allocation);
    if (
      task === undefined ||
      admission === undefined ||
      !(await this.#options.connections.holds(admission.tokenId))
    )
      return { refused: 401, why: "" };
    const asked = { method, host, headers, isUpgrade };
    const foreign = foreignAsker(asked, this.#options.address().scheme);
    if (foreign !== undefined) return { refused: 403, why: `The request ${foreign}.` };
    // It would stay in the browser when the task is over, and answer in its place.
    if (headers["service-worker"] !== undefined)
      return { refused: 403, why: "Service workers are not served." };
    return { task, admission };
  }
}

const asksForWebSocket = (upgrade: string | undefined): boolean =>
  upgrade?.toLowerCase() === "websocket";

const nobody = (response: ServerResponse): void =>
  sendPage(response, { status: 421, title: "Nothing is here", text: "No page has this address." });

function refuse(response: ServerResponse, { refused, why }: Refusal): void {
  if (refused === 401)
    return sendPage(response, {
      ...{ status: 401, title: "Open it from Contrail" },
      text: "You are not let in here, or not any more: your session has ended, or the task has. Open the task again from its page, or by the command line.",
    });
  sendPage(response, { status: refused, title: "Refused", text: why });
}
