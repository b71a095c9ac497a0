/**
 * What one report() costs the training loop, in TypeScript and in Python, with a live peer at the other
 * end of the socket that reads everything. The figure is the time until report() returns: that is what
 * training pays. Two paces: `burst`, reports back to back, the worst case; and `paced`, with a little
 * work between them as in a real loop, where the peer sleeps and must be woken by the write.
 *
 * The peer has a process of its own; in the same process its reading would be counted as ours.
 * Run: node bench/report-cost.ts [--json]
 */
import { type ChildProcess, execFile, spawn } from "node:child_process";
import { once } from "node:events";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { FakeRunner, goTo, surroundings } from "../src/sdk/fake-runner.ts";
import { init } from "../src/sdk/init.ts";

export interface ReportCost {
  readonly language: "typescript" | "python";
  readonly pace: "burst" | "paced";
  readonly reports: number;
  readonly metricsPerReport: number;
  readonly p50Us: number;
  readonly p99Us: number;
  readonly meanUs: number;
}

const METRICS = { loss: 0.123456789, accuracy: 0.987654321, learning_rate: 0.001 };
const PACED_WORK_US = 200;
export const REPORTS = { burst: 5_000, paced: 5_000 } as const;

/** All figures: two languages by two paces. Takes about five seconds. */
export async function measureReportCost(): Promise<ReportCost[]> {
  const figures: ReportCost[] = [];
  for (const pace of ["burst", "paced"] as const) {
    figures.push(await withPeer((path) => typescriptCost(path, pace)));
    figures.push(await withPeer((path) => pythonCost(path, pace)));
  }
  return figures;
}

async function typescriptCost(path: string, pace: "burst" | "paced"): Promise<ReportCost> {
  const trial = await init({}, surroundings({ CONTRAIL_SOCKET: path }));
  const reports = REPORTS[pace];
  const costsUs = new Float64Array(reports);
  const warmup = 500;
  for await (const step of trial.steps()) {
    if (step > reports + warmup) break;
    if (pace === "paced") for (const end = nowUs() + PACED_WORK_US; nowUs() < end; );
    const from = nowUs();
    trial.report(step, METRICS);
    const costUs = nowUs() - from;
    if (step > warmup) costsUs[step - warmup - 1] = costUs;
  }
  return summary("typescript", pace, costsUs);
}

async function pythonCost(path: string, pace: "burst" | "paced"): Promise<ReportCost> {
  const script = fileURLToPath(new URL("report_cost.py", import.meta.url));
  const args = [script, "--socket", path, "--pace", pace, "--reports", String(REPORTS[pace])];
  const { stdout } = await promisify(execFile)("python3", args, { maxBuffer: 64 * 1024 * 1024 });
  return summary("python", pace, Float64Array.from(JSON.parse(stdout) as number[]));
}

const nowUs = () => Number(process.hrtime.bigint()) / 1000;

function summary(
  language: ReportCost["language"],
  pace: ReportCost["pace"],
  costsUs: Float64Array,
): ReportCost {
  const sorted = costsUs.toSorted();
  const at = (share: number) =>
    sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))]!;
  const sum = sorted.reduce((total, costUs) => total + costUs, 0);
  return {
    language,
    pace,
    reports: sorted.length,
    metricsPerReport: Object.keys(METRICS).length,
    p50Us: at(0.5),
    p99Us: at(0.99),
    meanUs: sum / sorted.length,
  };
}

/** Runs `use` with a runner in another process, which ends with it. */
async function withPeer<T>(use: (socketPath: string) => Promise<T>): Promise<T> {
  const child: ChildProcess = spawn(process.execPath, [fileURLToPath(import.meta.url), "--peer"], {
    stdio: ["pipe", "pipe", "inherit"],
  });
  try {
    const [line] = await once(child.stdout!.setEncoding("utf8"), "data");
    return await use(String(line).trim());
  } finally {
    const gone = once(child, "exit");
    child.stdin!.end();
    await gone;
  }
}

async function serveAsPeer(): Promise<void> {
  await using runner = await FakeRunner.start({ orders: goTo(null) });
  process.stdout.write(`${runner.socketPath}\n`);
  process.stdin.resume();
  await once(process.stdin, "end");
}

if (import.meta.main) {
  if (process.argv.includes("--peer")) await serveAsPeer();
  else {
    const figures = await measureReportCost();
    if (process.argv.includes("--json")) console.log(JSON.stringify(figures));
    else
      for (const f of figures)
        console.log(
          `${f.language.padEnd(10)} ${f.pace.padEnd(5)}  p50 ${f.p50Us.toFixed(1).padStart(6)} µs  p99 ${f.p99Us.toFixed(1).padStart(6)} µs  mean ${f.meanUs.toFixed(1).padStart(6)} µs  (${f.reports} reports of ${f.metricsPerReport} metrics)`,
        );
  }
}
