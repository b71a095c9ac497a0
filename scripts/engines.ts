/**
 * `npm run engines [-- NAME…] [--json]`: every engine by its contract, on the real thing where it can run here, and how long
 * it takes from creating an experiment to the first line of its program, as a table.
 * Kubernetes is tried on a server of the tests' own that speaks its HTTP API and runs pods as processes; how long that
 * takes says nothing about a cluster, so it is not measured.
 *
 * Checks that cannot run here are skipped by name. Exit code 1 when a check of an engine that can run here fails, or its
 * start cannot be measured; a slow start is a finding and no failure.
 */
import { execFileSync } from "node:child_process";
import { tmpdir } from "node:os";
import { firstLine, isMeasured } from "../bench/engines.ts";
import type { Figure } from "../bench/figure.ts";
import { ownBench } from "../bench/own-bench.ts";
import { readArguments, refuseArguments } from "./arguments.ts";
import { repositoryFiles } from "./repository-files.ts";
import { killMarked, runMark } from "./suite/child.ts";
import { databaseEnvironment, stopDatabase } from "./suite/database.ts";
import { runNodeTests } from "./suite/node-tests.ts";
import { failed, nothing, type Outcome, skipped, sum, tally } from "./suite/outcome.ts";

const ENGINES = ["local", "docker", "slurm", "kubernetes"] as const;
type Engine = (typeof ENGINES)[number];

const TEST_TIMEOUT_MS = 10 * 60_000;
const ENGINE_TIMEOUT_MS = 30 * 60_000;

/** What answers when a program is asked for its version; null = it is not here. */
const versionOf = (command: string, ...args: string[]): string | null => {
  try {
    return execFileSync(command, args, { encoding: "utf8", stdio: ["ignore", "pipe", "ignore"] })
      .trim()
      .split("\n")[0] as string;
  } catch {
    return null;
  }
};

const VERSIONS: Readonly<Record<Engine, () => string | null>> = {
  local: () => `Node ${process.version}`,
  docker: () => versionOf("dockerd", "--version"),
  slurm: () => versionOf("slurmctld", "-V"),
  kubernetes: () => "HTTP API, as a stand-in serves it",
};

const usage = `npm run engines -- [--json] [ENGINE …]\nengines: ${ENGINES.join(", ")}`;
const { values, positionals } = readArguments(usage, {
  allowPositionals: true,
  options: { json: { type: "boolean", default: false } },
});
const unknown = positionals.filter((name) => !(ENGINES as readonly string[]).includes(name));
if (unknown.length > 0) refuseArguments(`There is no engine ${unknown.join(", ")}.`, usage);
const chosen = ENGINES.filter((name) => positionals.length === 0 || positionals.includes(name));
const say = (text: string): void => void process.stderr.write(`${text}\n`);

interface Row {
  readonly engine: Engine;
  readonly version: string | null;
  readonly outcome: Outcome;
  readonly seconds: number;
  /** Null where it cannot be measured here. */
  readonly start: Figure | null;
}

const rows: Row[] = [];
const bench = ownBench({
  ...{ dir: tmpdir(), quick: true, soak: false, profileDir: undefined },
  say: (text) => say(`  first line: ${text}`),
});

async function measuredStart(engine: Engine, outcome: Outcome): Promise<[Figure | null, Outcome]> {
  // Nothing of it could run, and why was said.
  if (!isMeasured(engine) || outcome.passed === 0) return [null, outcome];
  try {
    const found = await firstLine(bench, engine);
    if (typeof found !== "string") return [found, outcome];
    return [null, sum([outcome, skipped(found)])];
  } catch (error) {
    const title = `${engine}: from creating an experiment to its first line`;
    return [null, sum([outcome, failed(title, (error as Error).stack ?? String(error))])];
  }
}

try {
  const env = { ...process.env, ...(await databaseEnvironment()) };
  for (const engine of chosen) {
    const files = repositoryFiles().filter(
      (path) => path.startsWith(`e2e/engines/${engine}`) && path.endsWith(".test.ts"),
    );
    say(`${engine}: ${files.join(" ")}`);
    const startMs = performance.now();
    let outcome: Outcome = nothing;
    for (const file of files) {
      const one = await runNodeTests({
        ...{ files: [file], env },
        ...{ testTimeoutMs: TEST_TIMEOUT_MS, timeoutMs: ENGINE_TIMEOUT_MS },
      });
      outcome = sum([outcome, one]);
    }
    const seconds = (performance.now() - startMs) / 1000;
    say(`  ${tally(outcome)}, ${seconds.toFixed(1)} s`);
    const [start, whole] = await measuredStart(engine, outcome);
    rows.push({ engine, version: VERSIONS[engine](), outcome: whole, seconds, start });
  }
} finally {
  await bench.cleanUp();
  await stopDatabase();
  killMarked(runMark);
}

const startSeconds = ({ start }: Row) =>
  start && {
    create_to_first_line_s: start.value.median / 1000,
    bare_s: (start.floor?.median ?? 0) / 1000,
  };

if (values.json)
  process.stdout.write(
    `${JSON.stringify(
      rows.map((row) => ({
        ...{ engine: row.engine, version: row.version, seconds: row.seconds },
        passed: row.outcome.passed,
        failed: row.outcome.failures.map(({ title }) => title),
        skipped: row.outcome.skipped,
        start: startSeconds(row),
      })),
      undefined,
      2,
    )}\n`,
  );
else {
  const line = (...cells: readonly string[]): void => {
    const widths = [12, 50, 15, 8, 9];
    const text = cells.map((cell, at) => cell.padEnd(widths[at] ?? 0)).join("");
    process.stdout.write(`${text.trimEnd()}\n`);
  };
  line(
    "engine",
    "version",
    "checks passed",
    "failed",
    "skipped",
    "create to first line (bare start)",
  );
  for (const row of rows) {
    const { passed, failures, skipped } = row.outcome;
    const counts = [passed, failures.length, skipped.length].map(String);
    const start = startSeconds(row);
    const took = start
      ? `${start.create_to_first_line_s.toFixed(2)} s (${start.bare_s.toFixed(2)} s)`
      : "not measured";
    line(row.engine, row.version ?? "not here", ...counts, took);
  }
  for (const { outcome } of rows) {
    for (const failure of outcome.failures)
      process.stdout.write(`✗ ${failure.title}\n${failure.detail}\n`);
    for (const reason of outcome.skipped) process.stdout.write(`skipped: ${reason}\n`);
  }
  process.stdout.write("Starts are medians of three; of more: npm run bench -- engines\n");
}
process.exitCode = rows.some(({ outcome }) => outcome.failures.length > 0) ? 1 : 0;
