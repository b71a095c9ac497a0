/** What all trials of an experiment went through: what the charts of the web page are drawn from. */
import { z } from "zod";
import { reviveExact, toWire } from "../../base/json.ts";
import type { Standing } from "../../core/search/search.ts";
import * as api from "../../protocol/api.ts";
import type { ExperimentConfig } from "../../protocol/config/config.ts";
import { readExperimentHead } from "../../store/experiment-reads.ts";
import { listAllocations, listDecisions, readProgress } from "../../store/history-reads.ts";
import { allocationView, unitOf } from "../views.ts";
import type { App } from "./app.ts";
import { noExperiment, type RouteContext } from "./context.ts";
import { cursorNumber, decisionCursor, decisionPlace } from "./cursor.ts";

const params = z.object({ id: api.experimentIdParam });
const tags = ["experiments"];
const reading = { access: ["read"] } as const;

export function historyRoutes(app: App, { readPool }: RouteContext): void {
  const find = async (id: number) => {
    const row = await readExperimentHead(readPool, id);
    if (!row) throw noExperiment(id);
    return row;
  };

  app.get(
    "/experiments/:id/allocations",
    {
      config: reading,
      schema: {
        params,
        querystring: api.pageQuery,
        response: { 200: api.page(api.experimentAllocation) },
        tags,
      },
    },
    async (request) => {
      const { id } = request.params;
      const { cursor, limit } = request.query;
      await find(id);
      const after = cursor === undefined ? 0 : cursorNumber(cursor);
      const rows = await listAllocations(readPool, { experiment: id, after, limit: limit + 1 });
      const kept = rows.slice(0, limit);
      const items = kept.map((row) => ({
        ...allocationView(row),
        trial: `${id}.${row.trial_number}`,
      }));
      return { items, next_cursor: rows.length > limit ? String(kept.at(-1)?.id) : null };
    },
  );

  app.get(
    "/experiments/:id/decisions",
    {
      config: reading,
      schema: {
        params,
        querystring: api.pageQuery,
        response: { 200: api.page(api.experimentDecision) },
        tags,
      },
    },
    async (request) => {
      const { id } = request.params;
      const { cursor, limit } = request.query;
      await find(id);
      const after = cursor === undefined ? { number: 0, seq: 0 } : decisionPlace(cursor);
      const rows = await listDecisions(readPool, { experiment: id, after, limit: limit + 1 });
      const kept = rows.slice(0, limit);
      const last = kept.at(-1);
      return {
        items: kept.map(
          (row): api.ExperimentDecision => ({
            trial: `${id}.${row.trial_number}`,
            at: row.at.toISOString(),
            what: row.what,
            target:
              row.target === null || row.target >= Number.MAX_SAFE_INTEGER ? null : row.target,
            code: row.code,
            text: row.text,
            standing: row.standing === null ? null : placeView(reviveExact(row.standing)),
          }),
        ),
        next_cursor: rows.length > limit && last ? decisionCursor(last) : null,
      };
    },
  );

  app.get(
    "/experiments/:id/progress",
    {
      config: reading,
      schema: {
        params,
        querystring: api.progressQuery,
        response: { 200: api.progressReply },
        tags,
      },
    },
    async (request): Promise<api.ProgressReply> => {
      const { id } = request.params;
      const row = await find(id);
      const { searcher } = row.config as unknown as ExperimentConfig;
      const { smallerIsBetter } = row.search_spec;
      const metric = searcher.metric ?? "";
      const pointsMax = request.query.points;
      const rows = await readProgress(readPool, {
        ...{ experiment: id, metric, smallerIsBetter, pointsMax },
      });
      return {
        experiment: id,
        metric,
        unit: unitOf(row.config as unknown as ExperimentConfig),
        smaller_is_better: smallerIsBetter,
        total: rows[0]?.total ?? 0,
        items: rows.map((item) => ({
          at: item.at.toISOString(),
          trial: `${id}.${item.number}`,
          step: item.step,
          objective: item.value,
          steps: item.steps,
          slot_seconds: item.slot_seconds,
        })),
      };
    },
  );
}

/** @param standing as stored, without the rivals */
function placeView(standing: unknown): api.ExperimentDecision["standing"] {
  const own = standing as Omit<Standing, "competitors">;
  return {
    bracket: own.bracket,
    rung: own.rung,
    step: own.step,
    objective: toWire(own.objective),
    rank: own.rank,
    of: own.of,
    passing: own.passing,
    threshold: own.threshold === undefined ? null : toWire(own.threshold),
  };
}
