/**
 * What a runner (one per node, many allocations) and the server say to each other over HTTP.
 *
 * Upwards the runner posts batches from its spool: each allocation has two streams, `events` and
 * `logs`, each numbered from 1 without gaps. The server answers with the highest number that is
 * durable; anything at or below it may be forgotten, anything above is sent again. Hearing a number
 * twice changes nothing.
 *
 * Downwards the runner holds one long poll for orders. Orders are absolute, and each allocation's
 * carries the version that changed it, so the poll after version V returns only what is newer.
 *
 *   POST /api/v1/runners/:runner/sync     SyncRequest  → SyncReply      (events; renews leases)
 *   POST /api/v1/runners/:runner/logs     LogsRequest  → LogsReply
 *   GET  /api/v1/runners/:runner/orders?after=V&wait_ms=25000&boot=B  → OrdersReply
 *   PUT  /api/v1/runners/:runner/meeting  Meeting → {}; GET → MeetingReply   (of a job of several nodes: node-wire.ts)
 *   POST /api/v1/blobs/missing {hashes}   → {missing}; PUT /api/v1/blobs/:hash (raw bytes); GET /api/v1/blobs/:hash
 *
 * Leases: a runner that was not heard for too long may lose its lease, and with it its allocations. Every answer
 * carries the number of the lease that holds, and a runner names the highest it has heard in what it says. What was
 * answered under an earlier lease than that is out of date, and what was said under one confirms nothing. Nothing of it
 * makes a runner end anything: only `gone` and `all` do.
 *
 * All with `Authorization: Bearer <runner token>`. A runner outlives its server, and may meet a newer one: answers may
 * gain fields, which an older runner passes over; fields that requests gain have a default.
 */
import { z } from "zod";
import { TASK_KINDS } from "./config/task-kinds.ts";
import { EMPTY_PART, recordPart } from "./record-part.ts";
import { rememberingPart } from "./remembered-part.ts";

const count = z.int().min(0);
const int32 = z.int32();
/** Ranks are stored in two bytes. */
const rank = z.int().min(0).max(32_767);
/** Wider than what a runner lets through of each, so that none of its records is ever refused for it. */
const SHORT_CHARS_MAX = 256;
const SENTENCE_CHARS_MAX = 16_384;
const METADATA_CHARS_MAX = 4 * 1024 * 1024;
const REFUSED_MAX = 10_000;
/**
 * Of one report. Everybody's decisions wait while it is stored, at 4 µs a row. The runner, whose own time it is,
 * refuses more at once, so that the server never has to read them.
 */
export const REPORT_METRICS_MAX = 10_000;
/** Of one line's bytes, in base64; runners split lines at 64 KiB. */
const LINE_CHARS_MAX = 1024 * 1024;
/** Sixteen TiB: the sum over a tree still fits into 63 bits. */
const FILE_BYTES_MAX = 2 ** 44;
const blobHash = z.string().regex(/^[0-9a-f]{64}$/);
export const wireNumber = z.union([z.number(), z.enum(["NaN", "Infinity", "-Infinity"])]);

export const METRIC_CHARS_MAX = 512;
const named = z.record(z.string().min(1).max(METRIC_CHARS_MAX), wireNumber);

/**
 * `named`, read by hand: the same faults are found, and ten thousand metrics hold up everybody for a millisecond in place of
 * five.
 */
const metrics = z
  .custom<z.infer<typeof named>>((value) => isPlainObject(value), "expected an object")
  .check((context) => {
    for (const name of Object.keys(context.value)) {
      const message = metricFault(name, context.value[name]);
      if (message === undefined) continue;
      context.issues.push({ code: "custom", input: context.value, path: [name], message });
      return;
    }
  });
// In the description of the API it stands as `named`. (What it was made from by `check` would be described otherwise.)
Object.assign(metrics._zod, {
  parent: undefined,
  toJSONSchema: () => {
    const { type, propertyNames, additionalProperties } = z.toJSONSchema(named);
    return { type, propertyNames, additionalProperties };
  },
});

const isPlainObject = (value: unknown): boolean =>
  typeof value === "object" && value !== null && !Array.isArray(value);

function metricFault(name: string, value: unknown): string | undefined {
  if (name === "" || name.length > METRIC_CHARS_MAX)
    return `the name of a metric has 1 to ${METRIC_CHARS_MAX} characters, and not ${name.length}`;
  if (Number.isFinite(value) || value === "NaN" || value === "Infinity" || value === "-Infinity")
    return undefined;
  return "a metric is a number, or one of the words NaN, Infinity and -Infinity";
}

