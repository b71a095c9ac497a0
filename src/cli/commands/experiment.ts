/** `contrail experiment list|show|pause|activate|cancel|kill|wait`. */

import { mixedData } from "../../analysis/mixed-data.ts";
import type { Experiment, ExperimentDetail, Rung, Trial, TrialDetail } from "../../protocol/api.ts";
import type { Client } from "../../sdk/client.ts";
import { experimentState } from "../api-words.ts";
import type { Cli } from "../cli.ts";
import { actOnEach } from "../each-id.ts";
import { endingsOf, failureLines } from "../endings.ts";
import { CliError, EXIT, usageError } from "../exit-code.ts";
import { experimentLines, experimentRows } from "../experiment-view.ts";
import { inert } from "../inert.ts";
import { gather, type ListOptions, limitOf } from "../listing.ts";
import { choiceOf, experimentOf, wholeOf } from "../values.ts";
import { watchExperiment } from "../watch.ts";

export async function list(
  cli: Cli,
  options: ListOptions & {
    state?: string;
    label?: string;
    filter?: string;
    sort?: string;
    archived?: true;
    deleted?: true;
  },
): Promise<number> {
  if (options.archived && options.deleted)
    throw usageError("--archived and --deleted exclude each other.", "Give one of the two.");
  const show = options.deleted ? "deleted" : options.archived ? "archived" : "current";
  const client = cli.client();
  const state =
    options.state === undefined ? undefined : choiceOf("--state", options.state, experimentState);
  const { label, filter, sort } = options;
  const page = await gather(
    (query) => client.experiments({ ...query, state, label, filter, sort, show }),
    limitOf(options),
  );
  cli.show(page, () =>
    page.items.length === 0
      ? [
          state === undefined && label === undefined && filter === undefined
            ? show === "current"
              ? "No experiments yet."
              : `No ${show} experiments.`
            : "No experiment matches.",
        ]
      : [
          ...experimentRows(page.items, lookOf(cli)),
          ...(page.next_cursor === null ? [] : ["… there are more: --limit N or --all"]),
          // Whoever sorts by results compares them.
          ...(/^-?best$/.test(sort ?? "") ? mixedData(page.items).map(inert) : []),
        ],
  );
  const newest = page.items[0];
  if (show === "deleted") {
    if (newest !== undefined) cli.next(`experiment restore ${newest.id}`);
  } else if (newest === undefined) cli.next("experiment create CONFIG .", "run -- COMMAND");
  else cli.next(`experiment show ${newest.id}`);
  return EXIT.ok;
}

export async function show(
  cli: Cli,
  id: string,
  options: { readonly config?: boolean } = {},
): Promise<number> {
  const number = experimentOf(id);
  const client = cli.client();
  if (options.config === true) return await showConfig(cli, await client.experiment(number));
  const [experiment, rungs] = await Promise.all([client.experiment(number), client.rungs(number)]);
  const best = experiment.best === null ? null : await client.trial(experiment.best.trial);
  if (cli.json) cli.show({ ...experiment, rungs, best_trial: best }, () => []);
  else for (const line of await wholeLines(cli, client, experiment, best, rungs)) cli.out(line);
  cli.next(...nextOf(experiment, best));
  return EXIT.ok;
}

async function showConfig(cli: Cli, detail: ExperimentDetail): Promise<number> {
  const { configLines, valueOrigins } = await import("../config-view.ts");
  const { id, config, layers } = detail;
  if (cli.json) cli.show({ id, config, layers, values: valueOrigins(detail) }, () => []);
  else for (const line of configLines(detail)) cli.out(line);
  cli.next(`experiment show ${id}`);
  return EXIT.ok;
}

/** More trials than this are not read only to count how they ended. */
const TRIALS_READ_MAX = 5_000;

/** Everything about it, with how its trials ended and what failed. */
async function wholeLines(
  cli: Cli,
  client: Client,
  experiment: Experiment,
  best: TrialDetail | null,
  rungs: readonly Rung[],
): Promise<string[]> {
  const { id, trials } = experiment;
  const known = trials.completed + trials.error > 0 && trials.total <= TRIALS_READ_MAX;
  const endings = known
    ? endingsOf(
        (await gather((query) => client.experimentTrials(id, query), TRIALS_READ_MAX)).items,
      )
    : null;
  const lines = experimentLines(experiment, best, rungs, lookOf(cli), endings);
  const failure = endings?.failure ?? null;
  if (failure === null) return lines;
  const failed = await client.trial(failure.trial).catch(() => null);
  return [...lines, "", ...failureLines(failure, failed, cli.paint)];
}

