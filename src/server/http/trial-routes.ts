import { text } from "node:stream/consumers";
import { z } from "zod";
import { toWire } from "../../base/json.ts";
import * as api from "../../protocol/api.ts";
import type { ExperimentConfig } from "../../protocol/config/config.ts";
import { ContrailError } from "../../protocol/errors.ts";
import { findCheckpoint, listCheckpoints } from "../../store/checkpoint-reads.ts";
import { readExperimentHead, readTrial, readTrialExtras } from "../../store/experiment-reads.ts";
import { readBuckets, readPoints, type SeriesFilter } from "../../store/metric-reads.ts";
import { readContainer, readNodes } from "../../store/record-store.ts";
import type { TrialRow } from "../../store/schema.ts";
import { lastLines } from "../last-lines.ts";
import { checkpointView, trialDetailView, trialView, unitOf } from "../views.ts";
import { type App, person } from "./app.ts";
import { noTrial, notPurged, type RouteContext, slotMeter, trialKey } from "./context.ts";
import { checkpointCursor, checkpointPlace } from "./cursor.ts";
import { metricOf } from "./metric-of.ts";
import { refuseOnTrial } from "./refused-verbs.ts";
import { deletedCheckpoint } from "./retention-routes.ts";
import { waitReason } from "./wait-reasons.ts";

const params = z.object({ id: api.trialIdParam });
const VERBS = ["activate", "pause", "cancel", "kill"] as const;
const tags = ["trials"];
/** Also for the training code itself, with its allocation's token, for its own trial. */
const ownToo = { access: ["read", "own_trial"] } as const;

export function trialRoutes(app: App, context: RouteContext): void {
  const { readPool, loop, verdicts } = context;

  const find = async (id: string): Promise<TrialRow> => {
    const { experiment, number } = trialKey(id);
    const row = await readTrial(readPool, experiment, number);
    if (!row) throw noTrial(id);
    return notPurged(row, experiment);
  };

  app.get(
    "/trials/:id",
    { config: ownToo, schema: { params, response: { 200: api.trialDetail }, tags } },
    async (request) => {
      const row = await find(request.params.id);
      const extras = await readTrialExtras(readPool, row);
      const reason = waitReason(context, row.experiment_id, row.number);
      return trialDetailView(row, extras, {
        verdicts,
        ...(reason === undefined ? {} : { reason }),
        meter: slotMeter(context, row.experiment_id),
        lastLines: await lastLines(readPool, row, extras.allocations),
        container: await readContainer(readPool, row.experiment_id, row.number),
        nodes: await readNodes(readPool, row.experiment_id, row.number),
      });
    },
  );

  for (const verb of VERBS)
    app.post(
      `/trials/:id/${verb}`,
      {
        config: { access: ["write"] },
        schema: { params, body: z.strictObject({}).nullish(), response: { 200: api.trial }, tags },
      },
      async (request) => {
        const { id } = request.params;
        const { experiment, number } = trialKey(id);
        const before = { id, state: (await find(id)).state };
        const actor = person(request).name;
        await loop.submit({
          name: `${verb} trial`,
          run: (w, turn) => {
            const live = w.experiments.get(experiment);
            refuseOnTrial(verb, number, live, before);
            if (live?.x.trials.has(number))
              w.apply(turn, live, { type: "user", verb, trial: number, actor });
          },
        });
        return trialView(await find(id), verdicts, undefined, slotMeter(context, experiment));
      },
    );

  app.get(
    "/trials/:id/metrics",
    {
      config: ownToo,
      schema: { params, querystring: api.metricsQuery, response: { 200: api.metricsReply }, tags },
    },
    async (request) => readMetrics(context, await find(request.params.id), request.query),
  );

  app.get(
    "/trials/:id/checkpoints",
    {
      config: ownToo,
      schema: {
        params,
        querystring: api.pageQuery,
        response: { 200: api.page(api.checkpoint) },
        tags,
      },
    },
    async (request) => {
      const row = await find(request.params.id);
      const { cursor, limit } = request.query;
      const rows = await listCheckpoints(readPool, {
        experiment: row.experiment_id,
        trial: row.number,
        metric: await metricOf(context, row.experiment_id),
        after: cursor === undefined ? undefined : checkpointPlace(cursor),
        limit: limit + 1,
      });
      const items = rows.slice(0, limit);
      const last = items.at(-1);
      return {
        items: items.map(checkpointView),
        next_cursor: rows.length > limit && last ? checkpointCursor(last) : null,
      };
    },
  );

  app.get(
    "/checkpoints/:id",
    {
      config: { access: ["read"] },
      schema: {
        params: z.object({ id: z.string().regex(/^[0-9a-f]{64}$/, "64 hexadecimal digits") }),
        response: { 200: api.checkpointDetail },
        tags: ["checkpoints"],
      },
    },
    async (request) => {
      const { id } = request.params;
      const place = await findCheckpoint(readPool, id);
      if (place?.deletedAt) throw deletedCheckpoint(id, place);
      const opened = place ? await context.blobs.open(id) : undefined;
      if (!place || !opened)
        throw new ContrailError("not_found", `there is no checkpoint ${id}`, {
          hint: "List them: contrail checkpoint list EXPERIMENT.",
        });
      const tree = JSON.parse(await text(opened.stream));
      const metric = await metricOf(context, place.experiment);
      const [row] = await listCheckpoints(readPool, { ...place, metric, tree: id, limit: 1 });
      if (!row) throw new ContrailError("not_found", `there is no checkpoint ${id}`);
      return { ...checkpointView(row), tree };
    },
  );
}

