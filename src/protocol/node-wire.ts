/**
 * What the runners of one job say to each other where it has several nodes: the one on the first node (the head), which
 * speaks for the allocation, and those on the others (agents), which start its share of the ranks there.
 *
 * Every connection is made by an agent and begins with one line that says what it is for. One of them, `control`, carries
 * the messages below in both directions, one JSON object a line. The others carry bytes as they are: a connection of a rank
 * to its trial's socket, or one stream of a rank's output; so each is held up by itself when nobody reads it.
 *
 * One program of one version speaks on both ends, so unknown fields are faults.
 */
import { z } from "zod";
import type { Json } from "../base/json.ts";
import { launchSpec } from "./runner-wire.ts";

const count = z.int().min(0);
const rank = count.max(32_767);
const node = z.int().min(1).max(32_767);
const words = z.string().max(16_384);

/** Where the head awaits the agents: told to the server by the one, asked of it by the others. */
export const meeting = z.strictObject({
  address: z.string().min(1).max(256),
  port: z.int().min(1).max(65_535),
});
export type Meeting = z.infer<typeof meeting>;

export const meetingReply = z.object({ meeting: meeting.nullable() });

/** Of a line; a launch holds the hyperparameters and variables of a trial. */
export const NODE_LINE_BYTES_MAX = 16 * 1024 * 1024;

export const nodeHello = z.discriminatedUnion("as", [
  /** `name`: of the node, for people. */
  z.strictObject({ as: z.literal("control"), node, name: z.string().min(1).max(256) }),
  z.strictObject({ as: z.literal("trial"), node }),
  z.strictObject({ as: z.literal("output"), node, rank, stream: z.enum(["stdout", "stderr"]) }),
]);
export type NodeHello = z.infer<typeof nodeHello>;

/** Nothing is said by it but that one is there. */
const beat = z.strictObject({ type: z.literal("beat") });

export const toAgent = z.discriminatedUnion("type", [
  beat,
  /** Lay out everything that these ranks need. Answered by `prepared` or `unprepared`. */
  z.strictObject({ type: z.literal("prepare"), launch: launchSpec, nodes: node }),
  /** Start one. Answered by `started` or `unstarted`. `meeting` is where rank 0 is met. */
  z.strictObject({ type: z.literal("start"), rank, meeting }),
  /** That start is wanted no more, where it still waits for room. It is answered as ever. */
  z.strictObject({ type: z.literal("unstart"), rank }),
  z.strictObject({ type: z.literal("signal"), rank, signal: z.string().max(16) }),
  /** End whatever is left of the ranks. Answered by `swept`. */
  z.strictObject({ type: z.literal("sweep"), graceMs: count }),
  /** The allocation is over: leave. */
  z.strictObject({ type: z.literal("over") }),
]);
export type ToAgent = z.infer<typeof toAgent>;

/** As `RankEnd`: who says that memory ran out is known on the node alone. */
const rankEnd = z.strictObject({
  code: z.int32().nullable(),
  signal: z.string().max(16).nullable(),
  outOfMemory: words.nullable().optional(),
  fault: words.optional(),
  lost: words.optional(),
});

export const fromAgent = z.discriminatedUnion("type", [
  beat,
  /** A line for who waits meanwhile. */
  z.strictObject({ type: z.literal("tell"), text: words }),
  /** Paths as they are on this node. */
  z.strictObject({
    type: z.literal("prepared"),
    data: z.record(z.string(), z.custom<Json>()),
    restore: z.strictObject({ step: count, path: z.string() }).nullable(),
    checkpoints: z.string(),
  }),
  z.strictObject({ type: z.literal("unprepared"), detail: words }),
  z.strictObject({ type: z.literal("started"), rank, pid: count }),
  z.strictObject({ type: z.literal("unstarted"), rank, detail: words }),
  z.strictObject({ type: z.literal("exited"), rank, end: rankEnd }),
  /** How many processes had outlived their ranks. */
  z.strictObject({ type: z.literal("swept"), outlived: count }),
  /** The engine takes this node away. */
  z.strictObject({ type: z.literal("leaving"), reason: words }),
]);
export type FromAgent = z.infer<typeof fromAgent>;
