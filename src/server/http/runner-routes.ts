/** The routes that runners speak. See protocol/runner-wire.ts for the conversation. */

import type { IncomingHttpHeaders } from "node:http";
import { Readable } from "node:stream";
import { z } from "zod";
import { type Clock, sleep } from "../../base/clock.ts";
import { parseId } from "../../base/ids.ts";
import { ContrailError } from "../../protocol/errors.ts";
import { meeting, meetingReply } from "../../protocol/node-wire.ts";
import * as wire from "../../protocol/runner-wire.ts";
import { checkTree } from "../../store/snapshot.ts";
import type { PastAllocation } from "../live-experiment.ts";
import { LogWriter } from "../log-writer.ts";
import { allocationsOf, ordersFor } from "../orders.ts";
import { storeRecords } from "../record-sync.ts";
import { saveTrees, uploadsDone } from "../retention/uploads.ts";
import { answerSync, unheardOf } from "../runner-requests.ts";
import { findLive, isOthers } from "../sync.ts";
import { type App, LARGE_BODY_BYTES_MAX } from "./app.ts";
import type { RouteContext } from "./context.ts";
import { findHugeReport, HugeReportScan, LARGE_BYTES, refuseHugeReport } from "./huge-reports.ts";

/** Shorter bodies are read, checked and cut in less than a millisecond. */
const LONG_BYTES = 64 * 1024;
/** Of a body that was refused, each as large as a socket hands it over, which is 64 KiB: 30 MB a second. */
const PIECES_APART_MS = 2;

const params = z.object({ runner: z.string().min(1).max(64) });
const ordersQuery = z.object({
  after: z.coerce.number().int().min(0),
  wait_ms: z.coerce.number().int().min(0).max(60_000).default(25_000),
  boot: z.string().min(1).max(64).optional(),
});

export function runnerRoutes(app: App, context: RouteContext): void {
  const { world, waiters, clock } = context;
  const logs = new LogWriter({
    pool: context.pool,
    nowMs: () => clock.nowMs(),
    rowIds: (ids) => rowIdsOf(context, ids),
    onStored: (experiments) => context.subscribers.logsStored(experiments),
  });

  app.post(
    "/runners/:runner/sync",
    {
      config: { access: ["runner"] },
      bodyLimit: LARGE_BODY_BYTES_MAX,
      schema: {
        params,
        body: wire.syncRequest,
        response: { 200: wire.syncReply },
        tags: ["runners"],
      },
      preParsing: async (request, _reply, payload) =>
        isLeftAlone(request.headers)
          ? payload
          : Readable.from(scanned(payload, clock), { objectMode: false }),
      // Each looks at ten thousand metrics for some milliseconds, and so did the parser.
      preValidation: async (request) => {
        await othersFirst(request.headers, clock);
        refuseHugeReport(findHugeReport(request.body));
        await othersFirst(request.headers, clock);
      },
    },
    async (request) => {
      const { runner } = request.params;
      const body = request.body;
      await othersFirst(request.headers, clock);
      const past = await pastAllocations(
        context,
        body.allocations.filter((a) => a.events.length > 0).map((a) => a.id),
      );
      // The rest costs nothing any more: a long list of files is sent again while the first try is still at work.
      const news = await unheardOf(context.loop, runner, body, past);
      refuseUnsafeTrees(news);
      using saved = await saveTrees(context, news);
      await storeRecords(context.pool, news, clock.nowMs());
      const reply = await answerSync(context, runner, body, { past, treeName: saved.nameOf });
      await uploadsDone(context, saved.done).catch((error) =>
        // They end with their allocations at the latest.
        request.log.warn({ err: error }, "leases of a checkpoint were not ended"),
      );
      return reply;
    },
  );

  app.post(
    "/runners/:runner/logs",
    {
      config: { access: ["runner"] },
      bodyLimit: LARGE_BODY_BYTES_MAX,
      schema: {
        params,
        body: wire.logsRequest,
        response: { 200: wire.logsReply },
        tags: ["runners"],
      },
    },
    async (request) => {
      const { runner } = request.params;
      await context.leases.heard(runner, request.body.boot ?? null);
      const allocations = request.body.allocations.filter(
        ({ id }) => !isOthers(context.world, runner, id),
      );
      return { acked: await logs.store({ ...request.body, allocations }) };
    },
  );

  app.get(
    "/runners/:runner/orders",
    {
      config: { access: ["runner"] },
      schema: {
        params,
        querystring: ordersQuery,
        response: { 200: wire.ordersReply },
        tags: ["runners"],
      },
    },
    async (request, reply) => {
      const { runner } = request.params;
      const { after, wait_ms: waitMs, boot } = request.query;
      await context.leases.heard(runner, boot ?? null);
      const answer = () => ordersFor(context.orders, runner, after);
      // Also that our versions are behind the runner's, which then asks for everything anew.
      const isNews = (found: ReturnType<typeof answer>): boolean =>
        found.orders.length > 0 || found.ordersVersion < after;
      let found = answer();
      if (!isNews(found) && after > 0 && waitMs > 0) {
        await new Promise<void>((resolve) => {
          const cancelTimer = clock.after(waitMs, resolve);
          // Most of what wakes a runner it has said itself. An empty answer to that would cost it a pause, and
          // the next order would wait for the end of it.
          const look = (): void => {
            if (isNews(answer())) resolve();
            else cancelWait = waiters.wait(runner, look);
          };
          let cancelWait = waiters.wait(runner, look);
          void Promise.resolve().then(() => {
            if (isNews(answer())) resolve();
          });
          reply.raw.once("close", () => {
            cancelTimer();
            cancelWait();
            resolve();
          });
        });
        found = answer();
      }
      // Who is not named is ended, so only what is durable may be missing.
      const all =
        after === 0 ? await context.loop.read((world) => allocationsOf(world, runner)) : null;
      return { ...found, all, lease: world.runners.get(runner).leaseDurable };
    },
  );

  const tags = ["runners"];
  app.put(
    "/runners/:runner/meeting",
    {
      config: { access: ["runner"] },
      schema: { params, body: meeting, response: { 200: z.object({}) }, tags },
    },
    async (request) => {
      const { runner } = request.params;
      if (world.runners.has(runner)) world.runners.get(runner).meeting = request.body;
      return {};
    },
  );

  app.get(
    "/runners/:runner/meeting",
    {
      config: { access: ["runner"] },
      schema: { params, response: { 200: meetingReply }, tags },
    },
    async (request) => {
      const { runner } = request.params;
      return { meeting: world.runners.has(runner) ? world.runners.get(runner).meeting : null };
    },
  );
}

