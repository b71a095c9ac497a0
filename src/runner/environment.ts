/**
 * The environment of one rank: what the person who started the server has, then what the
 * configuration says, then what the platform has to say, which nobody overrides.
 *
 * PATH and PYTHONPATH are put in front of rather than replaced, so that `node`, `python` and
 * `import contrail` mean the same on every machine while the rest of the person's setup holds.
 */
import { delimiter, dirname, join } from "node:path";
import type { JsonObject } from "../base/json.ts";
import type { LaunchSpec } from "../protocol/runner-wire.ts";
import { TRIAL_ENV } from "../protocol/trial-socket.ts";
import { shareOf } from "./nodes/share.ts";
import type { GangPlace } from "./rank-starter.ts";
import { serves, taskSocketOf } from "./tasks/task-socket.ts";

export interface RankPlace {
  readonly launch: LaunchSpec;
  readonly rank: number;
  readonly socket: string;
  readonly server: string;
  readonly data: JsonObject;
  /** Where the ranks meet, by the host of rank 0; only used when there are several. */
  readonly meeting: { readonly address: string; readonly port: number } | null;
  /** Where the ranks are on several nodes; absent = all are here. */
  readonly gang?: GangPlace | undefined;
  /** Environment of the runner; in a container, what its image brings. */
  readonly inherited: Readonly<Record<string, string | undefined>>;
  /** null = in a container, which has its own programs, and its own numbers for the devices that it was given. */
  readonly nodeBinary: string | null;
  readonly repoRoot: string;
  /** `given`: what CUDA_VISIBLE_DEVICES says already, because the engine chose. */
  readonly devices: "ours" | "given";
}

/** Python reads no more. */
const HASH_SEED_MAX = 4_294_967_295;

export function rankEnvironment(place: RankPlace): Record<string, string> {
  const { launch, rank } = place;
  const env: Record<string, string> = { PYTHONUNBUFFERED: "1" };
  const gpus = launch.slots
    .filter((slot) => slot.startsWith("gpu:"))
    .map((slot) => slot.slice("gpu:".length));
  // One thread for each core of its shares: sixteen trials that each take all cores are slower than one after the other.
  const cores = launch.slots.length * (launch.coresPerSlot ?? 1);
  if (gpus.length === 0)
    env.OMP_NUM_THREADS = String(Math.max(1, Math.floor(cores / launch.ranks)));
  for (const [name, value] of Object.entries(place.inherited))
    if (value !== undefined) env[name] = value;
  Object.assign(env, launch.environment);
  const path = env.PATH ?? "/usr/local/bin:/usr/bin:/bin";
  env.PATH = place.nodeBinary === null ? path : inFront(dirname(place.nodeBinary), path);
  env.PYTHONPATH = inFront(join(place.repoRoot, "python"), env.PYTHONPATH);
  const link = place.gang === undefined ? LOOPBACK : place.gang.networkInterface;
  if (launch.ranks > 1 && link !== null) env.GLOO_SOCKET_IFNAME ??= link;
  env.PYTHONHASHSEED ??= String(hashSeed(launch.seed));
  env.CUDA_DEVICE_ORDER = "PCI_BUS_ID"; // Slots are numbered as nvidia-smi numbers devices.
  if (place.devices === "ours")
    env.CUDA_VISIBLE_DEVICES = (
      place.nodeBinary === null ? gpus.map((_, at) => String(at)) : gpus
    ).join(",");
  for (const name of Object.keys(env)) if (name.startsWith("CONTRAIL_")) delete env[name];
  return Object.assign(
    env,
    platformVariables(place),
    launch.ranks > 1 ? rendezvous(place, rank) : {},
  );
}

function platformVariables({
  launch,
  rank,
  socket,
  server,
  data,
}: RankPlace): Record<string, string> {
  return {
    [TRIAL_ENV.mark]: socket,
    [TRIAL_ENV.experiment]: String(launch.experiment),
    [TRIAL_ENV.trial]: launch.trial,
    [TRIAL_ENV.allocation]: launch.allocation,
    [TRIAL_ENV.rank]: String(rank),
    [TRIAL_ENV.size]: String(launch.ranks),
    [TRIAL_ENV.seed]: String(launch.seed),
    [TRIAL_ENV.params]: JSON.stringify(launch.params),
    [TRIAL_ENV.server]: server,
    [TRIAL_ENV.token]: launch.token,
    [TRIAL_ENV.data]: JSON.stringify(data),
    // With the trial's socket, code that a person tries out would save checkpoints in place of the folder that is kept.
    ...(serves(launch)
      ? { [TRIAL_ENV.taskSocket]: taskSocketOf(socket) }
      : { [TRIAL_ENV.socket]: socket }),
  };
}

/**
 * Gloo asks else what the host's name stands for, which may be nothing, or an address that no other node can reach. Here it is
 * for ranks that are all on this machine.
 */
const LOOPBACK = process.platform === "darwin" ? "lo0" : "lo";

const LOOPBACK_ADDRESS = "127.0.0.1";

/** Of ranks that are all on this machine. */
export const meetingHere = (rendezvous: { readonly port: number } | null): RankPlace["meeting"] =>
  rendezvous && { address: LOOPBACK_ADDRESS, port: rendezvous.port };

/** The names that torch.distributed reads, and those of the launchers that start it. */
function rendezvous({ launch, meeting, gang }: RankPlace, rank: number): Record<string, string> {
  const { node, nodes, first, ranks } = gang?.share ?? shareOf(0, 1, launch.ranks);
  return {
    RANK: String(rank),
    WORLD_SIZE: String(launch.ranks),
    LOCAL_RANK: String(rank - first),
    LOCAL_WORLD_SIZE: String(ranks),
    GROUP_RANK: String(node),
    GROUP_WORLD_SIZE: String(nodes),
    NODE_RANK: String(node),
    MASTER_ADDR: meeting?.address ?? LOOPBACK_ADDRESS,
    MASTER_PORT: String(meeting?.port ?? ""),
  };
}

const inFront = (first: string, rest: string | undefined): string =>
  rest === undefined || rest === "" ? first : `${first}${delimiter}${rest}`;

const hashSeed = (seed: number): number => {
  const whole = Math.abs(Math.trunc(seed));
  return whole <= HASH_SEED_MAX ? whole : whole % (HASH_SEED_MAX + 1);
};
