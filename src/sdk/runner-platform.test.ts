/** What a program does that ends by itself, whatever it hears at its end. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { FakeRunner, goTo } from "./fake-runner.ts";
import { connectRunner } from "./runner-platform.ts";

test("orders that arrive at the end of an open-ended trial of several ranks send none of them past it", async () => {
  await using runner = await FakeRunner.start({
    orders: goTo(null),
    welcome: { size: 2, openEnded: true },
  });
  const options = { rank: 1, warn: () => {}, ownEnd: () => 3 };
  const platform = await connectRunner(runner.socketPath, options);
  await platform.wait(3);
  assert.equal(platform.orders.yield, "stop");
  runner.push({ ...goTo(null), reason: "heard late" });
  while (platform.orders.reason !== "heard late") await new Promise(setImmediate);
  assert.equal((await platform.agree()).target, 3);
  await platform.wait(3);
  assert.equal((await platform.agree()).yield, "stop");
});
