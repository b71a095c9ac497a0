/** What is too large for the stream of an experiment, and does not change: configuration, code and provenance. */
import { useQuery } from "@tanstack/react-query";
import type { ExperimentDetail } from "../../src/protocol/api.ts";
import { client } from "./client.ts";

export const useExperimentDetail = (id: number) =>
  useQuery<ExperimentDetail>({
    queryKey: ["experiment", id, "detail"],
    queryFn: () => client.experiment(id),
    staleTime: Number.POSITIVE_INFINITY,
  });
