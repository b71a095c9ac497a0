/**
 * What Slurm's commands print, as values. Fields of squeue and sinfo are parted by a character that nobody writes, and times
 * come as seconds since 1970 (SLURM_TIME_FORMAT). `--json` is not used: squeue's ignores every filter
 * before Slurm 23, and would send all jobs of the cluster at 3.6 kB each.
 */
import type { SlurmJob, SlurmNode, SlurmPartition } from "./slurm-access.ts";

/** Between fields: the unit separator. */
export const PART = "\u001f";

/** Arguments of `squeue -h -t all` whose lines `parseSqueue` reads; a width of 0 cuts nothing off. */
export const SQUEUE_FIELDS = `--Format=${[
  ...["JobID", "Name", "State", "Reason", "PreemptTime", "exit_code", "NodeList", "StartTime"],
  ...["EndTime", "TimeLimit", "RestartCnt", "Comment"],
]
  .map((name) => `${name}:0${PART}`)
  .join(",")}`;

export function parseSqueue(text: string): SlurmJob[] {
  return rows(text, PART, 12).map((fields) => {
    const [
      number,
      name,
      state,
      reason,
      preemptTime,
      status,
      nodes,
      start,
      end,
      limit,
      restarts,
      comment,
    ] = fields as [string, ...string[]];
    return {
      ...{ number: Number(number), name: name!, comment: known(comment!), state: state! },
      ...{ reason: reason!, nodes: known(nodes!), isPreempted: seconds(preemptTime!) !== null },
      ...{ waitStatus: Number(status), startMs: seconds(start!), endMs: seconds(end!) },
      ...{ limitMs: parseLimit(limit!), restarts: Number(restarts) || 0 },
    };
  });
}

/** Arguments of `sacct -X -n -P` whose lines `parseSacct` reads. It keeps no comments, as it is set up by default. */
export const SACCT_FIELDS =
  "--format=JobIDRaw,State%40,ExitCode,NodeList,Start,End,TimelimitRaw,Reason,JobName";

export function parseSacct(text: string): SlurmJob[] {
  return rows(text, "|", 9).map((fields) => {
    const [number, state, exit, nodes, start, end, limit, reason, ...name] = fields as [
      string,
      ...string[],
    ];
    const [code, signal] = exit!.split(":").map(Number);
    return {
      ...{ number: Number(number), name: name.join("|"), comment: "" },
      // "CANCELLED by 1000"
      ...{ state: state!.split(" ")[0]!, reason: reason!, nodes: known(nodes!) },
      ...{ isPreempted: false, restarts: 0, waitStatus: (code ?? 0) * 256 + (signal ?? 0) },
      ...{ startMs: seconds(start!), endMs: seconds(end!) },
      limitMs: /^\d+$/.test(limit!) ? Number(limit) * 60_000 : null,
    };
  });
}

/** Arguments of `sinfo -h -N -p PARTITION` whose lines `parseSinfo` reads. */
export const SINFO_FIELDS = `--format=${["%N", "%c", "%m", "%G", "%T", "%E"].join(PART)}${PART}`;

export function parseSinfo(text: string): SlurmNode[] {
  return rows(text, PART, 6).map((fields) => {
    const [name, cpus, memory, gres, state, reason] = fields as [string, ...string[]];
    return {
      ...{ name: name!, cpus: Number.parseInt(cpus!, 10), gres: known(gres!), state: state! },
      ...{
        memoryMegabytes: Number.parseInt(memory!, 10),
        reason: reason === "none" ? "" : reason!,
      },
    };
  });
}

/** @param text of `scontrol -o show partition`; marks the default one */
export function parsePartitions(
  text: string,
): (SlurmPartition & { readonly isDefault: boolean })[] {
  return text.split("\n").flatMap((line) => {
    const value = keyValues(line);
    const name = value("PartitionName");
    if (name === undefined) return [];
    return [
      {
        ...{ name, state: value("State") ?? "", isDefault: value("Default") === "YES" },
        nodesMax: count(value("MaxNodes")),
        cpusPerNodeMax: count(value("MaxCPUsPerNode")),
        memoryMegabytesPerNodeMax: count(value("MaxMemPerNode")),
        limitMs: parseLimit(value("DefaultTime") ?? "") ?? parseLimit(value("MaxTime") ?? ""),
        limitMaxMs: parseLimit(value("MaxTime") ?? ""),
      },
    ];
  });
}

/** One line of KEY=VALUE; values of ours hold no blanks. */
function keyValues(line: string): (key: string) => string | undefined {
  return (key) => new RegExp(`(?:^|\\s)${key}=(\\S*)`).exec(line)?.[1];
}

const count = (text: string | undefined): number | null =>
  text !== undefined && /^\d+$/.test(text) ? Number(text) : null;

/** `1-02:03:04`, `2:03:04`, `3:04`, `UNLIMITED` */
export function parseLimit(text: string): number | null {
  const match = /^(?:(\d+)-)?(?:(\d+):)?(\d+):(\d+)$/.exec(text.trim());
  if (match === null) return null;
  const [days = 0, hours = 0, minutes = 0, last = 0] = match
    .slice(1)
    .map((part) => Number(part ?? 0));
  return ((days * 24 + hours) * 60 + minutes) * 60_000 + last * 1000;
}

/** The names in `n[1-2,05],login` */
export function expandHosts(text: string): string[] {
  // Commas in brackets part numbers, the others part names.
  return (text.match(/(?:[^,[]|\[[^\]]*\])+/g) ?? []).flatMap(expandHost);
}

function expandHost(text: string): string[] {
  const match = /^([^[]*)\[([^\]]*)\](.*)$/.exec(text);
  if (match === null) return [text];
  const [, before, list, after] = match;
  const ends = expandHost(after!);
  return list!.split(",").flatMap((range) => {
    const [first = "", last = first] = range.split("-");
    const numbers = Array.from({ length: Number(last) - Number(first) + 1 }, (_, index) =>
      String(Number(first) + index).padStart(first.length, "0"),
    );
    return numbers.flatMap((number) => ends.map((end) => `${before}${number}${end}`));
  });
}

/** Lines with as many fields at least; whatever else a command prints is none of ours. */
const rows = (text: string, separator: string, fields: number): string[][] =>
  text
    .split("\n")
    .map((line) => line.split(separator))
    .filter((parts) => parts.length >= fields && /^\S+$/.test(parts[0]!));

/** Slurm's ways of saying nothing. */
const known = (text: string): string =>
  /^(?:\(null\)|N\/A|None assigned|)$/.test(text) ? "" : text;

/** @returns milliseconds since 1970; null for `N/A`, `Unknown`, `None` */
const seconds = (text: string): number | null =>
  /^\d+$/.test(text) && text !== "0" ? Number(text) * 1000 : null;
