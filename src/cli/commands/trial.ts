/** `contrail trial list|show|metrics|pause|activate|cancel|kill`. */
import { parseId } from "../../base/ids.ts";
import { verdictWords } from "../../protocol/experiment-filter/states.ts";
import type { Client, Verb } from "../../sdk/client.ts";
import { trialState } from "../api-words.ts";
import type { Cli } from "../cli.ts";
import { actOnEach } from "../each-id.ts";
import { EXIT, usageError } from "../exit-code.ts";
import { trialLines, trialRows } from "../experiment-view.ts";
import { aligned, count } from "../figures.ts";
import { gather, type ListOptions, limitOf } from "../listing.ts";
import { recordLines } from "../record-view.ts";
import { table } from "../table.ts";
import { choiceOf, experimentOf, trialOf, wholeOf } from "../values.ts";
import { withdrawnLines } from "../withdrawn-view.ts";
import { lookOf } from "./experiment.ts";

export async function list(
  cli: Cli,
  id: string,
  options: ListOptions & { state?: string; verdict?: string; best?: boolean },
): Promise<number> {
  const number = experimentOf(id);
  const client = cli.client();
  const state =
    options.state === undefined ? undefined : choiceOf("--state", options.state, trialState);
  const verdict =
    options.verdict === undefined
      ? undefined
      : choiceOf("--verdict", options.verdict.replaceAll(/[ -]/g, "_"), verdictWords);
  const order = options.best === true ? "best" : "number";
  const [experiment, page] = await Promise.all([
    client.experiment(number),
    gather(
      (query) => client.experimentTrials(number, { ...query, state, verdict, order }),
      limitOf(options),
    ),
  ]);
  cli.show(page, () =>
    page.items.length === 0
      ? [
          state === undefined && verdict === undefined
            ? `Experiment ${number} has no trials yet.`
            : `Experiment ${number} has no trial that is ${[state, verdict].filter((word) => word !== undefined).join(" and ")}.`,
        ]
      : [
          ...trialRows(page.items, experiment.searcher.metric, experiment.unit, lookOf(cli)),
          ...(page.next_cursor === null ? [] : ["… there are more: --limit N or --all"]),
          ...withdrawnLines(experiment, lookOf(cli)),
        ],
  );
  const first = experiment.best?.trial ?? page.items[0]?.id;
  if (first !== undefined) cli.next(`trial show ${first}`, `logs ${first}`);
  return EXIT.ok;
}

export interface ShowOptions {
  readonly record?: true;
  readonly run?: string;
  readonly all?: true;
}

export async function show(cli: Cli, id: string, options: ShowOptions = {}): Promise<number> {
  if (options.record === true) return showRecord(cli, id, options);
  if (options.run !== undefined || options.all === true)
    throw usageError(
      "--run and --all belong to --record.",
      `Write: \`contrail trial show ${id} --record\``,
    );
  const client = cli.client();
  const trial = await client.trial(trialOf(id));
  const aside = await asideLines(cli, client, trial.id);
  cli.show(trial, () => [...trialLines(trial, lookOf(cli)), ...aside]);
  cli.next(
    `trial metrics ${id}`,
    `logs ${id}`,
    ...(trial.checkpoint === null ? [] : [`checkpoint list ${id}`]),
  );
  return EXIT.ok;
}

/** That the experiment of a thing was put aside; the machine's document has no place for it. @param id 3, 3.12 or 3.12.2 */
export async function asideLines(cli: Cli, client: Client, id: string): Promise<string[]> {
  const number = parseId(id)?.experiment;
  if (cli.json || number === undefined) return [];
  // A remark beside the answer: where it cannot be had, the answer stands.
  const experiment = await client.experiment(number).catch(() => undefined);
  const lines = experiment === undefined ? [] : withdrawnLines(experiment, lookOf(cli));
  return lines.length === 0 ? [] : ["", ...lines];
}

async function showRecord(cli: Cli, id: string, options: ShowOptions): Promise<number> {
  const run =
    options.run === undefined ? undefined : wholeOf("--run", options.run, 1, 2_147_483_647);
  const record = await cli.client().trialRecord(trialOf(id), { run });
  const { width, paint } = cli;
  cli.show(record, () => recordLines(record, { width, paint, all: options.all === true }));
  cli.next(`trial show ${id}`);
  return EXIT.ok;
}

export interface MetricsOptions {
  readonly names?: string;
  readonly from?: string;
  readonly to?: string;
  readonly points?: string;
  readonly superseded?: boolean;
}

export async function metrics(cli: Cli, id: string, options: MetricsOptions): Promise<number> {
  const whole = (name: string, text: string | undefined, min: number, max: number) =>
    text === undefined ? undefined : wholeOf(name, text, min, max);
  const reply = await cli.client().metrics(trialOf(id), {
    names: options.names,
    from_step: whole("--from", options.from, 0, Number.MAX_SAFE_INTEGER),
    to_step: whole("--to", options.to, 0, Number.MAX_SAFE_INTEGER),
    points: whole("--points", options.points, 1, 10_000),
    superseded: options.superseded,
  });
  cli.show(reply, () => metricLines(cli, reply));
  cli.next(`trial show ${id}`, `logs ${id}`);
  return EXIT.ok;
}

/** One row a step, one column a metric: what was reported together is read together. */
function metricLines(
  cli: Cli,
  reply: Awaited<ReturnType<ReturnType<Cli["client"]>["metrics"]>>,
): string[] {
  const { series, trial, unit } = reply;
  if (series.length === 0) return [`Trial ${trial} has reported no metrics that match.`];
  const rows = new Map<string, { step: number; run: number; values: Map<string, string> }>();
  for (const { name, points } of series)
    for (const point of points) {
      const key = `${point.step} ${point.run}`;
      const row = rows.get(key) ?? { step: point.step, run: point.run, values: new Map() };
      row.values.set(
        name,
        `${aligned(point.value)}${point.superseded === true ? " (superseded)" : ""}`,
      );
      rows.set(key, row);
    }
  const sorted = [...rows.values()].toSorted((a, b) => a.step - b.step || a.run - b.run);
  const lines = table(
    [
      { head: unit, align: "right" },
      ...series.map(({ name }) => ({ head: name, align: "right", flexible: true }) as const),
    ],
    sorted.map((row) => [row.step, ...series.map(({ name }) => row.values.get(name))]),
    { width: cli.width, headPaint: cli.paint.dim },
  );
  const thinned = series.filter((s) => s.thinned);
  if (thinned.length > 0)
    lines.push(
      `thinned: ${thinned.map((s) => `${s.points.length} of ${count(s.total)} points`).join(", ")}; leave --points out for all`,
    );
  return lines;
}

export async function change(cli: Cli, verb: Verb, ids: readonly string[]): Promise<number> {
  const client = cli.client();
  return actOnEach(cli, {
    noun: "trial",
    ids: ids.map(trialOf),
    act: (id) => client.changeTrial(id, verb),
    lines: ({ id, state }) => [`trial ${id} is ${state}`],
    next: ({ id }) => [`trial show ${id}`],
  });
}
