/** `contrail experiment importance|progress|allocations|decisions`: the numbers behind the charts of the web page. */
import { axesOf } from "../../analysis/axes.ts";
import { IMPORTANCE_TRIALS_MIN, type Importance, importance } from "../../analysis/importance.ts";
import { observationsOf } from "../../analysis/observed.ts";
import { withoutStopping } from "../../analysis/without-stopping.ts";
import type { JsonObject } from "../../base/json.ts";
import type { Experiment, ProgressReply } from "../../protocol/api.ts";
import type { Cli } from "../cli.ts";
import { EXIT } from "../exit-code.ts";
import { aligned, count, duration, measured, moment, plural } from "../figures.ts";
import { inert } from "../inert.ts";
import { gather, type ListOptions, limitOf } from "../listing.ts";
import { table } from "../table.ts";
import { experimentOf, wholeOf } from "../values.ts";
import { lookOf } from "./experiment.ts";

export async function importances(cli: Cli, id: string): Promise<number> {
  const number = experimentOf(id);
  const client = cli.client();
  const [experiment, trials] = await Promise.all([
    client.experiment(number),
    gather((query) => client.experimentTrials(number, query), Number.POSITIVE_INFINITY),
  ]);
  const axes = axesOf((experiment.config as JsonObject).hyperparameters);
  const all = importance(axes, observationsOf(axes, trials.items), {
    smallerIsBetter: experiment.searcher.smaller_is_better,
  });
  cli.show({ experiment: number, metric: experiment.searcher.metric, ...all }, () =>
    importanceLines(cli, number, all),
  );
  cli.next(`trial list ${number} --best`);
  return EXIT.ok;
}

function importanceLines(cli: Cli, number: number, all: Importance): string[] {
  if (all.trials < IMPORTANCE_TRIALS_MIN)
    return [
      `Experiment ${number} has ${plural(all.trials, "trial")} with a value; importance needs ${IMPORTANCE_TRIALS_MIN}.`,
    ];
  if (all.items.length === 0) return [`No hyperparameter of experiment ${number} varies.`];
  const percent = (share: number): string => `${Math.round(share * 100)} %`;
  return [
    ...table(
      [
        { head: "hyperparameter", flexible: true },
        { head: "importance", align: "right" },
        { head: "90 % interval", align: "right" },
        { head: "trials", align: "right" },
      ],
      all.items.map((item) => [
        item.name,
        percent(item.importance),
        `${percent(item.low)} to ${percent(item.high)}`,
        count(item.trials),
      ]),
      { width: cli.width, headPaint: cli.paint.dim },
    ),
    `${all.method}: the best ${all.top} of ${count(all.trials)} trials against all; ` +
      `in ${percent(all.first_is_first)} of ${all.resamples} resamples the first is first.`,
  ];
}

export async function progress(
  cli: Cli,
  id: string,
  options: { readonly points?: string },
): Promise<number> {
  const number = experimentOf(id);
  const client = cli.client();
  const points =
    options.points === undefined ? undefined : wholeOf("--points", options.points, 1, 2_000);
  const [experiment, reply] = await Promise.all([
    client.experiment(number),
    client.experimentProgress(number, { points }),
  ]);
  const full = withoutStopping(experiment.spent, experiment.plan.steps_without_early_stopping);
  const shown = {
    ...reply,
    spent: experiment.spent,
    without_early_stopping:
      full === undefined
        ? null
        : {
            steps: full.steps,
            seconds_estimated: full.seconds,
            slot_seconds_estimated: full.slotSeconds,
          },
  };
  cli.show(shown, () => progressLines(cli, experiment, reply, full));
  const best = reply.items.at(-1);
  if (best !== undefined) cli.next(`trial show ${best.trial}`);
  return EXIT.ok;
}

