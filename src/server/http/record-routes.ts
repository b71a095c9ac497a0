/** The record of a run, and the environments that records name. */
import { z } from "zod";
import * as api from "../../protocol/api.ts";
import { ContrailError } from "../../protocol/errors.ts";
import { EMPTY_PART, type RecordPart } from "../../protocol/record-part.ts";
import { readExperiment, readTrial } from "../../store/experiment-reads.ts";
import { readTree } from "../../store/read-tree.ts";
import { listRuns, readEnvironment, readRecords } from "../../store/record-store.ts";
import { assemble } from "../record/assemble.ts";
import { ownFacts } from "../record/own-facts.ts";
import type { App } from "./app.ts";
import { noExperiment, noTrial, notPurged, type RouteContext, trialKey } from "./context.ts";

const params = z.object({ id: api.trialIdParam });

export function recordRoutes(app: App, context: RouteContext): void {
  const { readPool } = context;

  app.get(
    "/trials/:id/record",
    {
      config: { access: ["read", "own_trial"] },
      schema: {
        params,
        querystring: api.recordQuery,
        response: { 200: api.trialRecord },
        tags: ["trials"],
      },
    },
    async (request) => readRecord(context, request.params.id, request.query.run),
  );

  app.get(
    "/environments/:hash",
    {
      // A runner reads what it is asked to rebuild.
      config: { access: ["read", "any_runner"] },
      schema: {
        params: z.object({ hash: api.hash }),
        response: { 200: api.environmentReply },
        tags: ["trials"],
      },
    },
    async (request) => {
      const { hash } = request.params;
      const found = await readEnvironment(readPool, hash);
      if (!found)
        throw new ContrailError("not_found", `there is no environment ${hash}`, {
          hint: "contrail trial show TRIAL --record says which one a run had.",
        });
      return { hash, ...found };
    },
  );
}

/** @param run absent = the last @throws ContrailError not_found */
export async function readRecord(
  { readPool, blobs }: Pick<RouteContext, "readPool" | "blobs">,
  id: string,
  run?: number,
): Promise<api.TrialRecord> {
  const { experiment: number, number: trialNumber } = trialKey(id);
  const row = await readTrial(readPool, number, trialNumber);
  if (!row) throw noTrial(id);
  const trial = notPurged(row, number);
  const experiment = await readExperiment(readPool, number);
  if (!experiment) throw noExperiment(number);
  const [stored, runs] = await Promise.all([
    readRecords(readPool, number, trialNumber),
    listRuns(readPool, number, trialNumber),
  ]);
  const chosen = run === undefined ? runs.at(-1) : runs.find((one) => one.run === run);
  if (run !== undefined && !chosen)
    throw new ContrailError("not_found", `trial ${id} has no run ${run}`, {
      hint: runs.length === 0 ? "It was never started." : `Its runs: 1 to ${runs.at(-1)?.run}.`,
    });
  const told = (of: number | undefined) =>
    stored.find((one) => one.run === of && one.source === "runner");
  const parts = stored.filter((one) => one.run === chosen?.run);
  const tree = experiment.code === null ? undefined : await readTree(blobs, experiment.code);
  const size = tree && {
    files: tree.entries.length,
    bytes: tree.entries.reduce((sum, entry) => sum + entry.size, 0),
  };
  const environments = await Promise.all(
    parts.map(
      async (part): Promise<RecordPart> =>
        part.environment === null
          ? EMPTY_PART
          : ((await readEnvironment(readPool, part.environment)) ?? EMPTY_PART),
    ),
  );
  const own = told(chosen?.run);
  return {
    trial: id,
    allocation: chosen ? `${id}.${chosen.run}` : null,
    run: chosen?.run ?? null,
    captured_at: own?.at.toISOString() ?? null,
    environment: own?.environment ?? null,
    ...assemble(
      [
        ownFacts(experiment, trial, size),
        ...parts.flatMap((part, i) => [environments[i] ?? EMPTY_PART, part.own]),
      ],
      own ? null : silenceOf(chosen),
    ),
    runs: runs.map((one) => ({
      run: one.run,
      allocation: `${id}.${one.run}`,
      captured_at: told(one.run)?.at.toISOString() ?? null,
      environment: told(one.run)?.environment ?? null,
    })),
  };
}

/** Why there is nothing from the runner. */
function silenceOf(run: { readonly state: string; readonly started_at: Date | null } | undefined) {
  if (run === undefined) return "it was never started";
  if (run.state !== "ended") return "its runner has not told yet";
  return run.started_at === null
    ? "it ended before its program was started"
    : "its runner told nothing: it died before it could, or is older than records";
}
