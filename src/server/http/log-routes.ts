import { z } from "zod";
import * as api from "../../protocol/api.ts";
import { readExperiment, readTrial } from "../../store/experiment-reads.ts";
import { type LogFilter, type LogPosition, linesToCome, readLines } from "../../store/log-store.ts";
import { logView } from "../views.ts";
import type { App } from "./app.ts";
import { noExperiment, noTrial, type RouteContext, trialKey } from "./context.ts";
import { EventStream } from "./event-stream.ts";
import { badCursor } from "./experiment-routes.ts";

const experimentParams = z.object({ id: api.experimentIdParam });
const trialParams = z.object({ id: api.trialIdParam });
const tags = ["logs"];
const STREAM_LINES = 1000;
/** Lines of a trial that is over are waited for as long as this. */
const LATE_LINES_MS = 60_000;
type Query = z.infer<typeof api.logsQuery>;
type Subject = { experiment: number; trial?: number };

export function logRoutes(app: App, context: RouteContext): void {
  const reply = { 200: api.page(api.logEntry) };

  const ofExperiment = async (id: number): Promise<Subject> => {
    if (!(await readExperiment(context.readPool, id))) throw noExperiment(id);
    return { experiment: id };
  };
  const ofTrial = async (id: string): Promise<Subject> => {
    const { experiment, number } = trialKey(id);
    if (!(await readTrial(context.readPool, experiment, number))) throw noTrial(id);
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
    "/experiments/:id/logs/stream",
    {
      config: { access: ["read"] },
      schema: { params: experimentParams, querystring: api.logsQuery, tags },
    },
    async (request, response) => {
      const subject = await ofExperiment(request.params.id);
      await followLogs(
        context,
        subject,
        request.query,
        EventStream.open(request, response, context.clock),
      );
    },
  );
  app.get(
    "/trials/:id/logs/stream",
    {
      config: { access: ["read"] },
      schema: { params: trialParams, querystring: api.logsQuery, tags },
    },
    async (request, response) => {
      const subject = await ofTrial(request.params.id);
      await followLogs(
        context,
        subject,
        request.query,
        EventStream.open(request, response, context.clock),
      );
    },
  );
}

function filterOf(subject: Subject, query: Query): Omit<LogFilter, "limit" | "fromEnd"> {
  return {
    ...subject,
    rank: query.rank,
    stream: query.stream,
    contains: query.contains,
    after: query.cursor === undefined ? undefined : position(query.cursor),
  };
}

async function logsPage(context: RouteContext, subject: Subject, query: Query) {
  const limit = query.tail ?? query.limit;
  const rows = await readLines(context.readPool, {
    ...filterOf(subject, query),
    fromEnd: query.tail !== undefined,
    limit,
  });
  const items = rows.map((row) => logView(subject.experiment, row));
  // There may always be more while the trial lives: the cursor after the last line is how one goes on.
  const more = rows.length === limit || query.tail !== undefined;
  return { items, next_cursor: more ? (items.at(-1)?.cursor ?? null) : null };
}

/** Sends what there is, then what comes, until the subject is over and everything was sent. */
async function followLogs(
  context: RouteContext,
  subject: Subject,
  query: Query,
  stream: EventStream,
): Promise<void> {
  let stored = true;
  const stop = context.subscribers.watchLogs(subject.experiment, () => {
    stored = true;
    stream.wake();
  });
  const stopWatching = context.subscribers.watch(subject.experiment, {
    changed: () => stream.wake(),
  });
  try {
    let after =
      stream.lastEventId === undefined
        ? filterOf(subject, query).after
        : position(stream.lastEventId);
    let fromEnd = query.tail !== undefined && stream.lastEventId === undefined;
    while (!stream.closed) {
      // Asked before reading: what is stored before the end is seen by the reading that follows.
      const over = await isComplete(context, subject);
      stored = false;
      const limit = fromEnd ? (query.tail ?? STREAM_LINES) : STREAM_LINES;
      const rows = await readLines(context.readPool, {
        ...filterOf(subject, query),
        after,
        fromEnd,
        limit,
      });
      fromEnd = false;
      const last = rows.at(-1);
      if (last) {
        after = { allocation: last.allocation_id, seq: last.seq };
        const entries = rows.map((row) => logView(subject.experiment, row));
        await stream.send("log", entries, entries.at(-1)?.cursor);
      }
      if (rows.length === limit) continue;
      if (over && !stored) {
        await stream.send("end", {});
        break;
      }
      if (!stored) await stream.idle();
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

function position(cursor: string): LogPosition {
  const match = /^([0-9]{1,10})-([0-9]{1,15})$/.exec(cursor);
  if (!match) throw badCursor(cursor);
  return { allocation: Number(match[1]), seq: Number(match[2]) };
}
