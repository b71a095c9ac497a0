/** Trials crash, hang, take all the memory, and are ordered about in every state. */
import { alwaysCrashes } from "./f14-always-crashes.ts";
import { outOfMemory } from "./f15-out-of-memory.ts";
import { hungTrial } from "./f16-hung-trial.ts";
import { ordersInEveryState } from "./f22-orders-in-every-state.ts";
import { testRows } from "./row-test.ts";

testRows(alwaysCrashes, outOfMemory, hungTrial, ordersInEveryState);
