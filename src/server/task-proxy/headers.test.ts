/** What passes between a browser and a task's program, and under which names; over tables. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { originOf, readTaskDomain, taskOfHost } from "./address.ts";
import { headersIn, headersOut, isOwnCookie } from "./headers.ts";

test("a domain is read as people write it, and what is none is refused", () => {
  const good: [text: string, origin: string][] = [
    ["localhost", "http://task-7.localhost:4748"],
    ["Tasks.Example.com", "http://task-7.tasks.example.com:4748"],
    ["tasks.example.com:80", "http://task-7.tasks.example.com"],
    ["https://tasks.example.com", "https://task-7.tasks.example.com"],
    ["https://tasks.example.com:8443/", "https://task-7.tasks.example.com:8443"],
    ["http://t", "http://task-7.t"],
  ];
  for (const [text, origin] of good) {
    const address = readTaskDomain(text, 4748);
    assert.ok(address, text);
    assert.equal(originOf(address, 7), origin);
    assert.equal(taskOfHost(address, new URL(origin).host), 7);
  }
  const bad = [
    "",
    "127.0.0.1",
    "ftp://x.y",
    "a b",
    "x/y",
    "-a.b",
    "a..b",
    "[::1]",
    "a:99999",
    "a:0",
  ];
  for (const text of [...bad, "é.example", `${"a.".repeat(150)}b`, "user@host", "*.example.com"])
    assert.equal(readTaskDomain(text, 4748), undefined, text);
});

test("headers of one connection do not pass, nor those that a Connection header names", () => {
  const raw = [
    "Connection",
    "close, X-Mine",
    "x-mine",
    "1",
    "TE",
    "x",
    "Upgrade",
    "h2c",
    "Accept",
    "a",
    "Accept",
    "b",
  ];
  assert.deepEqual(headersIn(raw, "https"), [
    "Accept",
    "a",
    "Accept",
    "b",
    "X-Forwarded-Proto",
    "https",
  ]);
  const out = headersOut([...raw, "Transfer-Encoding", "chunked", "Keep-Alive", "5"]);
  assert.deepEqual(out.slice(0, 4), ["Accept", "a", "Accept", "b"]);
});

test("cookies of the app and the proxy are known by every name that they can have", () => {
  for (const name of [
    "contrail_session",
    "contrail_session_4747",
    "CONTRAIL_TASK_1",
    "__Host-contrail_task",
    " contrail_task ",
  ])
    assert.ok(isOwnCookie(name), name);
  for (const name of ["contrail", "contrail_session_x", "my_contrail_task", "_xsrf"])
    assert.ok(!isOwnCookie(name), name);
  const wide = [
    "a=1; domain=x.y",
    "b=1;Domain",
    "contrail_task_1=x",
    "c=1; Path=/; DOMAIN = z",
    "d=domain=1",
  ];
  const kept = headersOut(wide.flatMap((value) => ["set-cookie", value])).filter(
    (_, at, all) => all[at - 1] === "set-cookie",
  );
  assert.deepEqual(kept, ["d=domain=1"]);
});
