/** F14: one trial of a search crashes whenever it is started, in each way in which programs crash. */
import { curveSearch, type Stand, stand } from "../support.ts";
import { all, type Faults, none, type Row } from "./row.ts";

const MAX_RESTARTS = 2;
/** What the lifecycle waits before the first and the second restart. */
const BACKOFF_MS = [250, 500];

/** What trial 2 does in place of training; each prints a line that has to be among its last. */
const CRASHES: Readonly<Record<string, string>> = {
  "exit 1": "echo boom; exit 1",
  "a signal": "echo boom; kill -SEGV $$",
  "at start": "echo boom; exec ./missing",
  "after 2 steps": "echo boom; exec node crash.ts",
};

const CRASHES_LATER = `import * as contrail from "contrail";
const trial = await contrail.init();
for await (const step of trial.steps()) {
  if (step === 3) process.exit(1);
  trial.report(step, { loss: 1 / trial.seed });
}
`;

export const alwaysCrashes: Row = {
  name: "F14",
  fault: "trial that always crashes",
  async run(faults) {
    await using it = await stand({ slots: 8 });
    const ways = Object.entries(CRASHES);
    const found = await Promise.all(ways.map(([way, crash]) => crashing(faults, it, way, crash)));
    const gaps = found.flatMap(({ gapsMs }) => gapsMs);
    const early = gaps.flatMap((gap, i) => {
      const wanted = BACKOFF_MS[i % BACKOFF_MS.length] as number;
      return gap < wanted ? [`${Math.round(gap)} ms in place of ${wanted}`] : [];
    });
    const right = found.filter(({ attempts }) => attempts === MAX_RESTARTS + 1).length;
    return [
      all(`ways with exactly max_restarts + 1 = ${MAX_RESTARTS + 1} attempts`, right, ways.length),
      none("restarts without backoff", early, ` of ${gaps.length}`),
      none(
        "wrong ends, or last lines that are not there",
        found.flatMap(({ wrong }) => wrong),
      ),
      none(
        "other trials that it touched",
        found.flatMap(({ touched }) => touched),
      ),
    ];
  },
};

interface Crashed {
  readonly attempts: number;
  /** Between the end of an attempt and the grant of the next. */
  readonly gapsMs: readonly number[];
  readonly wrong: readonly string[];
  readonly touched: readonly string[];
}

async function crashing(faults: Faults, it: Stand, way: string, crash: string): Promise<Crashed> {
  const code = await it.codeFolder({ "crash.ts": CRASHES_LATER }, ["curve.ts"]);
  const program = `case "$CONTRAIL_TRIAL" in *.2) ${crash};; *) exec node curve.ts;; esac`;
  const searcher = { name: "asha", max_length: { epochs: 4 }, divisor: 2, num_rungs: 1 };
  const config = curveSearch(
    { ...searcher, max_trials: 4, max_concurrent_trials: 4 },
    {
      entrypoint: ["sh", "-c", program],
      max_restarts: MAX_RESTARTS,
    },
  );
  const { id } = await it.submit(config, code);
  const experiment = await it.ended(id, 180_000);
  faults.say(`${way}: over`);
  const wrong: string[] = [];
  const touched: string[] = [];
  if (experiment.state !== "completed") wrong.push(`${way}: the search is ${experiment.state}`);
  const trials = await it.details(id);
  for (const { id: trial, number, state, restarts, reason } of trials)
    if (number !== 2 && (state !== "completed" || restarts > 0))
      touched.push(`${trial}: ${reason}`);
  const crashed = trials.find(({ number }) => number === 2);
  if (crashed === undefined) throw new Error("there is no trial 2");
  const { state, end_reason: why, restarts, allocations } = crashed;
  await it.allLogs(crashed.id);
  const { last_lines: lines } = await it.client.trial(crashed.id);
  if (state !== "error" || why !== "user_error") wrong.push(`${way}: ${state}, ${why}`);
  if (restarts !== MAX_RESTARTS) wrong.push(`${way}: ${restarts} restarts are counted`);
  if (!lines.some((line) => line === "boom")) wrong.push(`${way}: its last lines are ${lines}`);
  const gapsMs = allocations.slice(1).map(({ created_at: granted }, i) => {
    return Date.parse(granted) - Date.parse(allocations[i]?.ended_at ?? "");
  });
  return { attempts: allocations.length, gapsMs, wrong, touched };
}
