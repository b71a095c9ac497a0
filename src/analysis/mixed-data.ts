/**
 * Whether results that stand in one list were measured on several versions of a dataset: then the better figure may be
 * the easier data, and a list that does not say so misleads.
 */
import { nameAtOrigin } from "../base/imported-name.ts";
import { plural } from "../base/plural.ts";
import type { Experiment } from "../protocol/api.ts";

type Listed = Pick<Experiment, "best" | "datasets" | "searcher">;

/** "accuracy was measured on several versions of data: digits@1 (3 experiments), digits@2 (1 experiment)", one for each metric and dataset. */
export function mixedData(experiments: readonly Listed[]): string[] {
  const byMetric = Map.groupBy(
    experiments.filter(({ best }) => best !== null),
    ({ searcher }) => searcher.metric,
  );
  return [...byMetric].flatMap(([metric, measured]) => {
    const uses = measured.flatMap(({ datasets }) => datasets);
    return [...Map.groupBy(uses, nameOf).values()].flatMap((used) => {
      const versions = [...Map.groupBy(used, (dataset) => dataset)];
      if (versions.length < 2) return [];
      const counted = versions
        .toSorted(([a], [b]) => versionOf(a) - versionOf(b))
        .map(([dataset, { length }]) => `${dataset} (${plural(length, "experiment")})`);
      return [`${metric} was measured on several versions of data: ${counted.join(", ")}`];
    });
  });
}

/** What was imported is other data of the same name. */
const nameOf = (dataset: string): string =>
  nameAtOrigin(dataset.slice(0, dataset.lastIndexOf("@")));
const versionOf = (dataset: string): number => Number(dataset.slice(dataset.lastIndexOf("@") + 1));
