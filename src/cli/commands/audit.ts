/** `contrail audit list|show|verify`: the log of changes, read and verified. */
import { constants } from "node:buffer";
import { readFile, stat } from "node:fs/promises";
import { parseId } from "../../base/ids.ts";
import type { AuditChange, AuditVerdict } from "../../protocol/api.ts";
import type { Client } from "../../sdk/client.ts";
import { RemoteError } from "../../sdk/remote-error.ts";
import {
  type Anchor,
  CHAIN_START,
  type ChainRow,
  ChainWalk,
  type Misfit,
} from "../../store/chain-walk.ts";
import type { Cli } from "../cli.ts";
import { CliError, EXIT, usageError } from "../exit-code.ts";
import { bytes, count, plural } from "../figures.ts";
import { inert } from "../inert.ts";
import { gather, type ListOptions, limitOf } from "../listing.ts";
import { facts, table } from "../table.ts";
import { requireFile } from "../user-file.ts";
import { timeOf, wholeOf } from "../values.ts";

export interface AuditListOptions extends ListOptions {
  readonly actor?: string;
  readonly what?: string;
  readonly since?: string;
  readonly until?: string;
  readonly oldest?: boolean;
}

/** @param of an experiment or a trial; undefined = everything */
export async function list(
  cli: Cli,
  of: string | undefined,
  options: AuditListOptions,
): Promise<number> {
  const client = cli.client();
  const filter = {
    ...subjectOf(of),
    actor: options.actor,
    what: options.what,
    since: timeOf("--since", options.since, cli.host.clock),
    until: timeOf("--until", options.until, cli.host.clock),
    order: options.oldest === true ? ("oldest" as const) : ("newest" as const),
  };
  const page = await gather((query) => client.audit({ ...query, ...filter }), limitOf(options));
  const isNarrow = [filter.actor, filter.what, filter.since, filter.until].some(Boolean);
  const isNothing = of !== undefined && page.items.length === 0 && !isNarrow;
  if (isNothing) await requireKnown(client, of);
  cli.show(page, () =>
    page.items.length === 0
      ? [
          isNothing
            ? `The log has no event of ${of}: it was imported, and came with what it had been through.`
            : "The log has no event that matches.",
        ]
      : [
          ...changeTable(cli, page.items),
          ...(page.next_cursor === null ? [] : ["… there are more: --limit N or --all"]),
        ],
  );
  const first = page.items[0];
  if (isNothing) cli.next(`audit list ${parseId(of)?.experiment} --oldest`);
  if (first) cli.next(`audit show ${first.seq}`, "audit verify");
  return EXIT.ok;
}

/** What was made here is in the log with its beginning, and what was imported is there all the same. */
async function requireKnown(client: Client, of: string): Promise<void> {
  const { trial, experiment = 0 } = subjectOf(of);
  try {
    await (trial === undefined ? client.experiment(experiment) : client.trial(trial));
  } catch (error) {
    if (!(error instanceof RemoteError) || error.status !== 404) throw error;
    throw new CliError("not_found", `The log has no event of ${of}: there has never been one.`, {
      hint: "List what there is: `contrail experiment list`.",
      exitCode: EXIT.notFound,
    });
  }
}

function subjectOf(of: string | undefined): { experiment?: number; trial?: string } {
  if (of === undefined) return {};
  const id = parseId(of);
  if (id === undefined || id.run !== undefined)
    throw usageError(
      `"${of}" is neither an experiment nor a trial.`,
      "Write 3 or 3.12, or leave it out for everything.",
    );
  return id.trial === undefined ? { experiment: id.experiment } : { trial: of };
}

function changeTable(cli: Cli, items: readonly AuditChange[]): string[] {
  return table(
    [
      { head: "event", align: "right" },
      { head: "time (UTC)", drop: 1 },
      { head: "actor", flexible: true },
      { head: "subject" },
      { head: "what", flexible: true },
      { head: "cause", flexible: true },
    ],
    items.map((item) => [
      item.seq,
      item.at.slice(0, 23).replace("T", " "),
      item.actor,
      item.subject,
      item.what,
      item.cause,
    ]),
    { width: cli.width, headPaint: cli.paint.dim },
  );
}

export async function show(cli: Cli, text: string): Promise<number> {
  const seq = wholeOf("the event", text, 1, Number.MAX_SAFE_INTEGER);
  const change = await cli.client().auditEvent(seq);
  cli.show(change, () =>
    facts(
      [
        ["event", change.seq],
        ["time", change.at],
        ["actor", change.actor],
        ["experiment", change.experiment ?? undefined],
        ["subject", change.subject],
        ["what", change.what],
        ["cause", change.cause],
        ["hash", change.hash],
      ],
      cli.paint.dim,
    ),
  );
  if (change.experiment !== null)
    cli.next(`why ${change.subject}`, `audit list ${change.experiment} --oldest`);
  return EXIT.ok;
}

// ---- verify ------------------------------------------------------------------------------------

export interface VerifyOptions {
  /** SEQ:HASH, noted down earlier. */
  readonly expectLast?: string;
  /** An export, checked here without a server. */
  readonly file?: string;
}

/** Exit code 1 when an event does not fit. */
export async function verify(cli: Cli, options: VerifyOptions): Promise<number> {
  const expected = options.expectLast === undefined ? undefined : placeOf(options.expectLast);
  const verdict =
    options.file === undefined
      ? await verifyServer(cli, expected)
      : await verifyFile(requireFile(cli.host.cwd, options.file), expected);
  cli.show(verdict, () => verdictLines(cli, verdict, options.file));
  if (verdict.ok) cli.next(`audit verify --expect-last ${verdict.last.seq}:${verdict.last.hash}`);
  // What a file holds is shown already, and a server may hold another.
  else if (verdict.misfit?.change && options.file === undefined)
    cli.next(`audit show ${verdict.misfit.change.seq}`);
  return verdict.ok ? EXIT.ok : EXIT.failed;
}

