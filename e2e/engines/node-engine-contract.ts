/**
 * What every engine that keeps a runner on a node owes, tried on real runners and real programs: one runner however often
 * it is asked for, ends that are told as they were, nothing left behind, training that does not notice a server's
 * restart. An engine passes all of it or is none.
 */
import assert from "node:assert/strict";
import { afterEach, beforeEach, describe, test } from "node:test";
import type { Engine, RunnerSpec } from "../../src/engines/engine.ts";
import type { LaunchSpec } from "../../src/protocol/runner-wire.ts";
import type { FakeServer } from "../../src/runner/fake-server.ts";
import { sh, TestBench } from "../../src/runner/test-bench.ts";

export interface NodeEngineUnderTest {
  readonly engine: Engine;
  /** What orders say besides. */
  readonly launch: Partial<LaunchSpec>;
  /** How many processes or containers of this allocation live. */
  left(allocation: string): Promise<number>;
}

/** Whoever obeys gets as long for it as a busy machine needs. */
const PATIENT = { killGraceMs: 60_000, yieldGraceMs: 60_000 };

/** Adds a number over all ranks, by nothing but the address at which they are told to meet. */
const MEET = `
import os, socket, time
rank, size = int(os.environ["RANK"]), int(os.environ["WORLD_SIZE"])
place = (os.environ["MASTER_ADDR"], int(os.environ["MASTER_PORT"]))
if rank == 0:
    server = socket.create_server(place)
    peers = [server.accept()[0] for _ in range(size - 1)]
    total = sum(int(peer.recv(16)) for peer in peers)
    for peer in peers: peer.sendall(str(total).encode())
else:
    while True:
        try: peer = socket.create_connection(place); break
        except OSError: time.sleep(0.05)
    peer.sendall(str(rank).encode())
    total = int(peer.recv(16))
print("rank", rank, "of", size, "total", total, flush=True)
`;

