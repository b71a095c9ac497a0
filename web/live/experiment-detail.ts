/**
 * What is too large for the stream of an experiment: configuration, code and provenance, which do not change, and what it
 * was made from. What was made of it grows and has states of its own; whoever shows that asks again when it may be another.
 */
import { queryOptions, useQuery } from "@tanstack/react-query";
import { useEffect } from "react";
import { sleep } from "../../src/base/clock.ts";
import type { ExperimentDetail } from "../../src/protocol/api.ts";
import { client, clock } from "./client.ts";
import { onExperiments } from "./experiments.ts";
import { queries } from "./queries.ts";
import { renewal } from "./renewal.ts";

/** Between two questions for the same: any experiment that is new is a reason to ask, and a sweep submits many. */
const REST_MS = 5_000;

const keyOf = (id: number) => ["experiment", id, "detail"];

const queryOf = (id: number) =>
  queryOptions<ExperimentDetail>({ queryKey: keyOf(id), queryFn: () => client.experiment(id) });

export const useExperimentDetail = (id: number) =>
  useQuery({ ...queryOf(id), staleTime: Number.POSITIVE_INFINITY });

/** What it was made from, and what was made of it until now. */
export function useAncestry(
  id: number,
): Partial<Pick<ExperimentDetail, "ancestry" | "descendants">> {
  useEffect(() => {
    const heard = new Set<number>();
    const renew = renewal(queries, keyOf(id), () => sleep(clock, REST_MS));
    return onExperiments((changed) => {
      const { descendants } = queries.getQueryData<ExperimentDetail>(keyOf(id)) ?? {};
      const known = new Map(descendants?.items.map((one) => [one.experiment, one]));
      let again = false;
      // Whether one that was not heard of before was made of this one, only the server knows; older ones were not.
      for (const one of changed.filter((other) => other.id > id)) {
        const before = known.get(one.id);
        if (before ? before.state !== one.state || before.name !== one.name : !heard.has(one.id))
          again = true;
        heard.add(one.id);
      }
      if (again) renew();
    });
  }, [id]);
  // What was made of it while nobody looked at this, nobody has heard.
  return useQuery({ ...queryOf(id), staleTime: 0 }).data ?? {};
}
