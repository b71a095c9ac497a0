/** When the folder of a task is kept, with disks and servers that are away. */
import assert from "node:assert/strict";
import { mkdir, mkdtemp, readdir, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, test } from "node:test";
import type { Clock } from "../../base/clock.ts";
import { realClock } from "../../base/real-clock.ts";
import type { LaunchSpec } from "../../protocol/runner-wire.ts";
import { CheckpointKeeper } from "../checkpoint-keeper.ts";
import type { TaskTunnel } from "../tunnel/task-tunnel.ts";
import { HeldTask, type HeldTaskOptions, keepLeftWork, untilRoom } from "./held-task.ts";

const root = await mkdtemp(join(tmpdir(), "contrail-held-"));
after(() => rm(root, { recursive: true, force: true }));

const FULL = "ENOSPC: no space left on device, write";

/** Timers of the task go off when the test says so. */
class Timers implements Clock {
  #due: (() => void)[] = [];
  #set: () => void = () => {};
  nowMs = () => 0;
  monotonicMs = () => 0;

  after(delayMs: number, callback: () => void): () => void {
    // Of whether it is used, nobody asks here.
    if (delayMs !== 5 * 60_000) return () => {};
    this.#due.push(callback);
    this.#set();
    return () => {};
  }

  /** @returns when the next timer is set */
  async ring(): Promise<void> {
    const again = new Promise<void>((resolve) => {
      this.#set = resolve;
    });
    for (const callback of this.#due.splice(0)) callback();
    await again;
  }
}

interface Held {
  readonly task: HeldTask;
  readonly folder: string;
  readonly work: string;
  readonly notes: string[];
}

async function held(
  name: string,
  clock: Clock,
  keeperIn: (folder: string) => HeldTaskOptions["keeper"],
): Promise<Held> {
  const folder = join(root, name);
  const work = join(folder, "code");
  await mkdir(work, { recursive: true });
  const notes: string[] = [];
  const launch = { task: { kind: "shell", idleTimeoutMs: null }, restore: null };
  const options = {
    ...{ folder, work, keeper: keeperIn(folder), launch: launch as unknown as LaunchSpec },
    ...{ socketPath: join(folder, "1.sock"), tell: () => {} },
    note: (text: string) => void notes.push(text),
  };
  const task = new HeldTask(options, { clock, whileRunning: true, tunnel: null });
  await task.start();
  return { task, folder, work, notes };
}

test("while a copy waits for the server no other is made, and the last is made all the same", async () => {
  const clock = new Timers();
  let back = () => {};
  const away = new Promise<void>((resolve) => {
    back = resolve;
  });
  const over = new AbortController();
  const stored: number[] = [];
  const makeKeeper = (folder: string) =>
    new CheckpointKeeper({
      ...{ allocation: "1.1.1", folder, clock: realClock, signal: over.signal },
      client: { missingBlobs: async () => away.then(() => []), putBlob: async () => {} },
      say: assert.fail,
      events: {
        offered: () => {},
        waits: () => {},
        stored: async ({ step }) => void stored.push(step),
        lost: (_checkpoint, why) => assert.fail(why),
      },
    });
  let keeper: CheckpointKeeper | undefined;
  const { task, folder, work } = await held("away", clock, (folder) => {
    keeper = makeKeeper(folder);
    return keeper;
  });
  await keeper?.open();
  const change = (text: string) => writeFile(join(work, "notes"), text);
  const copies = async () =>
    (await readdir(join(folder, "kept"))).filter((name) => /^\d+$/.test(name));
  for (const text of ["one", "one and two", "one, two and three"]) {
    await change(text);
    await clock.ring();
    assert.deepEqual(await copies(), ["1"]);
  }
  assert.equal(await task.end(), true);
  assert.deepEqual(await copies(), ["1", "2"]);
  assert.equal(await readFile(join(folder, "kept/2/work/notes"), "utf8"), "one, two and three");
  back();
  while (keeper?.isEmpty === false) await new Promise(setImmediate);
  assert.deepEqual(stored, [1, 2]);
  task.stop();
});

test("the last of a folder waits for room on the disk, and for nothing else", async () => {
  const taken: number[] = [];
  const answers = [FULL, FULL, null];
  const take = async (step: number) => {
    taken.push(step);
    return answers.shift() ?? null;
  };
  const { task, work, notes } = await held("full", realClock, () => ({ take, isEmpty: true }));
  await writeFile(join(work, "notes"), "by hand");
  assert.equal(await task.end(), true);
  assert.deepEqual(taken, [1, 1, 1]);
  assert.equal(notes.length, 1);
  assert.match(notes[0] ?? "", /could not be kept yet, and the end waits .*ENOSPC/);
  await writeFile(join(work, "notes"), "and more");
  answers.push("something else");
  assert.equal(await task.end(), true);
  assert.deepEqual(taken, [1, 1, 1, 2]);
  task.stop();
});

test("a runner that ends while it waits for room leaves the folder to the next one", async () => {
  let tries = 0;
  let heard = () => {};
  const tried = new Promise<void>((resolve) => {
    heard = resolve;
  });
  const take = async () => {
    tries += 1;
    heard();
    return FULL;
  };
  const { task, folder, work } = await held("left", realClock, () => ({ take, isEmpty: true }));
  await writeFile(join(work, "notes"), "by hand");
  const ended = task.end();
  await tried;
  task.stop();
  assert.equal(await ended, false);
  const kept: string[] = [];
  const next = async (_step: number, place: string) => {
    if (tries++ < 3) return FULL;
    kept.push(await readFile(join(place, "work/notes"), "utf8"));
    return null;
  };
  const note = () => {};
  const keep = () => keepLeftWork(folder, { take: next }, note);
  const way = { clock: realClock, signal: new AbortController().signal, note };
  assert.equal(await untilRoom(keep, way), true);
  assert.deepEqual(kept, ["by hand"]);
});

test("a task whose disk is full at its start has begun nothing, and can be started again", async () => {
  const folder = join(root, "later");
  const work = join(folder, "code");
  const launch = { task: { kind: "shell", idleTimeoutMs: 1_000 }, restore: null };
  const options = {
    ...{ folder, work, launch: launch as unknown as LaunchSpec },
    ...{ keeper: { take: async () => null, isEmpty: true } },
    ...{ socketPath: join(folder, "1.sock"), tell: () => {}, note: () => {} },
  };
  const begun: string[] = [];
  const after = () => {
    begun.push("timer");
    return () => {};
  };
  const clock = { nowMs: () => 0, monotonicMs: () => 0, after };
  const tunnel = { start: () => begun.push("tunnel"), close: () => {} } as unknown as TaskTunnel;
  const task = new HeldTask(options, { clock, whileRunning: true, tunnel });
  // As on a disk that is full, its note cannot be written.
  await assert.rejects(task.start(), /ENOENT/);
  assert.equal(begun.join(), "");
  await mkdir(work, { recursive: true });
  await task.start();
  assert.ok(begun.includes("tunnel") && begun.includes("timer"));
  task.stop();
});
