/** The log of changes: read, and verified. See docs/audit.md. */
import { z } from "zod";
import * as api from "../../protocol/api.ts";
import { ContrailError } from "../../protocol/errors.ts";
import { listAudit, readAudit, verifyChanges } from "../../store/audit-reads.ts";
import type { Anchor, ChainRow } from "../../store/chain-walk.ts";
import { CHAIN_START, type ChainTip } from "../../store/write-batch.ts";
import type { App } from "./app.ts";
import { type RouteContext, trialKey } from "./context.ts";
import { cursorNumber } from "./cursor.ts";

const tags = ["audit"];
const access = ["read"] as const;

export function auditRoutes(app: App, context: RouteContext): void {
  const { readPool, loop } = context;

  app.get(
    "/audit",
    {
      config: { access },
      schema: {
        querystring: api.auditQuery,
        response: { 200: api.page(api.auditChange) },
        tags,
      },
    },
    async (request) => {
      const { cursor, limit, trial, since, until, ...query } = request.query;
      const own = trial === undefined ? undefined : trialKey(trial);
      if (own && query.experiment !== undefined && query.experiment !== own.experiment)
        return { items: [], next_cursor: null };
      const rows = await listAudit(readPool, {
        ...query,
        ...(own && { experiment: own.experiment, trial: own.number }),
        since: since === undefined ? undefined : new Date(since),
        until: until === undefined ? undefined : new Date(until),
        after: cursor === undefined ? undefined : cursorNumber(cursor, Number.MAX_SAFE_INTEGER),
        limit: limit + 1,
      });
      const items = rows.slice(0, limit).map(changeView);
      return { items, next_cursor: rows.length > limit ? String(items.at(-1)?.seq) : null };
    },
  );

  app.get(
    "/audit/verify",
    {
      config: { access },
      schema: { querystring: api.auditVerifyQuery, response: { 200: api.auditVerdict }, tags },
    },
    async (request) => {
      const { after_seq, after_hash, expect_seq, expect_hash, limit } = request.query;
      const start = pair("after", after_seq, after_hash);
      const expected = pair("expect", expect_seq, expect_hash);
      // Before the walk: what is committed meanwhile may or may not be seen by it.
      const { tip, cutOff } = loop;
      const anchors: Anchor[] = [];
      if (expected)
        anchors.push({ seq: expected.seq, hash: expected.hash, noted: "by the caller" });
      for (const { seq, hash } of [...cutOff, tip])
        if (seq > 0)
          anchors.push({ seq, hash: hash.toString("hex"), noted: "by the running server" });
      const from: ChainTip = start
        ? { seq: start.seq, hash: Buffer.from(start.hash, "hex") }
        : CHAIN_START;
      const { checked, last, complete, misfit } = await verifyChanges(readPool, {
        start: from,
        anchors,
        limit,
      });
      return {
        ok: misfit === null,
        complete,
        checked,
        last: { seq: last.seq, hash: last.hash.toString("hex") },
        misfit: misfit && {
          kind: misfit.kind,
          seq: misfit.seq,
          expected: misfit.expected,
          found: misfit.found,
          text: misfit.text,
          change: misfit.row && changeView(misfit.row),
        },
      };
    },
  );

  app.get(
    "/audit/:seq",
    {
      config: { access },
      schema: {
        params: z.object({
          seq: z.coerce.number().int().min(1).max(Number.MAX_SAFE_INTEGER),
        }),
        response: { 200: api.auditChange },
        tags,
      },
    },
    async (request) => {
      const row = await readAudit(readPool, request.params.seq);
      if (row) return changeView(row);
      throw new ContrailError("not_found", `the log has no event ${request.params.seq}`, {
        hint: "The newest are listed by: contrail audit list.",
      });
    },
  );
}

/** A place in the chain is its number and its hash; one of them alone says nothing. */
function pair(
  name: string,
  seq: number | undefined,
  hash: string | undefined,
): api.ChainEnd | undefined {
  if (seq === undefined && hash === undefined) return undefined;
  if (seq === undefined || hash === undefined)
    throw new ContrailError(
      "invalid_request",
      `${name}_seq and ${name}_hash name a place in the log together; ${seq === undefined ? `${name}_seq` : `${name}_hash`} is missing`,
    );
  return { seq, hash };
}

const changeView = ({ seq, experimentId, ...row }: ChainRow): api.AuditChange => ({
  seq: Number(seq),
  at: row.at,
  actor: row.actor,
  experiment: experimentId,
  subject: row.subject,
  what: row.what,
  cause: row.cause,
  hash: row.hash,
});
