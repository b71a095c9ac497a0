import assert from "node:assert/strict";
import { test } from "node:test";
import { AssertionFailed } from "../../base/assert.ts";
import { ContrailError } from "../../protocol/errors.ts";
import { CHAIN_START, type WriteBatch } from "../../store/write-batch.ts";
import { LedgerMoved } from "../ledger.ts";
import { World } from "../world.ts";
import { type Command, type Committed, DecisionLoop } from "./decision-loop.ts";

/** A loop over a ledger that only counts, and does as it is told. */
class Bench {
  readonly world = new World([]);
  readonly loop: DecisionLoop;
  readonly committed: number[] = [];
  readonly log: string[] = [];
  readonly told: Committed[] = [];
  /** Whether the chain still has what was durable. */
  holdsTip = true;
  /** What the next commits do; when the list is empty they succeed. */
  readonly outcomes: (unknown | Promise<void>)[] = [];
  monotonicMs = 1000;

  constructor() {
    // Experiments are no matter here: a command touches them by number alone.
    this.world.finish = () => undefined;
    this.loop = new DecisionLoop({
      world: this.world,
      ledger: {
        takeOver: async () => {
          this.log.push("read tip");
          return CHAIN_START;
        },
        holds: async () => this.holdsTip,
        commit: async (_batch: WriteBatch, tip) => {
          const outcome = this.outcomes.shift();
          if (outcome instanceof Promise) await outcome;
          else if (outcome !== undefined) {
            this.log.push("commit failed");
            throw outcome;
          }
          this.log.push("commit");
          return { ...tip, seq: tip.seq + 1 };
        },
      },
      tip: CHAIN_START,
      nowMs: () => 1000,
      monotonicMs: () => this.monotonicMs,
      reload: async (ids) => void this.log.push(`reload ${ids?.join(" ") ?? "all"}`),
      onCommitted: (committed) => void this.told.push(committed),
      onFailure: (what) => void this.log.push(`failure: ${what}`),
    });
  }

  /** A command that writes something, or fails. */
  command(name: string, fails?: Error, touches?: number): Command<string> {
    return {
      name,
      run: (_world, turn) => {
        this.log.push(`run ${name}`);
        if (touches !== undefined) turn.touched.add(touches);
        if (fails) throw fails;
        turn.batch.ackPast(1, 1);
        return `${name} done`;
      },
    };
  }

  submit(...commands: Command<string>[]): Promise<PromiseSettledResult<string>[]> {
    return Promise.allSettled(commands.map((command) => this.loop.submit(command)));
  }
}

const answers = (results: readonly PromiseSettledResult<string>[]): string[] =>
  results.map((result) =>
    result.status === "fulfilled" ? result.value : (result.reason as ContrailError).code,
  );
const refusedData = Object.assign(new Error("bad text"), { code: "22P05" });
const conflict = new ContrailError("conflict", "not now");

test("commands that are submitted together share one commit and are answered after it", async () => {
  const bench = new Bench();
  const results = await bench.submit(bench.command("a"), bench.command("b"));
  assert.deepEqual(answers(results), ["a done", "b done"]);
  assert.deepEqual(bench.log, ["run a", "run b", "commit"]);
  assert.equal(bench.loop.tip.seq, 1);
});

test("what comes while a turn is being committed gathers for the next", async () => {
  const bench = new Bench();
  const { promise, resolve } = Promise.withResolvers<void>();
  bench.outcomes.push(promise);
  const first = bench.submit(bench.command("a"));
  while (!bench.log.includes("run a")) await Promise.resolve();
  const second = bench.submit(bench.command("b"), bench.command("c"));
  for (let i = 0; i < 20; i++) await Promise.resolve();
  assert.deepEqual(bench.log, ["run a"]);
  resolve();
  await Promise.all([first, second]);
  assert.deepEqual(bench.log, ["run a", "commit", "run b", "run c", "commit"]);
});

test("a user's mistake fails its own command and nothing else", async () => {
  const bench = new Bench();
  const results = await bench.submit(
    bench.command("a"),
    bench.command("b", conflict),
    bench.command("c"),
  );
  assert.deepEqual(answers(results), ["a done", "conflict", "c done"]);
  assert.deepEqual(bench.log, ["run a", "run b", "run c", "commit"]);
});

test("a mistake of ours is undone, and the turn's other commands run by themselves", async () => {
  const bench = new Bench();
  const results = await bench.submit(
    bench.command("a", undefined, 7),
    bench.command("b", new TypeError("x is undefined"), 8),
    bench.command("c"),
  );
  assert.deepEqual(answers(results), ["a done", "internal", "c done"]);
  assert.deepEqual(bench.log.slice(0, 5), [
    "run a",
    "run b",
    "failure: command b",
    "read tip",
    "reload 7 8",
  ]);
});

test("data that the database refuses fails its own command; who was answered is not asked again", async () => {
  const bench = new Bench();
  bench.outcomes.push(refusedData, undefined, refusedData, undefined);
  const results = await bench.submit(
    bench.command("a"),
    bench.command("b", conflict),
    bench.command("c"),
    bench.command("d"),
  );
  assert.deepEqual(answers(results), ["a done", "conflict", "internal", "d done"]);
  assert.equal(bench.log.filter((line) => line === "run b").length, 1);
});

