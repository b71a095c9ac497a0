import assert from "node:assert/strict";
import { fork } from "node:child_process";
import { once } from "node:events";
import { createServer, Server } from "node:net";
import { test } from "node:test";
import { claimPort, NoPort, type PortRange, type RendezvousPort } from "./rendezvous-port.ts";

const noAbstractNames =
  process.platform === "linux" ? false : "only Linux has abstract names for sockets";

/** So many ports in a row that nobody has, from a place of this process's own: another may run the same test. */
async function freeRange(count: number): Promise<PortRange> {
  for (let tried = 0; tried < 100; tried++) {
    const first = 21_000 + ((process.pid * 97 + tried) % 900) * count;
    const range = { first, last: first + count - 1 };
    const claims: RendezvousPort[] = [];
    try {
      while (claims.length < count) claims.push(await claimPort("a look", range));
      return range;
    } catch (error) {
      if (!(error instanceof NoPort)) throw error;
    } finally {
      for (const claim of claims) claim.release();
    }
  }
  throw new Error("no range of ports is free");
}

test("no port is given twice while it is claimed, and every one that is released comes back", async () => {
  const range = await freeRange(8);
  const claims: RendezvousPort[] = [];
  for (let i = 0; i < 8; i++) claims.push(await claimPort(`trial ${i}`, range));
  assert.equal(new Set(claims.map(({ port }) => port)).size, 8);
  await assert.rejects(claimPort("one more", range), NoPort);
  claims[3]?.release();
  const again = await claimPort("one more", range);
  assert.equal(again.port, claims[3]?.port);
  for (const claim of [...claims, again]) claim.release();
});

test("a port on which another program listens is passed over", async () => {
  const range = await freeRange(2);
  const first = await claimPort("the same", range);
  first.release();
  const other = createServer();
  other.listen(first.port, "127.0.0.1");
  await once(other, "listening");
  const next = await claimPort("the same", range);
  assert.notEqual(next.port, first.port);
  next.release();
  other.close();
});

test("another process's claim holds until it dies", {
  skip: noAbstractNames,
}, async () => {
  const range = await freeRange(2);
  const code = `import { claimPort } from ${JSON.stringify(new URL("./rendezvous-port.ts", import.meta.url).href)};
      const { port } = await claimPort("the same", ${JSON.stringify(range)});
      process.send(port); setInterval(() => {}, 1000);`;
  const child = fork("-", { execArgv: ["--input-type=module", "-e", code], silent: true });
  const [theirs] = (await once(child, "message")) as [number];
  const ours = await claimPort("the same", range);
  assert.notEqual(ours.port, theirs);
  child.kill("SIGKILL");
  await once(child, "exit");
  const freed = await claimPort("the same", range);
  assert.equal(freed.port, theirs);
  for (const claim of [ours, freed]) claim.release();
});

test("who may open no more files does not take every port for taken, and keeps none", async (t) => {
  const range = await freeRange(2);
  const { listen } = Server.prototype;
  for (const failing of [1, 2]) {
    let calls = 0;
    t.mock.method(Server.prototype, "listen", function (this: Server, ...call: unknown[]) {
      calls += 1;
      if (calls !== failing) return listen.apply(this, call as Parameters<typeof listen>);
      const error = Object.assign(new Error("listen EMFILE"), { code: "EMFILE" });
      return void process.nextTick(() => this.emit("error", error));
    } as typeof listen);
    await assert.rejects(claimPort("crowded", range), { code: "EMFILE" });
    t.mock.restoreAll();
    const claims = await Promise.all([1, 2].map(() => claimPort("crowded", range)));
    for (const claim of claims) claim.release();
  }
});
