/** What is passed on of what is typed, and what leaves. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { Escape } from "./escape.ts";

/** @param pieces as they come from the terminal */
function typed(...pieces: string[]): string {
  const keys = new Escape();
  let passed = "";
  for (const piece of pieces) {
    const { pass, leave } = keys.take(Buffer.from(piece, "latin1"));
    passed += Buffer.from(pass).toString("latin1");
    if (leave) return `${passed}|left`;
  }
  return passed;
}

for (const [pieces, expected] of [
  [["ls ~/x\r"], "ls ~/x\r"],
  [["ls\r", "~", "."], "ls\r|left"],
  [["~."], "|left"],
  [["ls\r~.more"], "ls\r|left"],
  [["\r~~."], "\r~."],
  [["\r~x"], "\r~x"],
  [["a~."], "a~."],
  [["\x03\x1b[A"], "\x03\x1b[A"],
] as const)
  test(JSON.stringify(pieces), () => assert.equal(typed(...pieces), expected));
