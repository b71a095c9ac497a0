/**
 * Reports of ten values, so many a second from each trial, whatever the server does: an open loop. A loop that
 * waits for each answer would slow down with the server and never see a queue.
 */
import { sleep } from "../../src/base/clock.ts";
import { type Bench, until } from "../bench.ts";
import { withDatabase } from "../database.ts";
import type { StubAllocation } from "../stub-runner.ts";
import type { Subject } from "../subjects.ts";
import type { Fleet } from "./fleet.ts";

export const VALUES = 10;
const TICK_MS = 5;

export interface ReportStream {
  /** Of all trials together. */
  sent(): number;
  /** Ends it; resolves when everything was acknowledged. */
  stop(): Promise<void>;
}

export function streamReports(
  bench: Bench,
  fleet: Fleet,
  options: {
    readonly ratePerTrial: number;
    readonly among?: readonly StubAllocation[];
    /** Steps before the first of these. */
    readonly after?: number;
  },
): ReportStream {
  const { clock } = bench;
  const { ratePerTrial, among = fleet.allocations, after = 0 } = options;
  const startMs = clock.monotonicMs();
  const made = new Array<number>(among.length).fill(0);
  let stopped = false;
  let sent = 0;
  const work = async (): Promise<void> => {
    while (!stopped) {
      const periods = ((clock.monotonicMs() - startMs) / 1000) * ratePerTrial;
      for (const [index, allocation] of among.entries()) {
        // Each trial has its place within the period, so that they do not all report at once.
        const due = Math.floor(periods + index / among.length);
        for (let step = made[index] as number; step < due; step++) {
          allocation.report(after + step + 1, tenValues(after + step + 1));
          sent += 1;
        }
        made[index] = Math.max(due, made[index] as number);
      }
      await sleep(clock, TICK_MS);
    }
  };
  const working = work();
  return {
    sent: () => sent,
    async stop() {
      stopped = true;
      await working;
      await until(bench, "all reports are acknowledged", () => fleet.delivered());
    },
  };
}

export function tenValues(step: number): Record<string, number> {
  const metrics: Record<string, number> = { loss: 1 / step };
  for (let index = 1; index < VALUES; index++) metrics[`metric_${index}`] = Math.sin(step * index);
  return metrics;
}

/** What the database holds of an experiment. */
export async function storedReports(
  subject: Pick<Subject, "dataDir">,
  experiment: number,
): Promise<{ reports: number; steps: number; values: number }> {
  return withDatabase(subject.dataDir, async (client) => {
    const { rows } = await client.query<{ reports: number; steps: number; values: number }>(
      `select count(*)::int as reports, count(distinct (r.trial_id, r.step))::int as steps,
         (select count(*)::int from metrics m join trials t on t.id = m.trial_id where t.experiment_id = $1) as values
       from reports r join trials t on t.id = r.trial_id where t.experiment_id = $1`,
      [experiment],
    );
    return rows[0] as { reports: number; steps: number; values: number };
  });
}
