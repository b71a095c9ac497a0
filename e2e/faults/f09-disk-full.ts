/**
 * F9: the disk under the database, under the blobs and under the runner's spool is filled to the last byte, one
 * after the other, while trials train; then there is room again.
 */
import { createHash, randomBytes } from "node:crypto";
import { setTimeout as wait } from "node:timers/promises";
import { RemoteError } from "../../src/sdk/remote-error.ts";
import { isAlive, type Stand, stand, until } from "../support.ts";
import { impatient, isCaughtUp, lostOf, trained, twoAtWork } from "./at-work.ts";
import { all, type Faults, type Finding, none, type Row, within } from "./row.ts";
import { smallDisk } from "./small-disk.ts";

interface Place {
  /** Folder below the data folder. */
  readonly folder: string;
  readonly what: string;
  readonly megabytes: number;
  /** Something that has to be written there, and is answered; undefined: nobody outside asks for it. */
  readonly write: ((it: Stand) => Promise<unknown>) | undefined;
}

const PLACES: readonly Place[] = [
  {
    ...{ folder: "postgres", what: "database", megabytes: 400 },
    write: (it) => {
      const config = JSON.stringify({
        ...{ name: "late", entrypoint: ["true"], searcher: { name: "single" } },
      });
      return impatient(it).createExperiment({ config, code: null, activate: false });
    },
  },
  {
    ...{ folder: "blobs", what: "blobs", megabytes: 32 },
    write: (it) => {
      const bytes = randomBytes(1 << 20);
      const hash = createHash("sha256").update(bytes).digest("hex");
      return impatient(it).putBlob(hash, new Blob([bytes]));
    },
  },
  { folder: "runner", what: "spool", megabytes: 32, write: undefined },
];

const NORMAL_S = 10;
/** Of an answer: tells what hangs from what is late. */
const ANSWER_MS_MAX = 60_000;
/** Some are still taken, so that of too few none may be refused. */
const WRITES_MIN = 8;

export const diskFull: Row = {
  name: "F9",
  fault: "disk full under database, blobs and spool in turn",
  async run(faults) {
    const findings: Finding[] = [];
    for (const place of PLACES) findings.push(...(await full(faults, place)));
    return findings;
  },
};

async function full(faults: Faults, { folder, what, megabytes, write }: Place): Promise<Finding[]> {
  faults.say(`the disk of the ${what}`);
  const fullS = faults.quick ? 4 : 30;
  await using disk = await smallDisk(folder, megabytes);
  await using it = await stand({ slots: 2, within: (dataDir) => disk.enter(dataDir) });
  const { pid } = it.server;
  const work = await twoAtWork(it, fullS);
  const { trials } = work;

  disk.fill(pid, it.dataDir);
  const before = await trained(it, work);
  const refusals: string[] = [];
  const reads: string[] = [];
  let asked = 0;
  const endMs = performance.now() + fullS * 1000;
  while (performance.now() < endMs || asked < WRITES_MIN) {
    asked += 1;
    const answer = await write?.(it).then(
      () => "taken",
      (error: unknown) => (error instanceof RemoteError ? error.code : String(error)),
    );
    if (answer !== undefined) refusals.push(answer);
    await read(it, trials, reads);
    await wait(250);
  }
  const during = (await trained(it, work)) - before;
  disk.free(pid, it.dataDir);
  const freedMs = performance.now();
  await until("everything is as ever", async () => {
    if (
      write !== undefined &&
      !(await write(it).then(
        () => true,
        () => false,
      ))
    )
      return false;
    return isCaughtUp(it, work);
  });
  const normalMs = performance.now() - freedMs;
  const lost = await lostOf(it, work);
  // What fits into a page that is there is still taken, and is as durable as ever.
  const otherwise = refusals.filter((answer) => answer !== "disk_full" && answer !== "taken");
  const refused = refusals.filter((answer) => answer === "disk_full").length;
  return [
    ...(write === undefined ? [] : answers()),
    none(`reads that failed, ${what}`, reads, ` of ${asked}`),
    {
      what: `steps trained while it was full, ${what}`,
      figure: `${during} in ${fullS} s`,
      // A spool that can take no more makes its programs wait, so that nothing of theirs is lost.
      passes: write === undefined ? "may wait" : "> 0",
      ok: write === undefined || during > 0,
    },
    within(`normal again without a restart, ${what}`, [normalMs], NORMAL_S),
    all(`server the same process, ${what}`, isAlive(pid) ? 1 : 0, 1),
    none(`reports lost or trials begun again, ${what}`, lost),
  ];

  function answers(): Finding[] {
    const figure = `${refused} with 507, ${asked - refused - otherwise.length} taken`;
    return [
      none(`writes neither taken nor answered 507, ${what}`, otherwise, ` of ${asked}`),
      { what: `writes answered, ${what}`, figure, passes: "507 at least once", ok: refused > 0 },
    ];
  }
}

async function read(it: Stand, trials: readonly string[], failed: string[]): Promise<void> {
  const client = impatient(it);
  const limit = AbortSignal.timeout(ANSWER_MS_MAX);
  const late = new Promise((_, reject) =>
    limit.addEventListener("abort", () =>
      reject(new Error(`no answer within ${ANSWER_MS_MAX / 1000} s`)),
    ),
  );
  const asked = Promise.all([
    client.experiments(),
    ...trials.flatMap((trial) => [client.trial(trial), client.metrics(trial)]),
  ]);
  await Promise.race([asked, late]).catch((error: Error) => failed.push(error.message));
}
