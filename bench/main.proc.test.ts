/** The benchmark as a program: that it measures something and says so in both ways. No figure is judged. */
import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { mkdtempSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { promisify } from "node:util";
import type { Figure } from "./figure.ts";

const run = (...args: string[]) =>
  promisify(execFile)(process.execPath, [
    "--disable-warning=ExperimentalWarning",
    join(import.meta.dirname, "main.ts"),
    ...args,
  ]);

test("one measure, quickly: the table on stdout and the same figures in files", async () => {
  const folder = mkdtempSync(join(tmpdir(), "contrail-bench-test-"));
  try {
    const json = join(folder, "figures.json");
    const { stdout } = await run("report", "--quick", "--json", json, "--dir", folder);
    const [head = "", ...rows] = stdout.split("\n");
    assert.match(head, /figure +value \[quartiles\] +floor +ratio \[quartiles\] +aim +met$/);
    const { figures, node, quick } = JSON.parse(readFileSync(json, "utf8")) as {
      figures: Figure[];
      node: string;
      quick: boolean;
    };
    assert.deepEqual([node, quick], [process.version, true]);
    assert.ok(figures.length > 0);
    for (const [at, figure] of figures.entries()) {
      assert.equal(figure.measure, "report");
      assert.ok(rows[at]?.includes(figure.what), `row ${at} is not about ${figure.what}`);
      const { low, median, high, count } = figure.value;
      for (const number of [low, median, high]) assert.ok(Number.isFinite(number));
      assert.ok(count > 0);
    }
    assert.match(stdout, /^[0-9]+ of [0-9]+ aims met/m);
    // Beside the combined file one for the measure; what was measured in has been removed.
    assert.deepEqual(readdirSync(folder).sort(), ["figures.json", "report.json"]);
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
});

test("a name that does not exist is answered with those that do", async () => {
  await assert.rejects(run("M99"), (error: { code?: number; stderr?: string }) => {
    assert.equal(error.code, 2);
    assert.match(
      error.stderr ?? "",
      /no measure m99\.\nusage: .*\nnames: M3, M4,.* L1, L2,.* load\b/im,
    );
    return true;
  });
});

test("what takes half an hour is left out, and said so, unless it is asked for", async () => {
  const folder = mkdtempSync(join(tmpdir(), "contrail-bench-test-"));
  try {
    const json = join(folder, "figures.json");
    const { stdout, stderr } = await run("L7", "--quick", "--json", json, "--dir", folder);
    assert.match(stderr, /left out: it takes half an hour, and is run with --soak/);
    assert.match(stdout, /^0 of 0 aims met/m);
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
});
