/** The pages of tasks put together and listening; and what the app may ask of them. */
import type { AddressInfo } from "node:net";
import type { Logger } from "pino";
import type { Clock } from "../../base/clock.ts";
import type { ConnectionLimits, Crowd } from "../http/connections.ts";
import type { OpenConnections } from "../http/open-connections.ts";
import type { World } from "../world.ts";
import { LOCAL_DOMAIN, originOf, readTaskDomain, type TaskAddress } from "./address.ts";
import { TaskCookies } from "./task-cookie.ts";
import { ENTER_PATH, TaskPages } from "./task-pages.ts";
import { type Admission, Tickets } from "./tickets.ts";
import type { Tunnels } from "./tunnels.ts";

export interface TaskPlace {
  /** Where the app listens; its port may be 0. */
  readonly host: string;
  readonly appPort: number;
  /** 0 = any that is free; absent = the one after the app's, or any where that is 0 or taken. */
  readonly port?: number | undefined;
  /** As people write it; absent = below localhost. */
  readonly domain?: string | undefined;
}

/** What the app's routes know of it. */
export interface TaskDoor {
  /** A link that lets one browser in, once. */
  admit(experiment: number, admission: Admission): { url: string; expiresAt: Date };
}

export interface RunningTaskPages extends TaskDoor {
  changed(experiments: ReadonlySet<number>): void;
  close(): Promise<void>;
}

export async function startTaskPages(
  place: TaskPlace,
  means: {
    readonly world: World;
    readonly tunnels: Tunnels;
    readonly secret: Buffer;
    readonly connections: OpenConnections;
    readonly clock: Clock;
    readonly log: Logger;
    readonly crowd: Crowd;
    readonly limits?: ConnectionLimits;
  },
): Promise<RunningTaskPages> {
  const { world, tunnels, connections, clock, log, crowd, limits } = means;
  const tickets = new Tickets(() => clock.nowMs());
  let address: TaskAddress | undefined;
  const pages = new TaskPages({
    ...{ world, tunnels, tickets, connections, clock, log, crowd, ...(limits && { limits }) },
    cookies: new TaskCookies(means.secret),
    address: () => address as TaskAddress,
  });
  try {
    const port = await listen(pages, place, log);
    address = readTaskDomain(place.domain ?? LOCAL_DOMAIN, port);
    if (address === undefined) throw badDomain(place.domain ?? "");
  } catch (error) {
    await pages.close();
    throw error;
  }
  const there = address;
  return {
    admit(experiment, admission) {
      const { ticket, expiresAt } = tickets.issue(admission);
      return { url: `${originOf(there, experiment)}${ENTER_PATH}?ticket=${ticket}`, expiresAt };
    },
    changed: (experiments) => pages.changed(experiments),
    close: () => pages.close(),
  };
}

async function listen(pages: TaskPages, place: TaskPlace, log: Logger): Promise<number> {
  const { host, appPort } = place;
  const next = appPort > 0 && appPort < 65_535 ? appPort + 1 : 0;
  try {
    return await listenAt(pages, host, place.port ?? next);
  } catch (error) {
    const isTaken = (error as NodeJS.ErrnoException).code === "EADDRINUSE";
    if (!isTaken) throw error;
    if (place.port !== undefined)
      throw new Error(
        `something else listens on port ${place.port}, where pages of tasks were to be; name another with --task-port`,
        { cause: error },
      );
    const port = await listenAt(pages, host, 0);
    log.warn({ wanted: next, port }, "pages of tasks are at another port: theirs is taken");
    return port;
  }
}

function listenAt({ server }: TaskPages, host: string, port: number): Promise<number> {
  return new Promise((resolve, reject) => {
    server.once("error", reject);
    server.listen({ host, port }, () => {
      server.off("error", reject);
      resolve((server.address() as AddressInfo).port);
    });
  });
}

const badDomain = (text: string): Error =>
  new Error(
    `--task-domain ${JSON.stringify(text.slice(0, 100))} is no domain below which tasks could have names; ` +
      "write one such as tasks.example.com, or https://tasks.example.com behind a proxy with TLS",
  );
