/** Whether what an experiment asks for could ever run in its pool: said at submission, with the nearest that could. */
import { plural } from "../../base/plural.ts";
import { fitsShape, nearestShapes } from "../../core/jobs/shape.ts";
import { largestThatFits } from "../../core/schedule/plan.ts";
import type { ExperimentConfig } from "../../protocol/config/config.ts";
import { nearest } from "../../protocol/config/nearest.ts";
import { ContrailError } from "../../protocol/errors.ts";
import { DEFAULT_POOL } from "../../protocol/pools/pools.ts";
import type { PoolInfo, PoolRoom } from "../world.ts";

type Pools = ReadonlyMap<string, PoolInfo>;

/** @returns the pool of that name; for the name that stands where none was given, the first */
export function findPool(name: string, pools: Pools): PoolInfo | undefined {
  const [first] = pools.values();
  return pools.get(name) ?? (name === DEFAULT_POOL ? first : undefined);
}

/** @throws ContrailError where there is none of that name */
export function choosePool(name: string, pools: Pools): PoolInfo {
  const found = findPool(name, pools);
  if (found) return found;
  const suggestion = nearest(name, pools.keys());
  const path = ".resources.resource_pool";
  const message = `${path} is "${name}", and there is no such pool`;
  throw new ContrailError("invalid_config", message, {
    issues: [
      {
        ...{ code: "unknown_pool", path, message, value: name },
        ...(suggestion === undefined ? {} : { suggestion }),
      },
    ],
    hint: `There are: ${[...pools.keys()].join(", ")}.${suggestion === undefined ? "" : ` Did you mean ${suggestion}?`}`,
  });
}

/** Whether the slots of a trial have to be of one node. A task is one program, so it is on one wherever it is. */
export const isOnOneNode = ({
  resources,
  task,
}: {
  readonly resources?: { readonly is_single_node?: boolean | null };
  readonly task?: unknown;
}): boolean => Boolean(task || resources?.is_single_node);

/** @throws ContrailError slots_unavailable */
export function refuseWhatNeverFits(
  { resources, task }: Pick<ExperimentConfig, "resources" | "task">,
  pool: PoolInfo,
  room: PoolRoom,
): void {
  const needed = resources.slots_per_trial;
  const { name, perJob } = pool;
  const job = isOnOneNode({ resources, task })
    ? null
    : perJob && { ...perJob, slots: room.largest };
  const largest = Math.min(room.largest, perJob?.slotsPerNode ?? room.largest);
  if (job ? fitsShape(needed, job) : largestThatFits(needed, largest) === undefined) return;
  const whoIsOnOne = task
    ? "a task runs on one"
    : perJob
      ? ".resources.is_single_node asks for one"
      : "a trial of its engine runs on one";
  const there =
    needed > room.total || (!job && largest === room.total)
      ? `there ${room.total === 1 ? "is" : "are"} ${room.total} in pool ${name}`
      : job
        ? `pool ${name} has ${plural(job.nodes, "node")} with up to ${plural(job.slotsPerNode, "slot")} each, over which ${needed} cannot be shared evenly`
        : `no node of pool ${name} has more than ${largest}, and ${whoIsOnOne}`;
  const fits = job ? nearestShapes(needed, job) : [largest];
  throw new ContrailError(
    "slots_unavailable",
    `each trial needs ${plural(needed, "slot")}; ${there}, so none could ever start`,
    {
      hint:
        fits.length === 2
          ? `The nearest resources.slots_per_trial that fit are ${fits.join(" and ")}.`
          : `The largest resources.slots_per_trial that fits is ${fits[0] ?? 0}.`,
    },
  );
}