function progressLines(
  cli: Cli,
  experiment: Experiment,
  reply: ProgressReply,
  full: ReturnType<typeof withoutStopping>,
): string[] {
  if (reply.items.length === 0)
    return [
      reply.metric === ""
        ? `Experiment ${reply.experiment} is judged by no metric, so nothing in it is the best.`
        : `No trial of experiment ${reply.experiment} has reported a finite ${inert(reply.metric)} yet.`,
    ];
  const beganMs = Date.parse(experiment.started_at ?? experiment.created_at);
  const { spent } = experiment;
  const unit = inert(reply.unit);
  const lines = table(
    [
      { head: "after", align: "right" },
      { head: reply.unit, align: "right" },
      { head: "slot time", align: "right" },
      { head: `best ${reply.metric}`, align: "right", flexible: true },
      { head: "trial" },
    ],
    reply.items.map((item) => [
      duration((Date.parse(item.at) - beganMs) / 1000),
      count(item.steps),
      duration(item.slot_seconds),
      aligned(item.objective),
      item.trial,
    ]),
    { width: cli.width, headPaint: cli.paint.dim },
  );
  if (reply.items.length < reply.total)
    lines.push(
      `thinned: ${count(reply.items.length)} of ${count(reply.total)} improvements; --points shows up to 2,000`,
    );
  lines.push(
    `spent: ${count(spent.steps)} ${unit}, ${duration(spent.seconds)}, ${duration(spent.slot_seconds)} of slots`,
  );
  if (full !== undefined)
    lines.push(
      `without early stopping: ${count(full.steps)} ${unit} (${measured(full.factor, 2)} times as many); ` +
        `at the measured pace ${duration(full.seconds)}, ${duration(full.slotSeconds)} of slots`,
    );
  return lines;
}

export async function allocations(cli: Cli, id: string, options: ListOptions): Promise<number> {
  const number = experimentOf(id);
  const client = cli.client();
  const page = await gather(
    (query) => client.experimentAllocations(number, query),
    limitOf(options),
  );
  const { nowMs } = lookOf(cli);
  cli.show(page, () =>
    page.items.length === 0
      ? [`No trial of experiment ${number} has had slots yet.`]
      : [
          ...table(
            [
              { head: "allocation" },
              { head: "slots", flexible: true },
              { head: "state" },
              { head: "granted" },
              { head: "held for", align: "right" },
              { head: "why", flexible: true },
            ],
            page.items.map((item) => [
              item.id,
              item.slots.join(" "),
              item.end ?? item.state,
              moment(item.created_at),
              duration(
                ((item.ended_at === null ? nowMs : Date.parse(item.ended_at)) -
                  Date.parse(item.created_at)) /
                  1000,
              ),
              item.reason,
            ]),
            { width: cli.width, headPaint: cli.paint.dim },
          ),
          ...more(page.next_cursor),
        ],
  );
  const first = page.items[0];
  if (first !== undefined) cli.next(`logs ${first.id}`, `why ${first.id}`);
  return EXIT.ok;
}

export async function decisions(cli: Cli, id: string, options: ListOptions): Promise<number> {
  const number = experimentOf(id);
  const client = cli.client();
  const page = await gather((query) => client.experimentDecisions(number, query), limitOf(options));
  cli.show(page, () =>
    page.items.length === 0
      ? [`Nothing has been decided about trials of experiment ${number} yet.`]
      : [
          ...table(
            [
              { head: "trial" },
              { head: "when" },
              { head: "decision" },
              { head: "bracket", align: "right", drop: 2 },
              { head: "rung", align: "right", drop: 1 },
              { head: "threshold", align: "right" },
              { head: "why", flexible: true },
            ],
            page.items.map(({ trial, at, what, standing, text }) => [
              trial,
              moment(at),
              what,
              standing?.bracket,
              standing?.rung,
              measured(standing?.threshold),
              text,
            ]),
            { width: cli.width, headPaint: cli.paint.dim },
          ),
          ...more(page.next_cursor),
        ],
  );
  const first = page.items[0];
  if (first !== undefined) cli.next(`why ${first.trial}`, `trial show ${first.trial}`);
  return EXIT.ok;
}

const more = (cursor: string | null): string[] =>
  cursor === null ? [] : ["… there are more: --limit N or --all"];
