import { z } from "zod";
import { toWire } from "../../base/json.ts";
import * as api from "../../protocol/api.ts";
import type { ExperimentConfig } from "../../protocol/config/config.ts";
import { readCurves } from "../../store/curve-reads.ts";
import { listTrials, readExperiment } from "../../store/experiment-reads.ts";
import { unitOf } from "../views.ts";
import type { App } from "./app.ts";
import { noExperiment, type RouteContext } from "./context.ts";

export function curveRoutes(app: App, { readPool }: RouteContext): void {
  app.get(
    "/experiments/:id/curves",
    {
      config: { access: ["read"] },
      schema: {
        params: z.object({ id: api.experimentIdParam }),
        querystring: api.curvesQuery,
        response: { 200: api.curvesReply },
        tags: ["experiments"],
      },
    },
    async (request): Promise<api.CurvesReply> => {
      const { id } = request.params;
      const { points: pointsMax, limit, from_step: from, to_step: to } = request.query;
      const row = await readExperiment(readPool, id);
      if (!row) throw noExperiment(id);
      const config = row.config as unknown as ExperimentConfig;
      const metric = request.query.metric ?? config.searcher.metric ?? "";
      const { smallerIsBetter } = row.search_spec;
      const trials = await listTrials(readPool, {
        experiment: id,
        best: { smallerIsBetter },
        limit,
      });
      const points = new Map<number, api.Curve["points"]>(trials.map(({ number }) => [number, []]));
      const filter = { experiment: id, trials: [...points.keys()], metric, pointsMax, from, to };
      for (const { number, step, value } of await readCurves(readPool, filter))
        points.get(number)?.push([step, toWire(value)]);
      return {
        experiment: id,
        metric,
        unit: unitOf(config),
        smaller_is_better: smallerIsBetter,
        trials_total: row.total,
        items: trials.map(({ number, state }) => ({
          trial: `${id}.${number}`,
          state: state as api.TrialState,
          points: points.get(number) ?? [],
        })),
      };
    },
  );
}
