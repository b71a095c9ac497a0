/** How it bears load: many trials, reports, lines, readers, connections; much at once; and no server for a while. */
import type { Measure } from "../bench.ts";
import { durableReports } from "./durable-reports.ts";
import { eventReaders } from "./event-readers.ts";
import { hugeReports } from "./huge-reports.ts";
import { idleConnections } from "./idle-connections.ts";
import { logStreams } from "./log-streams.ts";
import { manyTrials } from "./many-trials.ts";
import { outage } from "./outage.ts";
import { soak } from "./soak.ts";

export const LOAD: readonly Measure[] = [
  manyTrials,
  durableReports,
  logStreams,
  eventReaders,
  hugeReports,
  idleConnections,
  soak,
  outage,
];
