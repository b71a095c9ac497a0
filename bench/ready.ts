/**
 * How long `contrail up` takes until the server answers: on an empty data folder, which includes making the
 * database, and on a used one. The floor is the database alone, made and started, and started.
 */
import { spawn } from "node:child_process";
import { once } from "node:events";
import { join } from "node:path";
import { silentLog } from "../src/store/log.ts";
import { startPostgres } from "../src/store/postgres/postgres.ts";
import { type Bench, figure, type Measure } from "./bench.ts";
import { type Figure, quartiles } from "./figure.ts";
import { inPairs } from "./pairs.ts";

const CLI = new URL("../src/cli/main.ts", import.meta.url).pathname;

export const ready: Measure = {
  name: "ready",
  title: "from `up` to ready",
  async run(bench) {
    const used = { subject: bench.folder("used"), floor: bench.folder("used-floor") };
    await up(bench, used.subject);
    await bareDatabase(bench, used.floor);
    return [
      await compare(bench, "empty", 6, () => ({
        subject: bench.folder("empty"),
        floor: bench.folder("empty-floor"),
      })),
      await compare(bench, "used", 2, () => used),
    ];
  },
};

async function compare(
  bench: Bench,
  what: "empty" | "used",
  secondsMax: number,
  folders: () => { subject: string; floor: string },
): Promise<Figure> {
  const paired = await inPairs({
    ...{ pairs: bench.quick ? 2 : 5, clock: bench.clock, say: bench.say, better: "lower" },
    subject: async () => ({ value: await up(bench, folders().subject) }),
    floor: async () => ({ value: await bareDatabase(bench, folders().floor) }),
    attemptsMax: 1,
  });
  return figure({
    measure: "ready",
    what: what === "empty" ? "`up` on an empty data folder" : "`up` on a used data folder",
    unit: "s",
    value: paired.subject,
    floor: paired.floor,
    floorWhat:
      what === "empty" ? "initdb and start of PostgreSQL alone" : "start of PostgreSQL alone",
    ratio: paired.ratio,
    aim: `< ${secondsMax} s`,
    met: quartiles([paired.subject.median]).median < secondsMax,
  });
}

/** As a person does it. @returns seconds until the command has ended */
async function up(bench: Bench, dataDir: string): Promise<number> {
  const startMs = bench.clock.monotonicMs();
  await contrail(bench, dataDir, "up", "--port", "0", "--slots", "2");
  const tookS = (bench.clock.monotonicMs() - startMs) / 1000;
  await contrail(bench, dataDir, "down");
  return tookS;
}

async function contrail({ world }: Bench, dataDir: string, ...command: string[]): Promise<void> {
  const args = ["--disable-warning=ExperimentalWarning", CLI, ...command, "--data-dir", dataDir];
  // Signing in writes a file; not into the home of whoever runs this.
  const env = { ...world.env, XDG_CONFIG_HOME: join(dataDir, "config"), HOME: dataDir };
  const child = spawn(process.execPath, args, { stdio: ["ignore", "ignore", "pipe"], env });
  let said = "";
  child.stderr.setEncoding("utf8").on("data", (text: string) => {
    said += text;
  });
  const [code] = await once(child, "exit");
  if (code !== 0) throw new Error(`${command.join(" ")} ended with ${code}: ${said}`);
}

async function bareDatabase({ clock }: Bench, dataDir: string): Promise<number> {
  const startMs = clock.monotonicMs();
  const running = await startPostgres({ dataDir, log: silentLog });
  const tookS = (clock.monotonicMs() - startMs) / 1000;
  await running.stop();
  return tookS;
}