export function nodeEngineContract(name: string, make: () => NodeEngineUnderTest): void {
  describe(`the node engine ${name}`, () => {
    let bench: TestBench;
    let server: FakeServer;
    let it: NodeEngineUnderTest;
    let spec: RunnerSpec;

    beforeEach(async () => {
      bench = await TestBench.open();
      server = bench.server;
      it = make();
      spec = bench.runnerSpec;
    });
    afterEach(async () => {
      await it.engine.stopRunner(bench.folder);
      await bench.close();
    });

    const launch = (id: string, argv: readonly string[], more: Partial<LaunchSpec> = {}): void =>
      server.launch(id, argv, { ...it.launch, ...more });
    const untilNone = async (id: string): Promise<void> => {
      while ((await it.left(id)) > 0) await new Promise(setImmediate);
    };

    test("says which slots there are, each once, and why", async () => {
      const { slots, reason, node } = await it.engine.capacity();
      assert.ok(slots.length > 0);
      assert.equal(new Set(slots.map(({ id }) => id)).size, slots.length);
      assert.ok(reason.length > 0 && node.length > 0);
    });

    test("keeps one runner however often it is asked, and says when it is gone", async () => {
      assert.equal(it.engine.observe(bench.folder).state, "unknown");
      const first = await it.engine.ensureRunner(spec);
      assert.equal(first.adopted, false);
      assert.deepEqual(await it.engine.ensureRunner(spec), { pid: first.pid, adopted: true });
      const seen = it.engine.observe(bench.folder);
      assert.ok(seen.state === "alive" && seen.pid === first.pid);
      await it.engine.stopRunner(bench.folder);
      const gone = it.engine.observe(bench.folder);
      assert.ok(gone.state === "gone" && gone.proof.includes(String(first.pid)));
    });

    test("tells output, exit codes and signals as they were", async () => {
      await it.engine.ensureRunner(spec);
      launch("1.1.1", sh("echo out; echo err >&2; exit 3"));
      launch("1.2.1", sh("kill -SEGV $$"));
      launch("1.3.1", sh("exit 0"));
      const failed = await server.untilExit("1.1.1");
      assert.deepEqual(failed.processes, [{ rank: 0, code: 3, signal: null }]);
      assert.deepEqual(
        [failed.kind, failed.signalsSent, failed.outOfMemory],
        ["processes", [], null],
      );
      await server.until("both lines", () => server.logs("1.1.1").length === 2);
      assert.equal(server.output("1.1.1", "stdout").toString(), "out\n");
      assert.equal(server.output("1.1.1", "stderr").toString(), "err\n");
      assert.deepEqual((await server.untilExit("1.2.1")).processes, [
        { rank: 0, code: null, signal: "SIGSEGV" },
      ]);
      assert.deepEqual((await server.untilExit("1.3.1")).processes, [
        { rank: 0, code: 0, signal: null },
      ]);
      for (const id of ["1.1.1", "1.2.1", "1.3.1"]) {
        assert.deepEqual(server.types(id), ["started", "exited"]);
        await untilNone(id);
      }
    });

    test("a program that is not there fails the launch, by its name", async () => {
      await it.engine.ensureRunner(spec);
      launch("1.1.1", ["no-such-program"]);
      const { kind, detail } = await server.untilExit("1.1.1");
      assert.equal(kind, "launch_failed");
      assert.match(detail, /there is no program no-such-program/);
    });

    test("an order that is heard twice starts one program", async () => {
      await it.engine.ensureRunner(spec);
      launch("1.1.1", sh("echo once"));
      await server.untilExit("1.1.1");
      launch("1.1.1", sh("echo twice"));
      launch("1.2.1", sh("echo later"));
      await server.untilExit("1.2.1");
      for (const id of ["1.1.1", "1.2.1"])
        await server.until(`a line of ${id}`, () => server.logs(id).length > 0);
      assert.equal(server.output("1.1.1", "stdout").toString(), "once\n");
    });

    test("SIGTERM reaches everything that was started, and SIGKILL what does not listen, after the grace", async () => {
      await it.engine.ensureRunner(spec);
      const child =
        "import signal, sys, time; signal.signal(15, lambda *_: (print('child heard', flush=True), sys.exit(0))); print('up', flush=True); time.sleep(1000)";
      launch("1.1.1", sh(`trap 'exit 5' TERM; python3 -c "${child}" & wait; exit 6`), PATIENT);
      launch("1.2.1", sh("trap '' TERM; echo up; while :; do sleep 1000; done"), {
        killGraceMs: 200,
      });
      for (const id of ["1.1.1", "1.2.1"])
        await server.until(`${id} is up`, () => server.logs(id).length === 1);
      for (const id of ["1.1.1", "1.2.1"]) server.order(id, { kill: true });
      const deaf = await server.untilExit("1.2.1");
      assert.deepEqual(deaf.processes, [{ rank: 0, code: null, signal: "SIGKILL" }]);
      assert.deepEqual(deaf.signalsSent, ["SIGTERM", "SIGKILL"]);
      assert.equal(deaf.outOfMemory, null);
      const heard = await server.untilExit("1.1.1");
      assert.deepEqual(heard.processes, [{ rank: 0, code: 5, signal: null }]);
      for (const id of ["1.1.1", "1.2.1"]) await untilNone(id);
    });

    test("training talks to its runner, and goes on while the server is replaced", async () => {
      const { pid } = await it.engine.ensureRunner(spec);
      const program = `
from contrail import init
trial = init()
for step in trial.steps():
    trial.report(step, {"loss": 1 / step})
`;
      const code = server.tree({ "train.py": program });
      launch("1.1.1", ["python3", "train.py"], { code, ...PATIENT });
      server.order("1.1.1", { target: 2 });
      await server.until("the wait", () => server.types("1.1.1").includes("waiting"));
      await server.down();
      const again = await it.engine.ensureRunner({ ...spec, token: "another-token" });
      assert.deepEqual(again, { pid, adopted: true });
      server.token = "another-token";
      await server.up();
      server.order("1.1.1", { target: 4 });
      await server.until("step 4", () =>
        server.events("1.1.1").some((event) => event.type === "report" && event.step === 4),
      );
      server.order("1.1.1", { yield: "stop" });
      const exit = await server.untilExit("1.1.1");
      assert.deepEqual([exit.yielded, exit.processes[0]?.code], [true, 0]);
      const steps = server
        .events("1.1.1")
        .flatMap((event) => (event.type === "report" ? event.step : []));
      assert.deepEqual(steps, [1, 2, 3, 4]);
    });

    test("of a runner that was killed nothing is left, and its successor tells", async () => {
      const { pid } = await it.engine.ensureRunner(spec);
      launch("1.1.1", sh("echo up; sleep 1000"));
      await server.until("its line", () => server.logs("1.1.1").length === 1);
      assert.ok((await it.left("1.1.1")) > 0, "what is looked for is seen while it is there");
      process.kill(pid, "SIGKILL");
      while (it.engine.observe(bench.folder).state === "alive") await new Promise(setImmediate);
      const next = await it.engine.ensureRunner(spec);
      assert.notEqual(next.pid, pid);
      assert.equal((await server.untilExit("1.1.1")).kind, "runner_lost");
      await untilNone("1.1.1");
    });

    test("a runner that is told to stop ends its programs in order first", async () => {
      await it.engine.ensureRunner(spec);
      launch("1.1.1", sh("trap 'echo saved; exit 0' TERM; echo up; sleep 1000 & wait"), PATIENT);
      await server.until("its line", () => server.logs("1.1.1").length === 1);
      await it.engine.stopRunner(bench.folder);
      const exit = await server.untilExit("1.1.1");
      assert.deepEqual([exit.kind, exit.signalsSent], ["runner_lost", ["SIGTERM"]]);
      await server.until(
        "its last line",
        () => server.output("1.1.1", "stdout").toString() === "up\nsaved\n",
      );
      await untilNone("1.1.1");
    });

    test("three ranks meet under the address that they are told", async () => {
      await it.engine.ensureRunner(spec);
      const slots = ["cpu:0", "cpu:1", "cpu:2"];
      launch("1.1.1", ["python3", "-c", MEET], { ranks: 3, slots });
      const exit = await server.untilExit("1.1.1");
      assert.deepEqual(exit.processes.map(({ rank, code }) => [rank, code]).toSorted(), [
        [0, 0],
        [1, 0],
        [2, 0],
      ]);
      await server.until("a line of each", () => server.logs("1.1.1").length === 3);
      for (const rank of [0, 1, 2])
        assert.equal(
          server.output("1.1.1", "stdout", rank).toString(),
          `rank ${rank} of 3 total 3\n`,
        );
    });

    test("one rank's end with a fault ends the gang, and is told first", async () => {
      await it.engine.ensureRunner(spec);
      const script = `[ $CONTRAIL_RANK = 1 ] && { echo broken >&2; exit 9; }; sleep 1000`;
      launch("1.1.1", sh(script), { ranks: 2, slots: ["cpu:0", "cpu:1"] });
      const exit = await server.untilExit("1.1.1");
      assert.deepEqual(exit.processes[0], { rank: 1, code: 9, signal: null });
      assert.match(exit.detail, /rank 1 ended first, with code 9; the others were stopped/);
      await untilNone("1.1.1");
    });

    test("memory that runs out is told apart", async () => {
      await it.engine.ensureRunner(spec);
      launch("1.1.1", ["python3", "-c", "bytearray(1 << 60)"]);
      assert.match((await server.untilExit("1.1.1")).outOfMemory ?? "", /MemoryError/);
    });

    test("of a flood of output nothing is lost, also while the server takes none", async () => {
      await it.engine.ensureRunner(spec);
      let closed = true;
      server.intercept = (_, path) => (closed && path.endsWith("/logs") ? 503 : undefined);
      const lines = 60_000;
      launch("1.1.1", ["python3", "-c", `for i in range(${lines}): print(i)`]);
      const refused = () => server.requests.filter((line) => line.endsWith("/logs")).length > 3;
      await server.until("a few refusals", refused);
      closed = false;
      await server.untilExit("1.1.1");
      const all = Array.from({ length: lines }, (_, i) => `${i}\n`).join("");
      await server.until(
        "all lines",
        () => server.logs("1.1.1").filter((line) => line.complete).length === lines,
      );
      assert.ok(server.output("1.1.1", "stdout").equals(Buffer.from(all)));
    });
  });
}
