/** What the keeper does about bytes that cannot be deleted, with no database under it. */
import assert from "node:assert/strict";
import { test } from "node:test";
import type { Clock } from "../../base/clock.ts";
import { BlobGate } from "../../store/blob-gate.ts";
import type { GcRequest } from "../../store/retention-store.ts";
import { ManualClock } from "../loops/manual-clock.ts";
import { type KeeperOptions, RetentionKeeper } from "./keeper.ts";

const HOUR_S = 3_600;
const REQUEST: GcRequest = { by: "ada", at: "2026-11-28T10:00:00.000Z" };

const CONFIG = {
  checkpoint_storage: { save_experiment_best: 0, save_trial_best: 0, save_trial_latest: 0 },
  searcher: { metric: null, smaller_is_better: true },
};

const refused = (name: string): Error =>
  Object.assign(new Error(`EACCES: ${name}`), { syscall: "unlink" });

/** Snapshots of one file each, some of which cannot be deleted. */
function storage(request: GcRequest | null) {
  const trees = new Set(["a", "b", "c"]);
  const stuck = new Set(["b"]);
  const orphans = new Set<string>();
  /** What cannot be read or tidied up. */
  const broken = new Set<"folder" | "leftover">();
  /** Of experiment 7, which retention gives up when it looks at it. */
  const superfluous = new Set<string>();
  const counts = { walks: 0, applied: 0, errors: 0 };
  const timers = new ManualClock();
  let nowMs = 0;
  const clock: Clock = {
    ...{ nowMs: () => nowMs, monotonicMs: () => nowMs },
    after: (delayMs, callback) => timers.after(delayMs, callback),
  };
  const retention = { deleted: () => [], pinned: () => [], replays: () => 0 };
  const world = { experiments: new Map(), retention };
  const options = {
    loop: {
      ...{ world, read: async (look: (of: typeof world) => unknown) => look(world) },
      submit: async ({ name }: { name: string }) => {
        if (name !== "retention") return [];
        const gone = [...superfluous].map((tree) => ({ tree }));
        for (const tree of superfluous) trees.add(tree);
        superfluous.clear();
        return gone;
      },
    },
    store: {
      experiment: async (id: number) => ({ id, config: CONFIG, ended_at: null }),
      checkpoints: async () =>
        [...superfluous].map((tree, at) => ({ tree, trial: 1, run: 1, step: at + 1 })),
      ...{ trials: async () => new Map(), held: async () => [] },
      ...{ notRetained: async () => [], request: async () => request },
      withCheckpoints: async () => {
        counts.applied += 1;
        return [];
      },
      releasedBy: async () => [],
    },
    trees: {
      ...{ unregistered: async () => [], leased: async () => new Set() },
      ...{
        unusedBlobs: async (names: readonly string[]) => names,
        dropOldLeases: async () => undefined,
      },
      unused: async ({ after }: { after: string }) => {
        if (after === "") counts.walks += 1;
        return [...trees].filter((tree) => tree > after).slice(0, 1);
      },
      stillUnused: async (names: readonly string[]) => names,
      ownBlobs: async (names: readonly string[]) => names.map((blob) => ({ blob, size: 1 })),
      forget: async (names: readonly string[]) => {
        for (const name of names) trees.delete(name);
      },
    },
    blobs: {
      list: async function* (unread: (error: unknown) => void) {
        if (broken.has("folder")) unread(refused("folder"));
        yield* orphans;
      },
      tidy: async () => {
        if (broken.has("leftover")) throw refused("leftover");
        return 0;
      },
      size: async () => 1,
      delete: async (name: string) => {
        if (stuck.has(name)) throw refused(name);
        orphans.delete(name);
        return true;
      },
    },
    ...{ gate: new BlobGate(), clock },
    log: {
      info: () => undefined,
      error: () => {
        counts.errors += 1;
      },
    },
  };
  const keeper = new RetentionKeeper(options as unknown as KeeperOptions);
  const seconds = async (count: number): Promise<void> => {
    for (let i = 0; i < count; i++) {
      nowMs += 1_000;
      await timers.ring();
      // Everything here is done in microtasks.
      await new Promise(setImmediate);
    }
  };
  return { keeper, trees, superfluous, stuck, orphans, broken, counts, seconds };
}

test("a file that cannot be deleted keeps no other, and is tried less and less often", async () => {
  const { keeper, trees, stuck, counts, seconds } = storage(null);
  await keeper.start();
  await seconds(HOUR_S);
  assert.deepEqual([...trees], ["b"]);
  assert.ok(counts.walks > 5 && counts.walks < 20, `${counts.walks} walks in an hour`);
  assert.equal(counts.errors, counts.walks);
  stuck.clear();
  await seconds(600);
  assert.deepEqual([...trees], []);
  await keeper.stop();
});

test("what is given up while a file cannot be deleted goes at once, and is no reason to try that file more often", async () => {
  const { keeper, trees, superfluous, stuck, counts, seconds } = storage(null);
  await keeper.start();
  await seconds(HOUR_S);
  const { walks } = counts;
  for (const tree of ["d", "e", "f"]) {
    superfluous.add(tree);
    if (tree === "e") stuck.add(tree);
    keeper.mark([7]);
    await seconds(60);
    assert.equal(trees.has(tree), stuck.has(tree), tree);
  }
  assert.ok(counts.walks - walks <= 1, `${counts.walks - walks} walks`);
  stuck.clear();
  await seconds(600);
  assert.deepEqual([...trees], []);
  await keeper.stop();
});

test("a whole run that cannot finish goes on where it failed, and from the beginning where it is asked for again", async () => {
  const { keeper, trees, stuck, counts, seconds } = storage(REQUEST);
  await keeper.start();
  await seconds(HOUR_S);
  assert.deepEqual([...trees], ["b"]);
  assert.equal(counts.applied, 1);
  assert.ok(counts.walks > 5 && counts.walks < 20, `${counts.walks} walks in an hour`);
  assert.match(keeper.status.problem ?? "", /^a file could not be deleted.*EACCES: b/);
  assert.equal(keeper.status.state, "running");
  stuck.clear();
  assert.equal((await keeper.ask("bob")).problem, null);
  await seconds(1);
  assert.deepEqual([[...trees], keeper.status.state], [[], "idle"]);
  assert.deepEqual([keeper.status.requested_by, counts.applied], ["ada", 2]);
  await keeper.stop();
});

test("a folder that cannot be read and a leftover that stays keep nothing else, and are counted", async () => {
  const { keeper, trees, orphans, broken, seconds } = storage(REQUEST);
  orphans.add("o");
  broken.add("folder").add("leftover");
  await keeper.start();
  await seconds(1);
  assert.deepEqual([[...trees], [...orphans]], [["b"], []]);
  assert.match(keeper.status.problem ?? "", /^3 files could not be deleted.*EACCES: b/);
  await keeper.stop();
});

test("plans that are asked for at the same time are one", async () => {
  const { keeper, counts } = storage(null);
  const [one, same, other] = [keeper.plan(), keeper.plan(), keeper.plan(3)];
  assert.deepEqual([one === same, one === other], [true, false]);
  await Promise.all([one, other]);
  assert.equal(counts.applied, 2);
  assert.notEqual(keeper.plan(), one);
});
