/**
 * What can be said of a pool: a named set of slots of one engine. Lengths of time and counts as in a configuration of
 * an experiment; everything that an engine alone knows stands in its own schema.
 */
import * as z from "zod";
import { podSpec } from "../config/container-fields.ts";
import { duration } from "../config/duration-field.ts";
import { orNull } from "../config/fields.ts";

const slots = z.int().min(1).max(4096);

const common = {
  description: orNull(z.string().max(200)).describe("For people who choose among pools."),
  defaults: z
    .record(z.string(), z.json())
    .default(() => ({}))
    .describe(
      "Fields of an experiment's configuration that hold here where the experiment itself says nothing.",
    ),
};

/** An engine whose own scheduler places jobs: what it may be asked for, and how its jobs find the server. */
const jobs = {
  slots: orNull(slots).describe(
    "Most slots that experiments may hold here at a time; left out, as many as the engine has.",
  ),
  slot_type: z.enum(["cpu", "gpu"]).default("cpu").describe("What one slot is."),
  slots_per_node: orNull(slots).describe(
    "Slots of one node: a trial that needs more spans several. Left out, as many as the largest node has.",
  ),
  server_url: orNull(z.url()).describe(
    "The address under which nodes reach this server; left out, the one that it listens on.",
  ),
  grace: duration
    .default(30)
    .describe("Time to save between being told to go and being killed; the engine's own limit."),
  node_binary: orNull(z.string().min(1)).describe(
    "Node 24 on the engine's nodes; left out, where this server has it.",
  ),
  repository: orNull(z.string().regex(/^\//, "an absolute path")).describe(
    "This program's folder on the engine's nodes; left out, where this server has it.",
  ),
};

export const jobSettings = z.object({ ...common, ...jobs });
/** What every engine that is asked for jobs has among its settings. */
export type JobSettings = z.output<typeof jobSettings>;

export const localPool = z.strictObject({
  engine: z.literal("local"),
  ...common,
  slots: orNull(slots).describe(
    "Left out, one for each GPU, or for each core where there is none.",
  ),
});

export const dockerPool = z.strictObject({
  engine: z.literal("docker"),
  ...common,
  slots: orNull(slots).describe(
    "Left out, one for each GPU, or for each core where there is none.",
  ),
  socket: z
    .string()
    .regex(/^\//, "an absolute path of a Unix socket")
    .default("/var/run/docker.sock")
    .describe("Where the engine's HTTP API is."),
  network: z
    .string()
    .regex(/^[A-Za-z0-9][A-Za-z0-9_.-]{0,99}$/, "none, bridge, host, or a network's name")
    .default("none")
    .describe("The network of a trial that does not ask for one."),
  user: orNull(
    z.string().regex(/^\d{1,10}:\d{1,10}$/, "user and group as numbers, such as 1000:1000"),
  ).describe(
    "Whom programs run as; left out, as the user that runs the server. Root only where 0:0 is written here.",
  ),
  cpus_per_slot: orNull(z.number().positive()).describe("Limit of processor time for each slot."),
  memory_per_slot: orNull(
    z.string().regex(/^\d+(\.\d+)? ?[kmgtp]?(i?b)?$/i, "a size such as 512m or 4GiB"),
  ).describe("Limit of memory for each slot."),
});

export const slurmPool = z.strictObject({
  engine: z.literal("slurm"),
  ...common,
  ...jobs,
  partition: orNull(z.string()).describe("Left out, the cluster's default."),
  account: orNull(z.string()),
  qos: orNull(z.string()),
  gpu_type: orNull(z.string()).describe("The type in --gres=gpu:TYPE:N."),
  cpus_per_slot: z.int().min(1).default(1),
  memory_per_slot: orNull(z.string().regex(/^\d+[KMGT]?$/, "a size such as 4G")),
  time_limit: orNull(duration).describe("Of each job; left out, the partition's."),
  sbatch_args: z
    .array(z.string())
    .default(() => [])
    .describe("Put before those of the experiment."),
  conf: orNull(z.string().regex(/^\//, "an absolute path")).describe(
    "SLURM_CONF for the commands; left out, the system's.",
  ),
  rest: orNull(
    z.strictObject({
      url: z.url(),
      user: z.string(),
      token_file: z.string().regex(/^\//, "an absolute path"),
      version: z.string().default("v0.0.38"),
    }),
  ).describe("slurmrestd, where jobs are to be sent through it instead of the commands."),
});

export const kubernetesPool = z.strictObject({
  engine: z.literal("kubernetes"),
  ...common,
  ...jobs,
  node_binary: z.string().min(1).default("node").describe("Node 24 in the image."),
  repository: z
    .string()
    .regex(/^\//, "an absolute path")
    .default("/opt/contrail")
    .describe("This program's folder in the image."),
  namespace: z
    .string()
    .regex(/^[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?$/, "a name of a namespace")
    .default("default"),
  context: orNull(z.string()).describe("Of the kubeconfig; left out, the current one."),
  kubeconfig: orNull(z.string().regex(/^\//, "an absolute path")),
  image: z.string().min(1).describe("What pods run in where an experiment names no image."),
  gpu_resource: z
    .string()
    .default("nvidia.com/gpu")
    .describe("What one GPU is called in the cluster, where slot_type is gpu."),
  cpus_per_slot: z.number().positive().default(1).describe("Cores that a pod asks for, a slot."),
  memory_per_slot: orNull(
    z.string().regex(/^\d+(\.\d+)?([kMGTP]|[KMGTP]i)?$/, "a quantity such as 4Gi"),
  ).describe("Asked for and the limit, a slot."),
  pod_spec: podSpec
    .default(() => ({}))
    .describe("Laid under every pod: metadata and spec, as in environment.pod_spec."),
  start_limit: duration
    .default(300)
    .describe(
      "How long an image that cannot be pulled, or a container that cannot be made, is waited for.",
    ),
  keep_ended: duration
    .default(3600)
    .describe("How long pods that have ended are kept, for their logs."),
});

/** By the word behind `engine`. */
export const POOL_FORMS = {
  local: localPool,
  docker: dockerPool,
  slurm: slurmPool,
  kubernetes: kubernetesPool,
} as const;

export type EngineName = keyof typeof POOL_FORMS;
export type LocalPool = z.output<typeof localPool>;
export type DockerPool = z.output<typeof dockerPool>;
export type SlurmPool = z.output<typeof slurmPool>;
export type KubernetesPool = z.output<typeof kubernetesPool>;
export type PoolSettings = LocalPool | DockerPool | SlurmPool | KubernetesPool;
