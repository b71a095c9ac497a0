/** Ways from the app to a task's own pages, which another listener serves (server/task-proxy). */
import { z } from "zod";
import { isOver } from "../../core/lifecycle/experiment.ts";
import * as api from "../../protocol/api.ts";
import { ContrailError } from "../../protocol/errors.ts";
import { readExperimentHead } from "../../store/experiment-reads.ts";
import { programAnswers } from "../task-proxy/ask-program.ts";
import { type LiveTask, liveTask, type ServingKind, servingKind } from "../task-proxy/live-task.ts";
import { type App, person } from "./app.ts";
import { noExperiment, type RouteContext } from "./context.ts";

const params = z.object({ id: api.experimentIdParam });
const tags = ["tasks"];

export function taskPageRoutes(app: App, context: RouteContext): void {
  const { world, tasks, tunnels, readPool } = context;

  app.get(
    "/tasks/:id/readiness",
    {
      config: { access: ["read"] },
      schema: { params, response: { 200: api.taskReadiness }, tags },
    },
    async (request): Promise<api.TaskReadiness> => {
      const { id } = request.params;
      const kind = await kindOf(id);
      const task = liveTask(world, id);
      return { id, kind, state: await stateOf(id, task), allocation: task?.allocation ?? null };
    },
  );

  app.post(
    "/tasks/:id/open",
    {
      config: { access: ["write"] },
      schema: { params, body: z.strictObject({}).nullish(), response: { 200: api.taskLink }, tags },
    },
    async (request): Promise<api.TaskLink> => {
      const { id } = request.params;
      const { tokenId, userId, name } = person(request);
      const kind = await kindOf(id);
      if (kind !== "notebook")
        throw new ContrailError("conflict", `task ${id} is a ${kind}, which has no page`, {
          hint: `Open it from a terminal: contrail ${kind} open ${id}.`,
        });
      const task = liveTask(world, id);
      const owner = world.experiments.get(id)?.row;
      // What a person can do there is done in the owner's name, and with all that the owner keeps there.
      if (owner !== undefined && owner.owner_id !== userId)
        throw new ContrailError(
          "not_allowed",
          `${kind} ${id} was started by ${owner.owner}, and ${name} may not open it`,
          { hint: "Start one of your own: contrail notebook start." },
        );
      if (task === undefined)
        throw new ContrailError("conflict", `${kind} ${id} does not run: it ${whyNot(id)}`, {
          hint: `contrail why ${id} says why; one that is paused goes on with contrail experiment activate ${id}.`,
        });
      const { url, expiresAt } = tasks.admit(id, { allocation: task.allocation, tokenId });
      return { url, expires_at: expiresAt.toISOString() };
    },
  );

  async function kindOf(id: number): Promise<ServingKind> {
    const config =
      world.experiments.get(id)?.row.config ?? (await readExperimentHead(readPool, id))?.config;
    if (config === undefined) throw noExperiment(id);
    const kind = servingKind(config);
    if (kind !== undefined) return kind;
    throw new ContrailError("conflict", `experiment ${id} is no shell and no notebook`, {
      hint: "Only those serve whoever opens them.",
    });
  }

  async function stateOf(
    id: number,
    task: LiveTask | undefined,
  ): Promise<api.TaskReadiness["state"]> {
    if (task === undefined) return isActive(id) ? "waiting" : "over";
    if (!task.started) return "starting";
    return (await programAnswers(tunnels, task.allocation)) ? "ready" : "starting";
  }

  const isActive = (id: number): boolean => {
    const live = world.experiments.get(id);
    return live !== undefined && !isOver(live.x.core) && live.x.core.run === "active";
  };

  const whyNot = (id: number): string => {
    const live = world.experiments.get(id);
    if (live === undefined) return "has ended";
    return isActive(id) ? "waits for slots" : `is ${live.x.core.run}`;
  };
}
