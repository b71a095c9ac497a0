/**
 * M10: a server with ten thousand trials and a million events is killed. How long until it answers again,
 * and until the runner and its trials are back; and what the server costs while nothing happens.
 *
 * The trials are made through the API and the wire as ever; the mass of events is written by SQL, in the
 * shape that the server would have left it in. The floor starts Node and parses the same million events.
 */
import { spawn } from "node:child_process";
import { once } from "node:events";
import { createWriteStream } from "node:fs";
import { join } from "node:path";
import { finished } from "node:stream/promises";
import { sleep } from "../src/base/clock.ts";
import { startServer } from "../src/cli/server-process.ts";
import { type Bench, figure, type Measure, until } from "./bench.ts";
import { withDatabase } from "./database.ts";
import { type Figure, quartiles } from "./figure.ts";
import { isNoisy } from "./pairs.ts";
import { cpuMsOf, memoryBytesOf } from "./processes.ts";
import { StubRunner } from "./stub-runner.ts";
import {
  clientOf,
  createExperiment,
  program,
  realServer,
  type Subject,
  stubServer,
} from "./subjects.ts";
import { number } from "./table.ts";
import { Wire } from "./wire.ts";

const RUNNING = 4;
const MB = 1024 * 1024;
const IDLE_MS = 10_000;

interface Size {
  readonly trials: number;
  readonly events: number;
}

export const recovery: Measure = {
  name: "M10",
  title: "recovery and footprint",
  async run(bench) {
    const size = bench.quick
      ? { trials: 2_000, events: 200_000 }
      : { trials: 10_000, events: 1_000_000 };
    const dataDir = bench.folder("m10");
    const log = join(bench.folder("m10-log"), "events.jsonl");
    const idle = await idleCost(bench);
    bench.say(`making ${number(size.trials)} trials and ${number(size.events)} events`);
    await fill(bench, dataDir, size, log);
    return [...(await killed(bench, dataDir, size, log)), ...idle];
  },
};

/** Many short trials through the wire, then events before theirs by SQL; some trials are left alive. */
async function fill(bench: Bench, dataDir: string, size: Size, log: string): Promise<void> {
  const subject = await stubServer(bench, { slots: 256, dataDir, label: "m10-fill" });
  let id = 0;
  try {
    const left = 100;
    let ended = 0;
    const runner = new StubRunner(subject.wire(), (allocation) => {
      if (ended >= size.trials - left) return;
      ended += 1;
      allocation.started();
      allocation.report(1, { loss: 1 / ended });
      allocation.exited();
    });
    id = await createExperiment(subject.client, { name: "m10", trials: size.trials });
    await until(bench, "the trials have been made", () =>
      runner.isOver(runner.allocations.size >= left && ended >= size.trials - left),
    );
    await subject.client.changeExperiment(id, "pause");
    // Whoever is still there gives its slots back.
    for (const allocation of runner.allocations.values()) allocation.exited();
    await until(bench, "all slots are free", () => runner.isOver(runner.allocations.size === 0));
    runner.stop();
    await withDatabase(dataDir, async (client) => {
      // Older events than all that the search was told: its saved state stands for them.
      await client.query("begin");
      await client.query("update search_events set seq = -seq where experiment_id = $1", [id]);
      await client.query(
        `insert into search_events (experiment_id, seq, at_ms, event, actions)
         select $1, s, 1700000000000 + s,
           jsonb_build_object('type', 'report', 'trial', s % $2 + 1, 'step', 1, 'objective', 1.0 / s), '[]'
         from generate_series(1, $3::int) s`,
        [id, size.trials, size.events],
      );
      await client.query(
        "update search_events set seq = $2 - seq where experiment_id = $1 and seq < 0",
        [id, size.events],
      );
      await client.query(
        "update experiments set search_events = search_events + $2 where id = $1",
        [id, size.events],
      );
      await client.query("commit");
      await client.query("analyze");
      await writeLog(client, id, log);
    });
  } finally {
    await subject.stop();
  }
}

async function writeLog(
  client: { query(text: string, values: unknown[]): Promise<{ rows: { line: string }[] }> },
  id: number,
  log: string,
): Promise<void> {
  const stream = createWriteStream(log);
  for (let after = 0; ; after += 20_000) {
    const { rows } = await client.query(
      `select event::text as line from search_events where experiment_id = $1 and seq > $2 and seq <= $2 + 20000 order by seq`,
      [id, after],
    );
    if (rows.length === 0) break;
    stream.write(`${rows.map(({ line }) => line).join("\n")}\n`);
  }
  stream.end();
  await finished(stream);
}

const REPLAY = `
const lines = require("node:readline").createInterface({ input: require("node:fs").createReadStream(process.argv[1]) });
let events = 0;
lines.on("line", (line) => { events += JSON.parse(line).step; });
lines.on("close", () => console.log(events));`;