test("a commit that fails fails its commands, and memory is made to agree before the next turn", async () => {
  const bench = new Bench();
  bench.outcomes.push(new Error("connection lost"));
  const first = await bench.submit(bench.command("a", undefined, 7), bench.command("b"));
  assert.deepEqual(answers(first), ["unavailable", "unavailable"]);
  assert.equal(bench.told.length, 0);
  bench.log.length = 0;
  assert.deepEqual(answers(await bench.submit(bench.command("c"))), ["c done"]);
  assert.deepEqual(bench.log, ["read tip", "reload 7", "run c", "commit"]);
  assert.deepEqual([...(bench.told[0]?.experiments ?? [])], [7]);
  bench.log.length = 0;
  await bench.submit(bench.command("d"));
  assert.deepEqual(bench.log, ["run d", "commit"], "once is enough");
});

test("an end that was durable and is missing after a failure is said once, and remembered", async () => {
  const bench = new Bench();
  await bench.submit(bench.command("a"));
  assert.equal(bench.loop.tip.seq, 1);
  bench.holdsTip = false;
  bench.outcomes.push(new Error("connection lost"));
  await bench.submit(bench.command("b"));
  await bench.submit(bench.command("c"));
  const missing = "failure: finding the last event of the log of changes again";
  assert.equal(bench.log.filter((line) => line === missing).length, 1);
  bench.holdsTip = true;
  bench.outcomes.push(new Error("connection lost"));
  await bench.submit(bench.command("d"));
  await bench.submit(bench.command("e"));
  assert.deepEqual(
    bench.loop.cutOff.map(({ seq }) => seq),
    [1],
  );
});

test("a mistake of ours while a turn is closed is called that, and undone", async () => {
  const bench = new Bench();
  bench.world.finish = () => {
    throw new AssertionFailed("trial 3 is dirty but missing");
  };
  const results = await bench.submit(bench.command("a", undefined, 7));
  assert.deepEqual(answers(results), ["internal"]);
  bench.world.finish = () => undefined;
  assert.deepEqual(answers(await bench.submit(bench.command("b"))), ["b done"]);
  assert.ok(bench.log.includes("reload 7"));
});

test("only a database that is away is worth another try; a mistake of ours is called that", async () => {
  const coded = (code: string) => Object.assign(new Error("x"), { code });
  const table: [unknown, string][] = [
    [coded("08006"), "unavailable"],
    [coded("53300"), "unavailable"],
    [coded("57P01"), "unavailable"],
    [coded("58030"), "unavailable"],
    [coded("EDQUOT"), "disk_full"],
    [coded("40001"), "unavailable"],
    [coded("ECONNRESET"), "unavailable"],
    [coded("EPIPE"), "unavailable"],
    [new Error("Connection terminated unexpectedly"), "unavailable"],
    [new Error("timeout exceeded when trying to connect"), "unavailable"],
    [new LedgerMoved("turn 7 was written by somebody else"), "unavailable"],
    [
      new Error("A query must have either text or a name. Supplying neither is unsupported."),
      "internal",
    ],
    [new TypeError("Client was passed a null or undefined query"), "internal"],
    [new RangeError("connection 7 is out of range"), "internal"],
    [coded("42601"), "internal"],
    [coded("XX000"), "internal"],
  ];
  for (const [error, answer] of table) {
    const bench = new Bench();
    bench.outcomes.push(error);
    assert.deepEqual(answers(await bench.submit(bench.command("a"))), [answer], String(error));
  }
});

test("a full disk has its own answer", async () => {
  const bench = new Bench();
  bench.outcomes.push(Object.assign(new Error("no space left"), { code: "53100" }));
  assert.deepEqual(answers(await bench.submit(bench.command("a"))), ["disk_full"]);
});

test("a turn that changes nothing is not written", async () => {
  const bench = new Bench();
  assert.equal(await bench.loop.submit({ name: "look", run: () => 5 }), 5);
  assert.deepEqual(bench.log, []);
});

test("stopping lets what waits finish and takes nothing more", async () => {
  const bench = new Bench();
  const waiting = bench.submit(bench.command("a"));
  const stopped = bench.loop.stop();
  assert.deepEqual(answers(await bench.submit(bench.command("b"))), ["unavailable"]);
  await stopped;
  assert.deepEqual(answers(await waiting), ["a done"]);
});

test("there is a bound on what may wait", async () => {
  const bench = new Bench();
  const { promise, resolve } = Promise.withResolvers<void>();
  bench.outcomes.push(promise);
  const first = bench.submit(bench.command("a"));
  while (!bench.log.includes("run a")) await Promise.resolve();
  const many = Array.from({ length: 20_001 }, () => bench.loop.submit({ name: "n", run: () => 1 }));
  const settled = Promise.allSettled(many);
  resolve();
  await first;
  const results = await settled;
  assert.equal(results.filter(({ status }) => status === "rejected").length, 1);
  assert.equal(results.at(-1)?.status, "rejected");
});

