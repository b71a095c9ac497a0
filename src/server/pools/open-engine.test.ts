import assert from "node:assert/strict";
import { test } from "node:test";
import { readPools } from "../../protocol/pools/pools.ts";
import { ManualClock } from "../loops/manual-clock.ts";
import { openEngine } from "./open-engine.ts";

const pools: readonly (readonly [string, number | null | undefined])[] = [
  ["{engine: local}", undefined],
  ["{engine: docker}", null],
  ["{engine: docker, cpus_per_slot: 2.5}", 2.5],
  ["{engine: slurm, cpus_per_slot: 16}", 16],
  ["{engine: kubernetes, image: i, cpus_per_slot: 4}", 4],
];
for (const [text, cores] of pools)
  test(`cores of a slot: ${text}`, async () => {
    const reading = readPools(`pools: {p: ${text}}`);
    assert.ok(reading.ok);
    const [pool = assert.fail()] = reading.pools;
    const means = { clock: new ManualClock(), environment: {}, slots: undefined };
    assert.equal((await openEngine(pool, means)).coresPerSlot, cores);
  });
