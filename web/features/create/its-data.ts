/** The text of an experiment that another one begins with. */
import type { JsonObject } from "../../../src/base/json.ts";
import type { ExperimentDetail } from "../../../src/protocol/api.ts";

/**
 * `digits@latest` meant one version then, and in what was imported `digits@2` is called something else here; the version is
 * named, so that the new one reads the same.
 */
export function withItsData({
  config,
  config_text: text,
  data,
}: Pick<ExperimentDetail, "config" | "config_text" | "data">): string {
  const written = ((config as JsonObject | null)?.data ?? {}) as JsonObject;
  const names = new Map(
    Object.entries(data).flatMap(([as, value]): [string, string][] => {
      const dataset = (value as JsonObject | null)?.dataset;
      const reference = written[as];
      if (typeof dataset !== "string" || typeof reference !== "string") return [];
      return [[reference, dataset]];
    }),
  );
  return text.replaceAll(
    /(?<![\w.-])[a-z0-9][a-z0-9._-]*@(?:latest|[0-9]+)(?![\w@])/g,
    (reference) => names.get(reference) ?? reference,
  );
}
