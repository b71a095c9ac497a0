/** Pages of tasks carried through the whole server: what passes, how much of it, and what trouble does. */
import assert from "node:assert/strict";
import { once } from "node:events";
import { describe, test } from "node:test";
import { layWays } from "./test-program.ts";
import {
  ask,
  gather,
  rawRequest,
  rawUpgrade,
  taskBench,
  until,
  upgrade,
  webSocket,
} from "./test-task-bench.ts";

describe("pages of tasks", () => {
  const bench = taskBench();
  const { running, enter } = bench;

  test("it is ready when its program answers, and carries what is asked to it", async () => {
    const it = await running();
    assert.match(it.host, new RegExp(`^task-${it.id}\\.localhost:\\d+$`));
    await until(
      "ready",
      async () => (await bench.server.client.taskReadiness(it.id)).state === "ready",
    );
    const { cookie } = it;
    const headers = { cookie, origin: `http://${it.host}`, "content-type": "text/plain" };
    const said = await ask(it.host, "/a%20path?x=1", {
      method: "POST",
      headers,
      body: Buffer.from("hello"),
    });
    assert.deepEqual([said.status, said.body.toString()], [200, "hello"]);
    assert.equal(it.program.asked.at(-1)?.url, "/a%20path?x=1");
  });

  test("whoever watches it sees what is stored, also since when nobody uses it", async () => {
    const it = await running();
    const { client, runner } = bench.server;
    const seen = async () => {
      for await (const event of client.experimentStream(it.id))
        if (event.event === "experiment") return event.data;
      return undefined;
    };
    assert.deepEqual((await seen())?.task, {
      kind: "notebook",
      idle_timeout_s: null,
      idle_since: null,
    });
    const idleSinceMs = Date.parse("2026-11-28T10:00:00.000Z");
    await runner.tell(it.allocation, { type: "usage", idleSinceMs, expired: false });
    assert.equal((await seen())?.task?.idle_since, "2026-11-28T10:00:00.000Z");
    assert.deepEqual((await client.experiment(it.id)).task, (await seen())?.task);
  });

  test("large bodies both ways come through whole", async () => {
    const it = await running();
    const { cookie } = it;
    const body = Buffer.alloc(32 * 1024 * 1024, "0123456789");
    const headers = { cookie, origin: `http://${it.host}` };
    const back = await ask(it.host, "/echo", { method: "PUT", headers, body });
    assert.ok(back.body.equals(body));
    const got = await ask(it.host, "/bytes?n=50000001", { headers: { cookie } });
    assert.equal(got.body.length, 50_000_001);
  });

  test("many at once, and one who does not read holds up nobody", async () => {
    const it = await running();
    const headers = { cookie: it.cookie };
    const deaf = await rawRequest(it, "GET /bytes?n=200000000");
    deaf.pause();
    const many = Array.from({ length: 60 }, (_, i) =>
      ask(it.host, `/bytes?n=${i + 1}`, { headers }),
    );
    const lengths = (await Promise.all(many)).map(({ body }) => body.length);
    assert.deepEqual(
      lengths,
      Array.from({ length: 60 }, (_, i) => i + 1),
    );
    // All of its 200 MB would be here if it were taken without being asked for.
    assert.ok(deaf.bytesRead < 20_000_000, `${deaf.bytesRead} bytes were pushed`);
    deaf.destroy();
    await until("its program hears of it", () => it.program.sockets.size === 0);
  });

  test("a WebSocket is carried as it is, both ways, to its end", async () => {
    const it = await running();
    const socket = await webSocket(it);
    const heard = gather(socket);
    const sent = Buffer.alloc(3_000_000, "frames");
    socket.write(sent);
    await until("all is echoed", () => heard().length === sent.length);
    assert.ok(heard().equals(sent));
    const asked = it.program.asked.at(-1);
    assert.ok(!asked?.raw.join("\n").includes("contrail_task"));
    socket.end();
    await until("its program hears of it", () => it.program.sockets.size === 0);
  });

  test("a WebSocket that its program refuses is answered like any request", async () => {
    const it = await running();
    const { head } = await upgrade(it, { path: "/no-socket" });
    assert.match(head, /^HTTP\/1\.1 403 /);
  });

  describe("in trouble", () => {
    test("a program that is not there yet, and one that dies in the middle", async () => {
      const it = await running();
      const half = await rawRequest(it, "GET /bytes?n=100000000");
      await once(half, "data");
      const closed = once(half.resume(), "close");
      it.program.kill();
      await closed;
      const told = await ask(it.host, "/", { headers: { cookie: it.cookie } });
      assert.equal(told.status, 502);
      assert.match(told.body.toString(), /does not answer/);
      assert.equal((await bench.server.client.taskReadiness(it.id)).state, "starting");
    });

    test("a runner that is gone is waited for, and the ways that it lays then are used", async () => {
      const it = await running();
      const half = await rawRequest(it, "GET /bytes?n=100000000");
      await once(half, "data");
      const closed = once(half.resume(), "close");
      it.ways.close();
      await closed;
      const waiting = ask(it.host, "/bytes?n=7", { headers: { cookie: it.cookie } });
      await new Promise((soon) => setTimeout(soon, 300));
      const { allocation, program } = it;
      const again = layWays(bench.server.url, bench.server.runner.token, {
        allocation,
        path: program.path,
      });
      assert.equal((await waiting).body.length, 7);
      again.close();
    });

    test("ways are laid by the allocation's own runner alone, and no more than are kept", async () => {
      const it = await running();
      const path = `/api/v1/runners/local/tunnels/${it.allocation}`;
      const { token } = bench.server.runner;
      const plain = await bench.server.call("GET", path, { token });
      assert.equal(plain.status, 400);
      assert.match(plain.problem.detail, /asks for no upgrade/);
      const head = (to: string, bearer: string | null, more = "") =>
        rawUpgrade(
          bench.server.url,
          to,
          bearer === null ? "" : `Authorization: Bearer ${bearer}\r\n${more}`,
        );
      assert.match(await head(path, null), /^HTTP\/1\.1 401 /);
      assert.match(await head(path, bench.server.token), /^HTTP\/1\.1 403 /);
      assert.match(await head(path.replace("local", "other"), token), /^HTTP\/1\.1 403 /);
      assert.match(await head(path.replace(/\d+$/, "9"), token), /^HTTP\/1\.1 404 /);
      assert.match(await head("/api/v1/me", null), /^HTTP\/1\.1 401 /);
      assert.match(await head("/api/v1/me", bench.server.token), /^HTTP\/1\.1 200 /);
      assert.match(await head("/nothing", null), /^HTTP\/1\.1 401 /);
      const { allocation, program } = it;
      const greedy = layWays(bench.server.url, token, {
        allocation,
        path: program.path,
        spares: 40,
      });
      await until("32 lie ready", () => greedy.spare() === 28);
      assert.match(await head(path, token), /^HTTP\/1\.1 409 /);
      greedy.close();
    });

    test("over a restart of the server the person stays, and new ways are used", async () => {
      const it = await running();
      await bench.server.restart("keep");
      const { allocation, program } = it;
      const again = layWays(bench.server.url, bench.server.runner.token, {
        allocation,
        path: program.path,
      });
      const { host, cookie } = await enter(it.id);
      const told = await ask(host, "/bytes?n=9", { headers: { cookie } });
      assert.equal(told.body.length, 9);
      const name = (text: string) => text.split("=")[0];
      const old = `${name(cookie)}=${it.cookie.split("=")[1]}`;
      assert.equal((await ask(host, "/bytes?n=9", { headers: { cookie: old } })).status, 200);
      again.close();
    });
  });
});
