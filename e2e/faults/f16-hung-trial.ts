/**
 * F16: programs that will not end, or that leave something behind. Those that hang are killed by an order, those that
 * end are left to themselves; either way everything of theirs has to be gone soon, their slot free and their
 * output kept. With a `progress_deadline` nobody has to notice that a trial hangs: its runner does, in every attempt.
 */
import { type Stand, stand, until } from "../support.ts";
import { all, type Faults, type Finding, none, type Row, within } from "./row.ts";

/** Between SIGTERM and SIGKILL, as the runner is told. */
const GRACE_S = 10;
const LONG_LINE = 1_000_000;

interface Hang {
  readonly program: readonly string[];
  /** It does not end by itself. */
  readonly hangs: boolean;
  /** It is killed when so many lines are there; absent = at the first. */
  readonly linesFirst?: number;
  /** What is wrong with the lines that were kept. */
  readonly wrongLines?: (lines: readonly string[]) => string | undefined;
}

const sh = (script: string): readonly string[] => ["sh", "-c", `echo begun; ${script}`];
const python = (script: string): readonly string[] => [
  "python3",
  "-c",
  `import os, sys, time, subprocess\nprint("begun", flush=True)\n${script}`,
];

const HANGS: Readonly<Record<string, Hang>> = {
  "ignores SIGTERM": { program: sh("trap '' TERM; while :; do sleep 1; done"), hangs: true },
  "has stopped itself": { program: sh("kill -STOP $$; sleep 600"), hangs: true },
  "closed stdout": { program: python("os.close(1); os.close(2); time.sleep(600)"), hangs: true },
  "stops reporting": { program: python("time.sleep(600)"), hangs: true },
  "floods stdout": {
    program: python("line = 'y' * 1000 + '\\n'\nwhile True: sys.stdout.write(line)"),
    hangs: true,
    linesFirst: 1000,
    wrongLines: (lines) =>
      // The last may be cut where it was killed.
      lines.slice(1, -1).find((line) => line !== "y".repeat(1000)) ??
      (lines.length >= 1000 ? undefined : `only ${lines.length} lines`),
  },
  "a grandchild holds stdout": { program: sh("sleep 600 & exit 0"), hangs: false },
  "a grandchild in a session of its own, deaf to SIGTERM": {
    program: sh(`setsid sh -c "trap '' TERM; sleep 601; true" & exit 0`),
    hangs: false,
  },
  "leaves twenty grandchildren": {
    program: sh("for i in $(seq 20); do sleep 602 & done; exit 0"),
    hangs: false,
  },
  "a line of 1 MB": {
    program: python(`print("x" * ${LONG_LINE})`),
    hangs: false,
    wrongLines: (lines) => {
      const found = lines.slice(1).join("");
      return found === "x".repeat(LONG_LINE) ? undefined : `${found.length} characters of it`;
    },
  },
  "exits 0 without a report": { program: sh("exit 0"), hangs: false },
};

export const hungTrial: Row = {
  name: "F16",
  fault: "hung trial",
  async run(faults) {
    const ways = Object.entries(HANGS);
    await using it = await stand({ slots: ways.length });
    const seen = await Promise.all(ways.map(([way, hang]) => hanging(faults, it, way, hang)));
    const held = (await it.client.slots()).filter(({ allocation }) => allocation !== null);
    const left = it.processes().filter(({ allocation }) => allocation !== undefined);
    return [
      within(
        `gone with everything it started (${ways.length} ways)`,
        seen.map(({ goneMs }) => goneMs),
        GRACE_S + 5,
      ),
      none("slots still held", held),
      none("processes left", left),
      all(
        "programs whose output is kept to the byte",
        seen.filter(({ kept }) => kept).length,
        ways.length,
      ),
      none(
        "wrong ends",
        seen.flatMap(({ wrong }) => wrong ?? []),
      ),
      ...(await silent(faults, it)),
    ];
  },
};

const MAX_RESTARTS = 1;
/** Trains, saves, and hangs with a report owed; what it does about SIGTERM is the second word. */
const SILENT = `import { readFileSync, writeFileSync } from "node:fs";
import * as contrail from "contrail";
const trial = await contrail.init();
if (trial.params.deaf) process.on("SIGTERM", () => undefined);
const save = (folder) => writeFileSync(folder + "/kept", "kept");
const restore = (folder) => readFileSync(folder + "/kept");
for await (const step of trial.steps({ save, restore })) {
  console.log("step", step);
  if (trial.params.hangs && step === 3) await new Promise((resolve) => setTimeout(resolve, 600_000));
  await new Promise((resolve) => setTimeout(resolve, 200));
  trial.report(step, { loss: 1 / step });
  if (step === 2) await trial.checkpoint(step, save, { always: true });
}
`;