function placeOf(text: string): { seq: number; hash: string } {
  const [, seq, hash] = /^(\d{1,15}):([0-9a-f]{64})$/.exec(text) ?? [];
  if (seq !== undefined && hash !== undefined && Number(seq) > 0) return { seq: Number(seq), hash };
  throw usageError(
    `--expect-last is "${text}", which is not an event and its hash.`,
    "Give what an earlier `audit verify` printed: SEQ:HASH, the hash in 64 hexadecimal digits.",
  );
}

/** The server walks its log in stretches, so that a long one shows progress and no request lasts for minutes. */
async function verifyServer(
  cli: Cli,
  expected: { seq: number; hash: string } | undefined,
): Promise<AuditVerdict> {
  const client = cli.client();
  const expect =
    expected === undefined ? {} : { expect_seq: expected.seq, expect_hash: expected.hash };
  return await cli.during("verifying the log of changes", async (progress) => {
    let checked = 0;
    let verdict = await client.auditVerify(expect);
    for (;;) {
      checked += verdict.checked;
      if (verdict.complete || !verdict.ok) return { ...verdict, checked };
      progress.detail(`${count(checked)} events fit so far`);
      const { seq, hash } = verdict.last;
      verdict = await client.auditVerify({ ...expect, after_seq: seq, after_hash: hash });
    }
  });
}

/** An export is what `audit list --oldest --all --json` prints, or one event a line. */
async function verifyFile(
  path: string,
  expected: { seq: number; hash: string } | undefined,
): Promise<AuditVerdict> {
  const anchors: Anchor[] = expected ? [{ ...expected, noted: "by the caller" }] : [];
  const walk = new ChainWalk(CHAIN_START, anchors);
  let misfit: Misfit | undefined;
  const rows = await exported(path);
  // What an export that failed leaves behind. A log never is without events: it begins with its server.
  if (rows.length === 0) throw notAnExport(path, "it holds no event, and no log is without any");
  for (const row of rows) {
    misfit = walk.take(row);
    if (misfit) break;
  }
  misfit ??= walk.end();
  return {
    ok: misfit === undefined,
    complete: misfit === undefined,
    checked: walk.checked,
    last: { seq: walk.last.seq, hash: walk.last.hash.toString("hex") },
    misfit: misfit
      ? {
          ...{ kind: misfit.kind, seq: misfit.seq, text: misfit.text },
          ...{ expected: misfit.expected, found: misfit.found },
          change: misfit.row && changeOf(misfit.row),
        }
      : null,
  };
}

/** One document with `items`, or one event a line. */
async function exported(path: string): Promise<ChainRow[]> {
  // It is read as one text, and none is longer.
  const { size } = await stat(path);
  if (size > constants.MAX_STRING_LENGTH)
    throw new CliError(
      "file_too_large",
      `${inert(path)} has ${bytes(size)}; at most ${bytes(constants.MAX_STRING_LENGTH)} can be checked.`,
      { hint: "Let the server check the log that it has: `contrail audit verify`" },
    );
  const text = await readFile(path, "utf8");
  const whole = parsed(text) as { items?: unknown } | undefined;
  if (Array.isArray(whole?.items))
    return whole.items.map((item, i) => rowOf(item, `${path}, item ${i + 1}`));
  return text
    .split("\n")
    .flatMap((line, i) =>
      line.trim() === "" ? [] : [rowOf(parsed(line), `${path}, line ${i + 1}`)],
    );
}

function parsed(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

function rowOf(item: unknown, where: string): ChainRow {
  const { seq, at, actor, subject, what, cause, hash, experiment } = (item ??
    {}) as Partial<AuditChange>;
  const texts = [at, actor, subject, what, cause, hash];
  if (
    texts.some((value) => typeof value !== "string") ||
    typeof seq !== "number" ||
    (experiment !== null && typeof experiment !== "number")
  )
    throw notAnExport(where, "an event lacks one of its fields, or this is no JSON");
  return {
    ...({ at, actor, subject, what, cause, hash } as Omit<ChainRow, "seq" | "experimentId">),
    seq: String(seq),
    experimentId: experiment,
  };
}

const notAnExport = (where: string, why: string): CliError =>
  new CliError("no_export", `${inert(where)} is not an export of the log: ${inert(why)}.`, {
    hint: "Make one: contrail audit list --oldest --all --json > log.json",
  });

const changeOf = ({ seq, experimentId, ...row }: ChainRow): AuditChange => ({
  ...row,
  seq: Number(seq),
  experiment: experimentId,
});

function verdictLines(cli: Cli, verdict: AuditVerdict, file: string | undefined): string[] {
  const { last, misfit, checked } = verdict;
  if (misfit === null)
    return [
      `${cli.paint.green("ok")}: ${plural(checked, "event")} fit${checked === 1 ? "s" : ""}, without a gap, from the first to the last`,
      `last: ${last.seq}:${last.hash}`,
      cli.paint.dim(
        "Note this line down elsewhere: without it, a log whose end was cut off" +
          `${file === undefined ? " before the server started" : ""}, or that was written anew as a whole, cannot be told from a true one.`,
      ),
    ];
  const lines = [
    `${cli.paint.red("does not fit")}: ${inert(misfit.text)}`,
    `expected  ${inert(misfit.expected)}`,
    `found     ${inert(misfit.found)}`,
    `${plural(checked, "event")} before it fit${checked === 1 ? "s" : ""}`,
  ];
  return misfit.change ? [...lines, "", ...changeTable(cli, [misfit.change])] : lines;
}
