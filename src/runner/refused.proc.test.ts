/** A server, or whatever stands before it, that does not take one thing: what is behind that arrives, and it is told. */
import assert from "node:assert/strict";
import { existsSync } from "node:fs";
import { join } from "node:path";
import { type TestContext, test } from "node:test";
import { realClock } from "../base/real-clock.ts";
import { sh, TestBench } from "./test-bench.ts";

const PROGRAM = `
import contrail, os
trial = contrail.init()
def save(path):
    open(os.path.join(path, "w"), "w").write("x")
for step in trial.steps(save=save):
    trial.report(step, {"loss": 1})
print("poison", flush=True)
print("after", flush=True)
`;

test("a checkpoint and a line that are refused, and a store that is full, hold up neither the end nor its folder", async () => {
  const bench = await TestBench.open();
  const { server } = bench;
  try {
    const poison = Buffer.from("poison").toString("base64");
    let full = 2;
    server.intercept = (method, path, body) => {
      if (method === "PUT" && path.includes("/blobs/") && full-- > 0) return 507;
      if (path.endsWith("/sync") && body.includes('"tree":')) return 413;
      return path.endsWith("/logs") && body.includes(`"${poison}"`) ? 400 : undefined;
    };
    await bench.startRunner();
    server.launch("1.1.1", ["python3", "-c", PROGRAM]);
    server.order("1.1.1", { target: 2 });
    await server.until("its word", () => server.types("1.1.1").includes("waiting"));
    server.order("1.1.1", { yield: "stop" });
    const exit = await server.untilExit("1.1.1");
    assert.deepEqual(exit.processes, [{ rank: 0, code: 0, signal: null }]);
    await server.until("its output", () => server.logs("1.1.1").length === exit.logLines);
    assert.match(
      server.output("1.1.1", "stdout").toString(),
      /^\[the server refused this line: .*400 .*\]\nafter\n$/,
    );
    const told = server.output("1.1.1", "stderr").toString();
    assert.match(told, /checkpoint at step \d waits, and what comes after it: .*507/);
    assert.match(told, /checkpoint at step \d is at the server now/);
    assert.match(told, /checkpoint at step \d is lost, the server refused it: .*413/);
    assert.match(JSON.stringify(server.records("1.1.1")), /"what":"checkpoint\.\d"/);
    // The runner lets go of what was delivered.
    server.launch("1.2.1", sh("exit 0"));
    await server.untilExit("1.2.1");
    while (existsSync(join(bench.state, "allocations/1.1.1")))
      await new Promise((resolve) => setTimeout(resolve, 20));
  } finally {
    await bench.close();
  }
});

/** A program that waits, and a server that says no to hearing so. */
async function refusedWait(t: TestContext) {
  const bench = await TestBench.open();
  t.after(() => bench.close());
  const { server } = bench;
  // What is refused for twenty seconds is refused for good.
  const { monotonicMs } = realClock;
  t.mock.method(realClock, "monotonicMs", () => 50 * monotonicMs());
  let refusals = 0;
  server.intercept = (_method, path, body) => {
    if (!path.endsWith("/sync") || !body.includes('"waiting"')) return undefined;
    refusals += 1;
    // As a proxy that has words of its own for each request.
    return refusals % 2 === 0 ? 422 : 400;
  };
  await bench.startRunner();
  server.launch("1.1.1", ["python3", "-c", PROGRAM]);
  server.order("1.1.1", { target: 2 });
  const said = () => server.output("1.1.1", "stderr").toString();
  await server.until("what its output says", () =>
    /waits at step 2 is refused by the server, and told again until it is heard: .*4(?:00|22)/.test(
      said(),
    ),
  );
  return { server, said, refusals: () => refusals };
}

test("that a program waits is told until it is heard, and it goes on", {
  timeout: 60_000,
}, async (t) => {
  const { server, said, refusals } = await refusedWait(t);
  const before = refusals();
  await server.until("two refusals more", () => refusals() >= before + 2);
  server.intercept = () => undefined;
  await server.until("that it waits", () => server.types("1.1.1").includes("waiting"));
  server.order("1.1.1", { yield: "stop" });
  const exit = await server.untilExit("1.1.1");
  assert.deepEqual(exit.processes, [{ rank: 0, code: 0, signal: null }]);
  assert.equal(said().split("told again").length, 2);
});

test("one that is killed while that is refused ends", { timeout: 60_000 }, async (t) => {
  const { server } = await refusedWait(t);
  server.order("1.1.1", { kill: true });
  const exit = await server.untilExit("1.1.1");
  assert.equal(exit.processes.length, 1);
  assert.match(JSON.stringify(server.records("1.1.1")), /"what":"waiting\.2"/);
});