/** A trial that hangs, one that hangs and ignores SIGTERM, and one that reports, which nobody may touch. */
async function silent(faults: Faults, it: Stand): Promise<Finding[]> {
  // As a test it is longer than a busy machine keeps a program that reports from doing so.
  const deadlineS = faults.quick ? 20 : 5;
  const code = await it.codeFolder({ "silent.ts": SILENT });
  const submit = async (hangs: boolean, deaf: boolean): Promise<string> => {
    const config = {
      ...{ name: "silent", entrypoint: ["node", "silent.ts"], hyperparameters: { hangs, deaf } },
      ...{ max_restarts: MAX_RESTARTS, progress_deadline: deadlineS },
      // Longer than its deadline, where nobody hangs.
      searcher: { name: "single", metric: "loss", max_length: { epochs: 7 * deadlineS } },
    };
    return `${(await it.submit(config, code)).id}.1`;
  };
  const hung = [await submit(true, false), await submit(true, true)];
  const busy = await submit(false, false);
  for (const trial of [...hung, busy])
    await it.trialWhen(trial, "is over", ({ ended_at: at }) => at !== null, 240_000);
  const lateMs: number[] = [];
  const wrong: string[] = [];
  for (const trial of hung) {
    const { allocations, end_reason: end, restarts } = await it.client.trial(trial);
    const ends = allocations.map((allocation) => allocation.end).join(", ");
    if (ends !== "no_progress, no_progress") wrong.push(`${trial}: ${ends}`);
    if (end !== "no_progress" || restarts !== MAX_RESTARTS) wrong.push(`${trial}: ${end}`);
    if (allocations[1]?.start_step !== 2) wrong.push(`${trial} did not go on from its checkpoint`);
    const lines = await it.allLogs(trial);
    for (const { run, ended_at: endedAt } of allocations) {
      const last = lines.findLast((line) => line.run === run && line.text.startsWith("step"));
      lateMs.push(Date.parse(endedAt ?? "") - Date.parse(last?.at ?? ""));
    }
    faults.say(`silent: ${trial} gone ${(lateMs.at(-1) ?? 0) / 1000} s after its last line`);
  }
  const { end_reason: end, allocations } = await it.client.trial(busy);
  if (end !== "finished" || allocations.length !== 1) wrong.push(`${busy}, which reports: ${end}`);
  const left = it.processes().filter(({ allocation }) => allocation !== undefined);
  return [
    within(
      `progress_deadline of ${deadlineS} s: gone after its last word`,
      lateMs,
      deadlineS + GRACE_S + 5,
    ),
    none("progress_deadline: wrong ends, or trials touched that report", wrong),
    none("progress_deadline: processes left", left),
  ];
}

interface Seen {
  readonly goneMs: number;
  readonly kept: boolean;
  readonly wrong: string | undefined;
}

async function hanging(faults: Faults, it: Stand, way: string, hang: Hang): Promise<Seen> {
  const { id } = await it.submit({
    ...{ name: "hangs", entrypoint: hang.program, max_restarts: 0 },
    searcher: { name: "random", metric: "loss", max_length: { epochs: 1 }, max_trials: 1 },
  });
  const trial = `${id}.1`;
  if (hang.hangs) {
    await until(`${way}: it has begun`, async () => {
      const { linesFirst = 1 } = hang;
      return (await it.client.trialLogs(trial, { limit: linesFirst })).items.length >= linesFirst;
    });
    await it.client.changeTrial(trial, "kill");
  } else {
    // Its own process: what it leaves behind lives on.
    await until(
      `${way}: it has ended`,
      async () => (await it.client.trial(trial)).ended_at !== null || begun(it, trial) === 0,
    );
  }
  const sinceMs = performance.now();
  await it.trialWhen(trial, "is over", ({ ended_at: at }) => at !== null);
  await until(`${way}: nothing of it is left`, () => begun(it, trial) === 0);
  const goneMs = performance.now() - sinceMs;
  const end = (await it.client.trial(trial)).end_reason;
  const wanted = hang.hangs ? "killed_by_user" : "objective_missing";
  const entries = await it.allLogs(trial);
  const wrongLines = hang.wrongLines?.(entries.map(({ text }) => text));
  const kept = entries[0]?.text === "begun" && wrongLines === undefined;
  faults.say(
    `${way}: ${(goneMs / 1000).toFixed(1)} s${wrongLines === undefined ? "" : `, ${wrongLines}`}`,
  );
  return { goneMs, kept, wrong: end === wanted ? undefined : `${way}: ${end}` };
}

/** Processes of a trial that live. */
const begun = (it: Stand, trial: string): number =>
  it.processes().filter(({ allocation }) => allocation?.startsWith(`${trial}.`)).length;
