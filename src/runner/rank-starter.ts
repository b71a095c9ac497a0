/**
 * Starts ranks with everything that belongs to this machine and this runner: the environment that is
 * inherited, the programs that help, and a port where several ranks can meet.
 */
import { createServer } from "node:net";
import type { LaunchSpec } from "../protocol/runner-wire.ts";
import { TRIAL_ENV } from "../protocol/trial-socket.ts";
import { rankEnvironment } from "./environment.ts";
import { findSetpriv, type RankProcess, type RankSinks, startRank } from "./rank-process.ts";
import type { ServerClient } from "./server-client.ts";
import type { PreparedWorkspace } from "./workspace.ts";

export interface RankPlan {
  readonly launch: LaunchSpec;
  readonly prepared: PreparedWorkspace;
  readonly socket: string;
  readonly server: string;
  readonly masterPort: number | null;
}

export interface RankStarter {
  plan(launch: LaunchSpec, prepared: PreparedWorkspace, socket: string): Promise<RankPlan>;
  /** @throws LaunchError */
  start(plan: RankPlan, rank: number, sinks: RankSinks): Promise<RankProcess>;
  /** By this every process of the allocation can be recognized, see process-scan.ts. */
  marker(socket: string): string;
}

export function rankStarter(options: {
  readonly client: ServerClient;
  /** Environment of the runner. */
  readonly environment: Readonly<Record<string, string | undefined>>;
  readonly nodeBinary: string;
  readonly repoRoot: string;
}): RankStarter {
  const { client, environment, nodeBinary, repoRoot } = options;
  const setpriv = findSetpriv(environment.PATH ?? "/usr/bin:/bin");
  return {
    async plan(launch, prepared, socket) {
      const masterPort = launch.ranks > 1 ? await freePort() : null;
      return { launch, prepared, socket, server: client.url(), masterPort };
    },
    start(plan, rank, sinks) {
      const { launch, prepared, socket, server, masterPort } = plan;
      const { data, code } = prepared;
      const place = {
        launch,
        rank,
        socket,
        server,
        data,
        masterPort,
        inherited: environment,
        nodeBinary,
        repoRoot,
      };
      return startRank(
        { argv: launch.entrypoint, cwd: code, env: rankEnvironment(place), setpriv },
        sinks,
      );
    },
    marker: (socket) => `${TRIAL_ENV.socket}=${socket}`,
  };
}

/** Free now; rank 0 binds it in a moment, and nobody else is likely to be given it until then. */
function freePort(): Promise<number> {
  return new Promise((resolve, reject) => {
    const server = createServer();
    server.once("error", reject);
    server.listen(0, "127.0.0.1", () => {
      const address = server.address();
      const port = typeof address === "object" && address !== null ? address.port : 0;
      server.close(() => resolve(port));
    });
  });
}
