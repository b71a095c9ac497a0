/** Running a trial again from its record, and what came of it. */
import { z } from "zod";
import * as api from "../../protocol/api.ts";
import { readTrial } from "../../store/experiment-reads.ts";
import { verdictsOn } from "../../store/verdict-store.ts";
import { createReplay } from "../replay/create-replay.ts";
import { verdictView } from "../views.ts";
import { type App, person } from "./app.ts";
import { noTrial, notPurged, type RouteContext, trialKey } from "./context.ts";

const params = z.object({ id: api.trialIdParam });
const VERDICTS_SHOWN_MAX = 200;
const tags = ["trials"];

export function replayRoutes(app: App, context: RouteContext): void {
  app.post(
    "/trials/:id/replays",
    {
      config: { access: ["write"] },
      schema: {
        params,
        headers: z.object({ "idempotency-key": z.string().min(1).max(200).optional() }),
        body: api.createReplayRequest,
        response: { 200: api.createReplayReply },
        tags,
      },
    },
    async (request) => {
      const { id } = request.params;
      const caller = {
        owner: person(request),
        idempotencyKey: request.headers["idempotency-key"],
      };
      const made = await createReplay(context, id, { request: request.body, caller });
      if (made.experiment !== null || request.body.dry_run)
        return { ...made, reasons: [...made.reasons], verdict: null };
      const [row] = await verdictsOn(context.readPool, trialKey(id), 1);
      return { ...made, reasons: [...made.reasons], verdict: row ? verdictView(row) : null };
    },
  );

  app.get(
    "/trials/:id/verdicts",
    {
      config: { access: ["read"] },
      schema: { params, response: { 200: api.verdicts }, tags },
    },
    async (request) => {
      const { experiment, number } = trialKey(request.params.id);
      const row = await readTrial(context.readPool, experiment, number);
      if (!row) throw noTrial(request.params.id);
      notPurged(row, experiment);
      const rows = await verdictsOn(context.readPool, { experiment, number }, VERDICTS_SHOWN_MAX);
      return { items: rows.map(verdictView) };
    },
  );
}
