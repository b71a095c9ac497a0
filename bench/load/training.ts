/** Real training processes under the real runner, and what they say about themselves (programs/trainer.py). */
import {
  type Dirent,
  existsSync,
  readdirSync,
  readFileSync,
  statSync,
  writeFileSync,
} from "node:fs";
import { join } from "node:path";
import { type Bench, until } from "../bench.ts";
import { withDatabase } from "../database.ts";
import { program, type Subject } from "../subjects.ts";

export interface Notes {
  readonly folder: string;
  /** Its existence tells the programs to end. */
  readonly stopFile: string;
}

export function notesIn(bench: Bench, name: string): Notes {
  const folder = bench.folder(name);
  return { folder, stopFile: join(folder, "stop") };
}

export interface TrainerOptions {
  readonly ratePerTrial: number;
  readonly linesPerTrial?: number;
  readonly rounds?: number;
  readonly gauges?: number;
}

/** argv */
export function pythonTrainer(notes: Notes, options: TrainerOptions): string[] {
  const { ratePerTrial, linesPerTrial = 0, rounds = 0, gauges = 0 } = options;
  const numbers = { rate: ratePerTrial, lines: linesPerTrial, rounds, gauge: gauges };
  return [
    ...["python3", program("trainer.py"), "--notes", notes.folder, "--stop", notes.stopFile],
    ...Object.entries(numbers).flatMap(([name, value]) => [`--${name}`, String(value)]),
  ];
}

export const typescriptTrainer = (notes: Notes, rate: number, rounds: number): string[] => [
  ...[process.execPath, "--disable-warning=ExperimentalWarning", program("trainer.ts")],
  ...[String(rate), String(rounds), notes.folder, notes.stopFile],
];

export interface Stored {
  readonly reports: number;
  /** Distinct steps. */
  readonly steps: number;
  readonly values: number;
  readonly lines: number;
  /** Lines whose number does not follow the one before. */
  readonly outOfOrder: number;
}

/** Tells the programs to end, and waits until the server knows the end of each. */
export async function endTraining(
  bench: Bench,
  subject: Pick<Subject, "dataDir">,
  notes: Notes,
  experiments: readonly number[],
): Promise<void> {
  writeFileSync(notes.stopFile, "");
  await until(
    bench,
    "the server knows the end of every trial",
    () =>
      withDatabase(subject.dataDir, async (client) => {
        const { rows } = await client.query<{ left: number }>(
          `select count(*)::int as left from allocations a where experiment_id = any($1) and (state <> 'ended' or log_lines > coalesce(
             (select l.seq from logs l where l.allocation_id = a.id order by l.seq desc limit 1), 0))`,
          [experiments],
        );
        return rows[0]?.left === 0;
      }),
    500,
  );
}

/** What the programs say that they made: by trial. */
export function madeBy(notes: Notes): Map<string, { reports: number; lines: number }> {
  const made = new Map<string, { reports: number; lines: number }>();
  for (const name of readdirSync(notes.folder))
    if (name.endsWith(".made"))
      made.set(
        name.slice(0, -".made".length),
        JSON.parse(readFileSync(join(notes.folder, name), "utf8")),
      );
  return made;
}

/** What the database holds: by trial. */
export async function storedBy(
  subject: Pick<Subject, "dataDir">,
  experiments: readonly number[],
): Promise<Map<string, Stored>> {
  return withDatabase(subject.dataDir, async (client) => {
    const { rows } = await client.query<Stored & { trial: string }>(
      `with r as (
         select trial_id, count(*)::int as reports, count(distinct step)::int as steps from reports group by 1
       ), m as (select trial_id, count(*)::int as values from metrics group by 1
       ), l as (
         select t.id as trial_id, count(*)::int as lines, count(*) filter (
           where convert_from(substring(l.bytes from 1 for 10), 'SQL_ASCII')::bigint <> l.seq - 1)::int as "outOfOrder"
         from logs l join allocations a on a.id = l.allocation_id
           join trials t on t.experiment_id = a.experiment_id and t.number = a.trial_number
         where l.stream = 1 group by 1
       )
       select t.experiment_id || '.' || t.number as trial, coalesce(r.reports, 0) as reports,
         coalesce(r.steps, 0) as steps, coalesce(m.values, 0) as values, coalesce(l.lines, 0) as lines,
         coalesce(l."outOfOrder", 0) as "outOfOrder"
       from trials t left join r on r.trial_id = t.id left join m on m.trial_id = t.id left join l on l.trial_id = t.id
       where t.experiment_id = any($1)`,
      [experiments],
    );
    return new Map(rows.map((row) => [row.trial, row]));
  });
}

/** How old the newest durable report of the trial is that is furthest behind; undefined while one has none. */
export async function lagMs(
  bench: Bench,
  subject: Pick<Subject, "dataDir">,
  experiments: readonly number[],
  trials: number,
): Promise<number | undefined> {
  return withDatabase(subject.dataDir, async (client) => {
    const { rows } = await client.query<{ at_ms: number }>(
      `select (extract(epoch from r.at) * 1000)::float8 as at_ms from trials t
       cross join lateral (select at from reports where trial_id = t.id order by run desc, seq desc limit 1) r
       where t.experiment_id = any($1)`,
      [experiments],
    );
    if (rows.length < trials) return undefined;
    return bench.clock.nowMs() - Math.min(...rows.map((row) => row.at_ms));
  });
}

export interface StepTime {
  readonly atMs: number;
  readonly wallMs: number;
  readonly cpuMs: number;
}

/** Of one gauge. */
export function stepTimes(notes: Notes, trial: string): StepTime[] {
  const path = join(notes.folder, `${trial}.steps`);
  if (!existsSync(path)) return [];
  return readFileSync(path, "utf8")
    .trimEnd()
    .split("\n")
    .map((line) => line.split(" ").map(Number))
    .map(([at = 0, wall = 0, cpu = 0]) => ({ atMs: at, wallMs: wall / 1e6, cpuMs: cpu / 1e6 }));
}

/** What lies on disk for the server: spools of one stream, or of all. */
export function spoolBytes(dataDir: string, stream: "events" | "logs"): number {
  const bytesBelow = (folder: string): number => {
    let bytes = 0;
    for (const entry of entriesOf(folder)) {
      const path = join(folder, entry.name);
      if (entry.isDirectory()) bytes += bytesBelow(path);
      else if (entry.name.startsWith(`${stream}-`))
        bytes += statSync(path, { throwIfNoEntry: false })?.size ?? 0;
    }
    return bytes;
  };
  return bytesBelow(join(dataDir, "runner"));
}

/** None where the folder has gone: the runner tidies up behind allocations that have ended. */
function entriesOf(folder: string): Dirent[] {
  try {
    return readdirSync(folder, { withFileTypes: true });
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ENOENT") return [];
    throw error;
  }
}
