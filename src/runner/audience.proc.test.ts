/** Who hears of a pause and who does not, by the connections that programs open and close. */
import assert from "node:assert/strict";
import { afterEach, beforeEach, test } from "node:test";
import { TestBench } from "./test-bench.ts";

let bench: TestBench;
beforeEach(async () => {
  bench = await TestBench.open();
  await bench.startRunner();
});
afterEach(() => bench.close());

/** A program that opens connections by itself. */
const program = (body: string): string[] => [
  process.execPath,
  "-e",
  `const { createConnection } = require("node:net");
  function greet(heard) {
    const socket = createConnection(process.env.CONTRAIL_SOCKET);
    socket.say = (message) => socket.write(JSON.stringify(message) + "\\n");
    let held = "";
    socket.on("data", (chunk) => {
      const lines = (held + chunk).split("\\n");
      held = lines.pop();
      for (const line of lines) heard(JSON.parse(line));
    });
    socket.say({ type: "hello", rank: 0, sdk: "test" });
    return socket;
  }
  const ready = () => console.log("ready");
  ${body}`,
];

async function pauseWhenReady(): Promise<void> {
  const { server } = bench;
  await server.until("that it is ready", () => server.logs("1.1.1").length > 0);
  server.order("1.1.1", { yield: "pause" });
}

test("a pause that the program hears counts, though a helper beside it has said goodbye", async () => {
  const body = `
    const trainer = greet((message) => {
      if (message.type === "welcome") evaluate();
      if (message.yield !== "pause") return;
      trainer.say({ type: "bye" });
      trainer.end();
    });
    function evaluate() {
      const helper = greet(() => { helper.say({ type: "bye" }); helper.end(); });
      helper.on("close", ready);
    }`;
  bench.server.launch("1.1.1", program(body), { yieldGraceMs: 60_000 });
  await pauseWhenReady();
  const { yielded, signalsSent } = await bench.server.untilExit("1.1.1");
  assert.deepEqual({ yielded, signalsSent }, { yielded: true, signalsSent: [] });
});

test("a program whose connection is closed is told by a signal, and not waited for", async () => {
  const body = `
    const socket = greet(() => socket.end());
    socket.on("close", ready);
    setInterval(() => {}, 1000);`;
  bench.server.launch("1.1.1", program(body), { yieldGraceMs: 3_600_000 });
  await pauseWhenReady();
  const { signalsSent } = await bench.server.untilExit("1.1.1");
  assert.deepEqual(signalsSent, ["SIGTERM"]);
});