/**
 * A JSON object that is not too deep and not too long. Walked without recursion, because what has to be refused is
 * exactly what would overflow a stack.
 */
export const boundedJsonObject = (limits: { depthMax: number; charsMax: number }) =>
  z.record(z.string(), z.custom<z.core.util.JSONType>()).check((context) => {
    if (deeperThan(context.value, limits.depthMax))
      context.issues.push({
        code: "custom",
        input: context.value,
        message: `is nested more than ${limits.depthMax} levels deep`,
      });
    else if (JSON.stringify(context.value).length > limits.charsMax)
      context.issues.push({
        code: "custom",
        input: context.value,
        message: `has more than ${limits.charsMax} characters of JSON`,
      });
  });

function deeperThan(value: unknown, depthMax: number): boolean {
  let level: unknown[] = [value];
  for (let depth = 0; level.length > 0; depth++) {
    if (depth > depthMax) return true;
    level = level.flatMap((item) =>
      typeof item === "object" && item !== null ? Object.values(item) : [],
    );
  }
  return false;
}

/** One file of a snapshot (code, data, checkpoint). `path` is relative, forward slashes, no `..`. */
export const treeEntry = z.strictObject({
  path: z.string().min(1).max(4096),
  /** Bytes. */
  size: count.max(FILE_BYTES_MAX),
  hash: blobHash,
  executable: z.boolean().default(false),
});
/** A snapshot: entries in byte order of path. Its name is the SHA-256 of its canonical JSON. */
export const tree = z.array(treeEntry).max(100_000);

/** A part of a large file, stored as a blob of its own. */
export const treeChunk = z.strictObject({ hash: blobHash, size: count.max(FILE_BYTES_MAX) });
export type TreeChunk = z.infer<typeof treeChunk>;
/** Of data a large file may be stored in parts, in order; `hash` is the whole file's all the same. */
export const dataTreeEntry = treeEntry.extend({ chunks: z.array(treeChunk).min(1).optional() });
export type TreeEntry = z.infer<typeof dataTreeEntry>;
/** Code and checkpoints are whole files, so every `Tree` that has no chunks is one of these too. */
export const dataTree = z.array(dataTreeEntry).max(100_000);
export type Tree = z.infer<typeof dataTree>;

/** A file that stays where it is, and what tells whether it is still the same. */
export const referencedFile = z.strictObject({
  path: z.string().min(1).max(4096),
  size: count.max(FILE_BYTES_MAX),
  /** SHA-256; null where the content was not read (S3). */
  hash: blobHash.nullable(),
  /** When it was last written, in nanoseconds: a file with this time and size is not read again at each start. */
  mtimeNs: z
    .string()
    .regex(/^-?[0-9]{1,20}$/)
    .nullable(),
  /** S3's own name for the content. */
  etag: z.string().max(512).nullable(),
});
export type ReferencedFile = z.infer<typeof referencedFile>;

/** A dataset version that is not stored here. */
export const dataReference = z.strictObject({
  kind: z.enum(["directory", "s3"]),
  /** An absolute path, the same on every node; or s3://bucket/prefix. */
  place: z
    .string()
    .min(1)
    .max(4096)
    .refine((value) => !value.includes("\0"), "must not contain a NUL character"),
  /** Training code gets the place itself, and nothing is fetched: for S3. */
  uri: z.boolean().default(false),
  files: z.array(referencedFile).min(1).max(100_000),
});
export type DataReference = z.infer<typeof dataReference>;

/** How a process ended, as the kernel gave it. Exactly one of `code`, `signal` is not null. */
export const processExit = z.strictObject({
  rank,
  code: int32.nullable(),
  signal: z.string().max(SHORT_CHARS_MAX).nullable(),
});

