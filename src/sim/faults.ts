/** What may go wrong in a run, and how a seed draws the mix of it. */
import type { Random } from "../base/random.ts";
import { chance } from "./draws.ts";
import type { Size } from "./sizes.ts";

export interface Faults {
  /** Of a request, on its way there or its answer on the way back; chances. */
  readonly requestLost: number;
  readonly replyLost: number;
  readonly doubled: number;
  readonly late: number;
  /** Of an answer to who waits for orders: that something on the way, as proxies do, holds it back; chance. */
  readonly ordersHeld: number;
  /** Of a request that comes late: that its runner, or the whole node, has died by then; chance. */
  readonly lateKills: number;
  /** Mean time between two of these; 0 = never. Milliseconds. */
  readonly serverCrashEveryMs: number;
  readonly runnerCrashEveryMs: number;
  readonly processDeathEveryMs: number;
  readonly nodeLossEveryMs: number;
  readonly partitionEveryMs: number;
  readonly clockEveryMs: number;
  readonly diskFullEveryMs: number;
  /** A write on a node takes so long that its runner stands still; the same for the server. */
  readonly diskSlowEveryMs: number;
  readonly serverStallEveryMs: number;
  /** The server's folder of blobs has no room. */
  readonly blobsFullEveryMs: number;
  /** Most that each step of storing or deleting blobs takes; 0 = nothing. */
  readonly storageMsMax: number;
  /** In good order: told to, and given its time. */
  readonly runnerStopEveryMs: number;
  readonly serverStopEveryMs: number;
  /** Of asking the engine about a runner: that it cannot tell; chance. */
  readonly engineUnknown: number;
  /** Of a commit; chances. */
  readonly commitFails: number;
  readonly commitUnknown: number;
  readonly commitRefused: number;
  readonly commitSlow: number;
  /** Of a commit: that the server dies before it, between it and its answer, or right after that; chance. */
  readonly commitKills: number;
  /** Of an event that reaches a runner's spool: that the runner dies right after; chance. */
  readonly eventKills: number;
  /** The same: that the node's disk is full from then on, for a while. */
  readonly eventFills: number;
  /** Of a note that a runner makes for its successor (what it begins, what has ended): that the disk does not take it just then; chance. */
  readonly noteFails: number;
  /** Most that any commit takes beyond what it must. */
  readonly commitMsMax: number;
  readonly readFails: number;
  /** Of starting a rank; chance. */
  readonly spawnFails: number;
}

export const PEACE: Faults = {
  requestLost: 0,
  replyLost: 0,
  doubled: 0,
  late: 0,
  ordersHeld: 0,
  lateKills: 0,
  serverCrashEveryMs: 0,
  runnerCrashEveryMs: 0,
  processDeathEveryMs: 0,
  nodeLossEveryMs: 0,
  partitionEveryMs: 0,
  clockEveryMs: 0,
  diskFullEveryMs: 0,
  diskSlowEveryMs: 0,
  serverStallEveryMs: 0,
  blobsFullEveryMs: 0,
  storageMsMax: 0,
  runnerStopEveryMs: 0,
  serverStopEveryMs: 0,
  engineUnknown: 0,
  commitFails: 0,
  commitUnknown: 0,
  commitRefused: 0,
  commitSlow: 0,
  commitKills: 0,
  eventKills: 0,
  eventFills: 0,
  noteFails: 0,
  commitMsMax: 0,
  readFails: 0,
  spawnFails: 0,
};

/** Swarm: a fault is in the mix or it is not. */
export function drawFaults(random: Random, other: Random, { pace }: Size): Faults {
  if (chance(random, 0.05)) return PEACE;
  const share = (max: number): number => (chance(random, 0.5) ? random.unit() * max : 0);
  const every = (fromMs: number, toMs: number): number =>
    chance(random, 0.4) ? pace * (fromMs + random.below(toMs - fromMs)) : 0;
  const rarely = (fromMs: number, toMs: number): number =>
    chance(other, 0.2) ? pace * (fromMs + other.below(toMs - fromMs)) : 0;
  return {
    requestLost: share(0.3),
    replyLost: share(0.3),
    doubled: share(0.4),
    late: share(0.3),
    ordersHeld: chance(other, 0.3) ? other.unit() * 0.8 : 0,
    lateKills: chance(other, 0.2) ? other.unit() * 0.6 : 0,
    serverCrashEveryMs: every(1_000, 12_000),
    runnerCrashEveryMs: every(2_000, 16_000),
    processDeathEveryMs: every(1_000, 12_000),
    nodeLossEveryMs: chance(random, 0.4) ? every(4_000, 25_000) : 0,
    partitionEveryMs: every(2_000, 16_000),
    clockEveryMs: every(1_000, 8_000),
    diskFullEveryMs: every(2_000, 12_000),
    diskSlowEveryMs: rarely(2_000, 12_000),
    serverStallEveryMs: rarely(2_000, 12_000),
    blobsFullEveryMs: rarely(2_000, 12_000),
    storageMsMax: chance(other, 0.25) ? 1 + other.below(chance(other, 0.2) ? 1_500 : 60) : 0,
    runnerStopEveryMs: rarely(3_000, 16_000),
    serverStopEveryMs: rarely(4_000, 20_000),
    engineUnknown: chance(other, 0.7) ? other.unit() : 0,
    commitFails: share(0.15),
    commitUnknown: share(0.15),
    commitRefused: chance(random, 0.2) ? share(0.05) : 0,
    commitSlow: share(0.2),
    commitKills: chance(other, 0.2) ? other.unit() * 0.1 : 0,
    eventKills: chance(other, 0.2) ? other.unit() * 0.05 : 0,
    eventFills: chance(other, 0.2) ? other.unit() * 0.1 : 0,
    noteFails: chance(other, 0.3) ? other.unit() * 0.7 : 0,
    commitMsMax: Math.ceil(share(600)),
    readFails: share(0.2),
    spawnFails: chance(random, 0.3) ? share(0.2) : 0,
  };
}
