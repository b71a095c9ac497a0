import { Readable } from "node:stream";
import type { FastifyReply, FastifyRequest } from "fastify";
import { z } from "zod";
import * as api from "../../protocol/api.ts";
import { ContrailError } from "../../protocol/errors.ts";
import { readExperiment, readTrial } from "../../store/experiment-reads.ts";
import {
  type LogFilter,
  type LogPlace,
  type LogRow,
  linesToCome,
  placeBefore,
  readExtent,
  readLines,
} from "../../store/log-store.ts";
import { logView } from "../views.ts";
import type { App } from "./app.ts";
import { noExperiment, noTrial, notPurged, type RouteContext, trialKey } from "./context.ts";
import { badCursor, cursorNumber } from "./cursor.ts";
import { EventStream } from "./event-stream.ts";

const experimentParams = z.object({ id: api.experimentIdParam });
const trialParams = z.object({ id: api.trialIdParam });
const tags = ["logs"];
const STREAM_LINES = 1000;
const RAW_LINES = 10_000;
const NEWLINE = Buffer.from("\n");
/** Lines can be 64 KiB long: a page ends early rather than with half a gigabyte. */
const PAGE_BYTES = 8 * 1024 * 1024;
/** Of one event, so that a reader that does not read holds no more than this. */
const STREAM_BYTES = 256 * 1024;
/** Lines of a trial that is over are waited for as long as this. */
const LATE_LINES_MS = 60_000;
type Query = z.infer<typeof api.logsQuery>;
type Subject = { experiment: number; trial?: number };
type TrialSubject = { experiment: number; trial: number };

export function logRoutes(app: App, context: RouteContext): void {
  const reply = { 200: api.page(api.logEntry) };

  const ofExperiment = async (id: number): Promise<Subject> => {
    const row = await readExperiment(context.readPool, id);
    if (!row) throw noExperiment(id);
    notPurged(row, id);
    return { experiment: id };
  };
  const ofTrial = async (id: string): Promise<TrialSubject> => {
    const { experiment, number } = trialKey(id);
    const row = await readTrial(context.readPool, experiment, number);
    if (!row) throw noTrial(id);
    notPurged(row, experiment);
    return { experiment, trial: number };
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
      const subject = await ofExperiment(request.params.id);
      await followLogs(context, { subject, query: request.query, request, response });
    },
  );
  app.get(
    "/trials/:id/logs/stream",
    {
      config: { access: ["read"], produces: "text/event-stream" },
      schema: { params: trialParams, querystring: api.logsQuery, tags },
    },
    async (request, response) => {
      const subject = await ofTrial(request.params.id);
      await followLogs(context, { subject, query: request.query, request, response });
    },
  );
}

type Filter = Omit<LogFilter, "limit" | "fromEnd">;

