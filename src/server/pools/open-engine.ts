/** From what the file of pools says to an engine that answers. Each engine is loaded where a pool names it, and not before. */
import { unreachable } from "../../base/assert.ts";
import type { Clock } from "../../base/clock.ts";
import { localEngine } from "../../engines/local/local-engine.ts";
import { DEFAULT_POOL, type NamedPool } from "../../protocol/pools/pools.ts";
import type { ServerPool } from "./server-pool.ts";

export const LOCAL_POOL: NamedPool = {
  name: DEFAULT_POOL,
  settings: { engine: "local", description: null, defaults: {}, slots: null },
};

export interface EngineMeans {
  readonly clock: Clock;
  readonly environment: NodeJS.ProcessEnv;
  /** `--slots N`: of the pools of this machine that do not say it themselves. */
  readonly slots: number | undefined;
}

export async function openEngine(pool: NamedPool, means: EngineMeans): Promise<ServerPool> {
  const { name, settings } = pool;
  const { description, defaults } = settings;
  switch (settings.engine) {
    case "local":
      return {
        name,
        description,
        defaults,
        engine: localEngine({ ...means, slots: settings.slots ?? means.slots }),
      };
    case "docker": {
      const { dockerEngine } = await import("../../engines/docker/docker-engine.ts");
      const slots = settings.slots ?? means.slots ?? null;
      return {
        name,
        description,
        defaults,
        coresPerSlot: settings.cpus_per_slot,
        engine: dockerEngine({ ...means, pool: { ...settings, slots } }),
      };
    }
    case "kubernetes": {
      const { kubernetesEngine } = await import("../../engines/kubernetes/kubernetes-engine.ts");
      const jobs = kubernetesEngine(settings, means);
      return { name, description, coresPerSlot: settings.cpus_per_slot, settings, jobs };
    }
    case "slurm": {
      const { slurmEngine } = await import("../../engines/slurm/slurm-engine.ts");
      const jobs = slurmEngine(settings, means);
      return { name, description, coresPerSlot: settings.cpus_per_slot, settings, jobs };
    }
    default:
      return unreachable(settings, "engine");
  }
}