export const lookOf = (cli: Cli) => ({
  paint: cli.paint,
  width: cli.width,
  nowMs: cli.host.clock.nowMs(),
});

/** What one would do with an experiment in this state. */
export function nextOf(experiment: Experiment, bestTrial: Trial | null = null): string[] {
  const { id, state, best } = experiment;
  switch (state) {
    case "active":
    case "stopping":
      return [`experiment wait ${id}`, `experiment logs -f ${id}`];
    case "paused":
      return [`experiment activate ${id}`];
    case "error":
      return [`trial list ${id}`, `logs ${id} --tail 50`];
    default:
      return best === null
        ? [`trial list ${id}`]
        : [
            `trial show ${best.trial}`,
            // Nothing to download where its program saved nothing.
            ...(bestTrial === null || bestTrial.checkpoint === null
              ? []
              : [`checkpoint download ${best.trial}@best --to best-${id}`]),
          ];
  }
}

const DONE = {
  activate: "active again",
  pause: "being paused",
  cancel: "being canceled: running trials save a checkpoint first",
  kill: "being killed",
} as const;

/** @param options `mayBe` throws where an experiment is none of those that are meant; absent = any is */
export async function change(
  cli: Cli,
  verb: "activate" | "pause" | "cancel" | "kill",
  ids: readonly string[],
  {
    noun = "experiment",
    mayBe,
  }: {
    readonly noun?: "experiment" | "task" | "notebook";
    readonly mayBe?: (experiment: Experiment) => void;
  } = {},
): Promise<number> {
  const client = cli.client();
  return actOnEach(cli, {
    noun,
    ids: ids.map(experimentOf),
    act: async (id) => {
      if (mayBe !== undefined) mayBe(await client.experiment(id));
      return await client.changeExperiment(id, verb);
    },
    lines: ({ id, state }) => {
      const settled = state === "active" || state === "stopping";
      return [`${noun} ${id} is ${settled ? DONE[verb] : state}`];
    },
    next: ({ id }) => [`${noun === "experiment" ? noun : "task"} show ${id}`],
  });
}

export async function wait(
  cli: Cli,
  id: string,
  options: { timeout?: string; quiet?: boolean },
): Promise<number> {
  const number = experimentOf(id);
  const timeoutS =
    options.timeout === undefined
      ? undefined
      : wholeOf("--timeout", options.timeout, 1, 31_536_000);
  return await follow(cli, number, { quiet: options.quiet === true, timeoutS, events: false });
}

/**
 * Shows an experiment until it is over.
 * @param events with --json: print each event, rather than the experiment once at the end
 */
export async function follow(
  cli: Cli,
  id: number,
  options: { quiet?: boolean; timeoutS?: number | undefined; events: boolean },
): Promise<number> {
  const client = cli.client();
  const interrupt = cli.host.catchInterrupt();
  const late = new AbortController();
  const cancel =
    options.timeoutS === undefined
      ? () => {}
      : cli.host.clock.after(options.timeoutS * 1000, () => late.abort());
  const quiet = options.quiet === true || (cli.json && !options.events);
  const ended = await watchExperiment({
    client,
    experiment: id,
    clock: cli.host.clock,
    sink: cli.host.stdout,
    paint: cli.paint,
    mode: quiet ? "none" : cli.json ? "json" : "live",
    signal: AbortSignal.any([interrupt, late.signal]),
  }).finally(cancel);
  if (ended === null) {
    if (late.signal.aborted && !interrupt.aborted)
      throw new CliError(
        "wait_timed_out",
        `Experiment ${id} was not over after ${options.timeoutS} s.`,
        {
          hint: `It goes on; wait again: \`contrail experiment wait ${id}\``,
          exitCode: EXIT.notCompleted,
        },
      );
    if (!cli.json) cli.err(`It goes on; only the view has ended.`);
    cli.next(`experiment wait ${id}`, `experiment cancel ${id}`);
    return EXIT.interrupted;
  }
  if (cli.json && !options.events) cli.show(ended, () => []);
  if (!cli.json) {
    const rungs = await client.rungs(id);
    const best = ended.best === null ? null : await client.trial(ended.best.trial);
    if (options.quiet !== true)
      for (const line of ["", ...(await wholeLines(cli, client, ended, best, rungs))])
        cli.out(line);
    cli.next(...nextOf(ended, best));
  }
  return ended.state === "completed" ? EXIT.ok : EXIT.notCompleted;
}