/** A body that is read at once, or by its length refused unread. */
function isLeftAlone(headers: IncomingHttpHeaders): boolean {
  const told = Number(headers["content-length"] ?? Number.NaN);
  return told <= LARGE_BYTES || told > LARGE_BODY_BYTES_MAX;
}

/** Between two looks at a long body everybody who waits is heard. */
async function othersFirst(headers: IncomingHttpHeaders, clock: Clock): Promise<void> {
  if (!(Number(headers["content-length"]) < LONG_BYTES)) await sleep(clock, 0);
}

/** A large body, or one whose length is not told, as it passes, until something in it speaks against it. */
async function* scanned(payload: Readable, clock: Clock): AsyncGenerator<Uint8Array> {
  const scan = new HugeReportScan();
  let size = 0;
  // The connection goes on after a refusal, so the rest is let through to nowhere.
  for await (const chunk of payload.iterator({ destroyOnReturn: false }) as AsyncIterable<Buffer>) {
    size += chunk.length;
    const found = scan.push(chunk);
    if (found !== undefined || size > LARGE_BODY_BYTES_MAX) letPass(payload, clock);
    refuseHugeReport(found);
    if (size > LARGE_BODY_BYTES_MAX)
      throw new ContrailError(
        "too_large",
        `the body has more than ${LARGE_BODY_BYTES_MAX} bytes, which is the limit here`,
      );
    yield chunk;
  }
}

/** To nowhere, and with time for others between the pieces: read as fast as it comes, it occupies server and sender at once. */
function letPass(payload: Readable, clock: Clock): void {
  payload.on("data", () => {
    payload.pause();
    clock.after(PIECES_APART_MS, () => payload.resume());
  });
}

/** A runner's own scan lets none of these through. Stored, it would be refused by everybody who wants its files. */
function refuseUnsafeTrees(body: wire.SyncRequest): void {
  for (const { id, events } of body.allocations)
    for (const event of events) {
      if (event.type !== "checkpoint") continue;
      const unsafe = checkTree(event.tree)[0];
      if (unsafe)
        throw new ContrailError(
          "invalid_request",
          `the checkpoint of ${id} at step ${event.step} is not safe to unpack: ${unsafe.path}: ${unsafe.message}`,
        );
    }
}

/** Rows of allocations that are not live: late deliveries are stored under them. */
async function pastAllocations(
  context: RouteContext,
  ids: readonly string[],
): Promise<Map<string, PastAllocation>> {
  const past = new Map<string, PastAllocation>();
  const unknown = ids.filter(
    (id) => parseId(id)?.run !== undefined && !findLive(context.world, id),
  );
  if (unknown.length === 0) return past;
  const { rows } = await context.pool.query<{
    key: string;
    id: number;
    run: number;
    trial_id: number;
    experiment_id: number;
    trial_number: number;
    acked: number;
    unseen: boolean;
  }>(
    `select a.id, a.run, t.id as trial_id, a.experiment_id, a.trial_number, a.acked,
       a.exit_heard_at is null as unseen,
       a.experiment_id || '.' || a.trial_number || '.' || a.run as key
     from unnest($1::text[]) as k(key)
     join allocations a on a.experiment_id = split_part(k.key, '.', 1)::int
       and a.trial_number = split_part(k.key, '.', 2)::int and a.run = split_part(k.key, '.', 3)::int
     join trials t on t.experiment_id = a.experiment_id and t.number = a.trial_number`,
    [unknown],
  );
  for (const row of rows)
    past.set(row.key, {
      id: row.id,
      run: row.run,
      trialId: row.trial_id,
      trial: `${row.experiment_id}.${row.trial_number}`,
      acked: Number(row.acked),
      unseen: row.unseen,
    });
  return past;
}

/** Row ids of allocations, live or past; those that there are not are left out. */
async function rowIdsOf(
  context: RouteContext,
  ids: readonly string[],
): Promise<Map<string, number>> {
  const past = await pastAllocations(context, ids);
  const rowIds = new Map<string, number>();
  for (const id of ids) {
    const rowId = findLive(context.world, id)?.allocation.id ?? past.get(id)?.id;
    if (rowId !== undefined) rowIds.set(id, rowId);
  }
  return rowIds;
}
