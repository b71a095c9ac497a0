import assert from "node:assert/strict";
import { fork } from "node:child_process";
import { once } from "node:events";
import { createServer } from "node:net";
import { test } from "node:test";
import { claimPort, NoPort } from "./rendezvous-port.ts";

const noAbstractNames =
  process.platform === "linux" ? false : "only Linux has abstract names for sockets";
const RANGE = { first: 23_000, last: 23_007 };

test("no port is given twice while it is claimed, and every one that is released comes back", async () => {
  const claims = [];
  for (let i = 0; i < 8; i++) claims.push(await claimPort(`trial ${i}`, RANGE));
  assert.equal(new Set(claims.map(({ port }) => port)).size, 8);
  await assert.rejects(claimPort("one more", RANGE), NoPort);
  claims[3]?.release();
  const again = await claimPort("one more", RANGE);
  assert.equal(again.port, claims[3]?.port);
  for (const claim of [...claims, again]) claim.release();
});

test("a port on which another program listens is passed over", async () => {
  const first = await claimPort("the same", RANGE);
  first.release();
  const other = createServer();
  other.listen(first.port, "127.0.0.1");
  await once(other, "listening");
  const next = await claimPort("the same", RANGE);
  assert.notEqual(next.port, first.port);
  next.release();
  other.close();
});

test("another process's claim holds until it dies", {
  skip: noAbstractNames,
}, async () => {
  const code = `import { claimPort } from ${JSON.stringify(new URL("./rendezvous-port.ts", import.meta.url).href)};
      const { port } = await claimPort("the same", { first: 23100, last: 23101 });
      process.send(port); setInterval(() => {}, 1000);`;
  const child = fork("-", { execArgv: ["--input-type=module", "-e", code], silent: true });
  const [theirs] = (await once(child, "message")) as [number];
  const range = { first: 23_100, last: 23_101 };
  const ours = await claimPort("the same", range);
  assert.notEqual(ours.port, theirs);
  child.kill("SIGKILL");
  await once(child, "exit");
  const freed = await claimPort("the same", range);
  assert.equal(freed.port, theirs);
  for (const claim of [ours, freed]) claim.release();
});