test("who looks at the world during a commit is shown it after the commit", async () => {
  const bench = new Bench();
  let finish = (): void => {};
  bench.outcomes.push(new Promise<void>((resolve) => (finish = resolve)));
  const submitted = bench.submit(bench.command("a"));
  await Promise.resolve();
  await Promise.resolve();
  const looked = bench.loop.read(() => bench.log.push("look"));
  finish();
  await Promise.all([submitted, looked]);
  assert.deepEqual(bench.log, ["run a", "commit", "look"]);
});

test("who looks again during slow commits is shown what was durable before, at once; of a failed one nothing is", async () => {
  const bench = new Bench();
  const runs = (): number => bench.log.filter((line) => line.startsWith("run")).length;
  /** A turn of that length, within which somebody looks. */
  const turn = async (ms: number, fails?: Error) => {
    const { promise, resolve, reject } = Promise.withResolvers<void>();
    bench.outcomes.push(promise);
    const before = runs();
    const submitted = bench.submit(bench.command("a", undefined, 7));
    while (runs() === before) await Promise.resolve();
    let seen: number | undefined;
    const looked = bench.loop.view("runs", runs).then((value) => {
      seen = value;
    });
    for (let i = 0; i < 20; i++) await Promise.resolve();
    const atOnce = seen;
    bench.monotonicMs += ms;
    if (fails) reject(fails);
    else resolve();
    await Promise.all([submitted, looked]);
    return { atOnce, seen };
  };
  assert.deepEqual(await turn(5_000), { atOnce: undefined, seen: 1 });
  assert.deepEqual(await turn(5_000), { atOnce: 1, seen: 1 });
  // What has nothing to write says nothing of the disk.
  await bench.loop.submit({ name: "tick", run: () => undefined });
  assert.deepEqual(await turn(5_000), { atOnce: 2, seen: 2 });
  assert.deepEqual(await turn(10), { atOnce: 3, seen: 3 });
  assert.deepEqual(await turn(5_000), { atOnce: undefined, seen: 5 }, "the one before was quick");
  assert.deepEqual(await turn(5_000, new Error("the disk is gone")), { atOnce: 5, seen: 5 });
  assert.deepEqual(await turn(5_000), { atOnce: undefined, seen: 7 });
  assert.deepEqual(await turn(40_000), { atOnce: 7, seen: 7 });
  assert.deepEqual(await turn(5_000), { atOnce: undefined, seen: 9 }, "nobody looked for a while");
  assert.equal(await bench.loop.view("runs", runs), 9, "between two turns it is looked anew");
});

test("who looks while a turn's commands run one by one sees nothing from before those that were answered", async () => {
  const bench = new Bench();
  const done = (): number => bench.log.filter((line) => line === "commit").length;
  const slow = Promise.withResolvers<void>();
  bench.outcomes.push(slow.promise);
  const first = bench.submit(bench.command("a"));
  while (!bench.log.includes("run a")) await Promise.resolve();
  const before = bench.loop.view("done", done);
  bench.monotonicMs += 5_000;
  slow.resolve();
  await Promise.all([first, before]);
  const last = Promise.withResolvers<void>();
  bench.outcomes.push(refusedData, undefined, last.promise);
  const [second, third] = [bench.command("b"), bench.command("c")].map((c) => bench.loop.submit(c));
  await second;
  const looked = bench.loop.view("done", done);
  last.resolve();
  await third;
  assert.equal(await looked, 3);
});

test("after a failed commit nothing is shown until memory agrees with the database again", async () => {
  const bench = new Bench();
  bench.outcomes.push(new Error("the disk is gone"));
  await bench.submit(bench.command("a", undefined, 7));
  const looked = bench.loop.read(() => bench.log.push("look"));
  await bench.submit(bench.command("b"));
  await looked;
  assert.deepEqual(bench.log.slice(-5), ["read tip", "reload 7", "run b", "commit", "look"]);
});

test("a refusal found in the transaction is its own command's answer, and nobody else's", async () => {
  const bench = new Bench();
  bench.outcomes.push(conflict, undefined, conflict);
  const results = await bench.submit(bench.command("a"), bench.command("b"));
  assert.deepEqual(answers(results), ["a done", "conflict"]);
});

test("who looks after a turn that failed need not wait for somebody's next command", async () => {
  const bench = new Bench();
  bench.outcomes.push(conflict);
  assert.deepEqual(answers(await bench.submit(bench.command("a"))), ["conflict"]);
  assert.equal(await bench.loop.read(() => "seen"), "seen");
  assert.deepEqual(bench.log.slice(-2), ["read tip", "reload "]);
});

test("large commands share no turn beyond what is stored in a moment, small ones do", async () => {
  const bench = new Bench();
  const large = (name: string, values: number) => ({ ...bench.command(name), values });
  await bench.submit(large("a", 3_000), large("b", 1_000), large("c", 9_000), bench.command("d"));
  assert.deepEqual(bench.log, ["run a", "run b", "commit", "run c", "commit", "run d", "commit"]);
});
