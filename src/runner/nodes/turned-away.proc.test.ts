/** An agent whose place at the head is taken. */
import assert from "node:assert/strict";
import { afterEach, beforeEach, test } from "node:test";
import { sh } from "../test-bench.ts";
import { TestNodes } from "./test-nodes.ts";

let nodes: TestNodes;
beforeEach(async () => {
  nodes = await TestNodes.open();
});
afterEach(() => nodes.close());

test("an agent that is turned away for longer than a lease takes to run out gives its node back", async () => {
  const { server } = nodes.bench;
  await nodes.startHead();
  nodes.startAgent(1);
  server.launch("1.1.1", sh("sleep 1000"), { slots: ["a", "b"], ranks: 2, killGraceMs: 200 });
  await server.until("it runs", () => server.types("1.1.1").includes("started"));
  const { over } = nodes.startAgent(1, { leaseMs: 100 });
  assert.equal(await over, false);
  assert.deepEqual(server.types("1.1.1"), ["started"]);
});