export const runnerEvent = z.discriminatedUnion("type", [
  /** The first process of the allocation was started. */
  z.strictObject({ type: z.literal("started"), seq: count, atMs: z.number(), pid: int32 }),
  z.strictObject({
    type: z.literal("report"),
    seq: count,
    atMs: z.number(),
    step: count,
    metrics,
    /** Names whose values were not numbers, with what they were; kept as a count on the trial. */
    refused: z
      .record(z.string().max(512), z.string().max(SENTENCE_CHARS_MAX))
      .refine(
        (names) => Object.keys(names).length <= REFUSED_MAX,
        `names more than ${REFUSED_MAX} metrics`,
      )
      .optional(),
  }),
  /** Everything up to `step` is reported; the training code waits for orders. */
  z.strictObject({ type: z.literal("waiting"), seq: count, atMs: z.number(), step: count }),
  /** All blobs are stored; only now does the checkpoint exist. */
  z.strictObject({
    type: z.literal("checkpoint"),
    seq: count,
    atMs: z.number(),
    step: count,
    tree,
    metadata: boundedJsonObject({ depthMax: 64, charsMax: METADATA_CHARS_MAX }),
  }),
  /** Of a task that serves: since when nobody has used it; null = it is in use again. */
  z.strictObject({
    type: z.literal("usage"),
    seq: count,
    atMs: z.number(),
    idleSinceMs: z.number().nullable(),
    /** For longer than its idle_timeout. */
    expired: z.boolean(),
  }),
  z.strictObject({
    type: z.literal("invalid_hyperparameters"),
    seq: count,
    atMs: z.number(),
    reason: z.string().max(SENTENCE_CHARS_MAX),
  }),
  /** A part of the allocation's record: what the runner found around it, or what its own program told. Decides nothing. */
  z.strictObject({
    type: z.literal("record"),
    seq: count,
    atMs: z.number(),
    source: z.enum(["runner", "program"]),
    /** What stays as it is from run to run on this machine; stored once by its content. */
    environment: rememberingPart().nullable().default(null),
    /** What belongs to this run alone. */
    own: recordPart.default(EMPTY_PART),
  }),
  /** Every process of the allocation is gone, its whole group too. Always the last event. */
  z.strictObject({
    type: z.literal("exited"),
    seq: count,
    atMs: z.number(),
    processes: z.array(processExit).max(10_000),
    /** processes: they ended (the exits tell how). launch_failed: none could be started (`detail`).
     *  runner_lost: the runner died and a later one cleaned up; or it ended before the server lost its past. */
    kind: z.enum(["processes", "launch_failed", "runner_lost"]),
    /** What told us that memory ran out ("kernel OOM killer", …); null when nothing did. */
    outOfMemory: z.string().max(SENTENCE_CHARS_MAX).nullable(),
    /** Signals that the runner itself had sent, in order. */
    signalsSent: z.array(z.string().max(SHORT_CHARS_MAX)).max(1000),
    /** The training code had been told to yield and said goodbye (or exited 0) after that. */
    yielded: z.boolean(),
    /** The first of `processes` failed by itself, before any signal was sent, and the others were ended for it. */
    broken: z.boolean().optional(),
    /** Ended by the runner, because it had said nothing for so long; absent = that is not why. */
    silentMs: z.number().min(0).optional(),
    /** How many lines of output the allocation wrote: whoever follows them knows when all have come. */
    logLines: count.default(0),
    detail: z.string().max(SENTENCE_CHARS_MAX),
  }),
]);
export type RunnerEvent = z.infer<typeof runnerEvent>;

export const syncRequest = z.strictObject({
  /** A new value at each start of the runner process. */
  boot: z.string().min(1).max(64),
  allocations: z
    .array(
      z.strictObject({
        id: z.string().max(64),
        fence: count,
        /** In order of seq, contiguous. */
        events: z.array(runnerEvent).max(5000),
      }),
    )
    .max(10_000),
  /** Highest orders version already heard; the reply carries newer ones. */
  ordersAfter: count,
  /** The lease under which this was said; absent or 0 = none was heard of. */
  lease: count.optional(),
  /** Every allocation of which a process may live here; absent = not said this time. */
  holds: z.array(z.string().max(64)).max(10_000).optional(),
});
export type SyncRequest = z.infer<typeof syncRequest>;

export const logLine = z.strictObject({
  seq: count,
  atMs: z.number(),
  rank,
  stream: z.enum(["stdout", "stderr"]),
  /** The bytes of the line without its newline, base64. Long lines are split, never dropped. */
  bytes: z.string().max(LINE_CHARS_MAX),
  /** False when the line goes on in the next record of this rank and stream. */
  complete: z.boolean(),
});
export type LogLine = z.infer<typeof logLine>;

export const logsRequest = z.strictObject({
  boot: z.string().min(1).max(64).optional(),
  allocations: z
    .array(
      z.strictObject({ id: z.string().max(64), fence: count, lines: z.array(logLine).max(20_000) }),
    )
    .max(10_000),
});
export type LogsRequest = z.infer<typeof logsRequest>;

