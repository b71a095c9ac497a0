/** The server is killed: in its work, in its start, by SIGTERM. */
import { serverKilled } from "./f01-server-killed.ts";
import { startKilled } from "./f02-start-killed.ts";
import { sigterm } from "./f20-sigterm.ts";
import { testRows } from "./row-test.ts";

testRows(serverKilled, startKilled, sigterm);
