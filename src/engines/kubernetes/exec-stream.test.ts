import assert from "node:assert/strict";
import { PassThrough } from "node:stream";
import { test } from "node:test";
import { outcomeOfExec } from "./exec-stream.ts";

function frame(opcode: number, payload: Buffer): Buffer {
  const { length } = payload;
  const head =
    length < 126 ? Buffer.from([0x80 | opcode, length]) : Buffer.from([0x80 | opcode, 126, 0, 0]);
  if (length >= 126) head.writeUInt16BE(length, 2);
  return Buffer.concat([head, payload]);
}
const channel = (number: number, text: string): Buffer =>
  frame(2, Buffer.concat([Buffer.from([number]), Buffer.from(text)]));

/** Byte by byte: frames come in any pieces. */
async function outcome(...frames: readonly Buffer[]) {
  const stream = new PassThrough();
  const read = outcomeOfExec(stream);
  for (const byte of Buffer.concat(frames)) stream.write(Buffer.from([byte]));
  stream.end();
  return await read;
}

test("a command that ended well", async () => {
  const status = JSON.stringify({ status: "Success" });
  const printed = "x".repeat(300);
  assert.deepEqual(await outcome(channel(1, printed), channel(3, status), frame(8, Buffer.of())), {
    exitCode: 0,
    text: printed,
  });
});

test("a command that failed, with what it printed and its code", async () => {
  const status = JSON.stringify({
    ...{ status: "Failure", message: "command terminated" },
    details: { causes: [{ reason: "ExitCode", message: "2" }] },
  });
  const found = await outcome(channel(2, "No such process\n"), channel(3, status));
  assert.deepEqual(found, { exitCode: 2, text: "No such process\ncommand terminated" });
});

test("a connection that ended before the command did", async () => {
  const found = await outcome(channel(1, "half"));
  assert.equal(found.exitCode, null);
  assert.match(found.text, /the connection ended/);
});
