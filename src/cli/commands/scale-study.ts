/**
 * `contrail scale-study CONFIG [DIR] --slots 1,2,4`: how long a step takes with each of these, and with counts that nobody ran.
 *
 * The runs are experiments like any other, submitted one after the other: side by side they would measure each other. Each
 * is labelled with the study, so that `--study` fits it again later, with other questions and without running anything.
 */
import { readFileSync } from "node:fs";
import { type Measured, STEPS_MIN } from "../../analysis/scaling.ts";
import { stepTimes } from "../../analysis/step-times.ts";
import type { Experiment } from "../../protocol/api.ts";
import type { ExperimentConfig } from "../../protocol/config/config.ts";
import type { Client } from "../../sdk/client.ts";
import type { Point } from "../../sdk/points.ts";
import type { Cli } from "../cli.ts";
import { CliError, EXIT, inFile, usageError } from "../exit-code.ts";
import { plural } from "../figures.ts";
import { gather } from "../listing.ts";
import type { Progress } from "../progress.ts";
import { lengthOf, STUDY_LABEL, studyText, unitOf } from "../scale-study/study-config.ts";
import { type StudyFacts, studyResult } from "../scale-study/study-result.ts";
import { studyLines } from "../scale-study/study-view.ts";
import { requireFile } from "../user-file.ts";
import { wholeOf } from "../values.ts";
import { submit } from "./experiment-create.ts";

export interface ScaleStudyOptions {
  readonly slots?: string;
  readonly steps: string;
  readonly warmup: string;
  readonly repeat: string;
  readonly predict?: string;
  readonly study?: string;
}

const SLOTS_MAX = 1024;
const COUNTS_MAX = 12;
const REPEAT_MAX = 100;

export async function scaleStudy(
  cli: Cli,
  file: string | undefined,
  folder: string | undefined,
  options: ScaleStudyOptions,
): Promise<number> {
  const predict = options.predict === undefined ? [] : countsOf("--predict", options.predict);
  const warmup = wholeOf("--warmup", options.warmup, 1, 1000);
  if (options.study !== undefined) {
    if (file !== undefined || options.slots !== undefined)
      throw usageError(
        "--study fits what was run before, so there is no configuration and no --slots.",
        `Leave them out: scale-study --study ${options.study} --predict 8`,
      );
    return await again(cli, options.study, { warmup, predict });
  }
  if (file === undefined || options.slots === undefined)
    throw usageError(
      "A study needs a configuration and the counts of slots to try.",
      "Write: scale-study config.yaml . --slots 1,2,4",
    );
  const slots = countsOf("--slots", options.slots);
  if (slots.length < 2)
    throw usageError(
      `--slots is "${options.slots}"; one count says nothing of the others.`,
      "Name at least two, better three or more: --slots 1,2,4",
    );
  const counted = wholeOf("--steps", options.steps, STEPS_MIN, 100_000);
  const rounds = wholeOf("--repeat", options.repeat, 1, REPEAT_MAX);
  const { text, config } = await read(cli, file);
  const study = `${STUDY_LABEL}-${cli.host
    .newKey()
    .replace(/[^0-9a-z]/gi, "")
    .slice(0, 8)}`;
  const texts = slots.map((count) =>
    studyText(text, config, { slots: count, steps: counted + warmup, study }),
  );
  const client = cli.client();
  const measured = await cli.during("scale study", async (progress) => {
    // All of them first: a count that can never fit must not cost the runs before it.
    progress.detail("checking every count");
    for (const one of texts) await checked(client, one, file);
    const runs: StudyFacts["runs"][number][] = [];
    const interrupt = cli.host.catchInterrupt();
    // In rounds, so that what changes on the machine meanwhile meets every count alike.
    const all = Array.from({ length: rounds }, () => [...texts.entries()]).flat();
    for (const [done, [i, one]] of all.entries()) {
      const place = `${plural(slots[i] as number, "slot")} (${done + 1} of ${all.length})`;
      const { experiment } = await submit(cli, client, { text: one, folder }, progress);
      const ended = await over(client, experiment as Experiment, { progress, place, interrupt });
      if (ended === null) return null;
      runs.push(await measuredIn(client, ended, warmup));
    }
    return runs;
  });
  if (measured === null) {
    if (!cli.json) cli.err("The run that was begun goes on; the study has ended.");
    cli.next(`scale-study --study ${study}`);
    return EXIT.interrupted;
  }
  const { money } = config.budget ?? { money: null };
  return show(cli, {
    ...{ study, predict, runs: measured, unit: unitOf(config), length: lengthOf(config) },
    price: money && { perSlotHour: money.per_slot_hour, currency: money.currency },
  });
}

