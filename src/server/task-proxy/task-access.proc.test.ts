/** Who may see a task's pages, and what those may ask (rows S1, S6 of the matrix): every way in that there is, tried by the wrong one. */
import assert from "node:assert/strict";
import { once } from "node:events";
import { describe, test } from "node:test";
import { sha256 } from "../access.ts";
import { layWays, TestProgram } from "./test-program.ts";
import {
  ask,
  gather,
  NOTEBOOK,
  rawHead,
  rawRequest,
  shellTerminal,
  taskBench,
  until,
  upgrade,
  webSocket,
} from "./test-task-bench.ts";

describe("access to pages of tasks", () => {
  const bench = taskBench();
  const { running } = bench;

  describe("who is let in", () => {
    test("nobody without the task's own cookie, whatever is asked and however", async () => {
      const it = await running();
      const other = await running();
      const stranger = it.cookie.replace(/.$/, (last) => (last === "0" ? "1" : "0"));
      const cookies = [
        undefined,
        `contrail_session_1=${bench.server.token}`,
        it.cookie.replace(/=.*/, `=${bench.server.token}`),
        it.cookie.replace(/=.*/, "="),
        stranger,
        other.cookie,
      ];
      const before = it.program.asked.length;
      for (const method of ["GET", "HEAD", "POST", "PUT", "DELETE", "PATCH", "OPTIONS", "PROPFIND"])
        for (const path of [
          "/",
          "/api",
          "/lab",
          "/api/v1/me",
          "/api/v1/health",
          "/assets/a.js",
          "//x",
        ])
          for (const cookie of method === "GET" ? cookies : [undefined]) {
            const headers = {
              authorization: `Bearer ${bench.server.token}`,
              ...(cookie && { cookie }),
            };
            const { status } = await ask(it.host, path, { method, headers });
            assert.equal(status, 401, `${method} ${path} ${cookie}`);
          }
      for (const cookie of cookies) {
        const { head } = await upgrade(it, { headers: { cookie } });
        assert.match(head, /^HTTP\/1\.1 401 /, cookie);
      }
      assert.equal(it.program.asked.length, before, "the program was asked for nothing");
    });

    test("a task that is not there is refused like one that is, and a foreign name is nobody's", async () => {
      const it = await running();
      const port = it.host.split(":")[1];
      const bodies = new Set<string>();
      for (const id of [it.id, 999, 2147483647]) {
        const told = await ask(it.host, "/", { headers: { host: `task-${id}.localhost:${port}` } });
        assert.equal(told.status, 401);
        bodies.add(told.body.toString());
      }
      assert.equal(bodies.size, 1);
      const names = [
        "localhost",
        "127.0.0.1",
        "",
        "evil.example",
        "task-1.evil.example",
        "task-01.localhost",
      ];
      names.push(
        `task-${it.id}.localhost.evil.example`,
        `x.task-${it.id}.localhost`,
        "task-1e1.localhost",
      );
      for (const name of names)
        for (const path of ["/", "/.contrail/enter?ticket=x", "/api/v1/health"]) {
          const told = await ask(it.host, path, {
            headers: { host: `${name}:${port}`, cookie: it.cookie },
          });
          // A name that is none at all is not even a request.
          assert.ok(
            told.status === 421 || (name === "" && told.status === 400),
            `${name} ${path}: ${told.status}`,
          );
        }
    });

    test("a ticket holds once, for a minute, at its own task, while its allocation runs", async () => {
      const it = await running();
      const other = await running();
      const enterWith = async (url: string, host = it.host) => {
        const { pathname, search } = new URL(url);
        return (await ask(host, `${pathname}${search}`)).status;
      };
      const { url, expires_at } = await bench.server.client.openTask(it.id);
      assert.ok(Math.abs(Date.parse(expires_at) - Date.now() - 60_000) < 30_000);
      assert.equal(await enterWith(url), 303);
      assert.equal(await enterWith(url), 401, "twice");
      const elsewhere = (await bench.server.client.openTask(it.id)).url;
      assert.equal(await enterWith(elsewhere, other.host), 401, "at another task");
      assert.equal(await enterWith(elsewhere), 401, "and it is used up by that");
      const late = (await bench.server.client.openTask(it.id)).url;
      bench.server.clock.advance(61_000);
      assert.equal(await enterWith(late), 401, "late");
      bench.server.clock.advance(-61_000);
      for (const ticket of ["", "x", "a".repeat(5000)])
        assert.equal(await enterWith(`http://x/.contrail/enter?ticket=${ticket}`), 401);
      const last = (await bench.server.client.openTask(it.id)).url;
      await bench.server.runner.exited(it.allocation, 0);
      assert.equal(await enterWith(last), 401, "over");
    });

    test("only a person who may change things opens a task, and only one that serves and runs", async () => {
      const it = await running();
      const { token } = await bench.server.client.createToken({ name: "viewer", scope: "read" });
      const path = `/api/v1/tasks/${it.id}/open`;
      assert.equal((await bench.server.call("POST", path, { token, body: {} })).status, 403);
      assert.equal(
        (await bench.server.call("POST", path, { token: bench.server.runner.token, body: {} }))
          .status,
        403,
      );
      const plain = NOTEBOOK.replace(/task:.*\n/, "");
      const { experiment } = await bench.server.client.createExperiment({
        config: plain,
        code: null,
      });
      const refused = await bench.server.call("POST", `/api/v1/tasks/${experiment?.id}/open`, {
        body: {},
      });
      assert.equal(refused.status, 409);
      assert.match(refused.problem.detail, /no shell and no notebook/);
      assert.equal(
        (await bench.server.call("POST", "/api/v1/tasks/999999/open", { body: {} })).status,
        404,
      );
      await bench.server.client.changeExperiment(experiment?.id ?? 0, "kill");
      await bench.server.runner.exited(it.allocation, 0);
      const ended = await bench.server.call("POST", path, { body: {} });
      assert.equal(ended.status, 409);
      assert.match(ended.problem.detail, /does not run: it has ended/);
    });

    test("nobody but its owner opens it", async () => {
      const it = await running();
      const { pool } = bench.server;
      const token = "cu_of-somebody-else";
      await pool.query("insert into users (name, created_at) values ('eve', now())");
      await pool.query(
        `insert into tokens (id, user_id, name, scope, hash, created_at, expires_at)
         select 'eee0eee0eee0eee0', id, 'hers', 'user', $1, now(), null from users where name = 'eve'`,
        [sha256(token)],
      );
      const path = `/api/v1/tasks/${it.id}/open`;
      const answer = await bench.server.call("POST", path, { token, body: {} });
      assert.equal(answer.status, 403);
      assert.match(answer.problem.detail, /was started by ada, and eve may not open it/);
    });

    test("who signs out, or whose token is revoked, is out within seconds; what is open is cut", async () => {
      const it = await running();
      const made = await bench.server.client.createToken({ name: "laptop" });
      const open = await bench.server.call("POST", `/api/v1/tasks/${it.id}/open`, {
        token: made.token,
        body: {},
      });
      const link = new URL((open.json as { url: string }).url);
      const entered = await ask(link.host, `${link.pathname}${link.search}`);
      const cookie = entered.headers["set-cookie"]?.[0]?.split(";")[0] ?? "";
      const look = async () => (await ask(it.host, "/bytes?n=1", { headers: { cookie } })).status;
      assert.equal(await look(), 200);
      const socket = await webSocket({ ...it, cookie });
      const stays = await webSocket(it);
      const closed = once(socket, "close");
      await bench.server.client.revokeToken(made.id);
      await closed;
      await until("it is refused", async () => (await look()) === 401);
      assert.ok(!stays.destroyed, "others stay");
      stays.destroy();
    });

    test("a terminal on a shell is cut within seconds of the end of its token", async () => {
      const { client, runner, url } = bench.server;
      const config = NOTEBOOK.replace("kind: notebook", "kind: shell");
      const { experiment } = await client.createExperiment({ config, code: null });
      assert.ok(experiment);
      const allocation = `${experiment.id}.1.1`;
      await runner.started(allocation);
      const program = await new TestProgram().listen();
      const ways = layWays(url, runner.token, { allocation, path: program.path });
      try {
        const made = await client.createToken({ name: "lost laptop" });
        const terminal = await shellTerminal(url, experiment.id, made.token);
        const stays = await shellTerminal(url, experiment.id, bench.server.token);
        const heard = gather(terminal);
        // From then on an echo, which ends nothing by itself.
        terminal.write("GET / HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: x\r\n\r\n");
        await until("its program answers", () => heard().includes("101 Switching"));
        const closed = once(terminal, "close", { signal: AbortSignal.timeout(10_000) });
        await client.revokeToken(made.id);
        await closed;
        assert.ok(!stays.destroyed, "others stay");
        stays.destroy();
      } finally {
        ways.close();
        program.close();
      }
    });

    test("with its allocation everything ends, at once", async () => {
      const it = await running();
      const socket = await webSocket(it);
      const half = await rawRequest(it, "GET /bytes?n=100000000");
      half.pause();
      const ends = [once(socket, "close"), once(half.resume(), "close")];
      await bench.server.runner.exited(it.allocation, 0);
      await Promise.all(ends);
      const told = await ask(it.host, "/", { headers: { cookie: it.cookie } });
      assert.equal(told.status, 401);
      await until("no way is left", () => it.program.sockets.size === 0);
    });
  });

  describe("what a page may ask", () => {
    test("another origin is refused, with whatever method, and so is a frame of one", async () => {
      const it = await running();
      const { cookie } = it;
      const before = it.program.asked.length;
      const port = it.host.split(":")[1];
      const origins = [
        bench.server.url,
        "null",
        "http://evil.example",
        `http://task-${it.id + 1}.localhost:${port}`,
      ];
      origins.push(
        `https://${it.host}`,
        `http://${it.host}.evil.example`,
        `http://task-${it.id}.localhost`,
      );
      for (const origin of origins) {
        for (const method of ["GET", "POST", "DELETE"]) {
          const { status } = await ask(it.host, "/api", { method, headers: { cookie, origin } });
          assert.equal(status, 403, `${method} from ${origin}`);
        }
        assert.match((await upgrade(it, { headers: { origin } })).head, /^HTTP\/1\.1 403 /, origin);
      }
      assert.equal(
        (await ask(it.host, "/", { method: "POST", headers: { cookie } })).status,
        403,
        "no origin",
      );
      assert.match(
        (await upgrade(it, { headers: { origin: undefined } })).head,
        /^HTTP\/1\.1 403 /,
      );
      const sites: Record<string, string>[] = [
        { "sec-fetch-site": "same-site", "sec-fetch-mode": "no-cors", "sec-fetch-dest": "image" },
        {
          "sec-fetch-site": "cross-site",
          "sec-fetch-mode": "navigate",
          "sec-fetch-dest": "iframe",
        },
        { "sec-fetch-site": "cross-site", "sec-fetch-mode": "cors", "sec-fetch-dest": "empty" },
        { "sec-fetch-site": "same-origin", "service-worker": "script" },
      ];
      for (const headers of sites)
        assert.equal((await ask(it.host, "/", { headers: { cookie, ...headers } })).status, 403);
      assert.equal(it.program.asked.length, before, "the program was asked for nothing");
      const followed = {
        "sec-fetch-site": "cross-site",
        "sec-fetch-mode": "navigate",
        "sec-fetch-dest": "document",
      };
      assert.equal(
        (await ask(it.host, "/bytes?n=1", { headers: { cookie, ...followed } })).status,
        200,
      );
    });

    test("who the person is never reaches the program", async () => {
      const it = await running();
      const headers = {
        cookie: `a=1; contrail_session_4747=secret; ${it.cookie}; _xsrf=2; contrail_session=secret; Contrail_Task=x`,
        authorization: `Bearer ${bench.server.token}`,
        "proxy-authorization": "Basic c2VjcmV0",
        "x-forwarded-for": "1.2.3.4",
        forwarded: "for=1.2.3.4",
        connection: "keep-alive, x-hop",
        "x-hop": "secret",
        te: "trailers",
        "x-own": "kept",
      };
      await ask(it.host, "/head", { headers });
      const raw = it.program.asked.at(-1)?.raw ?? [];
      const text = raw.join("\n").toLowerCase();
      for (const word of [
        "secret",
        bench.server.token.toLowerCase(),
        "contrail",
        "1.2.3.4",
        "trailers",
        "x-hop",
      ])
        assert.ok(!text.includes(word), `${word} in ${text}`);
      assert.equal(raw[raw.indexOf("cookie") + 1], "a=1; _xsrf=2");
      assert.ok(text.includes("x-own\nkept") && text.includes(`host\n${it.host}`));
    });

    test("what the program answers reaches no other origin", async () => {
      const set = [
        "s=1; Path=/",
        "wide=1; Domain=localhost",
        "contrail_session_4747=x",
        "contrail_task=x; Path=/",
      ];
      const program = new TestProgram((_request, response) => {
        response.writeHead(200, "Fine", {
          "Set-Cookie": set,
          "Access-Control-Allow-Origin": "*",
          "Access-Control-Allow-Credentials": "true",
          "Service-Worker-Allowed": "/",
          "Content-Security-Policy": "default-src 'self'",
          "X-Frame-Options": "ALLOWALL",
          "Clear-Site-Data": '"cookies"',
          "X-Own": "kept",
        });
        response.end("<script>1</script>");
      });
      const it = await running(program);
      const { headers } = await ask(it.host, "/", { headers: { cookie: it.cookie } });
      assert.deepEqual(headers["set-cookie"], ["s=1; Path=/"]);
      for (const name of Object.keys(headers))
        assert.ok(!/^access-control-|^service-worker-allowed$|^clear-site-data$/.test(name), name);
      assert.equal(
        headers["content-security-policy"],
        "default-src 'self', frame-ancestors 'self'",
      );
      assert.equal(headers["x-frame-options"], "SAMEORIGIN");
      assert.equal(headers["cross-origin-resource-policy"], "same-origin");
      assert.equal(headers["x-own"], "kept");
      const { head } = await upgrade(it, {});
      assert.match(head, /^HTTP\/1\.1 101 /);
      assert.ok(!/set-cookie/i.test(head), head);
    });

    test("no path leads to another target", async () => {
      const it = await running();
      const other = await running();
      const lines = [
        `GET ${bench.server.url}/api/v1/health HTTP/1.1`,
        `GET http://${other.host}/ HTTP/1.1`,
        "OPTIONS * HTTP/1.1",
        "CONNECT 127.0.0.1:22 HTTP/1.1",
      ];
      for (const line of lines) {
        const head = await rawHead(it, line);
        assert.match(head, /^(?:HTTP\/1\.1 400 |$)/, line);
      }
      for (const path of [
        `//${other.host}/x`,
        "/../../etc/passwd",
        "/%2e%2e/x",
        "/@127.0.0.1:22/",
        "/x?y=http://z",
      ]) {
        const head = await rawHead(it, `GET ${path} HTTP/1.1`);
        assert.match(head, /^HTTP\/1\.1 200 /, path);
        assert.equal(it.program.asked.at(-1)?.url, path, "as it is, to its own program");
      }
      assert.ok(other.program.asked.every(({ url }) => !url.includes("/x")));
    });
  });
});
