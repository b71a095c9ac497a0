/**
 * F10: the server's disk takes a second, then five, to say that something is written, while trials train. Whoever only reads
 * does not wait for it, nobody is taken for silent, and what was written late is there as if it had been quick.
 */
import { rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as wait } from "node:timers/promises";
import { isAlive, type Stand, stand, until } from "../support.ts";
import { impatient, isCaughtUp, lostOf, trained, twoAtWork } from "./at-work.ts";
import { all, type Faults, type Finding, none, type Row, within } from "./row.ts";

const PRELOAD = new URL("preload/slow-disk.ts", import.meta.url);
const SLOW_S = [1, 5];
const READ_S = 1;
const NORMAL_S = 10;
/** A write waits for the turn under way and for its own, in each of which something is stored beside it at most. */
const TURNS_A_WRITE = 4;

export const slowDisk: Row = {
  name: "F10",
  fault: "an fsync of the server takes 1 s, then 5 s",
  async run(faults) {
    let file = "";
    await using it = await stand({
      slots: 2,
      env: (dataDir) => {
        file = join(dataDir, "..", "slow-disk");
        return { NODE_OPTIONS: `--import=${PRELOAD.href}`, FAULTS_SLOW_DISK: file };
      },
    });
    const findings: Finding[] = [];
    for (const slowS of SLOW_S) findings.push(...(await slow(faults, it, file, slowS)));
    return findings;
  },
};

async function slow(faults: Faults, it: Stand, file: string, slowS: number): Promise<Finding[]> {
  faults.say(`${slowS} s`);
  const lastsS = faults.quick ? 2 * slowS + 4 : 60;
  const { pid } = it.server;
  // A budget of time is looked at several times a second, in turns that mostly have nothing to write.
  const work = await twoAtWork(it, lastsS, { budget: { time: "1h" } });
  const { id } = work;
  const beside = { name: "beside", entrypoint: ["true"], searcher: { name: "single" } };
  const other = await it.submit(beside, undefined, false);

  const [reads, writes]: [number[], number[]] = [[], []];
  const [failed, silent]: [string[], string[]] = [[], []];
  let endMs = 0;
  const going = (): boolean => performance.now() < endMs;
  const writer = async (): Promise<void> => {
    while (going()) {
      await write([String(writes.length)]);
      await wait(slowS * 500);
    }
  };
  const write = async (labels: string[]): Promise<void> => {
    const beganMs = performance.now();
    await it.client
      .updateExperiment(other.id, { labels })
      .then(() => writes.push(performance.now() - beganMs))
      .catch((error: Error) => failed.push(error.message));
  };
  const client = impatient(it);
  const looks: readonly (() => Promise<unknown>)[] = [
    () => client.experiments(),
    () => client.trial(`${id}.1`),
    () => client.metrics(`${id}.2`),
    () => client.why("trial", `${id}.1`),
    () => client.slots(),
    () => client.pools(),
    () => client.jobs(),
    async () => {
      for (const { id: runner, state } of await client.runners())
        if (state !== "heard") silent.push(`${runner}: ${state}`);
    },
  ];
  const reader = async (): Promise<void> => {
    while (going()) {
      for (const look of looks) {
        const beganMs = performance.now();
        await look().catch((error: Error) => failed.push(error.message));
        reads.push(performance.now() - beganMs);
      }
      await wait(100);
    }
  };
  // A page that is open looks before there is any trouble, too.
  for (const look of looks) await look();
  const before = await trained(it, work);
  writeFileSync(file, String(slowS * 1000));
  endMs = performance.now() + lastsS * 1000;
  await Promise.all([writer(), reader()]);
  const during = (await trained(it, work)) - before;
  rmSync(file, { force: true });
  const quickMs = performance.now();
  await until("everything is as ever", () => isCaughtUp(it, work));
  const normalMs = performance.now() - quickMs;
  const lost = await lostOf(it, work);
  await it.client.changeExperiment(other.id, "kill");
  reads.sort((a, b) => a - b);
  const p99 = reads.slice(0, Math.ceil(reads.length * 0.99));
  const at = `, ${slowS} s`;
  return [
    within(`reads, the slowest 1 % left out${at}`, p99, READ_S),
    within(`writes acknowledged${at}`, writes, slowS * TURNS_A_WRITE),
    none(`reads and writes that failed${at}`, failed, ` of ${reads.length + writes.length}`),
    none(`times that the runner was called silent${at}`, silent),
    {
      what: `steps trained meanwhile${at}`,
      figure: `${during} in ${lastsS} s`,
      passes: "> 0",
      ok: during > 0,
    },
    within(`normal again${at}`, [normalMs], NORMAL_S),
    all(`server the same process${at}`, isAlive(pid) ? 1 : 0, 1),
    none(`reports lost or trials begun again${at}`, lost),
  ];
}
