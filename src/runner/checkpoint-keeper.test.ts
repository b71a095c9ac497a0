/** What is kept where the disk does not let go of what was sent. */
import assert from "node:assert/strict";
import { mkdir, mkdtemp, readdir, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, test } from "node:test";
import { realClock } from "../base/real-clock.ts";
import { type CheckpointEvents, CheckpointKeeper, checkpointsIn } from "./checkpoint-keeper.ts";
import { KeptFolder } from "./kept-files.ts";
import { ServerFailure } from "./server-client.ts";

const root = await mkdtemp(join(tmpdir(), "contrail-keeper-"));
after(() => rm(root, { recursive: true, force: true }));

/** A file server that keeps what somebody has open: the note goes, the folder stays. */
class StickyFolder extends KeptFolder {
  readonly #kept: string;
  readonly stuck: Set<number>;

  constructor(folder: string, stuck: readonly number[]) {
    super(folder, checkpointsIn(folder));
    this.#kept = join(folder, "kept");
    this.stuck = new Set(stuck);
  }

  override async drop(number: number): Promise<void> {
    if (!this.stuck.has(number)) return super.drop(number);
    await rm(join(this.#kept, `${number}.json`), { force: true });
    throw new Error(`ENOTEMPTY: directory not empty, rmdir 'kept/${number}'`);
  }
}

function keeperIn(
  name: string,
  stuck: readonly number[],
  more: Partial<CheckpointEvents> = {},
  putBlob: () => Promise<void> = async () => {},
) {
  const folder = join(root, name);
  const files = new StickyFolder(folder, stuck);
  const told: string[] = [];
  const said: string[] = [];
  const keeper = new CheckpointKeeper({
    ...{ allocation: "1.1.1", folder, files, clock: realClock },
    client: { missingBlobs: async (hashes) => [...hashes], putBlob },
    signal: new AbortController().signal,
    events: {
      offered: ({ step }) => void told.push(`${step} offered`),
      stored: async ({ step }) => void told.push(`${step} stored`),
      waits: ({ step }, why) => void told.push(`${step} waits: ${why}`),
      lost: ({ step }, why) => void told.push(`${step} lost: ${why}`),
      ...more,
    },
    say: (text) => void said.push(text),
  });
  const write = async (path: string, text: string) => {
    await mkdir(path, { recursive: true });
    await writeFile(join(path, "model"), text);
  };
  const save = async (step: number) => {
    const path = join(keeper.checkpoints, `step-${step}`);
    await write(path, String(step));
    assert.equal(await keeper.take(step, path, {}), null);
  };
  const quiet = async () => {
    while (!keeper.isEmpty) await new Promise(setImmediate);
  };
  const kept = async () => (await readdir(join(folder, "kept"))).sort();
  return { keeper, files, told, said, write, save, quiet, kept };
}

test("a folder that is refused does not stay, and one that lies elsewhere is left alone", async () => {
  const { keeper, files, told, said, write, quiet, kept } = keeperIn("refused", []);
  await keeper.open();
  const inside = join(keeper.checkpoints, "new-step-10-x");
  const outside = join(root, "elsewhere");
  for (const path of [inside, outside]) await write(path, "weights");
  const large = { note: "x".repeat(2 ** 20) };
  assert.match((await keeper.take(10, inside, large)) ?? "", /the limit is 1048576/);
  assert.match((await keeper.take(20, outside, {})) ?? "", /does not lie below/);
  await write(inside, "weights");
  files.take = () => Promise.reject(new Error("ENOSPC: no space left on device"));
  assert.match((await keeper.take(30, inside, {})) ?? "", /could not be taken over: ENOSPC/);
  await quiet();
  assert.deepEqual(await readdir(keeper.checkpoints), []);
  assert.deepEqual(await kept(), []);
  assert.deepEqual(await readdir(outside), ["model"]);
  assert.deepEqual(said, []);
  assert.equal(told.filter((what) => what.includes("lost")).length, 3);
});

test("a folder that cannot be removed holds up no later checkpoint, and goes once it can be", async () => {
  const { keeper, files, told, said, save, quiet, kept } = keeperIn("sticky", [1]);
  await keeper.open();
  await save(10);
  await quiet();
  await save(20);
  await quiet();
  assert.deepEqual(told, ["10 offered", "10 stored", "20 offered", "20 stored"]);
  assert.deepEqual(await kept(), ["1"]);
  assert.equal(said.length, 1, "said once, though it was tried twice");
  assert.match(said[0] ?? "", /step 10 .*could not be removed: ENOTEMPTY.*tried again/);
  files.stuck.clear();
  await save(30);
  await quiet();
  assert.deepEqual(await kept(), []);
});

test("the next runner neither sends such a folder again nor stumbles over its number", async () => {
  const first = keeperIn("left", [1]);
  await first.keeper.open();
  await first.save(10);
  await first.quiet();
  const next = keeperIn("left", []);
  assert.equal(await next.keeper.recover(), 0);
  await next.save(20);
  await next.quiet();
  assert.deepEqual(next.told, ["20 offered", "20 stored"]);
});

test("an error that nobody foresaw costs one checkpoint, told of no more than once", async () => {
  const told: number[] = [];
  const { keeper, said, save, quiet, kept } = keeperIn("unforeseen", [], {
    stored: async ({ step }) => {
      if (step === 10) throw new Error("a record that is too long");
      told.push(step);
    },
    lost: () => assert.fail("its place was taken already"),
  });
  await keeper.open();
  for (const step of [10, 20]) await save(step);
  await quiet();
  assert.deepEqual(told, [20]);
  assert.match(said.join("\n"), /step 10: .*too long/);
  assert.deepEqual(await kept(), ["1", "1.json"], "for the next runner");
});

test("that a checkpoint cannot be sent is told once, and to its program where the server says why", async () => {
  for (const kind of ["busy", "unreachable"] as const) {
    let left = 3;
    const { keeper, told, said, save, quiet } = keeperIn(kind, [], {}, async () => {
      if (left-- > 0) throw new ServerFailure(kind, "507 no room");
    });
    await keeper.open();
    await save(10);
    await quiet();
    const words = ["10 waits: 507 no room", "10 waits: null"];
    assert.deepEqual(told, ["10 offered", ...(kind === "busy" ? words : []), "10 stored"]);
    assert.equal(said.length, 2);
    assert.match(said[0] ?? "", /step 10 of 1\.1\.1 could not be sent, will go on trying: 507/);
    assert.match(said[1] ?? "", /is at the server now/);
  }
});

test("a blob with which the connection breaks each time is told of, where the server answers all else", async () => {
  for (const [rounds, isTold] of [
    [2, false],
    [4, true],
  ] as const) {
    // The file and the list of files, in each.
    let left = 2 * rounds;
    const { keeper, told, save, quiet } = keeperIn(`broken-${rounds}`, [], {}, async () => {
      if (left-- > 0) throw new ServerFailure("broken", "fetch failed (other side closed)");
    });
    await keeper.open();
    await save(10);
    await quiet();
    const words = ["10 waits: fetch failed (other side closed)", "10 waits: null"];
    assert.deepEqual(told, ["10 offered", ...(isTold ? words : []), "10 stored"]);
  }
});

for (const [fault, isKept] of [
  ["ESTALE: stale file handle, read", true],
  ["EMFILE: too many open files, open", true],
  ["EIO: i/o error, read", true],
  ["model ends at byte 3 by now", false],
] as const)
  test(`files that cannot be read (${fault}) ${isKept ? "are waited for" : "cost the checkpoint"}`, async () => {
    let left = 8;
    const name = fault.slice(0, 6).trim();
    const { keeper, told, save, quiet } = keeperIn(name, [], {}, async () => {
      if (left-- > 0) throw new ServerFailure("refused", `model cannot be read: ${fault}`);
    });
    await keeper.open();
    await save(10);
    await quiet();
    assert.match(told.at(-1) ?? "", isKept ? /^10 stored$/ : /^10 lost: /);
  });

test("a list of files that no server would take is refused, by its length", async () => {
  const folder = join(root, "long");
  const files = new KeptFolder(folder, checkpointsIn(folder), false, 300);
  await files.open();
  for (const count of [2, 3]) {
    const path = join(checkpointsIn(folder), `save-${count}`);
    await mkdir(path);
    for (let i = 0; i < count; i++) await writeFile(join(path, `w${i}`), "x");
    await files.take(count, { step: count, metadata: {}, atMs: 0 }, path);
  }
  assert.equal((await files.scan(2)).tree.length, 2);
  await assert.rejects(files.scan(3), /list of its 3 files has \d+ bytes, the limit is 300/);
});
