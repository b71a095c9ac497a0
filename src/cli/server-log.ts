/** What a starting server says in its log, for the person who waits for it. */
import { readFileSync } from "node:fs";
import { inert } from "./inert.ts";

interface LogLine {
  readonly text: string;
  readonly pid: number | undefined;
  /** pino's: 30 is for information, 40 and above for trouble. */
  readonly level: number;
}

/** The server's log is one JSON object a line; anything else is shown as it is. */
function readLogLine(line: string): LogLine {
  try {
    const { msg, err, pid, level } = JSON.parse(line) as {
      msg?: string;
      err?: { message?: string };
      pid?: number;
      level?: number;
    };
    return { text: once(msg, err?.message) || line, pid, level: level ?? 30 };
  } catch {
    return { text: line, pid: undefined, level: 30 };
  }
}

/** A message and its error's in one: the logger writes the causes behind the error, which the message often has said. */
function once(message = "", error = ""): string {
  const rest = error.startsWith(message) ? error.slice(message.length).replace(/^: /, "") : error;
  return [message, message.includes(rest) ? "" : rest].filter((part) => part !== "").join(": ");
}

function readLog(path: string, from: number): LogLine[] {
  try {
    const text = readFileSync(path).subarray(from).toString("utf8");
    return text
      .split("\n")
      .filter((line) => line.trim() !== "")
      .map(readLogLine);
  } catch {
    return [];
  }
}

const TAIL_LINES_MAX = 12;
const TAIL_CHARS_MAX = 2_000;

/** Why process `pid` did not come up: its complaints, or the last it said when it had none. */
export function lastWords(path: string, from: number, pid: number | undefined): string[] {
  const own = readLog(path, from).filter((line) => line.pid === undefined || line.pid === pid);
  const complaints = own.filter((line) => line.level >= 40);
  return (complaints.length > 0 ? complaints : own)
    .slice(-TAIL_LINES_MAX)
    .map(({ text }) => inert(text).slice(0, TAIL_CHARS_MAX));
}

/** The newest line, for a progress display. */
export const lastStep = (path: string, from: number): string =>
  readLog(path, from).at(-1)?.text ?? "";
