import assert from "node:assert/strict";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { lastWords } from "./server-log.ts";

/** @returns what a person is told of a server that wrote these lines */
function told(...lines: object[]): string[] {
  const folder = mkdtempSync(join(tmpdir(), "contrail-log-"));
  try {
    const path = join(folder, "server.log");
    writeFileSync(path, lines.map((line) => `${JSON.stringify(line)}\n`).join(""));
    return lastWords(path, 0, undefined);
  } finally {
    rmSync(folder, { recursive: true });
  }
}

test("what a message has said its error and the error's causes do not say again", () => {
  const msg = "cannot connect to 127.0.0.1:5499: ECONNREFUSED";
  const err = { message: `${msg}: ECONNREFUSED` };
  assert.deepEqual(told({ level: 60, msg, err }), [msg]);
  assert.deepEqual(told({ level: 60, msg, err: { message: msg } }), [msg]);
});

test("a cause that the message has not said stands behind it", () => {
  const line = { level: 60, msg: "could not stop", err: { message: "no room left" } };
  assert.deepEqual(told(line), ["could not stop: no room left"]);
  const joined = { level: 60, msg: "could not stop", err: { message: "could not stop: EIO" } };
  assert.deepEqual(told(joined), ["could not stop: EIO"]);
  assert.deepEqual(told({ level: 60, err: { message: "EIO" } }), ["EIO"]);
});

test("what was said for information is shown only where nobody complained", () => {
  const step = { level: 30, msg: "starting PostgreSQL" };
  assert.deepEqual(told(step), ["starting PostgreSQL"]);
  assert.deepEqual(told(step, { level: 40, msg: "slow" }), ["slow"]);
});
