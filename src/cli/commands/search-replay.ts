/**
 * `contrail search replay`: a search decided again on this machine, from its log alone, and held to what was
 * decided then. The log comes from a server or from a file that `--export` wrote; the deciding itself is the very
 * code that searches by (`core/search/replay.ts`) and asks nobody.
 */
import { createReadStream } from "node:fs";
import { open } from "node:fs/promises";
import { dirname } from "node:path";
import { createInterface } from "node:readline";
import { AssertionFailed } from "../../base/assert.ts";
import { reviveExact, stringifyExact } from "../../base/json.ts";
import { type LoggedStep, type Parting, Replay } from "../../core/search/replay.ts";
import type { SearchAction, SearchEvent, SearchSpec } from "../../core/search/search.ts";
import type { SearchLogEntry, SearchLogHead } from "../../protocol/api.ts";
import { eachItem } from "../../sdk/client.ts";
import { searchStateHash } from "../../store/search-state-hash.ts";
import type { Cli } from "../cli.ts";
import { shellWord } from "../cli.ts";
import { CliError, EXIT, usageError } from "../exit-code.ts";
import { count, measured, plural } from "../figures.ts";
import { inert } from "../inert.ts";
import type { Progress } from "../progress.ts";
import { namedPath, requireFile, requireFolder } from "../user-file.ts";
import { experimentOf } from "../values.ts";

export interface ReplayOptions {
  /** An export, decided again without a server. */
  readonly file?: string;
  /** Where to write what was read. */
  readonly export?: string;
}

/** The form of the first line of an export; the next lines are events. */
const EXPORT_VERSION = 1;
const PAGE = 200;

interface Log {
  readonly head: SearchLogHead;
  readonly entries: AsyncIterable<SearchLogEntry>;
}

/** Exit code 1 when anything is decided otherwise, or the log is not whole. */
export async function replay(
  cli: Cli,
  experiment: string | undefined,
  options: ReplayOptions,
): Promise<number> {
  if ((experiment === undefined) === (options.file === undefined))
    throw usageError(
      "A search is replayed from a server or from a file: name one of the two.",
      "Write: contrail search replay 3, or contrail search replay --file search-3.jsonl",
    );
  const result = await cli.during("deciding the search again", async (progress) => {
    const log =
      options.file === undefined
        ? await serverLog(cli, experimentOf(experiment as string))
        : await fileLog(requireFile(cli.host.cwd, options.file));
    const copy = options.export === undefined ? log : await exported(cli, log, options.export);
    return await decide(copy, progress);
  });
  cli.show(result.value, () => result.lines(cli));
  if (options.export !== undefined) cli.next(`search replay --file ${shellWord(options.export)}`);
  else if (experiment !== undefined)
    cli.next(`search replay ${experiment} --export search-${experiment}.jsonl`);
  return result.value.same ? EXIT.ok : EXIT.failed;
}

// ---- where the log comes from ------------------------------------------------------------------

async function serverLog(cli: Cli, id: number): Promise<Log> {
  const client = cli.client();
  const head = await client.searchLogHead(id);
  const pages = eachItem((query) => client.searchLog(id, query), PAGE);
  return { head, entries: upTo(head.events, pages) };
}

/** A search that lives goes on while its log is read; what came after the head was taken is left out. */
async function* upTo(
  events: number,
  entries: AsyncIterable<SearchLogEntry>,
): AsyncGenerator<SearchLogEntry> {
  let left = events;
  if (left === 0) return;
  for await (const entry of entries) {
    yield entry;
    if (--left === 0) return;
  }
}

async function fileLog(path: string): Promise<Log> {
  const lines = createInterface({ input: createReadStream(path, "utf8"), crlfDelay: Infinity });
  const rows = lines[Symbol.asyncIterator]();
  const first = await rows.next();
  const head = headOf(first.done ? undefined : parsed(first.value));
  if (!head) {
    lines.close();
    throw notAnExport(path, "its first line is not the head of a search's log");
  }
  return { head, entries: entriesOf(path, rows) };
}

async function* entriesOf(
  path: string,
  rows: AsyncIterator<string>,
): AsyncGenerator<SearchLogEntry> {
  for (let line = 2; ; line++) {
    const next = await rows.next();
    if (next.done) return;
    if (next.value.trim() === "") continue;
    const entry = parsed(next.value) as Partial<SearchLogEntry> | undefined;
    if (
      !Number.isSafeInteger(entry?.seq) ||
      !Number.isSafeInteger(entry?.at_ms) ||
      !Array.isArray(entry?.actions)
    )
      throw notAnExport(path, `line ${line} is no event of a log`);
    yield entry as SearchLogEntry;
  }
}

