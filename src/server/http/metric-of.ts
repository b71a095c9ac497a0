import type { ExperimentConfig } from "../../protocol/config/config.ts";
import { readExperimentHead } from "../../store/experiment-reads.ts";
import { noExperiment, type RouteContext } from "./context.ts";

/** Name of the metric that an experiment's search judges by; "" where it judges by none. */
export async function metricOf(context: RouteContext, experiment: number): Promise<string> {
  const row = await readExperimentHead(context.readPool, experiment);
  if (!row) throw noExperiment(experiment);
  return (row.config as unknown as ExperimentConfig).searcher.metric ?? "";
}
