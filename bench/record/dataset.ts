/**
 * A dataset of 5 GB added, one byte of it changed, added again: the second time should cost the reading and hardly more.
 * So the second adding stands beside two floors of the same file in the same run: reading it, and reading it with one
 * SHA-256, which is the least that can tell whether a byte changed. Of what is stored for the byte the bytes
 * are counted.
 */
import { createHash } from "node:crypto";
import { createReadStream, statSync } from "node:fs";
import { open, rm, statfs } from "node:fs/promises";
import { join } from "node:path";
import { addDataset } from "../../src/cli/commands/data.ts";
import type { Progress } from "../../src/cli/progress.ts";
import { filesBelow } from "../../src/store/test-trees.ts";
import { type Bench, figure, type Measure } from "../bench.ts";
import { type Figure, quartiles } from "../figure.ts";
import { stubServer } from "../subjects.ts";

const GB = 1e9;
const READ_BYTES = 1024 * 1024;
const SILENT: Progress = { detail() {}, stop() {} };
/** Of the second adding, over the time that reading with one SHA-256 takes. */
const AIM = 1.5;

export const dataset: Measure = {
  name: "dataset",
  title: "5 GB of data added, one byte changed, added again",
  async run(bench) {
    const bytes = bench.quick ? GB / 2 : 5 * GB;
    const folder = bench.folder("data");
    const { bavail, bsize } = await statfs(folder);
    // The file, and the copy of it that the server keeps.
    if (bavail * bsize < 3 * bytes)
      throw new Error(`${folder} has too little room for two times ${bytes / GB} GB`);
    const server = await stubServer(bench, { slots: 1, label: "dataset" });
    try {
      return await measured(bench, { folder, bytes, ...server });
    } finally {
      await server.stop();
      await rm(folder, { recursive: true, force: true });
    }
  },
};

interface Place {
  readonly folder: string;
  readonly bytes: number;
  readonly dataDir: string;
  readonly client: Parameters<typeof addDataset>[0]["client"];
}

async function measured(bench: Bench, place: Place): Promise<Figure[]> {
  const { folder, bytes, dataDir, client } = place;
  const path = join(folder, "large.bin");
  bench.say(`writing ${bytes / GB} GB`);
  await write(path, bytes);
  const add = { client, name: "large", path: folder, progress: SILENT };
  /** CPU of this process alone, in seconds: where neighbours take turns, it says what the clock cannot. */
  const cpu: Record<"adding" | "hashing", number[]> = { adding: [], hashing: [] };
  const timed = async (work: () => Promise<unknown>, costs?: number[]): Promise<number> => {
    const before = process.cpuUsage();
    const began = bench.clock.monotonicMs();
    await work();
    const seconds = (bench.clock.monotonicMs() - began) / 1000;
    const { user, system } = process.cpuUsage(before);
    costs?.push((user + system) / 1e6);
    return seconds;
  };
  bench.say("adding it");
  const first = await timed(() => addDataset(add));
  const stored = storedBytes(dataDir);
  const [again, reading, hashing, grown]: [number[], number[], number[], number[]] = [
    [],
    [],
    [],
    [],
  ];
  const rounds = bench.quick ? 3 : 5;
  for (let round = 0; round < rounds; round++) {
    bench.say(`changing a byte and adding it again, ${round + 1} of ${rounds}`);
    await changeByte(path, Math.floor((bytes * (round + 0.5)) / rounds), round + 1);
    const before = storedBytes(dataDir);
    again.push(await timed(() => addDataset(add), cpu.adding));
    grown.push((storedBytes(dataDir) - before) / 1e6);
    reading.push(await timed(() => read(path)));
    hashing.push(await timed(() => read(path, createHash("sha256")), cpu.hashing));
  }
  const ratio = quartiles(again.map((value, i) => value / (hashing[i] as number)));
  const size = `${bytes / GB} GB`;
  return [
    figure({
      ...{ measure: "dataset", what: `${size} added for the first time`, unit: "s" },
      ...{ value: quartiles([first]), note: `${(stored / GB).toFixed(2)} GB stored` },
    }),
    figure({
      ...{ measure: "dataset", what: `${size} added again, one byte changed`, unit: "s" },
      ...{ value: quartiles(again), floor: quartiles(hashing), ratio },
      floorWhat: `reading it with one SHA-256; without any: ${quartiles(reading).median.toFixed(2)} s`,
      ...{ aim: `≤ ${AIM} ×`, met: ratio.median <= AIM },
      cpu: `${quartiles(cpu.adding).median.toFixed(2)} s (floor ${quartiles(cpu.hashing).median.toFixed(2)})`,
    }),
    figure({
      ...{ measure: "dataset", what: "stored for the byte that changed", unit: "MB" },
      ...{ value: quartiles(grown), aim: "≤ 10 MB", met: quartiles(grown).high <= 10 },
    }),
  ];
}

/** Bytes without order in them, made as fast as a disk takes them. */
async function write(path: string, bytes: number): Promise<void> {
  const words = new Uint32Array(READ_BYTES);
  let x = 0x2545f491;
  const file = await open(path, "w");
  try {
    for (let at = 0; at < bytes; ) {
      for (let i = 0; i < words.length; i++) {
        x ^= x << 13;
        x ^= x >>> 17;
        x ^= x << 5;
        words[i] = x;
      }
      const part = Buffer.from(words.buffer).subarray(0, bytes - at);
      await file.write(part);
      at += part.length;
    }
    await file.sync();
  } finally {
    await file.close();
  }
}

async function changeByte(path: string, at: number, by: number): Promise<void> {
  const file = await open(path, "r+");
  try {
    const { buffer } = await file.read(Buffer.alloc(1), 0, 1, at);
    await file.write(Buffer.from([((buffer[0] as number) + by) % 256]), 0, 1, at);
  } finally {
    await file.close();
  }
}

async function read(path: string, hash?: ReturnType<typeof createHash>): Promise<void> {
  for await (const bytes of createReadStream(path, { highWaterMark: READ_BYTES }))
    hash?.update(bytes as Buffer);
  hash?.digest("hex");
}

const storedBytes = (dataDir: string): number =>
  filesBelow(join(dataDir, "blobs")).reduce((sum, path) => sum + statSync(path).size, 0);
