/**
 * M9: output and the live view. A program prints as fast as it can: how many lines a second reach the
 * database, through the real runner and without losing one; the floor is the same program into a pipe into
 * a file. Then two hundred readers of an experiment's event stream while ten thousand lines a second come
 * in: how long after a report was sent does each of them know; the floor is a bare fan-out of as many bytes.
 */
import { spawn } from "node:child_process";
import { once } from "node:events";
import type { IncomingMessage } from "node:http";
import { join } from "node:path";
import { sleep } from "../src/base/clock.ts";
import { type Bench, figure, type Measure, until } from "./bench.ts";
import { withDatabase } from "./database.ts";
import { type Figure, quantileOf, quartiles } from "./figure.ts";
import { inPairs, isNoisy, type Sample } from "./pairs.ts";
import { cpuMsOf } from "./processes.ts";
import { type StubAllocation, StubRunner } from "./stub-runner.ts";
import {
  createExperiment,
  floorServer,
  program,
  realServer,
  type Subject,
  stubServer,
} from "./subjects.ts";
import { number } from "./table.ts";
import { Wire } from "./wire.ts";

const NODE = [process.execPath, "--disable-warning=ExperimentalWarning"];
const CLIENTS = 200;
const LINES_A_SECOND = 10_000;
const TALKERS = 10;
/** All but the talkers wait in the queue. */
const TRIALS = 1000;

export const logs: Measure = {
  name: "M9",
  title: "logs and live view",
  run: async (bench) => [await toStorage(bench), await liveView(bench)],
};

// ---- lines to storage --------------------------------------------------------------------------

async function toStorage(bench: Bench): Promise<Figure> {
  const lines = bench.quick ? 20_000 : 40_000;
  const pipedLines = 300_000;
  const subject = await realServer(bench, { slots: 2, dataDir: bench.folder("m9") });
  const file = join(bench.folder("m9-pipe"), "piped");
  try {
    await stored(bench, subject, lines);
    const paired = await inPairs({
      ...{ pairs: bench.quick ? 3 : 9, clock: bench.clock, say: bench.say, better: "higher" },
      subject: () => stored(bench, subject, lines),
      floor: () => piped(bench, file, pipedLines),
    });
    const { subjectCpuMs } = paired;
    return figure({
      measure: "M9",
      what: "lines of 80 bytes to storage, none lost",
      unit: "lines/s",
      value: paired.subject,
      floor: paired.floor,
      floorWhat: "the same program into a pipe into a file",
      ratio: paired.ratio,
      aim: ">= 0.3 x",
      met: paired.tooNoisy ? null : paired.ratio.median >= 0.3,
      cpu:
        subjectCpuMs === undefined
          ? ""
          : `${number(subjectCpuMs * 1000)} µs a line (server, database)`,
      note: `${lines} lines at a go from one program, one write a line`,
    });
  } finally {
    await subject.stop();
  }
}

/** From the first line's time to the moment when all are in the database. */
async function stored(bench: Bench, subject: Subject, lines: number): Promise<Sample> {
  const cpuBefore = cpuMsOf(subject.pid);
  const id = await createExperiment(subject.client, {
    name: "m9",
    trials: 1,
    entrypoint: [...NODE, program("talker.ts"), String(lines)],
  });
  // One more line: the program says how long it took.
  const all = lines + 1;
  return withDatabase(subject.dataDir, async (client) => {
    let nowMs = 0;
    let allocation: number | undefined;
    await until(bench, "all lines are stored", async () => {
      const { rows } = await client.query<{ id: number; last: string | null }>(
        `select a.id, (select l.seq from logs l where l.allocation_id = a.id order by l.seq desc limit 1) as last
         from allocations a where a.experiment_id = $1`,
        [id],
      );
      nowMs = bench.clock.nowMs();
      allocation = rows[0]?.id;
      return Number(rows[0]?.last) >= all;
    });
    const cpuAfter = cpuMsOf(subject.pid);
    const { rows } = await client.query<{ stored: number; first_ms: number }>(
      `select count(*)::int as stored, (extract(epoch from min(at)) * 1000)::float8 as first_ms
       from logs where allocation_id = $1`,
      [allocation],
    );
    const { stored = 0, first_ms: firstMs = 0 } = rows[0] ?? {};
    if (stored !== all) throw new Error(`${all} lines were printed, ${stored} are stored`);
    const cpuMs =
      cpuBefore === undefined || cpuAfter === undefined
        ? undefined
        : (cpuAfter - cpuBefore) / lines;
    return { value: (lines / (nowMs - firstMs)) * 1000, cpuMs };
  });
}

async function piped({ clock }: Bench, file: string, lines: number): Promise<Sample> {
  // The last argument of the shell is where the pipe ends; the ones before it are the program.
  const command = 'file=$0; "$@" | cat > "$file"';
  const args = [file, ...NODE, program("talker.ts"), String(lines)];
  const child = spawn("/bin/sh", ["-c", command, ...args], { stdio: ["ignore", "ignore", "pipe"] });
  let said = "";
  child.stderr.setEncoding("utf8").on("data", (text: string) => {
    said += text;
  });
  const endedMs = once(child, "exit").then(() => clock.monotonicMs());
  let toldMs = 0;
  child.stderr.once("data", () => {
    toldMs = clock.monotonicMs();
  });
  const end = await endedMs;
  const tookMs = Number(/took ([0-9]+) ms/.exec(said)?.[1]);
  return { value: (lines / (tookMs + (end - toldMs))) * 1000 };
}

// ---- the live view -----------------------------------------------------------------------------

