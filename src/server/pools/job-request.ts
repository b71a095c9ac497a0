/** What a job of an allocation is made of: a runner for this allocation alone, the files that it needs, its shape. */
import { mkdirSync, rmSync } from "node:fs";
import { join } from "node:path";
import { type JobShape, shapeOf } from "../../core/jobs/shape.ts";
import type { JobRequest } from "../../engines/job-engine.ts";
import { environmentForTraining } from "../../engines/local/local-engine.ts";
import { writePrivate } from "../../engines/runner-record.ts";
import type { JobSettings } from "../../protocol/pools/fields.ts";
import { findLive } from "../sync.ts";
import type { World } from "../world.ts";
import { isOnOneNode } from "./fit.ts";

export interface JobPlace {
  readonly dataDir: string;
  readonly owner: string;
  /** Its name. */
  readonly engine: string;
  readonly settings: JobSettings;
  readonly slotsPerNode: number;
  readonly environment: NodeJS.ProcessEnv;
  readonly runnerToken: (runner: string) => string;
  /** Under which this server is reached. */
  readonly url: () => string;
  readonly nodeBinary: string;
  readonly repository: string;
}

const FILES = ["server.json", "token"];

export const jobFolder = (dataDir: string, allocation: string): string =>
  join(dataDir, "jobs", allocation);

/** Writes the files anew each time: the address of a server may be another one after its restart. */
export function jobRequest(world: World, place: JobPlace, allocation: string): JobRequest {
  const { settings, slotsPerNode, dataDir } = place;
  const found = findLive(world, allocation);
  const slots = found?.live.x.spec.slotsPerTrial ?? 1;
  const runner = found?.allocation.runner ?? "";
  const folder = jobFolder(dataDir, allocation);
  mkdirSync(folder, { recursive: true, mode: 0o700 });
  writePrivate(join(folder, "token"), place.runnerToken(runner));
  const url = settings.server_url ?? place.url();
  writePrivate(join(folder, "server.json"), JSON.stringify({ url }));
  const repository = settings.repository ?? place.repository;
  const asked = found?.live.row.config as Asked | undefined;
  const extra = extraOf(place, asked);
  return {
    ...{ id: allocation, owner: place.owner, folder, files: FILES },
    title: `${found?.live.row.name ?? "experiment"} ${allocation}`,
    ...shapeOfTrial(asked, slots, slotsPerNode),
    command: [
      settings.node_binary ?? place.nodeBinary,
      join(repository, "src/runner/main.ts"),
      ...["--runner", runner, "--only", allocation],
      ...["--token-file", join(folder, "token"), "--server-file", join(folder, "server.json")],
      ...["--repo-root", repository, "--grace-ms", String(settings.grace * 1000)],
    ],
    environment: definedOnly(environmentForTraining(place.environment)),
    extra,
  };
}

/** Absent in configurations that were stored before the fields were there. */
interface Asked {
  readonly resources?: { readonly is_single_node?: boolean | null };
  readonly task?: unknown;
  readonly slurm?: object;
  readonly environment?: {
    readonly image?: string | Readonly<Record<string, string>> | null;
    readonly force_pull_image?: boolean;
    readonly pod_spec?: object | null;
  };
}

/**
 * What was promised at its submission holds when nodes have become smaller since: a trial that has to be on one node waits
 * for one that is large enough.
 */
export const shapeOfTrial = (asked: Asked = {}, slots: number, slotsPerNode: number): JobShape =>
  isOnOneNode(asked) ? { nodes: 1, slotsPerNode: slots } : shapeOf(slots, slotsPerNode);

/** Each engine is told what is meant for it: one configuration is for every pool. */
function extraOf({ engine, settings }: JobPlace, asked: Asked = {}): Record<string, unknown> {
  if (engine !== "kubernetes") return { ...asked.slurm };
  const { image = null, force_pull_image = false, pod_spec = null } = asked.environment ?? {};
  const kind = settings.slot_type === "gpu" ? "cuda" : "cpu";
  const named = image === null || typeof image === "string" ? image : (image[kind] ?? null);
  return {
    ...(named === null ? {} : { image: named }),
    ...(force_pull_image ? { force_pull_image } : {}),
    ...(pod_spec === null ? {} : { pod_spec }),
  };
}

export const forgetJob = (dataDir: string, allocation: string): void =>
  rmSync(jobFolder(dataDir, allocation), { recursive: true, force: true });

const definedOnly = (environment: NodeJS.ProcessEnv): Record<string, string> =>
  Object.fromEntries(
    Object.entries(environment).filter(
      (entry): entry is [string, string] => entry[1] !== undefined,
    ),
  );