async function filterOf(context: RouteContext, subject: Subject, query: Query): Promise<Filter> {
  const { cursor, from, since, until } = query;
  return {
    ...subject,
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

async function placeOfLine(
  { readPool }: RouteContext,
  { experiment, trial }: Subject,
  from: string,
): Promise<LogPlace> {
  if (trial === undefined)
    throw new ContrailError(
      "invalid_request",
      "from names a line of a trial, not of an experiment",
      {
        hint: "Ask for the lines of one trial, or give back a cursor.",
      },
    );
  const [run = 0, line = 0] = from.split(".").map(Number);
  const place = await placeBefore(readPool, { experiment, trial, run, line });
  if (place) return place;
  throw new ContrailError("not_found", `trial ${experiment}.${trial} has had no run ${run}`);
}

/** The bytes as the program wrote them, page by page as the reader takes them. */
async function* rawOutput(
  { readPool }: RouteContext,
  subject: Subject,
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

async function logsPage(context: RouteContext, subject: Subject, query: Query) {
  const fromEnd = query.tail !== undefined;
  const limit = query.tail ?? query.limit;
  const rows = await readLines(context.readPool, {
    ...(await filterOf(context, subject, query)),
    ...{ fromEnd, limit, bytesMax: PAGE_BYTES },
  });
  const items = rows.map((row) => logView(subject.experiment, row, cursorOf(subject, row)));
  const bytes = rows.reduce((sum, row) => sum + row.bytes.length, 0);
  // The cursor after the last line is how one goes on, also where there is nothing after it yet.
  const more = fromEnd || rows.length === limit || bytes >= PAGE_BYTES;
  return { items, next_cursor: more ? (items.at(-1)?.cursor ?? null) : null };
}

interface Follow {
  readonly subject: Subject;
  readonly query: Query;
  readonly request: FastifyRequest;
  readonly response: FastifyReply;
}

/** Sends what there is, then what comes, until the subject is over and everything was sent. */
async function followLogs(context: RouteContext, follow: Follow): Promise<void> {
  const { subject, query, request, response } = follow;
  const filter = await filterOf(context, subject, query);
  const lastSeen = EventStream.lastEventId(request);
  // Read before the answer begins: a position that is none of ours is refused, not waited on.
  let after = lastSeen === undefined ? filter.after : placeOf(subject, lastSeen);
  let fromEnd = query.tail !== undefined && lastSeen === undefined;
  const stream = EventStream.open(response, context.clock);
  let stored = true;
  const stop = context.subscribers.watchLogs(subject.experiment, () => {
    stored = true;
    stream.wake();
  });
  const stopWatching = context.subscribers.watch(subject.experiment, {
    changed: () => stream.wake(),
  });
  try {
    // Asked only where nothing was left to read, and then read once more: what is stored before the end is seen.
    let over = false;
    while (!stream.closed) {
      stored = false;
      const limit = fromEnd ? (query.tail ?? STREAM_LINES) : STREAM_LINES;
      const bytesMax = fromEnd ? undefined : STREAM_BYTES;
      const rows = await readLines(context.readPool, {
        ...filter,
        after,
        fromEnd,
        limit,
        bytesMax,
      });
      fromEnd = false;
      const last = rows.at(-1);
      if (last) {
        after = placeOf(subject, cursorOf(subject, last));
        const entries = rows.map((row) => logView(subject.experiment, row, cursorOf(subject, row)));
        await stream.send("log", entries, entries.at(-1)?.cursor);
        // What did not fit into this event is in the next one.
        continue;
      }
      if (over && !stored) {
        await stream.send("end", {});
        break;
      }
      over ||= await isComplete(context, subject);
      if (!over && !stored) await stream.idle();
    }
  } finally {
    stop();
    stopWatching();
    stream.close();
  }
}

/** Over, and everything that it wrote has arrived (or its runner has had time enough to send it). */
async function isComplete(context: RouteContext, subject: Subject): Promise<boolean> {
  const { readPool, clock } = context;
  const row =
    subject.trial === undefined
      ? await readExperiment(readPool, subject.experiment)
      : await readTrial(readPool, subject.experiment, subject.trial);
  if (!row?.ended_at) return false;
  if (clock.nowMs() - row.ended_at.getTime() > LATE_LINES_MS) return true;
  return (await linesToCome(readPool, subject)) === 0;
}

function cursorOf(subject: Subject, row: LogRow): string {
  return subject.trial === undefined ? String(row.position) : `${row.allocation_id}-${row.seq}`;
}

function placeOf(subject: Subject, cursor: string): LogPlace {
  if (subject.trial === undefined)
    return { position: cursorNumber(cursor, Number.MAX_SAFE_INTEGER) };
  const [allocation = "", seq = "", ...rest] = cursor.split("-");
  if (rest.length > 0) throw badCursor(cursor);
  return {
    allocation: cursorNumber(allocation, undefined, cursor),
    seq: cursorNumber(seq, Number.MAX_SAFE_INTEGER, cursor),
  };
}
