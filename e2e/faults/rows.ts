/** The rows of the fault matrix that are tried on real processes, in their order. */
import { serverKilled } from "./f01-server-killed.ts";
import { startKilled } from "./f02-start-killed.ts";
import { runnerKilled } from "./f05-runner-killed.ts";
import { networkCut } from "./f06-network-cut.ts";
import { messagesDoubled } from "./f07-messages-doubled.ts";
import { diskFull } from "./f09-disk-full.ts";
import { slowDisk } from "./f10-slow-disk.ts";
import { deafFollowers } from "./f11-deaf-followers.ts";
import { halfCheckpoint } from "./f12-half-checkpoint.ts";
import { alwaysCrashes } from "./f14-always-crashes.ts";
import { outOfMemory } from "./f15-out-of-memory.ts";
import { hungTrial } from "./f16-hung-trial.ts";
import { sigterm } from "./f20-sigterm.ts";
import { ordersInEveryState } from "./f22-orders-in-every-state.ts";
import type { Row } from "./row.ts";

export const ROWS: readonly Row[] = [
  serverKilled,
  startKilled,
  runnerKilled,
  networkCut,
  messagesDoubled,
  diskFull,
  slowDisk,
  deafFollowers,
  halfCheckpoint,
  alwaysCrashes,
  outOfMemory,
  hungTrial,
  sigterm,
  ordersInEveryState,
];