async function killed(bench: Bench, dataDir: string, size: Size, log: string): Promise<Figure[]> {
  const { clock, world } = bench;
  const rounds = bench.quick ? 2 : 5;
  const answers: number[] = [];
  const backs: number[] = [];
  const floors: number[] = [];
  const colds: number[] = [];
  let memory: ReturnType<typeof memoryBytesOf>;
  let subject = await realServer(bench, { slots: RUNNING, dataDir });
  try {
    const id = await createExperiment(subject.client, {
      name: "m10-running",
      trials: RUNNING,
      steps: 1e9,
      entrypoint: [process.execPath, "--disable-warning=ExperimentalWarning", program("ticker.ts")],
    });
    await trialsBeyond(bench, subject, id, new Map());
    for (let round = 0; round < rounds; round++) {
      const before = await stepsOf(subject, id);
      if (round % 2 === 0) floors.push(await replay(bench, log));
      const killedMs = clock.monotonicMs();
      process.kill(subject.pid, "SIGKILL");
      const token = subject.token;
      const server = await restart();
      subject = { ...subject, ...server, client: clientOf(bench, server.url, token) };
      await firstAnswer(server.url, token);
      answers.push((clock.monotonicMs() - killedMs) / 1000);
      await trialsBeyond(bench, subject, id, before);
      backs.push((clock.monotonicMs() - killedMs) / 1000);
      if (round % 2 === 1) floors.push(await replay(bench, log));
    }
    memory = memoryBytesOf(subject.pid);
    await subject.client.changeExperiment(id, "kill");
    await subject.stop();
    for (let round = 0; round < (bench.quick ? 1 : 3); round++) {
      const startMs = clock.monotonicMs();
      const server = await restart();
      await firstAnswer(server.url, subject.token);
      colds.push((clock.monotonicMs() - startMs) / 1000);
      subject = { ...subject, ...server, client: clientOf(bench, server.url, subject.token) };
      await subject.stop();
    }
  } finally {
    await subject.stop().catch(() => undefined);
  }
  const ratio = quartiles(answers.map((s, index) => s / (floors[index] as number)));
  const noisy = isNoisy(floors, "lower");
  const what = `${number(size.trials)} trials, ${number(size.events)} events`;
  return [
    figure({
      measure: "M10",
      what: `kill -9 to the first 200, ${what}`,
      unit: "s",
      value: quartiles(answers),
      floor: quartiles(floors),
      floorWhat: "start of Node, reading and parsing of the same events",
      ratio,
      aim: "<= 3 x and <= 5 s",
      met: noisy ? null : ratio.median <= 3 && quartiles(answers).median <= 5,
      note: "started again at once; includes PostgreSQL's own recovery",
    }),
    figure({
      measure: "M10",
      what: `kill -9 to reports of all ${RUNNING} running trials`,
      unit: "s",
      value: quartiles(backs),
      aim: "<= 10 s",
      met: quartiles(backs).median <= 10,
    }),
    figure({
      measure: "M10",
      what: `cold start to the first 200, ${what}`,
      unit: "s",
      value: quartiles(colds),
      note:
        memory === undefined
          ? ""
          : `memory then: server ${number(memory.own / MB)} MB, database ${number(memory.below / MB)} MB`,
    }),
  ];

  async function restart() {
    const server = await startServer({ dataDir, slots: RUNNING, port: 0 }, world);
    return { server, url: server.url, pid: server.pid };
  }
}

async function firstAnswer(url: string, token: string): Promise<void> {
  const wire = new Wire(url, { token });
  try {
    await wire.get("/api/v1/experiments?limit=1");
  } finally {
    wire.close();
  }
}

async function replay({ clock }: Bench, log: string): Promise<number> {
  const startMs = clock.monotonicMs();
  await once(spawn(process.execPath, ["-e", REPLAY, log], { stdio: "ignore" }), "exit");
  return (clock.monotonicMs() - startMs) / 1000;
}

async function stepsOf({ client }: Subject, id: number): Promise<Map<string, number>> {
  const { items } = await client.experimentTrials(id, { limit: 100 });
  return new Map(items.map((trial) => [trial.id, trial.step]));
}

/** Waits until every one of the running trials has reported beyond these steps. */
function trialsBeyond(
  bench: Bench,
  subject: Subject,
  id: number,
  before: ReadonlyMap<string, number>,
): Promise<void> {
  return until(bench, "all running trials report again", async () => {
    const now = await stepsOf(subject, id);
    const beyond = [...now].filter(([trial, step]) => step > (before.get(trial) ?? 0));
    return beyond.length >= RUNNING;
  });
}

/** A fresh server with nothing to do. */
async function idleCost(bench: Bench): Promise<Figure[]> {
  const subject = await realServer(bench, { slots: 2, dataDir: bench.folder("m10-idle") });
  try {
    await sleep(bench.clock, 2_000);
    const before = cpuMsOf(subject.pid);
    const startMs = bench.clock.monotonicMs();
    await sleep(bench.clock, bench.quick ? 5_000 : IDLE_MS);
    const after = cpuMsOf(subject.pid);
    const memory = memoryBytesOf(subject.pid);
    if (before === undefined || after === undefined || memory === undefined) return [];
    const share = ((after - before) / (bench.clock.monotonicMs() - startMs)) * 100;
    const size = memory.own / MB;
    return [
      figure({
        measure: "M10",
        what: "idle memory of the server",
        unit: "MB",
        value: quartiles([size]),
        aim: "<= 150 MB",
        met: size <= 150,
        note: `its share of pages; the database beside it ${number(memory.below / MB)} MB`,
      }),
      figure({
        measure: "M10",
        what: "idle CPU of server and database",
        unit: "% of a core",
        value: quartiles([share]),
        aim: "< 1 %",
        met: share < 1,
      }),
    ];
  } finally {
    await subject.stop();
  }
}