function headOf(value: unknown): SearchLogHead | undefined {
  if (typeof value !== "object" || value === null) return undefined;
  const head = value as Partial<SearchLogHead> & { contrail_search_log?: unknown };
  const whole =
    head.contrail_search_log === EXPORT_VERSION &&
    Number.isSafeInteger(head.experiment) &&
    Number.isSafeInteger(head.events) &&
    Number.isSafeInteger(head.saved?.events) &&
    typeof head.saved?.sha256 === "string" &&
    typeof head.spec === "object" &&
    head.spec !== null;
  return whole ? (head as SearchLogHead) : undefined;
}

function parsed(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

const notAnExport = (path: string, why: string): CliError =>
  new CliError("no_export", `${inert(path)} is not an export of a search: ${why}.`, {
    hint: "Make one: contrail search replay EXPERIMENT --export FILE",
  });

/** The same log, written down line by line as it is read. */
async function exported(cli: Cli, { head, entries }: Log, path: string): Promise<Log> {
  const target = namedPath(cli.host.cwd, path, "The name of --export");
  requireFolder(dirname(target));
  const file = await open(target, "w");
  await file.appendFile(`${JSON.stringify({ contrail_search_log: EXPORT_VERSION, ...head })}\n`);
  const copied = async function* (): AsyncGenerator<SearchLogEntry> {
    try {
      for await (const entry of entries) {
        await file.appendFile(`${JSON.stringify(entry)}\n`);
        yield entry;
      }
    } finally {
      await file.close();
    }
  };
  return { head, entries: copied() };
}

// ---- deciding ----------------------------------------------------------------------------------

interface Difference {
  readonly kind: Parting["kind"] | "cut_off" | "state";
  readonly seq: number;
  readonly event: unknown;
  /** The answers to it. */
  readonly decided_then: unknown;
  readonly decided_now: unknown;
  readonly text: string;
}

interface Result {
  readonly value: {
    readonly same: boolean;
    readonly experiment: number;
    /** In the log; and how many of them were decided again with the same answers. */
    readonly events: number;
    readonly events_same: number;
    readonly decisions: number;
    readonly decisions_same: number;
    readonly difference: Difference | null;
    /** The state after the last event; as saved after so many events; null where it did not come that far. */
    readonly state: {
      readonly sha256: string;
      readonly saved_after: number;
      readonly as_saved: boolean | null;
    };
    /** More events may follow. */
    readonly goes_on: boolean;
  };
  lines(cli: Cli): string[];
}

async function decide({ head, entries }: Log, progress: Progress): Promise<Result> {
  const again = guarded(() => new Replay(reviveExact(head.spec) as unknown as SearchSpec));
  let difference: Difference | null = null;
  let decisions = 0;
  let asSaved = head.saved.events === 0 ? sameAsSaved(head, again) : null;
  // To its end even where it parts on the way: an export is to be whole, and the decisions are counted.
  for await (const entry of entries) {
    decisions += entry.actions.length;
    if (difference !== null) continue;
    const parting = guarded(() => again.take(stepOf(entry)));
    if (parting) {
      difference = differenceOf(parting, again.events);
      continue;
    }
    if (again.events === head.saved.events) asSaved = sameAsSaved(head, again);
    if (again.events % PAGE === 0)
      progress.detail(`${count(again.events)} of ${count(head.events)} events`);
  }
  if (difference === null && again.events !== head.events)
    difference = plainDifference(
      "cut_off",
      again.events,
      `The log ends after event ${again.events}; there were ${head.events}.`,
    );
  if (difference === null && asSaved === false)
    difference = plainDifference(
      "state",
      head.saved.events,
      `All decisions are the same, but the state after event ${head.saved.events} is not the one that was saved.`,
    );
  const value: Result["value"] = {
    ...{ same: difference === null, experiment: head.experiment },
    ...{ events: head.events, events_same: again.events },
    ...{ decisions, decisions_same: again.decisions, difference },
    state: {
      ...{ sha256: searchStateHash(again.state), saved_after: head.saved.events },
      as_saved: asSaved,
    },
    goes_on: !head.ended,
  };
  return { value, lines: (cli) => linesOf(cli, value) };
}

const sameAsSaved = ({ saved }: SearchLogHead, { state }: Replay): boolean =>
  searchStateHash(state) === saved.sha256;

/** @throws CliError where the log asks for what no search can do */
function guarded<T>(work: () => T): T {
  try {
    return work();
  } catch (error) {
    if (
      !(
        error instanceof AssertionFailed ||
        error instanceof TypeError ||
        error instanceof RangeError
      )
    )
      throw error;
    throw new CliError(
      "no_search",
      `This is no specification of a search that could be decided: ${inert(error.message)}.`,
      { hint: "Export it again: contrail search replay EXPERIMENT --export FILE", cause: error },
    );
  }
}

const stepOf = ({ seq, at_ms: atMs, event, actions }: SearchLogEntry): LoggedStep =>
  reviveExact({ seq, atMs, event, actions }) as unknown as LoggedStep;

const plainDifference = (kind: Difference["kind"], seq: number, text: string): Difference => ({
  ...{ kind, seq, text },
  ...{ event: null, decided_then: null, decided_now: null },
});

function differenceOf({ kind, seq, step, now, difference }: Parting, before: number): Difference {
  const text = {
    missing_event: `Event ${before + 1} is missing: after event ${before} the log has event ${seq}.`,
    no_event: `Event ${seq} is nothing that a search can be told.`,
    decision:
      difference === null
        ? ""
        : `Event ${seq} is answered otherwise; the first difference is decisions${difference.path}: ` +
          `${exactly(difference.left)} then, ${exactly(difference.right)} now.`,
  }[kind];
  const plain = (value: unknown): unknown => JSON.parse(stringifyExact(value ?? null));
  return {
    kind,
    seq,
    event: plain(step.event),
    decided_then: plain(step.actions),
    decided_now: plain(now),
    text,
  };
}

const exactly = (value: unknown): string => {
  const text = value === undefined ? "nothing" : stringifyExact(value);
  return text.length > 200 ? `${text.slice(0, 200)}…` : text;
};

// ---- for people --------------------------------------------------------------------------------

function linesOf(cli: Cli, value: Result["value"]): string[] {
  const { difference, decisions, decisions_same: same, state } = value;
  const over = `over ${plural(value.events, "event")} of experiment ${value.experiment}`;
  const hash = `state  ${state.sha256}`;
  if (difference === null) {
    const saved =
      state.saved_after === value.events
        ? ", as saved"
        : state.as_saved
          ? `; after event ${state.saved_after} as saved`
          : "";
    return [
      `${cli.paint.green("ok")}: ${count(same)} of ${count(decisions)} decisions are the same, ${over}`,
      `${hash}${saved}`,
      ...(value.goes_on ? [cli.paint.dim("The search goes on: this is its log so far.")] : []),
    ];
  }
  const lines = [
    `${cli.paint.red("differs")}: ${inert(difference.text)}`,
    `${count(same)} of ${count(decisions)} decisions are the same, ${over}`,
  ];
  if (difference.kind !== "decision") return lines;
  return [
    ...lines,
    `event  ${eventText(reviveExact(difference.event) as SearchEvent)}`,
    ...actionLines("then", reviveExact(difference.decided_then) as SearchAction[]),
    ...actionLines("now", reviveExact(difference.decided_now) as SearchAction[]),
  ];
}

function eventText(event: SearchEvent): string {
  switch (event.type) {
    case "report":
      return `trial ${event.trial} reported ${measured(event.objective)} at step ${event.step}`;
    case "exit":
      return `trial ${event.trial} ended: ${event.reason}`;
    case "granted":
      return `trial ${event.trial} got its slots`;
    case "yielded":
      return `trial ${event.trial} has no slots`;
    case "start":
      return "the search began";
    case "end":
      return "the experiment was ended, not by the search";
    case "tick":
      return "time passed";
  }
}

const SHOWN_MAX = 8;

function actionLines(label: string, actions: readonly SearchAction[]): string[] {
  const head = label.padEnd(5);
  if (actions.length === 0) return [`${head}  nothing was decided`];
  const lines = actions
    .slice(0, SHOWN_MAX)
    .map((action, i) => `${i === 0 ? head : "     "}  ${actionText(action)}`);
  const left = actions.length - SHOWN_MAX;
  return left > 0 ? [...lines, `       … and ${left} more`] : lines;
}

/** @param action of a log, which anybody may have written */
function actionText(action: SearchAction): string {
  const { type, trial, target, cause } = (action ?? {}) as Partial<
    Record<"type" | "trial" | "target", unknown> & { cause: { text?: unknown } }
  >;
  if (typeof type !== "string") return inert(exactly(action));
  const of = trial === undefined ? "" : ` trial ${String(trial)}`;
  const to = target === undefined ? "" : ` to step ${String(target)}`;
  return inert(`${type}${of}${to}: ${String(cause?.text ?? "")}`);
}
