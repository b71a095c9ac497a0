import assert from "node:assert/strict";
import { mkdirSync, mkdtempSync, readdirSync, utimesSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { removeCheckout } from "../store/snapshot.ts";
import { VersionRoom } from "./version-room.ts";

const DAY_MS = 86_400_000;

test("a version stays while an allocation has it, and for 30 days after", async (t) => {
  const folder = mkdtempSync(join(tmpdir(), "versions-"));
  t.after(() => removeCheckout(folder));
  let nowMs = 1_000 * DAY_MS;
  const said: string[] = [];
  const room = new VersionRoom({
    ...{ folder, clock: { nowMs: () => nowMs, monotonicMs: () => nowMs } },
    say: (text) => said.push(text),
  });
  const [held, fetched, unused, recent] = ["a", "b", "c", "d"].map((c) => c.repeat(64)) as [
    string,
    string,
    string,
    string,
  ];
  const usedBefore = (name: string, days: number): void => {
    mkdirSync(join(folder, name), { mode: 0o555 });
    utimesSync(
      join(folder, name),
      new Date(nowMs - days * DAY_MS),
      new Date(nowMs - days * DAY_MS),
    );
  };
  for (const name of [held, fetched, unused]) usedBefore(name, 40);
  usedBefore(recent, 29);
  for (const hash of [held, unused]) usedBefore(`${hash}.partial`, 0);
  const data = { train: { snapshot: held }, test: { reference: fetched }, more: { value: 1 } };
  room.hold("1.1.1", { data });
  nowMs += DAY_MS / 2;
  await room.tidy();
  assert.deepEqual(readdirSync(folder).sort(), [held, `${held}.partial`, fetched, recent].sort());

  // The trial ends after a long time: from then on the days are counted.
  nowMs += 100 * DAY_MS;
  room.release("1.1.1");
  const untilThereAre = async (count: number) => {
    while (readdirSync(folder).length > count) await new Promise(setImmediate);
  };
  await untilThereAre(2);
  nowMs += 29 * DAY_MS;
  await room.tidy();
  assert.deepEqual(readdirSync(folder).sort(), [held, fetched]);
  nowMs += 2 * DAY_MS;
  // Whoever ends next has it looked at again.
  room.hold("1.2.1", { data: {} });
  room.release("1.2.1");
  await untilThereAre(0);
  assert.deepEqual(said, []);
});
