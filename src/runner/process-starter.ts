/**
 * Starts ranks as processes, with everything that belongs to this machine and this runner: the environment that is
 * inherited, the programs that help, and a port where several ranks can meet.
 */
import type { Clock } from "../base/clock.ts";
import { TRIAL_ENV } from "../protocol/trial-socket.ts";
import { whenRoom } from "./backoff.ts";
import { meetingHere, rankEnvironment } from "./environment.ts";
import type { Rank } from "./rank.ts";
import { findSetpriv, LaunchError, startRank } from "./rank-process.ts";
import type { RankPlan, RankStarter } from "./rank-starter.ts";
import { claimPort } from "./rendezvous-port.ts";
import type { ServerClient } from "./server-client.ts";
import { sweep } from "./sweep.ts";

/** How long pipes and sockets may stay open after every process is gone, because somebody unknown holds them. */
const LAST_BYTES_MS = 1_000;

export function processStarter(options: {
  readonly clock: Clock;
  readonly client: ServerClient;
  /** Environment of the runner. */
  readonly environment: Readonly<Record<string, string | undefined>>;
  readonly nodeBinary: string;
  readonly repoRoot: string;
  readonly devices: "ours" | "given";
}): RankStarter {
  const { clock, client, environment, nodeBinary, repoRoot, devices } = options;
  const setpriv = findSetpriv(environment.PATH ?? "/usr/bin:/bin");
  const environmentOf = (plan: RankPlan, rank: number): Record<string, string> =>
    rankEnvironment({
      ...{ launch: plan.launch, rank, socket: plan.socket, server: plan.server },
      ...{ data: plan.prepared.data, gang: plan.gang },
      meeting: plan.gang?.meeting ?? meetingHere(plan.rendezvous),
      ...{ inherited: environment, nodeBinary, repoRoot, devices },
    });
  return {
    lastBytesMs: LAST_BYTES_MS,
    owner: () => null,
    async prepare(launch, prepared) {
      if (launch.container === undefined) return prepared;
      throw new LaunchError(
        `image: ${launch.container.image} is asked for, and trials of this pool run as processes. Submit it to a pool of the engine docker`,
      );
    },
    async plan(launch, prepared, socket) {
      const rendezvous = launch.ranks > 1 ? await claimPort(socket) : null;
      return { launch, prepared, socket, server: client.url(), rendezvous };
    },
    variables: (launch, prepared, socket) =>
      environmentOf({ launch, prepared, socket, server: client.url(), rendezvous: null }, 0),
    environment: environmentOf,
    start(plan, rank, { sinks, signal, tell }) {
      const { launch, prepared } = plan;
      const env = environmentOf(plan, rank);
      const command = { argv: launch.entrypoint, cwd: prepared.code, env, setpriv };
      const started = (): Promise<Rank> => startRank(command, sinks);
      // Nobody could give up a wait without a signal.
      if (signal === undefined || tell === undefined) return started();
      return whenRoom(started, { clock, signal, tell, waits: `the start of rank ${rank}` });
    },
    inside: () => undefined,
    endAll: ({ socket, groups, graceMs }) =>
      sweep({ clock, graceMs, groups, marker: `${TRIAL_ENV.mark}=${socket}` }),
    tidy: async () => undefined,
    clear: async () => undefined,
  };
}
