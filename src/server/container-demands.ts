/**
 * Whether a pool can do what an experiment asks of its containers. Said at submission: an image that nobody starts, or a
 * mount that is not there, would be found out only by what is missing from the results.
 */
import type { ExperimentConfig } from "../protocol/config/config.ts";
import { ContrailError, type ProblemIssue } from "../protocol/errors.ts";
import type { EngineName } from "../protocol/pools/fields.ts";

export interface PoolKind {
  readonly name: string;
  readonly engine: string;
}

type Asked = readonly [path: string, value: unknown];

const POD_SPEC = ".environment.pod_spec";

/** Of pods, what stands beside the image is the overlay's business. */
const SERVED: Readonly<Record<EngineName, (path: string) => boolean>> = {
  local: () => false,
  docker: (path) => path !== POD_SPEC,
  slurm: () => false,
  kubernetes: (path) =>
    [".environment.image", ".environment.force_pull_image", POD_SPEC].includes(path),
};

/** An engine that is not known by name starts processes. */
const servedBy = (engine: string): ((path: string) => boolean) =>
  SERVED[engine as EngineName] ?? SERVED.local;

/** @param others every pool that there is @throws ContrailError */
export function refuseContainersElsewhere(
  config: ExperimentConfig,
  pool: PoolKind,
  others: readonly PoolKind[],
): void {
  const asked = askedOfContainers(config);
  const serves = servedBy(pool.engine);
  const could = others.filter(({ engine }) => asked.every(([path]) => servedBy(engine)(path)));
  const issues = asked
    .filter(([path]) => !serves(path))
    .map(([path, value]): ProblemIssue => {
      const isOfPods = path === POD_SPEC;
      const how =
        pool.engine === "kubernetes"
          ? "as pods"
          : pool.engine === "docker"
            ? "in containers of Docker"
            : "as processes, not containers";
      const message = `${path} is for ${isOfPods ? "pods" : "containers"}, and trials in the pool ${pool.name} (engine ${pool.engine}) run ${how}`;
      return { code: "no_containers", path, message, value: JSON.stringify(value).slice(0, 200) };
    });
  if (pool.engine === "docker" && (config.environment.image ?? null) === null)
    issues.push({
      ...{ code: "missing", path: ".environment.image" },
      message: `.environment.image is missing, and trials in the pool ${pool.name} (engine docker) run in containers: name an image, or give one to all in the pool's defaults`,
    });
  if (issues.length === 0) return;
  const names = could.map(({ name }) => name);
  throw new ContrailError("invalid_config", issues.map(({ message }) => message).join("; "), {
    issues,
    ...(asked.length === 0
      ? {}
      : {
          hint:
            names.length > 0
              ? `Submit to a pool that can: resources.resource_pool: ${names.join(" or ")}.`
              : `No pool here serves them: remove these fields, or add a pool with engine: ${asked.some(([path]) => path === POD_SPEC) ? "kubernetes" : "docker"} to the file of pools.`,
        }),
  });
}

/** What would change nothing if it were left out is not asked for. */
function askedOfContainers({ environment, resources, bind_mounts }: ExperimentConfig): Asked[] {
  const fields: Asked[] = [
    [".environment.image", environment.image],
    [".environment.force_pull_image", environment.force_pull_image],
    [".environment.registry_auth", environment.registry_auth && "(a login)"],
    [".environment.add_capabilities", environment.add_capabilities],
    [".environment.drop_capabilities", environment.drop_capabilities],
    [POD_SPEC, environment.pod_spec],
    [".bind_mounts", bind_mounts],
    [".resources.shm_size", resources.shm_size],
    [".resources.devices", resources.devices],
  ];
  return fields.filter(([, value]) =>
    Array.isArray(value)
      ? value.length > 0
      : value !== null && value !== undefined && value !== false,
  );
}
