/** What of a log is looked at, as it stands in the address. */
import type { RawView } from "../parts/view-state.ts";
import type { LinePlace, LogFilter, LogSubject } from "./log-model.ts";

export interface LogView {
  readonly filter: LogFilter;
  /** The line that a link names. */
  readonly line: LinePlace | undefined;
  readonly follow: boolean;
  readonly times: boolean;
  /** As it was typed, where it makes no sense. */
  readonly badTimes: readonly string[];
}

export function readLogView(raw: RawView): LogView {
  const rank = /^\d{1,5}$/.test(raw.rank ?? "") ? Number(raw.rank) : undefined;
  const stream: LogFilter["stream"] =
    raw.stream === "stdout" || raw.stream === "stderr" ? raw.stream : undefined;
  const contains = raw.contains === "" ? undefined : raw.contains?.slice(0, 200);
  const since = timeOf(raw.since);
  const until = timeOf(raw.until);
  const filter = { rank, stream, contains, since: since.time, until: until.time };
  const [, run, line] = /^(\d{1,9})\.(\d{1,15})$/.exec(raw.line ?? "") ?? [];
  const isPlain = Object.values(filter).every((value) => value === undefined);
  const place = run === undefined ? undefined : { run: Number(run), line: Number(line) };
  return {
    filter,
    line: isPlain ? place : undefined,
    // A log is read from its end, unless something in it is looked for.
    follow: raw.follow === "yes" || (raw.follow === undefined && isPlain && place === undefined),
    times: raw.times === "yes",
    badTimes: [since.bad, until.bad].filter((text) => text !== undefined),
  };
}

/** A time in UTC as it is shown, or any part of it from the left: a day, a minute. */
export function timeOf(text: string | undefined): { time?: string; bad?: string } {
  if (text === undefined || text.trim() === "") return {};
  const parts = /^(\d{4}-\d\d-\d\d)(?:[T ](\d\d:\d\d)(:\d\d(?:\.\d{1,3})?)?)?\s*(?:Z|UTC)?$/i.exec(
    text.trim(),
  );
  const ms = parts ? Date.parse(`${parts[1]}T${parts[2] ?? "00:00"}${parts[3] ?? ":00"}Z`) : NaN;
  return Number.isFinite(ms) ? { time: new Date(ms).toISOString() } : { bad: text.slice(0, 60) };
}

/** The command that prints the same lines. */
export function logCommand(subject: LogSubject, view: LogView, isOver: boolean): string {
  const { rank, stream, contains, since, until } = view.filter;
  const words = [`contrail logs ${"trial" in subject ? subject.trial : subject.experiment}`];
  if (rank !== undefined) words.push(`--rank ${rank}`);
  if (stream !== undefined) words.push(`--stream ${stream}`);
  if (contains !== undefined) words.push(`--contains ${shellWord(contains)}`);
  if (since !== undefined) words.push(`--since ${since}`);
  if (until !== undefined) words.push(`--until ${until}`);
  // A place among all trials' lines is the page's own.
  if (view.line && "trial" in subject) words.push(`--from ${view.line.run}.${view.line.line}`);
  if (view.follow && !isOver) words.push("--follow");
  return words.join(" ");
}

export const shellWord = (text: string): string =>
  /^[\w.,:/@%+=-]+$/.test(text) ? text : `'${text.replaceAll("'", "'\\''")}'`;

export const subjectName = (subject: LogSubject): string =>
  "trial" in subject ? `trial ${subject.trial}` : `experiment ${subject.experiment}`;
