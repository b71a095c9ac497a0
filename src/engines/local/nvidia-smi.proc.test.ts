/** What a machine has by a program that stands in for nvidia-smi. */
import assert from "node:assert/strict";
import { chmodSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, test } from "node:test";
import { realClock as clock } from "../../base/real-clock.ts";
import { CapacityUnknown } from "../engine.ts";
import { capacity } from "./local-engine.ts";
import { askNvidiaSmi } from "./nvidia-smi.ts";

const folder = mkdtempSync(join(tmpdir(), "contrail-smi-"));
after(() => rmSync(folder, { recursive: true }));

/** An environment in which nvidia-smi is this script for sh. */
function environment(script: string): NodeJS.ProcessEnv {
  const path = join(folder, "nvidia-smi");
  writeFileSync(path, `#!/bin/sh\n${script}\n`);
  chmodSync(path, 0o755);
  return { PATH: `${folder}:/usr/bin:/bin` };
}

test("the GPUs that it lists are the slots", async () => {
  const list = environment("echo '0, GPU-aaaa, NVIDIA H200, 143771 MiB'");
  const { slots } = await capacity({ clock, environment: list });
  assert.deepEqual(
    slots.map(({ id, device }) => [id, device]),
    [["gpu:0", "GPU-aaaa"]],
  );
});

for (const script of ["echo 'No devices were found'; exit 6", "exit 0"])
  test(`cores are the slots where it finds no GPU: ${script}`, async () => {
    const { slots, reason } = await capacity({ clock, environment: environment(script) });
    assert.equal(slots[0]?.kind, "cpu");
    assert.match(reason, /no NVIDIA GPU/);
  });

test("one that is ill refuses the start with its words, unless somebody says what there is", async () => {
  const words = "Failed to initialize NVML: Driver/library version mismatch";
  const ill = environment(`echo '${words}'; exit 18`);
  await assert.rejects(capacity({ clock, environment: ill }), (error) => {
    assert.ok(error instanceof CapacityUnknown);
    return error.message.includes(words);
  });
  const { slots, reason } = await capacity({ clock, environment: ill, slots: 2 });
  assert.deepEqual(
    slots.map(({ id }) => id),
    ["cpu:0", "cpu:1"],
  );
  assert.ok(reason.includes(words), reason);
});

test("one that never answers is not waited for, even where it cannot be ended", async () => {
  const hangs = environment("trap '' TERM; exec sleep 30");
  const atOnce = { ...clock, after: (_: number, then: () => void) => clock.after(50, then) };
  assert.deepEqual(await askNvidiaSmi(atOnce, hangs), {
    unknown: "nvidia-smi did not answer within 60 s",
  });
});
