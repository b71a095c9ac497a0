import { Readable } from "node:stream";
import type { FastifyReply, FastifyRequest } from "fastify";
import { z } from "zod";
import * as api from "../../protocol/api.ts";
import { ContrailError } from "../../protocol/errors.ts";
import { readTrial } from "../../store/experiment-reads.ts";
import {
  type LogFilter,
  type LogPlace,
  placeBefore,
  readExtent,
  readLines,
} from "../../store/log-store.ts";
import { logView } from "../views.ts";
import type { App } from "./app.ts";
import { experimentHead, noTrial, notPurged, type RouteContext, trialKey } from "./context.ts";
import { EventStream, openStream } from "./event-stream.ts";
import { followLogs } from "./log-follower.ts";
import { cursorOf, isFull, type LogSubject, placeOf } from "./log-place.ts";

const experimentParams = z.object({ id: api.experimentIdParam });
const trialParams = z.object({ id: api.trialIdParam });
const tags = ["logs"];
const RAW_LINES = 10_000;
const NEWLINE = Buffer.from("\n");
/** Lines can be 64 KiB long: a page ends early rather than with half a gigabyte. */
const PAGE_BYTES = 8 * 1024 * 1024;
type Query = z.infer<typeof api.logsQuery>;
type TrialSubject = Required<LogSubject>;

interface Follow {
  readonly subject: LogSubject;
  readonly query: Query;
  readonly request: FastifyRequest;
  readonly response: FastifyReply;
}

export function logRoutes(app: App, context: RouteContext): void {
  const reply = { 200: api.page(api.logEntry) };

  const ofExperiment = async (id: number): Promise<LogSubject> => {
    await experimentHead(context, id);
    return { experiment: id };
  };
  const ofTrial = async (id: string): Promise<TrialSubject> => {
    const { experiment, number } = trialKey(id);
    const row = await readTrial(context.readPool, experiment, number);
    if (!row) throw noTrial(id);
    notPurged(row, experiment);
    return { experiment, trial: number };
  };

  const follow = async ({ subject, query, request, response }: Follow): Promise<void> => {
    const filter = await filterOf(context, subject, query);
    const lastSeen = EventStream.lastEventId(request);
    // Read before the answer begins: a position that is none of ours is refused, not waited on.
    const after = lastSeen === undefined ? filter.after : placeOf(subject, lastSeen);
    const tail = lastSeen === undefined ? query.tail : undefined;
    const stream = openStream(context, request, response);
    await followLogs(context, { subject, filter: { ...filter, after }, tail, stream });
  };

  app.get(
    "/experiments/:id/logs",
    {
      config: { access: ["read"] },
      schema: { params: experimentParams, querystring: api.logsQuery, response: reply, tags },
    },
    async (request) => logsPage(context, await ofExperiment(request.params.id), request.query),
  );
  app.get(
    "/trials/:id/logs",
    {
      config: { access: ["read", "own_trial"] },
      schema: { params: trialParams, querystring: api.logsQuery, response: reply, tags },
    },
    async (request) => logsPage(context, await ofTrial(request.params.id), request.query),
  );
  app.get(
    "/trials/:id/logs/extent",
    {
      config: { access: ["read"] },
      schema: { params: trialParams, response: { 200: api.logExtent }, tags },
    },
    async (request) => {
      const runs = await readExtent(context.readPool, await ofTrial(request.params.id));
      return {
        runs: runs.map(({ run, lines, first_at, last_at }) => ({
          ...{ run, lines, first_at: first_at.toISOString(), last_at: last_at.toISOString() },
        })),
      };
    },
  );
  app.get(
    "/trials/:id/logs/raw",
    {
      config: { access: ["read"], produces: "application/octet-stream" },
      schema: { params: trialParams, querystring: api.rawLogsQuery, tags },
    },
    async (request, response) => {
      const { id } = request.params;
      const subject = await ofTrial(id);
      const filter = await filterOf(context, subject, api.logsQuery.parse(request.query));
      return response
        .header("content-type", "application/octet-stream")
        .header("content-disposition", `attachment; filename="trial-${id}.log"`)
        .header("content-security-policy", "sandbox")
        .send(Readable.from(rawOutput(context, subject, filter), { objectMode: false }));
    },
  );
  app.get(
    "/experiments/:id/logs/stream",
    {
      config: { access: ["read"], produces: "text/event-stream" },
      schema: { params: experimentParams, querystring: api.logsQuery, tags },
    },
    async (request, response) => {
      await follow({
        subject: await ofExperiment(request.params.id),
        query: request.query,
        request,
        response,
      });
    },
  );
  app.get(
    "/trials/:id/logs/stream",
    {
      config: { access: ["read"], produces: "text/event-stream" },
      schema: { params: trialParams, querystring: api.logsQuery, tags },
    },
    async (request, response) => {
      await follow({
        subject: await ofTrial(request.params.id),
        query: request.query,
        request,
        response,
      });
    },
  );
}

