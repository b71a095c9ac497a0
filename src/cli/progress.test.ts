/** What progress says is inert, whoever named the thing that it is about. */
import assert from "node:assert/strict";
import { test } from "node:test";
import type { Clock } from "../base/clock.ts";
import { startProgress } from "./progress.ts";

test("a terminal that knows no cursor gets lines", () => {
  const due: { delayMs: number; callback: () => void }[] = [];
  const clock: Clock = {
    nowMs: () => 0,
    monotonicMs: () => 0,
    after(delayMs, callback) {
      due.push({ delayMs, callback });
      return () => {};
    },
  };
  let out = "";
  const write = (text: string): void => {
    out += text;
  };
  const progress = startProgress(
    "submitting",
    { columns: 80, isTTY: true, dumb: true, write },
    clock,
  );
  due[0]?.callback();
  progress.stop();
  assert.equal(out, "submitting (0 s)\n");
});

for (const isTTY of [false, true])
  test(`names of others and details do nothing to ${isTTY ? "a terminal" : "a pipe"}`, () => {
    let due: () => void = () => {};
    const clock: Clock = {
      nowMs: () => 0,
      monotonicMs: () => 0,
      after(_delayMs, callback) {
        due = callback;
        return () => {};
      },
    };
    let out = "";
    const write = (text: string): void => {
      out += text;
    };
    const sink = { columns: 200, isTTY, write };
    const progress = startProgress("checking out \u001b[2J\u202ex@2", sink, clock);
    progress.detail("\u0007 half");
    due();
    progress.stop();
    const said = out.replaceAll("\r\u001b[2K", "");
    assert.match(said, /checking out \\x1b\[2J\\u202ex@2 · \\x07 half/);
    for (const char of ["\u001b", "\u0007", "\u202e"]) assert.ok(!said.includes(char));
  });
