/** The runner is killed, or what it says is lost, late, doubled or half. */
import { runnerKilled } from "./f05-runner-killed.ts";
import { networkCut } from "./f06-network-cut.ts";
import { messagesDoubled } from "./f07-messages-doubled.ts";
import { halfCheckpoint } from "./f12-half-checkpoint.ts";
import { testRows } from "./row-test.ts";

testRows(runnerKilled, networkCut, messagesDoubled, halfCheckpoint);