/** What an earlier study has measured. */
async function again(
  cli: Cli,
  study: string,
  { warmup, predict }: { warmup: number; predict: readonly number[] },
): Promise<number> {
  const client = cli.client();
  const { items } = await gather(
    (query) => client.experiments({ ...query, label: study }),
    Number.POSITIVE_INFINITY,
  );
  const completed = items.filter(({ state }) => state === "completed");
  if (completed.length === 0)
    throw new CliError("not_found", `No experiment that has completed is labelled ${study}.`, {
      hint: `Studies have labels such as ${STUDY_LABEL}-1a2b3c4d: \`contrail experiment list --label ${STUDY_LABEL}\``,
      exitCode: EXIT.notFound,
    });
  const runs: StudyFacts["runs"][number][] = [];
  for (const experiment of completed) runs.push(await measuredIn(client, experiment, warmup));
  const [first] = completed;
  return show(cli, {
    ...{ study, predict, runs, unit: first?.unit ?? "steps", length: null, price: null },
  });
}

function show(cli: Cli, facts: StudyFacts): number {
  const result = fitted(facts);
  cli.show(result, () => studyLines(result, { width: cli.width, paint: cli.paint }));
  cli.next(`scale-study --study ${facts.study} --predict 16`);
  return EXIT.ok;
}

function fitted(facts: StudyFacts): ReturnType<typeof studyResult> {
  try {
    return studyResult(facts);
  } catch (error) {
    if (!(error instanceof RangeError)) throw error;
    throw new CliError(
      "study_too_small",
      `The study ${facts.study} cannot be fitted: ${error.message}.`,
      {
        hint: "Run it with at least two different counts (--slots 1,2,4) and more or longer steps (--steps 20); steps are timed to the millisecond.",
      },
    );
  }
}

function countsOf(name: string, text: string): number[] {
  const counts = text.split(",").map((word) => wholeOf(name, word.trim(), 1, SLOTS_MAX));
  const unique = [...new Set(counts)].toSorted((a, b) => a - b);
  if (unique.length <= COUNTS_MAX) return unique;
  throw usageError(
    `${name} names ${unique.length} counts; the limit is ${COUNTS_MAX}.`,
    "Name those that matter: a law is fitted between and beyond them.",
  );
}

async function read(cli: Cli, file: string): Promise<{ text: string; config: ExperimentConfig }> {
  const { readConfig } = await import("../../protocol/config/config.ts");
  const { invalidConfig } = await import("./search.ts");
  const text = readFileSync(requireFile(cli.host.cwd, file), "utf8");
  const reading = readConfig(text);
  if (!reading.ok) throw invalidConfig(file, reading.issues);
  return { text, config: reading.config };
}

/** A count that does not fit is refused by the server, with the largest that would. */
async function checked(client: Client, text: string, file: string): Promise<void> {
  try {
    await client.createExperiment({ config: text, code: null, dry_run: true });
  } catch (error) {
    throw error instanceof Error ? inFile(error, file) : error;
  }
}

/** @returns the experiment when it has completed; null when Ctrl-C came first @throws CliError when it failed */
async function over(
  client: Client,
  experiment: Experiment,
  { progress, place, interrupt }: { progress: Progress; place: string; interrupt: AbortSignal },
): Promise<Experiment | null> {
  const { id } = experiment;
  progress.detail(`${place}: experiment ${id}`);
  let last: Experiment = experiment;
  for await (const event of client.experimentStream(id, { signal: interrupt })) {
    if (event.event !== "experiment" && event.event !== "end") continue;
    last = event.data;
    progress.detail(
      `${place}: experiment ${id}, ${Math.floor(last.progress * 100)} %${last.trials.queued > 0 ? ", waits for slots" : ""}`,
    );
  }
  if (last.ended_at === null) return null;
  if (last.state === "completed") return last;
  throw new CliError(
    "not_completed",
    `Experiment ${id} (${place}) ended as ${last.state}: ${last.reason}`,
    { hint: `See why: \`contrail why ${id}.1\``, exitCode: EXIT.notCompleted },
  );
}

async function measuredIn(
  client: Client,
  { id, plan }: Experiment,
  warmup: number,
): Promise<Measured & { readonly experiment: number }> {
  const points: Point[] = [];
  for await (const some of client.points({ ids: `${id}.1` })) points.push(...some);
  return { slots: plan.slots_per_trial, steps: stepTimes(points, warmup), experiment: id };
}
