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

export interface RankPlace {
  readonly launch: LaunchSpec;
  readonly rank: number;
  readonly socket: string;
  readonly server: string;
  readonly data: JsonObject;
  /** Where the ranks meet; only used when there are several. */
  readonly masterPort: number | null;
  /** Environment of the runner. */
  readonly inherited: Readonly<Record<string, string | undefined>>;
  readonly nodeBinary: string;
  readonly repoRoot: string;
}

/** Python reads no more. */
const HASH_SEED_MAX = 4_294_967_295;

export function rankEnvironment(place: RankPlace): Record<string, string> {
  const { launch, rank } = place;
  const env: Record<string, string> = { PYTHONUNBUFFERED: "1" };
  const gpus = launch.slots
    .filter((slot) => slot.startsWith("gpu:"))
    .map((slot) => slot.slice("gpu:".length));
  // One thread for each share of a CPU: sixteen trials that each take all cores are slower than one after the other.
  if (gpus.length === 0)
    env.OMP_NUM_THREADS = String(Math.max(1, Math.floor(launch.slots.length / launch.ranks)));
  for (const [name, value] of Object.entries(place.inherited))
    if (value !== undefined) env[name] = value;
  Object.assign(env, launch.environment);
  env.PATH = inFront(dirname(place.nodeBinary), env.PATH ?? "/usr/local/bin:/usr/bin:/bin");
  env.PYTHONPATH = inFront(join(place.repoRoot, "python"), env.PYTHONPATH);
  env.PYTHONHASHSEED ??= String(hashSeed(launch.seed));
  env.CUDA_DEVICE_ORDER = "PCI_BUS_ID"; // Slots are numbered as nvidia-smi numbers devices.
  env.CUDA_VISIBLE_DEVICES = gpus.join(",");
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
    [TRIAL_ENV.socket]: socket,
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
  };
}

/** The names that torch.distributed reads. */
function rendezvous({ launch, masterPort }: RankPlace, rank: number): Record<string, string> {
  return {
    RANK: String(rank),
    WORLD_SIZE: String(launch.ranks),
    LOCAL_RANK: String(rank),
    LOCAL_WORLD_SIZE: String(launch.ranks),
    MASTER_ADDR: "127.0.0.1",
    MASTER_PORT: String(masterPort),
  };
}

const inFront = (first: string, rest: string | undefined): string =>
  rest === undefined || rest === "" ? first : `${first}${delimiter}${rest}`;

const hashSeed = (seed: number): number => {
  const whole = Math.abs(Math.trunc(seed));
  return whole <= HASH_SEED_MAX ? whole : whole % (HASH_SEED_MAX + 1);
};
