/** What it costs to refuse a bomb (row I2). In a process of its own: it looks at its own memory. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { readConfig } from "./config.ts";
import { BOMBS } from "./test-bombs.ts";

const MEGABYTE_KB = 1000;

test("a bomb is refused in a moment, and takes hardly any memory", (t) => {
  const texts = Object.entries(BOMBS).map(([name, { text }]) => [name, text()] as const);
  const bytes = texts.reduce((sum, [, text]) => sum + text.length, 0);
  // What any configuration needs (code that is loaded late, buffers) is not the bombs' doing.
  for (let i = 0; i < 200; i++) readConfig(`entrypoint: a\nlabels: [a${i}]\n`);
  let slowest = { name: "", ms: 0 };
  let largest = { name: "", mb: 0 };
  for (const [name, text] of texts) {
    const peak = process.resourceUsage().maxRSS;
    const began = process.cpuUsage();
    const reading = readConfig(text);
    // Of the processor: what else the machine does is not the bomb's doing either.
    const { user, system } = process.cpuUsage(began);
    const ms = (user + system) / 1000;
    const mb = (process.resourceUsage().maxRSS - peak) / MEGABYTE_KB;
    assert.ok(!reading.ok, name);
    // One line of it may be shown, not the bomb.
    assert.ok(JSON.stringify(reading.issues).length < 100_000, name);
    if (ms > slowest.ms) slowest = { name, ms };
    if (mb > largest.mb) largest = { name, mb };
  }
  // The row asks for 100 ms and 20 MB on a quiet machine; beyond this something is wrong on any.
  assert.ok(slowest.ms < 5_000, `${slowest.name}: ${slowest.ms} ms`);
  assert.ok(largest.mb < 100, `${largest.name}: ${largest.mb} MB`);
  t.diagnostic(
    `I2: ${texts.length} bombs, ${(bytes / 1e6).toFixed(0)} MB in all: at most ${slowest.ms.toFixed(0)} ms (${slowest.name}) and ${largest.mb.toFixed(0)} MB more memory (${largest.name})`,
  );
});
