/** One stretch is read once, by however many it is asked for. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { Verifications, type VerifyContext } from "./verify.ts";

test("what is being verified already is not read once more beside it", async () => {
  const opened: ((content: undefined) => void)[] = [];
  const blobs = { open: () => new Promise((resolve) => void opened.push(resolve)) };
  const context = { blobs, environment: {} } as unknown as VerifyContext;
  const row = { kind: "s3", snapshot: "a".repeat(64) } as const;
  const whole = { after: 0, full: true, limitMs: 1 };
  const verifications = new Verifications();
  const look = (full = true) => verifications.stretch(context, row, { ...whole, full });
  const [one, same, other] = [look(), look(), look(false)];
  assert.equal(opened.length, 2);
  for (const open of opened) open(undefined);
  assert.equal(await one, await same);
  assert.notEqual(await one, await other);
  void look();
  assert.equal(opened.length, 3, "what is over is looked at anew");
});
