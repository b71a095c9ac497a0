/** The list of experiments, filtered and sorted, and what people change of one. */
import { z } from "zod";
import * as api from "../../protocol/api.ts";
import { ContrailError } from "../../protocol/errors.ts";
import type { SortWord } from "../../protocol/experiment-filter/fields.ts";
import {
  type FilterTerm,
  parseFilter,
  withoutTasks,
} from "../../protocol/experiment-filter/parse.ts";
import { sortKey } from "../../store/experiment-filter-sql.ts";
import { listExperiments, readExperiment } from "../../store/experiment-reads.ts";
import { assertLabelsFit, updateExperiment } from "../update-experiment.ts";
import { experimentView } from "../views.ts";
import { type App, person } from "./app.ts";
import { noExperiment, type RouteContext } from "./context.ts";
import { cursorNumber, sortCursor, sortPlace } from "./cursor.ts";

const tags = ["experiments"];

export function experimentListRoutes(app: App, context: RouteContext): void {
  const { readPool, clock, verdicts } = context;

  app.get(
    "/experiments",
    {
      config: { access: ["read"] },
      schema: {
        querystring: api.experimentsQuery,
        response: { 200: api.page(api.experiment) },
        tags,
      },
    },
    async (request) => {
      const { cursor, limit, state, label, filter, show } = request.query;
      const descending = request.query.sort.startsWith("-");
      const word = request.query.sort.replace("-", "") as SortWord;
      const after =
        cursor === undefined
          ? undefined
          : word === "id"
            ? { key: "", id: cursorNumber(cursor) }
            : sortPlace(cursor, sortKey(word, descending).type);
      const rows = await listExperiments(readPool, {
        ...{ state, label, show, after, limit: limit + 1, sort: { word, descending } },
        terms: filterTerms(filter),
      });
      const kept = rows.slice(0, limit);
      const last = kept.at(-1);
      const now = new Date(clock.nowMs());
      const next = last && (word === "id" ? String(last.id) : sortCursor(last));
      return {
        items: kept.map((row) => experimentView(row, now, verdicts)),
        next_cursor: rows.length > limit ? (next ?? null) : null,
      };
    },
  );

  app.patch(
    "/experiments/:id",
    {
      config: { access: ["write"] },
      schema: {
        params: z.object({ id: api.experimentIdParam }),
        body: api.updateExperimentRequest,
        response: { 200: api.experiment },
        tags,
      },
    },
    async (request) => {
      const { id } = request.params;
      const view = async (): Promise<api.Experiment> => {
        const row = await readExperiment(readPool, id);
        if (!row) throw noExperiment(id);
        return experimentView(row, new Date(clock.nowMs()), verdicts);
      };
      assertLabelsFit(id, (await view()).labels, request.body);
      await updateExperiment(context, { id, body: request.body, actor: person(request).name });
      return await view();
    },
  );
}

/** @throws ContrailError invalid_request with all faults at once */
export function filterTerms(filter = ""): readonly FilterTerm[] {
  const reading = parseFilter(filter);
  if (reading.ok) return withoutTasks(reading.terms);
  const [first] = reading.issues;
  const more = reading.issues.length > 1 ? ` (and ${reading.issues.length - 1} more)` : "";
  throw new ContrailError(
    "invalid_request",
    `the filter cannot be read, column ${first?.column}: ${first?.message}${more}`,
    {
      issues: reading.issues.map(({ code, message, column, suggestion }) => ({
        ...{ code, message, path: "filter", line: 1, column },
        ...(suggestion === undefined ? {} : { suggestion }),
      })),
      hint: "The language is described in docs/filters.md, for example: state:active label:vision best>0.9.",
    },
  );
}