type Filter = Omit<LogFilter, "limit" | "fromEnd">;

async function filterOf(context: RouteContext, subject: LogSubject, query: Query): Promise<Filter> {
  const { cursor, from, since, until, run } = query;
  if (run !== undefined && subject.trial === undefined) throw trialOnly("run names a run");
  return {
    ...subject,
    run,
    rank: query.rank,
    stream: query.stream,
    contains: query.contains,
    since: since === undefined ? undefined : new Date(since),
    until: until === undefined ? undefined : new Date(until),
    after:
      cursor !== undefined
        ? placeOf(subject, cursor)
        : from !== undefined
          ? await placeOfLine(context, subject, from)
          : undefined,
  };
}

const trialOnly = (what: string): ContrailError =>
  new ContrailError("invalid_request", `${what} of a trial, not of an experiment`, {
    hint: "Ask for the lines of one trial, or give back a cursor.",
  });

async function placeOfLine(
  { readPool }: RouteContext,
  { experiment, trial }: LogSubject,
  from: string,
): Promise<LogPlace> {
  if (trial === undefined) throw trialOnly("from names a line");
  const [run = 0, line = 0] = from.split(".").map(Number);
  const place = await placeBefore(readPool, { experiment, trial, run, line });
  if (place) return place;
  throw new ContrailError("not_found", `trial ${experiment}.${trial} has had no run ${run}`, {
    hint: `\`contrail trial show ${experiment}.${trial}\` lists its runs.`,
  });
}

/** The bytes as the program wrote them, page by page as the reader takes them. */
async function* rawOutput(
  { readPool }: RouteContext,
  subject: LogSubject,
  filter: Filter,
): AsyncGenerator<Buffer> {
  let after = filter.after;
  for (;;) {
    const how = { fromEnd: false, limit: RAW_LINES, bytesMax: PAGE_BYTES };
    const rows = await readLines(readPool, { ...filter, after, ...how });
    const last = rows.at(-1);
    if (!last) return;
    after = placeOf(subject, cursorOf(subject, last));
    yield Buffer.concat(
      rows.flatMap(({ bytes, complete }) => (complete ? [bytes, NEWLINE] : [bytes])),
    );
  }
}

async function logsPage(context: RouteContext, subject: LogSubject, query: Query) {
  const fromEnd = query.tail !== undefined;
  const limit = query.tail ?? query.limit;
  const bounds = { limit, bytesMax: PAGE_BYTES };
  const filter = await filterOf(context, subject, query);
  const rows = await readLines(context.readPool, { ...filter, fromEnd, ...bounds });
  const items = rows.map((row) => logView(subject.experiment, row, cursorOf(subject, row)));
  // The cursor after the last line is how one goes on, also where there is nothing after it yet.
  const more = fromEnd || isFull(rows, bounds);
  return { items, next_cursor: more ? (items.at(-1)?.cursor ?? null) : null };
}
