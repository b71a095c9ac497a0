/** What stays and what goes: pins, archived and deleted experiments, runs that free bytes. See docs/retention.md. */
import { z } from "zod";
import { toWire } from "../../base/json.ts";
import * as api from "../../protocol/api.ts";
import { ContrailError } from "../../protocol/errors.ts";
import { type CheckpointPlaceFound, experimentsWith } from "../../store/checkpoint-reads.ts";
import { readExperiment, readExperimentHead } from "../../store/experiment-reads.ts";
import { markExperiment, pin } from "../retention/commands.ts";
import type { GcPlan } from "../retention/gc-plan.ts";
import { experimentView } from "../views.ts";
import { type App, person } from "./app.ts";
import { noExperiment, notPurged, type RouteContext } from "./context.ts";

export function retentionRoutes(app: App, context: RouteContext): void {
  const { readPool, loop, clock, retention, verdicts } = context;

  for (const act of api.experimentAct.options)
    app.post(
      `/experiments/${act}`,
      {
        config: { access: ["write"] },
        schema: {
          body: api.experimentsActRequest,
          response: { 200: api.experimentsActReply },
          tags: ["experiments"],
        },
      },
      async (request) => {
        const actor = person(request).name;
        const items: api.ExperimentsActReply["items"] = [];
        // One after the other, and each by itself: what is wrong with one does not stop the others.
        for (const id of request.body.ids) items.push(await actOn(context, id, act, actor));
        return { items };
      },
    );

  for (const verb of ["pin", "unpin"] as const)
    app.post(
      `/checkpoints/:id/${verb}`,
      {
        config: { access: ["write"] },
        schema: {
          params: z.object({ id: api.hash }),
          body: api.pinRequest.nullish(),
          response: { 200: api.pinReply },
          tags: ["checkpoints"],
        },
      },
      async (request) => {
        const { id } = request.params;
        const pinned = verb === "pin";
        const actor = person(request).name;
        const found = await experimentsWith(readPool, id, request.body?.experiment ?? undefined);
        const there = found.filter(({ isThere }) => isThere);
        if (found.length === 0) throw noCheckpoint(id);
        if (pinned && there.length === 0)
          throw new ContrailError("deleted", `the files of checkpoint ${id} were deleted`, {
            hint: `Why: contrail checkpoint list ${found[0]?.experiment}.${found[0]?.trial}.`,
          });
        const experiments = await loop.submit({
          name: verb,
          run: (world, turn) =>
            (pinned ? there : found).map(({ experiment }) => ({
              experiment,
              changed: pin(world, turn, { experiment, tree: id }, { pinned, actor }),
            })),
        });
        if (pinned) await refuseIfGone(context, id, experiments);
        return { id, pinned, experiments };
      },
    );

  app.get(
    "/gc",
    {
      config: { access: ["read"] },
      schema: { querystring: api.gcQuery, response: { 200: api.gcPlan }, tags: ["storage"] },
    },
    async (request) => planView(await retention.plan(request.query.experiment)),
  );

  app.get(
    "/gc/run",
    {
      config: { access: ["read"] },
      schema: { response: { 200: api.gcRun }, tags: ["storage"] },
    },
    async () => retention.status,
  );

  app.post(
    "/gc/run",
    {
      config: { access: ["write"] },
      schema: {
        body: z.strictObject({}).nullish(),
        response: { 202: api.gcRun },
        tags: ["storage"],
      },
    },
    async (request, reply) => reply.status(202).send(await retention.ask(person(request).name)),
  );

  async function actOn(
    { world }: RouteContext,
    id: number,
    act: api.ExperimentAct,
    actor: string,
  ): Promise<api.ExperimentsActReply["items"][number]> {
    try {
      const row = await readExperimentHead(readPool, id);
      if (!row) throw noExperiment(id);
      // One that was emptied is not in memory any more.
      if (!world.retention.marks(id).purged_at) notPurged(row, id);
      const changed = await loop.submit({
        name: `${act} experiment`,
        run: (w, turn) => markExperiment(w, turn, id, { act, actor }),
      });
      const after = await readExperiment(readPool, id);
      const now = new Date(clock.nowMs());
      return {
        id,
        changed,
        experiment: after ? experimentView(after, now, verdicts) : null,
        problem: null,
      };
    } catch (error) {
      if (!(error instanceof ContrailError)) throw error;
      return { id, changed: false, experiment: null, problem: error.toProblem() };
    }
  }
}

/** What nothing needed may have gone in the very moment in which it was pinned. */
async function refuseIfGone(
  { readPool, loop }: RouteContext,
  id: string,
  pinned: readonly { readonly experiment: number }[],
): Promise<void> {
  for (const { experiment } of pinned) {
    const [found] = await experimentsWith(readPool, id, experiment);
    if (found?.isThere) continue;
    await loop.submit({
      name: "unpin",
      run: (world, turn) =>
        pin(world, turn, { experiment, tree: id }, { pinned: false, actor: "contrail" }),
    });
    throw new ContrailError("deleted", `the files of checkpoint ${id} were deleted just now`);
  }
}

export const noCheckpoint = (id: string): ContrailError =>
  new ContrailError("not_found", `there is no checkpoint ${id}`, {
    hint: "List them: contrail checkpoint list EXPERIMENT.",
  });

export const deletedCheckpoint = (id: string, place: CheckpointPlaceFound): ContrailError =>
  new ContrailError(
    "deleted",
    `checkpoint ${id} (trial ${place.experiment}.${place.trial} at step ${place.step}) was deleted at ${place.deletedAt?.toISOString()}: ${place.deletedWhy}`,
    {
      hint: `See which are there: contrail checkpoint list ${place.experiment}.${place.trial}. To keep one for good, pin it.`,
    },
  );

function planView({ checkpoints, experiments, bytes, blobs }: GcPlan): api.GcPlan {
  return {
    checkpoints: {
      count: checkpoints.count,
      items: checkpoints.listed.map((c) => ({
        ...{ id: c.tree, trial: `${c.experiment}.${c.trial}`, run: c.run, step: c.step },
        ...{ bytes: c.bytes, objective: c.objective === null ? null : toWire(c.objective) },
        why: c.why,
      })),
      kept: checkpoints.kept,
    },
    experiments: experiments.map((marks) => ({
      id: marks.experiment_id,
      deleted_at: marks.deleted_at?.toISOString() ?? "",
      deleted_by: marks.deleted_by ?? "",
    })),
    bytes: { ...bytes, total: bytes.snapshots + bytes.leftovers },
    blobs,
  };
}