async function readMetrics(
  context: RouteContext,
  row: TrialRow,
  query: z.infer<typeof api.metricsQuery>,
): Promise<api.MetricsReply> {
  const { readPool } = context;
  const filter = {
    trialId: row.id,
    names: query.names?.split(","),
    fromStep: query.from_step,
    toStep: query.to_step,
    superseded: query.superseded,
  };
  const experiment = await readExperimentHead(readPool, row.experiment_id);
  const unit = experiment ? unitOf(experiment.config as unknown as ExperimentConfig) : "steps";
  const { thinned, series } = await readSeries(readPool, filter, query.points);
  return {
    trial: `${row.experiment_id}.${row.number}`,
    unit,
    series: [...series].map(([name, { total, points }]) => ({ name, total, thinned, points })),
  };
}

type Points = api.MetricsReply["series"][number]["points"];
type SeriesByName = Map<string, { total: number; points: Points }>;

/**
 * Thinned when any of the series has more points than were asked for. The buckets know how many points they
 * stand for, so where they are needed (long series) nothing else is read.
 */
async function readSeries(
  readPool: RouteContext["readPool"],
  filter: SeriesFilter,
  pointsMax: number | undefined,
): Promise<{ thinned: boolean; series: SeriesByName }> {
  const thinned: SeriesByName = new Map();
  if (pointsMax !== undefined) {
    for (const bucket of await readBuckets(readPool, filter, pointsMax))
      addTo(thinned, bucket.name, bucket.points, {
        step: bucket.step,
        value: toWire(bucket.value),
        run: bucket.run,
        ...(bucket.min === null ? {} : { min: bucket.min }),
        ...(bucket.max === null ? {} : { max: bucket.max }),
        mean: toWire(bucket.mean),
        not_finite: bucket.not_finite,
      });
    if (isLonger(thinned, pointsMax)) return { thinned: true, series: thinned };
  }
  const all: SeriesByName = new Map();
  for (const point of await readPoints(readPool, filter))
    addTo(all, point.name, 1, {
      step: point.step,
      value: toWire(point.value),
      run: point.run,
      ...(filter.superseded ? { superseded: point.superseded } : {}),
    });
  // Superseded points, where they are asked for, may make a series too long as well.
  if (pointsMax !== undefined && isLonger(all, pointsMax))
    return { thinned: true, series: thinned };
  return { thinned: false, series: all };
}

const isLonger = (series: SeriesByName, pointsMax: number): boolean =>
  [...series.values()].some(({ total }) => total > pointsMax);

function addTo(series: SeriesByName, name: string, stands: number, point: Points[number]): void {
  const own = series.get(name) ?? { total: 0, points: [] };
  own.total += stands;
  own.points.push(point);
  series.set(name, own);
}
