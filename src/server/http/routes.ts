/** Every route of the server, in one place: what is listed here is served, described and guarded. */
import type { Health } from "../../protocol/api.ts";
import { type App, type AppOptions, buildApp } from "./app.ts";
import { archiveRoutes } from "./archive-routes.ts";
import { auditRoutes } from "./audit-routes.ts";
import { blobRoutes } from "./blob-routes.ts";
import type { RouteContext } from "./context.ts";
import { curveRoutes } from "./curve-routes.ts";
import { datasetRoutes } from "./dataset-routes.ts";
import { diffRoutes } from "./diff-routes.ts";
import { experimentListRoutes } from "./experiment-list-routes.ts";
import { experimentRoutes } from "./experiment-routes.ts";
import { exportRoutes } from "./export-routes.ts";
import { forkRoutes } from "./fork-routes.ts";
import { historyRoutes } from "./history-routes.ts";
import { ideaRoutes } from "./idea-routes.ts";
import { importRoutes } from "./import-routes.ts";
import { layerRoutes } from "./layer-routes.ts";
import { lineageRoutes } from "./lineage-routes.ts";
import { logRoutes } from "./log-routes.ts";
import { pageRoutes } from "./page-routes.ts";
import { recordRoutes } from "./record-routes.ts";
import { replayRoutes } from "./replay-routes.ts";
import { retentionRoutes } from "./retention-routes.ts";
import { runnerRoutes } from "./runner-routes.ts";
import { schemaRoutes } from "./schema-routes.ts";
import { searchRoutes } from "./search-routes.ts";
import { sessionRoutes } from "./session-routes.ts";
import { shellRoutes } from "./shell-routes.ts";
import { streamRoutes } from "./stream-routes.ts";
import { healthRoute, systemRoutes } from "./system-routes.ts";
import { taskPageRoutes } from "./task-page-routes.ts";
import { trialRoutes } from "./trial-routes.ts";
import { tunnelRoutes } from "./tunnel-routes.ts";
import { whenceRoutes } from "./whence-routes.ts";
import { whyRoutes } from "./why-routes.ts";

export const API_PREFIX = "/api/v1";

export async function makeApp(
  context: RouteContext,
  logger: AppOptions["logger"],
  state: () => Health["status"],
): Promise<App> {
  const app = await buildApp({
    access: context.access,
    logger,
    version: context.version,
    isReady: () => state() !== "starting",
  });
  await app.register(
    async (scope) => {
      const api = scope as unknown as App;
      healthRoute(api, state, context.version);
      systemRoutes(api, context);
      sessionRoutes(api, context);
      blobRoutes(api, context);
      datasetRoutes(api, context);
      layerRoutes(api, context);
      experimentListRoutes(api, context);
      experimentRoutes(api, context);
      forkRoutes(api, context);
      diffRoutes(api, context);
      schemaRoutes(api, context);
      curveRoutes(api, context);
      searchRoutes(api, context);
      historyRoutes(api, context);
      trialRoutes(api, context);
      replayRoutes(api, context);
      recordRoutes(api, context);
      retentionRoutes(api, context);
      archiveRoutes(api, context);
      exportRoutes(api, context);
      importRoutes(api, context);
      logRoutes(api, context);
      streamRoutes(api, context);
      auditRoutes(api, context);
      whenceRoutes(api, context);
      lineageRoutes(api, context);
      ideaRoutes(api, context);
      whyRoutes(api, context);
      taskPageRoutes(api, context);
      runnerRoutes(api, context);
      tunnelRoutes(api, context);
      shellRoutes(api, context);
    },
    { prefix: API_PREFIX },
  );
  pageRoutes(app, context);
  return app;
}
