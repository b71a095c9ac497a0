/** The API's description without a server behind it: for docs/openapi.json. */
import pino from "pino";
import type { App } from "./app.ts";
import type { RouteContext } from "./context.ts";
import { makeApp } from "./routes.ts";

/** @param version of the package */
export async function openapiDocument(version: string): Promise<object> {
  const app = await declaredApp(version);
  try {
    return app.swagger();
  } finally {
    await app.close();
  }
}

/** All routes with nothing behind them. The caller closes it. */
export async function declaredApp(version: string): Promise<App> {
  // Routes are only declared here, never called, so nothing of what they would use has to exist.
  const context = { version } as RouteContext;
  const app = await makeApp(context, pino({ level: "silent" }), () => "starting");
  await app.ready();
  return app;
}
