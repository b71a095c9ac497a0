/** The tree of ideas, and the threads that people mark in it afterwards. Nothing is deleted by any of it. */
import { z } from "zod";
import * as api from "../../protocol/api.ts";
import { ContrailError } from "../../protocol/errors.ts";
import { readExperimentHead } from "../../store/experiment-reads.ts";
import { deleteThread, putThread } from "../../store/idea-reads.ts";
import { ideasOf } from "../ideas/tree.ts";
import { recordIn } from "../recorded.ts";
import { type App, person } from "./app.ts";
import { noExperiment, type RouteContext } from "./context.ts";
import { filterTerms } from "./experiment-list-routes.ts";

const tags = ["experiments"];

export function ideaRoutes(app: App, { readPool, loop, clock }: RouteContext): void {
  app.get(
    "/ideas",
    {
      config: { access: ["read"] },
      schema: { querystring: api.ideasQuery, response: { 200: api.ideas }, tags },
    },
    async (request): Promise<api.Ideas> => {
      const { filter, limit } = request.query;
      return await ideasOf(readPool, clock, { terms: filterTerms(filter), limit });
    },
  );

  app.post(
    "/threads",
    {
      config: { access: ["write"] },
      schema: { body: api.createThreadRequest, response: { 200: api.thread }, tags },
    },
    async (request): Promise<api.Thread> => {
      const { userId, name: actor } = person(request);
      const { experiment, name, note } = request.body;
      if (!(await readExperimentHead(readPool, experiment))) throw noExperiment(experiment);
      return await recordIn(loop)("mark a thread", async (client, now) => {
        const { at, ...row } = await putThread(client, { experiment, name, note, userId, now });
        const subject = `thread ${row.id}`;
        const cause = `${JSON.stringify(name)} ends at experiment ${experiment}`;
        return {
          value: { ...row, at: at.toISOString() },
          changes: [{ actor, subject, what: "marked", cause }],
        };
      });
    },
  );

  app.delete(
    "/threads/:id",
    {
      config: { access: ["write"] },
      schema: {
        params: z.object({ id: api.threadIdParam }),
        response: { 200: api.thread },
        tags,
      },
    },
    async (request): Promise<api.Thread> => {
      const { id } = request.params;
      const actor = person(request).name;
      const gone = await recordIn(loop)("unmark a thread", async (client) => {
        const row = await deleteThread(client, id);
        if (row === undefined) return { value: undefined, changes: [] };
        const { at, ...rest } = row;
        const cause = `${JSON.stringify(row.name)} ended at experiment ${row.experiment}`;
        return {
          value: { ...rest, at: at.toISOString() },
          changes: [{ actor, subject: `thread ${id}`, what: "unmarked", cause }],
        };
      });
      if (gone === undefined)
        throw new ContrailError("not_found", `there is no thread ${id}`, {
          hint: "`contrail ideas` lists those that there are.",
        });
      return gone;
    },
  );
}