async function liveView(bench: Bench): Promise<Figure> {
  const subject = await stubServer(bench, { slots: TALKERS, label: "m9-live" });
  const floor = await floorServer(bench);
  const floorWire = new Wire(floor.ready.url);
  const readers: Reader[] = [];
  try {
    const allocations: StubAllocation[] = [];
    const wire = subject.wire();
    const runner = new StubRunner(wire, (allocation) => {
      allocation.started();
      allocations.push(allocation);
    });
    const id = await createExperiment(subject.client, {
      name: "m9",
      trials: TRIALS,
      steps: 1e9,
    });
    await until(bench, "all trials run", () => runner.isOver(allocations.length === TALKERS));
    const open = async (target: Wire, path: string): Promise<Reader[]> => {
      const opened = await Promise.all(
        Array.from({ length: CLIENTS }, async () => new Reader(bench, await target.stream(path))),
      );
      readers.push(...opened);
      return opened;
    };
    const live = await open(
      new Wire(subject.url, { token: subject.token }),
      `/api/v1/experiments/${id}/stream`,
    );
    const bare = await open(floorWire, "/events");
    await sleep(bench.clock, 500);
    const talk = startTalking(bench, wire, allocations);
    let step = 0;
    const first = allocations[0] as StubAllocation;
    const round = async (
      among: readonly Reader[],
      send: (mark: string) => void,
    ): Promise<number[]> => {
      step += 1;
      const mark = `"step":${step},`;
      const heard = among.map((reader) => reader.waitFor(mark));
      const startMs = bench.clock.monotonicMs();
      send(mark);
      const delays = (await Promise.all(heard)).map((atMs) => atMs - startMs);
      await sleep(bench.clock, 100);
      return delays;
    };
    const overStream = () => round(live, () => first.report(step, { loss: 1 / step }));
    // As many bytes as the event of the real stream has.
    const bareEvent = (mark: string) =>
      `event: trials\ndata: [{${mark}"x":"${"x".repeat(700)}"}]\n\n`;
    const overFloor = () => round(bare, (mark) => void floorWire.post("/publish", bareEvent(mark)));
    const delays: number[] = [];
    const floorDelays: number[] = [];
    const floorMedians: number[] = [];
    const ratios: number[] = [];
    await overStream();
    await overFloor();
    for (let pair = 0; pair < (bench.quick ? 9 : 30); pair++) {
      const [mine, theirs] =
        pair % 2 === 0
          ? [await overStream(), await overFloor()]
          : await overFloor().then(async (f) => [await overStream(), f] as const);
      delays.push(...mine);
      floorDelays.push(...theirs);
      floorMedians.push(quantileOf(theirs, 0.95));
      ratios.push(quantileOf(mine, 0.95) / quantileOf(theirs, 0.95));
    }
    const linesASecond = await talk.stop();
    runner.isOver(true);
    runner.stop();
    const p95 = quantileOf(delays, 0.95);
    return figure({
      measure: "M9",
      what: `delay of an event, ${CLIENTS} readers, ${TRIALS} trials`,
      unit: "ms",
      value: quartiles(delays),
      floor: quartiles(floorDelays),
      floorWhat: `bare fan-out to ${CLIENTS} readers`,
      ratio: quartiles(ratios),
      aim: "p95 <= 1 s at 10,000 lines/s",
      met: isNoisy(floorMedians, "lower") && p95 > 1000 ? null : p95 <= 1000,
      note: `p95 ${number(p95)} ms with ${number(linesASecond)} lines/s being stored; changes within 100 ms go out together by design`,
    });
  } finally {
    for (const reader of readers) reader.close();
    floorWire.close();
    await subject.stop();
    await floor.stop();
  }
}

/** One reader of events, who looks for a mark in what arrives. */
class Reader {
  readonly #response: IncomingMessage;
  #mark: { readonly text: string; readonly found: (atMs: number) => void } | undefined;
  #tail = "";

  constructor({ clock }: Bench, response: IncomingMessage) {
    this.#response = response;
    response.setEncoding("latin1").on("data", (chunk: string) => {
      if (this.#mark === undefined) return;
      const text = this.#tail + chunk;
      if (text.includes(this.#mark.text)) {
        this.#mark.found(clock.monotonicMs());
        this.#mark = undefined;
      } else this.#tail = text.slice(-40);
    });
  }

  waitFor(text: string): Promise<number> {
    this.#tail = "";
    return new Promise((found) => {
      this.#mark = { text, found };
    });
  }

  close(): void {
    this.#response.destroy();
  }
}

/** Ten trials that print a thousand lines a second each. @returns what stops them and says how many came in */
function startTalking(bench: Bench, wire: Wire, allocations: readonly StubAllocation[]) {
  const { clock } = bench;
  const startMs = clock.monotonicMs();
  let stopped = false;
  let sent = 0;
  const bytes = Buffer.from("x".repeat(79)).toString("base64");
  const work = async (): Promise<void> => {
    let seq = 0;
    while (!stopped) {
      const due = Math.floor(((clock.monotonicMs() - startMs) / 1000) * (LINES_A_SECOND / TALKERS));
      const lines = Array.from({ length: due - seq }, (_, index) => ({
        ...{ seq: seq + index + 1, atMs: clock.nowMs(), rank: 0, stream: "stdout", bytes },
        complete: true,
      }));
      seq = due;
      if (lines.length > 0) {
        const body = { allocations: allocations.map(({ id, fence }) => ({ id, fence, lines })) };
        await wire.post("/api/v1/runners/local/logs", JSON.stringify(body));
        sent += lines.length * allocations.length;
      }
      // The real runner gathers for as long.
      await sleep(clock, 50);
    }
  };
  const working = work();
  return {
    async stop(): Promise<number> {
      stopped = true;
      await working;
      return (sent / (clock.monotonicMs() - startMs)) * 1000;
    },
  };
}