/** What a program is to run in, for a pool whose trials are containers. */
export const containerLaunch = z.object({
  image: z.string().min(1),
  /** Ask the registry even where an image of that name is here. */
  force_pull: z.boolean().default(false),
  /** As Docker takes it: username and password, or a token, and which registry. A secret. */
  registry_auth: z.record(z.string(), z.string()).optional(),
  add_capabilities: z.array(z.string()),
  drop_capabilities: z.array(z.string()),
  bind_mounts: z.array(
    z.object({
      host_path: z.string(),
      /** Relative = below the code. */
      container_path: z.string(),
      read_only: z.boolean(),
      propagation: z.string(),
    }),
  ),
  /** Of /dev/shm; absent = the runner's default. */
  shm_bytes: count.optional(),
  devices: z.array(z.object({ host: z.string(), inside: z.string(), mode: z.string() })),
});
export type ContainerLaunch = z.infer<typeof containerLaunch>;

/** What a runner needs to start an allocation. */
export const launchSpec = z.object({
  experiment: z.int(),
  trial: z.string(),
  allocation: z.string(),
  /** Ids of the slots granted, e.g. "gpu:0" or "cpu:1"; their number is the number of ranks unless `ranks`. */
  slots: z.array(z.string()),
  ranks: z.int().min(1),
  /** Of each slot that is a share of CPUs, as its pool says. Absent = 1. */
  coresPerSlot: z.number().positive().optional(),
  /** argv; a string in the configuration has become ["/bin/sh", "-c", text]. */
  entrypoint: z.array(z.string()).min(1),
  /** Hash of the code snapshot's tree blob; null = run in an empty folder. */
  code: blobHash.nullable(),
  /** Name → dataset snapshot (checked out read-only), the list of one that lies elsewhere, or a free-form value. */
  data: z.record(
    z.string(),
    z.union([
      z.strictObject({ snapshot: blobHash }),
      z.strictObject({ reference: blobHash }),
      z.strictObject({ value: z.json() }),
    ]),
  ),
  environment: z.record(z.string(), z.string()),
  /** Absent = a process of the node. */
  container: containerLaunch.optional(),
  /** Hash of a recorded environment (`GET /api/v1/environments/:hash`) that the program has to find: as it is, or built
   *  anew; else nothing is started. Absent = whatever is there. */
  rebuild: blobHash.optional(),
  /** Hash of a recorded environment: where machine, interpreter or packages are others, nothing is started. */
  require: blobHash.optional(),
  params: z.record(z.string(), z.json()),
  seed: z.int(),
  unit: z.string(),
  /** Nothing says how far to train, and nothing will: the program's own number of steps decides. Absent = false. */
  openEnded: z.boolean().optional(),
  /** Steps at which a checkpoint is wanted in any case. Absent = none. */
  checkpointSteps: z.array(count).optional(),
  restore: z.strictObject({ step: count, tree: blobHash }).nullable(),
  /** Allocation token for the training code. */
  token: z.string(),
  /** Milliseconds between SIGTERM and SIGKILL when killed; and the wait for a yield before SIGTERM. */
  killGraceMs: count,
  yieldGraceMs: count,
  /** A program that neither reports nor saves for longer is ended. Absent = it may be silent for ever. */
  progressDeadlineMs: z.number().positive().optional(),
  /** Absent = an ordinary trial. */
  task: z
    .strictObject({
      kind: z.enum(TASK_KINDS),
      /** Nobody may use it for so long; null = for ever. */
      idleTimeoutMs: z.number().positive().nullable(),
    })
    .optional(),
});
export type LaunchSpec = z.infer<typeof launchSpec>;

export const allocationOrders = z.object({
  id: z.string(),
  fence: count,
  version: count,
  target: count.nullable(),
  yield: z.enum(["pause", "stop"]).nullable(),
  /** SIGTERM now, SIGKILL after the grace. */
  kill: z.boolean(),
  reason: z.string(),
  /** Present until the allocation has reported `started` or `exited`. */
  launch: launchSpec.nullable(),
});
export type AllocationOrders = z.infer<typeof allocationOrders>;

export const syncReply = z.object({
  /** Allocation id → highest seq that is durable. */
  acked: z.record(z.string(), count),
  /** Allocations of the request whose fence is stale or which have ended: kill what is left of them.
   *  Their events are durable all the same (see `acked`), under their own allocation. */
  gone: z.array(z.string()),
  orders: z.array(allocationOrders),
  ordersVersion: count,
  /** The number of the lease that holds. */
  lease: count.default(0),
});
export type SyncReply = z.infer<typeof syncReply>;

export const logsReply = z.object({ acked: z.record(z.string(), count) });
export type LogsReply = z.infer<typeof logsReply>;

export const ordersReply = z.object({
  orders: z.array(allocationOrders),
  ordersVersion: count,
  /** Present when `after` was 0: every allocation that this runner should have. Others are killed. */
  all: z.array(z.string()).nullable(),
  lease: count.default(0),
});
export type OrdersReply = z.infer<typeof ordersReply>;
