/** Where runners lay ways to programs that serve. See protocol/task-tunnel.ts. */
import { z } from "zod";
import { ContrailError } from "../../protocol/errors.ts";
import { TUNNEL_PROTOCOL, TUNNEL_SPARES_MAX } from "../../protocol/task-tunnel.ts";
import { liveTask } from "../task-proxy/live-task.ts";
import type { App } from "./app.ts";
import type { RouteContext } from "./context.ts";
import { takeUpgrade } from "./upgrades.ts";

const params = z.object({
  runner: z.string().min(1).max(64),
  allocation: z.string().regex(/^\d{1,10}\.\d{1,10}\.\d{1,10}$/, "an allocation such as 3.1.2"),
});

export function tunnelRoutes(app: App, { world, tunnels }: RouteContext): void {
  app.get(
    "/runners/:runner/tunnels/:allocation",
    {
      config: { access: ["runner"], becomes: TUNNEL_PROTOCOL },
      schema: { params, tags: ["runners"] },
    },
    async (request, reply) => {
      const { runner, allocation } = request.params;
      const task = liveTask(world, Number(allocation.split(".")[0]));
      if (task?.allocation !== allocation || task.runner !== runner)
        throw new ContrailError(
          "not_found",
          `allocation ${allocation} is no task that serves on runner ${runner} now`,
        );
      if (!tunnels.hasRoom(allocation))
        throw new ContrailError(
          "conflict",
          `${TUNNEL_SPARES_MAX} ways to allocation ${allocation} lie unused; no more are kept`,
        );
      const socket = takeUpgrade(request.raw);
      if (socket === undefined)
        throw new ContrailError("invalid_request", "the request asks for no upgrade", {
          hint: `Send Connection: Upgrade and Upgrade: ${TUNNEL_PROTOCOL}.`,
        });
      reply.hijack();
      tunnels.offer(allocation, socket);
      return reply;
    },
  );
}
