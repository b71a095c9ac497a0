/**
 * The way from a terminal to a shell that runs as a task. Whoever submitted it opens it and nobody else: whatever a person may
 * see in a shell of their own, keys and passwords too, is theirs alone. A terminal ends with the token that opened it.
 */
import { z } from "zod";
import { join } from "../../base/join.ts";
import * as api from "../../protocol/api.ts";
import { ContrailError } from "../../protocol/errors.ts";
import { TUNNEL_PROTOCOL } from "../../protocol/task-tunnel.ts";
import { leftBy } from "../task-proxy/forward.ts";
import { liveTask } from "../task-proxy/live-task.ts";
import { type App, person } from "./app.ts";
import { noExperiment, type RouteContext } from "./context.ts";
import { takeUpgrade } from "./upgrades.ts";

const params = z.object({ id: api.experimentIdParam });

export function shellRoutes(app: App, { world, connections, tunnels, clock }: RouteContext): void {
  app.get(
    "/tasks/:id/shell",
    {
      config: { access: ["write"], becomes: TUNNEL_PROTOCOL },
      schema: { params, tags: ["tasks"] },
    },
    async (request, reply) => {
      const { id } = request.params;
      const live = world.experiments.get(id);
      if (live === undefined) throw noExperiment(id);
      const { tokenId, userId, name } = person(request);
      if (live.row.owner_id !== userId)
        throw new ContrailError(
          "not_allowed",
          `shell ${id} was started by ${live.row.owner}, and ${name} may not open it`,
          { hint: "Start one of your own: contrail shell start." },
        );
      const task = liveTask(world, id);
      if (task?.kind !== "shell")
        throw new ContrailError("conflict", `${id} is no shell that has slots now`, {
          hint: `contrail why ${id} says what it waits for.`,
        });
      const way = await tunnels.take(task.allocation, leftBy(reply.raw));
      const terminal = takeUpgrade(request.raw);
      if (terminal === undefined) {
        way.destroy();
        throw new ContrailError("invalid_request", "the request asks for no upgrade", {
          hint: `Send Connection: Upgrade and Upgrade: ${TUNNEL_PROTOCOL}; contrail shell open does.`,
        });
      }
      reply.hijack();
      join(terminal, way, clock);
      connections.watch(terminal, { allocation: task.allocation, tokenId });
      return reply;
    },
  );
}
