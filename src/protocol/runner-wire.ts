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
export type TreeEntry = z.infer<typeof treeEntry>;
/** A snapshot: entries in byte order of path. Its name is the SHA-256 of its canonical JSON. */
export const tree = z.array(treeEntry).max(100_000);
export type Tree = z.infer<typeof tree>;

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
    metrics: z.record(z.string().min(1).max(512), wireNumber),
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
  z.strictObject({
    type: z.literal("invalid_hyperparameters"),
    seq: count,
    atMs: z.number(),
    reason: z.string().max(SENTENCE_CHARS_MAX),
  }),
  /** Every process of the allocation is gone, its whole group too. Always the last event. */
  z.strictObject({
    type: z.literal("exited"),
    seq: count,
    atMs: z.number(),
    processes: z.array(processExit).max(10_000),
    /** processes: they ended (the exits tell how). launch_failed: none could be started (`detail`).
     *  runner_lost: the runner died and a later one cleaned up. */
    kind: z.enum(["processes", "launch_failed", "runner_lost"]),
    /** What told us that memory ran out ("kernel OOM killer", …); null when nothing did. */
    outOfMemory: z.string().max(SENTENCE_CHARS_MAX).nullable(),
    /** Signals that the runner itself had sent, in order. */
    signalsSent: z.array(z.string().max(SHORT_CHARS_MAX)).max(1000),
    /** The training code had been told to yield and said goodbye (or exited 0) after that. */
    yielded: z.boolean(),
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

/** What a runner needs to start an allocation. */
export const launchSpec = z.object({
  experiment: z.int(),
  trial: z.string(),
  allocation: z.string(),
  /** Ids of the slots granted, e.g. "gpu:0" or "cpu:1"; their number is the number of ranks unless `ranks`. */
  slots: z.array(z.string()),
  ranks: z.int().min(1),
  /** argv; a string in the configuration has become ["/bin/sh", "-c", text]. */
  entrypoint: z.array(z.string()).min(1),
  /** Hash of the code snapshot's tree blob; null = run in an empty folder. */
  code: blobHash.nullable(),
  /** Name → dataset snapshot (checked out read-only) or a free-form value. */
  data: z.record(
    z.string(),
    z.union([z.strictObject({ snapshot: blobHash }), z.strictObject({ value: z.json() })]),
  ),
  environment: z.record(z.string(), z.string()),
  params: z.record(z.string(), z.json()),
  seed: z.int(),
  unit: z.string(),
  /** Nothing says how far to train, and nothing will: the program's own number of steps decides. Absent = false. */
  openEnded: z.boolean().optional(),
  restore: z.strictObject({ step: count, tree: blobHash }).nullable(),
  /** Allocation token for the training code. */
  token: z.string(),
  /** Milliseconds between SIGTERM and SIGKILL when killed; and the wait for a yield before SIGTERM. */
  killGraceMs: count,
  yieldGraceMs: count,
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
