/**
 * Two runs laid side by side, whether experiments or trials: code, resolved configuration, data, environment, choice and
 * seeds, metrics, decisions. Two equal runs differ in nothing; what is answered is what somebody would have to explain.
 */
import { fairShare } from "../../analysis/fair-share.ts";
import { allDifferences } from "../../base/difference.ts";
import { toWire } from "../../base/json.ts";
import type { DiffReply, MetricDiff, ValueDifference } from "../../protocol/api.ts";
import type { ExperimentConfig } from "../../protocol/config/config.ts";
import { renderPath } from "../../protocol/config/issue.ts";
import { listTrials, readTrialExtras } from "../../store/experiment-reads.ts";
import { diffMetrics, type MetricDifference } from "../../store/metric-diff.ts";
import type { TrialRow } from "../../store/schema.ts";
import { readSource, type Source } from "../fork/create-fork.ts";
import type { RouteContext } from "../http/context.ts";
import { readRecord } from "../http/record-routes.ts";
import { diffCode } from "./diff-code.ts";
import { diffEnvironment } from "./diff-environment.ts";

type Context = Pick<RouteContext, "readPool" | "blobs">;

/** In each list. */
const VALUES_MAX = 2_000;
const DECISIONS_SHOWN_MAX = 50;

/** @param a, b such as `3` or `3.12` @throws ContrailError not_found, deleted */
export async function diffRuns(context: Context, a: string, b: string): Promise<DiffReply> {
  const [left, right] = [await sideOf(context, a), await sideOf(context, b)];
  const [one, two] = [left.source.experiment, right.source.experiment];
  const config = values(one.config, two.config);
  const data = values(one.data, two.data);
  const environment = await environmentOf(context, left, right);
  const trials = left.trial && right.trial && ([left.trial, right.trial] as const);
  const choices = values(trials?.[0].hyperparameters, trials?.[1].hyperparameters);
  return {
    a: sideView(a, left),
    b: sideView(b, right),
    code: await diffCode(context.blobs, one.code, two.code),
    ...{ config: config.listed, data: data.listed, environment: environment.listed },
    not_listed: {
      ...{ config: config.more, data: data.more, environment: environment.more },
      hyperparameters: choices.more,
    },
    trials: trials && {
      hyperparameters: choices.listed,
      ...(await diffTrials(context, [left, trials[0]], [right, trials[1]])),
    },
  };
}

async function environmentOf(context: Context, a: Side, b: Side): Promise<Listed> {
  if (!a.trial || !b.trial) return { listed: [], more: 0 };
  const record = (trial: TrialRow) => readRecord(context, `${trial.experiment_id}.${trial.number}`);
  return listed(diffEnvironment(await record(a.trial), await record(b.trial)));
}

interface Side {
  readonly source: Source;
  /** The one named, or the only one that there is. */
  readonly trial: TrialRow | null;
}

async function sideOf(context: Context, id: string): Promise<Side> {
  const source = await readSource(context, id);
  if (source.trial !== null) return { source, trial: source.trial };
  const trials = await listTrials(context.readPool, { experiment: source.experiment.id, limit: 2 });
  return { source, trial: trials.length === 1 ? (trials[0] ?? null) : null };
}

const sideView = (id: string, { source: { experiment }, trial }: Side): DiffReply["a"] => ({
  ...{ id, experiment: experiment.id, name: experiment.name },
  trial: trial === null ? null : `${experiment.id}.${trial.number}`,
  created_at: experiment.created_at.toISOString(),
});

interface Listed {
  readonly listed: ValueDifference[];
  /** So many more there are. */
  readonly more: number;
}

/** Of each group as many as the others leave room for. */
export function listed(groups: readonly (readonly ValueDifference[])[]): Listed {
  const shown = fairShare(groups, VALUES_MAX);
  return { listed: shown, more: groups.flat().length - shown.length };
}

const values = (a: unknown, b: unknown): Listed =>
  listed([
    allDifferences(a, b).map(({ parts, left, right }) => ({
      path: renderPath(parts).replace(/^\./, ""),
      ...(left === undefined ? {} : { a: left as ValueDifference["a"] }),
      ...(right === undefined ? {} : { b: right as ValueDifference["b"] }),
    })),
  ]);

async function diffTrials(
  { readPool }: Context,
  [left, a]: readonly [Side, TrialRow],
  [right, b]: readonly [Side, TrialRow],
): Promise<Omit<NonNullable<DiffReply["trials"]>, "hyperparameters">> {
  const [metrics, ofA, ofB] = await Promise.all([
    diffMetrics(readPool, [a.id, b.id]),
    readTrialExtras(readPool, a),
    readTrialExtras(readPool, b),
  ]);
  const { searcher } = left.source.experiment.config as unknown as ExperimentConfig;
  const seedsOf = ({ source }: Side, trial: TrialRow) => ({
    experiment: Number(source.experiment.seed),
    trial: Number(trial.seed),
  });
  return {
    seeds: values(seedsOf(left, a), seedsOf(right, b)).listed,
    metrics: metrics.map((metric) => metricDiff(metric, searcher)),
    decisions: diffDecisions(ofA.decisions, ofB.decisions),
  };
}

const numberOrNull = (value: number | null) => (value === null ? null : toWire(value));

/** Pure. */
export function metricDiff(
  metric: MetricDifference,
  {
    metric: judgedBy,
    smaller_is_better: smaller,
  }: Pick<ExperimentConfig["searcher"], "metric" | "smaller_is_better">,
): MetricDiff {
  const { name, both, only_a, only_b } = metric;
  const last = (step: number | null, value: number | null) =>
    step === null || value === null ? null : { step: Number(step), value: toWire(value) };
  const best = smaller
    ? { a: numberOrNull(metric.min_a), b: numberOrNull(metric.min_b) }
    : { a: numberOrNull(metric.max_a), b: numberOrNull(metric.max_b) };
  return {
    ...{ name, both, only_a, only_b },
    first:
      metric.first_step === null
        ? null
        : {
            step: Number(metric.first_step),
            a: toWire(metric.first_a ?? Number.NaN),
            b: toWire(metric.first_b ?? Number.NaN),
          },
    last: {
      a: last(metric.last_step_a, metric.last_a),
      b: last(metric.last_step_b, metric.last_b),
    },
    best: name === judgedBy ? best : null,
  };
}

type Decision = Awaited<ReturnType<typeof readTrialExtras>>["decisions"][number];

/** The same act to the same target for the same kind of reason; the words hold figures that may differ. */
export function diffDecisions(
  a: readonly Decision[],
  b: readonly Decision[],
): NonNullable<DiffReply["trials"]>["decisions"] {
  const alike = (x: Decision | undefined, y: Decision | undefined): boolean =>
    x?.what === y?.what && x?.target === y?.target && x?.code === y?.code;
  let same = 0;
  while (same < a.length && same < b.length && alike(a[same], b[same])) same++;
  const rest = (list: readonly Decision[]) =>
    list.slice(same, same + DECISIONS_SHOWN_MAX).map(({ what, target, code, text }) => ({
      ...{ what, code, text },
      target: target === null || target >= Number.MAX_SAFE_INTEGER ? null : Number(target),
    }));
  return { same, a: rest(a), b: rest(b) };
}
