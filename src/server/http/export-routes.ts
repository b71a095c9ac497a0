/**
 * What leaves the house in large pieces: all points of metrics as a file, and the lines of a bundle. Both are made while
 * they are sent: neither side ever holds more than a part of them.
 */
import { Readable } from "node:stream";
import { z } from "zod";
import { parseId } from "../../base/ids.ts";
import { POINT_FORMATS, pointFile } from "../../export/point-files.ts";
import * as api from "../../protocol/api.ts";
import { nearest } from "../../protocol/config/nearest.ts";
import { ContrailError } from "../../protocol/errors.ts";
import { experimentIds, readExperiment, unknownTrials } from "../../store/experiment-reads.ts";
import { metricNames } from "../../store/metric-reads.ts";
import { type PointsFilter, readAllPoints } from "../../store/point-reads.ts";
import { bundleText } from "../export/bundle-lines.ts";
import { type App, person } from "./app.ts";
import { experimentHead, noExperiment, noTrial, notPurged, type RouteContext } from "./context.ts";
import { filterTerms } from "./experiment-list-routes.ts";

/** Each makes files as fast as its reader takes them, in the one thread that everything else runs in. */
const EXPORTS_MAX = 4;
/** Made while what was made before is still on its way: a batch or two. */
const AHEAD_BYTES = 4 * 1024 * 1024;

export function exportRoutes(app: App, context: RouteContext): void {
  let underWay = 0;
  const begin = (bytes: AsyncIterable<string | Uint8Array>): Readable => {
    if (underWay >= EXPORTS_MAX)
      throw new ContrailError(
        "unavailable",
        `${EXPORTS_MAX} exports are under way; more would hold up everybody else`,
        { hint: "Try again when one of them is done.", retryAfterS: 5 },
      );
    underWay += 1;
    const file = Readable.from(bytes, { objectMode: false, highWaterMark: AHEAD_BYTES });
    file.once("close", () => {
      underWay -= 1;
    });
    return file;
  };

  app.get(
    "/metrics/export",
    {
      config: { access: ["read"], produces: "application/octet-stream" },
      schema: { querystring: api.exportMetricsQuery, tags: ["metrics"] },
    },
    async (request, reply) => {
      const { query } = request;
      const filter: PointsFilter = {
        trials: await trialsOf(context, query),
        names: await namesOf(context, query.names),
        fromStep: query.from_step,
        toStep: query.to_step,
        superseded: query.superseded,
      };
      const file = begin(pointFile(query.format, readAllPoints(context.readPool, filter)));
      return reply
        .header("content-type", POINT_FORMATS[query.format].mediaType)
        .header("content-disposition", `attachment; filename="metrics.${query.format}"`)
        .header("content-security-policy", "sandbox")
        .send(file);
    },
  );

  app.get(
    "/experiments/:id/bundle",
    {
      config: { access: ["read"], produces: "application/x-ndjson" },
      schema: {
        params: z.object({ id: api.experimentIdParam }),
        querystring: api.bundleQuery,
        tags: ["experiments"],
      },
    },
    async (request, reply) => {
      const { readPool, version } = context;
      const experiment = request.params.id;
      const { trial } = request.query;
      const row = await readExperiment(readPool, experiment);
      if (!row) throw noExperiment(experiment);
      notPurged(row, experiment);
      if (trial !== undefined && (await unknownTrials(readPool, experiment, [trial])).length > 0)
        throw noTrial(`${experiment}.${trial}`);
      const about = { row, version, by: person(request).name };
      return reply
        .header("content-type", "application/x-ndjson")
        .header("content-security-policy", "sandbox")
        .send(begin(bundleText(readPool, { experiment, trial }, about)));
    },
  );
}

type Query = z.infer<typeof api.exportMetricsQuery>;

async function trialsOf(
  { readPool }: RouteContext,
  { ids, filter }: Query,
): Promise<PointsFilter["trials"]> {
  if (ids !== undefined && filter !== undefined)
    throw new ContrailError("invalid_request", "the request has both ids and a filter", {
      hint: "Give one of them; id:3,4 is a filter, too.",
    });
  if (ids === undefined) {
    const terms = filterTerms(filter);
    const found = await experimentIds(readPool, terms);
    return new Map(found.map((id) => [id, "all"]));
  }
  const trials = new Map<number, "all" | number[]>();
  for (const text of ids.split(",")) {
    const id = parseId(text);
    if (id === undefined) throw noTrial(text);
    const known = trials.get(id.experiment);
    if (id.trial === undefined) trials.set(id.experiment, "all");
    else if (known === undefined) trials.set(id.experiment, [id.trial]);
    else if (known !== "all") known.push(id.trial);
  }
  for (const [experiment, own] of trials) {
    await experimentHead({ readPool }, experiment);
    const [lacking] = own === "all" ? [] : await unknownTrials(readPool, experiment, own);
    if (lacking !== undefined) throw noTrial(`${experiment}.${lacking}`);
  }
  return trials;
}

/** @throws ContrailError where no metric has that name: an empty file would not say so */
async function namesOf(
  { readPool }: RouteContext,
  names: string | undefined,
): Promise<number[] | undefined> {
  if (names === undefined) return undefined;
  const all = await metricNames(readPool);
  return [...new Set(names.split(","))].map((name) => {
    const id = all.get(name);
    if (id !== undefined) return id;
    const close = nearest(name, [...all.keys()]);
    throw new ContrailError(
      "not_found",
      `no metric is called ${JSON.stringify(name.slice(0, 100))}${close === undefined ? "" : `; there is ${JSON.stringify(close)}`}`,
      { hint: "contrail trial metrics TRIAL shows the names of a trial's metrics." },
    );
  });
}
