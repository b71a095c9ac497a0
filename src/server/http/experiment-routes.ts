import { z } from "zod";
import { reviveExact } from "../../base/json.ts";
import { searchRungs } from "../../core/search/methods.ts";
import * as api from "../../protocol/api.ts";
import { listDescendants, readAncestry } from "../../store/ancestry-reads.ts";
import { listCheckpoints } from "../../store/checkpoint-reads.ts";
import {
  type ExperimentSummaryRow,
  listChanges,
  listTrials,
  readExperiment,
} from "../../store/experiment-reads.ts";
import { createExperiment } from "../create-experiment.ts";
import { markForeign } from "../datasets/items.ts";
import { layersIn } from "../layers/given.ts";
import { liveRungs } from "../live-rungs.ts";
import {
  ancestryView,
  checkpointView,
  descendantView,
  experimentView,
  rungView,
  trialView,
} from "../views.ts";
import { type App, LARGE_BODY_BYTES_MAX, person } from "./app.ts";
import {
  experimentHead,
  noExperiment,
  notPurged,
  type RouteContext,
  slotMeter,
} from "./context.ts";
import { checkpointCursor, checkpointPlace, cursorNumber, cursorPair } from "./cursor.ts";
import { metricOf } from "./metric-of.ts";
import { refuseOnExperiment } from "./refused-verbs.ts";
import { waitReason } from "./wait-reasons.ts";

const params = z.object({ id: api.experimentIdParam });
const idempotency = z.object({ "idempotency-key": z.string().min(1).max(200).optional() });
const DESCENDANTS_SHOWN_MAX = 100;
const VERBS = ["activate", "pause", "cancel", "kill"] as const;
const tags = ["experiments"];

export function experimentRoutes(app: App, context: RouteContext): void {
  const { readPool, world, loop, clock, verdicts } = context;
  const now = () => new Date(clock.nowMs());

  const find = async (id: number): Promise<ExperimentSummaryRow> => {
    const row = await readExperiment(readPool, id);
    if (!row) throw noExperiment(id);
    return notPurged(row, id);
  };

  /** From the database, after the commit: what a caller reads is what is durable. */
  const view = async (id: number): Promise<api.Experiment> => {
    return experimentView(await find(id), now(), verdicts);
  };

  app.post(
    "/experiments",
    {
      config: { access: ["write"] },
      bodyLimit: LARGE_BODY_BYTES_MAX,
      schema: {
        headers: idempotency,
        body: api.createExperimentRequest,
        response: { 200: api.createExperimentReply },
        tags,
      },
    },
    async (request) =>
      createExperiment(context, {
        request: request.body,
        owner: person(request),
        idempotencyKey: request.headers["idempotency-key"],
      }),
  );

  app.get(
    "/experiments/:id",
    {
      config: { access: ["read"] },
      schema: { params, response: { 200: api.experimentDetail }, tags },
    },
    async (request) => {
      const { id } = request.params;
      const row = await find(id);
      const [ancestry, children, [data]] = await Promise.all([
        readAncestry(readPool, id),
        listDescendants(readPool, id, DESCENDANTS_SHOWN_MAX),
        markForeign(readPool, [row.data]),
      ]);
      return {
        ...experimentView(row, now(), verdicts),
        config: row.config as z.infer<typeof api.experimentDetail>["config"],
        config_text: row.config_text,
        data: data as z.infer<typeof api.experimentDetail>["data"],
        seed: Number(row.seed),
        provenance: row.provenance as z.infer<typeof api.experimentDetail>["provenance"],
        layers: layersIn(row.provenance),
        ancestry: ancestry ? ancestryView(ancestry) : null,
        descendants: { items: children.rows.map(descendantView), total: children.total },
      };
    },
  );

  for (const verb of VERBS)
    app.post(
      `/experiments/:id/${verb}`,
      {
        config: { access: ["write"] },
        schema: {
          params,
          body: z.strictObject({}).nullish(),
          response: { 200: api.experiment },
          tags,
        },
      },
      async (request) => {
        const { id } = request.params;
        const actor = person(request).name;
        const before = await view(id);
        await loop.submit({
          name: `${verb} experiment`,
          run: (w, turn) => {
            const live = w.experiments.get(id);
            refuseOnExperiment(verb, id, live, before.state);
            if (live) w.apply(turn, live, { type: "user", verb, actor });
          },
        });
        return view(id);
      },
    );

  app.get(
    "/experiments/:id/trials",
    {
      config: { access: ["read"] },
      schema: {
        params,
        querystring: api.trialsQuery,
        response: { 200: api.page(api.trial) },
        tags,
      },
    },
    async (request) => {
      const { id } = request.params;
      const { cursor, limit, state, verdict, order } = request.query;
      const experiment = await experimentHead(context, id);
      const rows = await listTrials(readPool, {
        experiment: id,
        state,
        verdict,
        best:
          order === "best"
            ? { smallerIsBetter: experiment.search_spec.smallerIsBetter }
            : undefined,
        after: cursor === undefined ? undefined : cursorPair(cursor),
        limit: limit + 1,
      });
      const meter = slotMeter(context, id);
      const kept = rows.slice(0, limit);
      const last = kept.at(-1);
      return {
        items: kept.map((row) =>
          trialView(row, verdicts, waitReason(context, id, row.number), meter),
        ),
        next_cursor: rows.length > limit && last ? `${last.sort_key}_${last.number}` : null,
      };
    },
  );

  app.get(
    "/experiments/:id/rungs",
    {
      config: { access: ["read"] },
      schema: { params, response: { 200: z.object({ items: z.array(api.rung) }) }, tags },
    },
    async (request) => {
      const { id } = request.params;
      const live = world.experiments.get(id);
      if (live) return { items: [...liveRungs(live).rungs] };
      const row = await find(id);
      const rungs = searchRungs(row.search_spec, reviveExact(row.search_state));
      return { items: rungs.map((rung) => rungView(id, rung)) };
    },
  );

  app.get(
    "/experiments/:id/changes",
    {
      config: { access: ["read"] },
      schema: { params, querystring: api.pageQuery, response: { 200: api.page(api.change) }, tags },
    },
    async (request) => {
      const { id } = request.params;
      const { cursor, limit } = request.query;
      await experimentHead(context, id);
      const after = cursor === undefined ? 0 : cursorNumber(cursor, Number.MAX_SAFE_INTEGER);
      const rows = await listChanges(readPool, { experiment: id, after, limit: limit + 1 });
      const items = rows.slice(0, limit).map((row) => ({ ...row, at: row.at.toISOString() }));
      return { items, next_cursor: rows.length > limit ? String(items.at(-1)?.seq) : null };
    },
  );

  app.get(
    "/experiments/:id/checkpoints",
    {
      config: { access: ["read"] },
      schema: {
        params,
        querystring: api.pageQuery,
        response: { 200: api.page(api.checkpoint) },
        tags,
      },
    },
    async (request) => {
      const { id } = request.params;
      const { cursor, limit } = request.query;
      const rows = await listCheckpoints(readPool, {
        experiment: id,
        metric: await metricOf(context, id),
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
}
