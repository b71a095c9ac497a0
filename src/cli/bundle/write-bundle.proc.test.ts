/** Where `contrail export` writes: beside its folder, or within it where it is there, in one that is its own and nobody else's. */
import assert from "node:assert/strict";
import {
  mkdirSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { basename, dirname, join } from "node:path";
import { test } from "node:test";
import { cliBench } from "../test-bench.ts";
import { aDetail, HASH } from "../test-things.ts";

const bench = cliBench();

const row = { ...aDetail(), config_text: "name: digits\n", code: null, data: {} };
const LINES = [
  { part: "origin", row: { version: "0.1.0", by: "ada" } },
  { part: "experiment", row },
  { part: "end", row: { lines: 2 } },
];
const WHOLE = LINES.map((line) => `${JSON.stringify(line)}\n`).join("");
const COLUMNS = "experiment,trial,run,seq,step,time,name,value,superseded\n";

const besideOf = (folder: string): string[] =>
  readdirSync(dirname(folder)).filter((name) => name.includes(basename(folder)));

test("a folder that only looks like what is not whole is left alone, also where the export fails", async () => {
  const folder = bench.fresh();
  mkdirSync(`${folder}.part`);
  writeFileSync(join(`${folder}.part`, "mine"), "kept");
  bench.server.answer("GET /experiments/3/bundle", (_, response) => {
    response.writeHead(404).end();
  });
  const ran = await bench.cli("export", "3", folder);
  assert.notEqual(ran.code, 0);
  assert.equal(readFileSync(join(`${folder}.part`, "mine"), "utf8"), "kept");
  assert.deepEqual(besideOf(folder), [`${basename(folder)}.part`]);
});

test("a file where a folder is wanted is said to be one, and is no mistake of contrail", async () => {
  const file = bench.fresh();
  writeFileSync(file, "notes");
  bench.server.answer("GET /experiments/3/bundle", (_, response) => void response.end(WHOLE));
  bench.server.answer("GET /metrics/export", (_, response) => void response.end(COLUMNS));
  for (const args of [
    ["export", "3", file],
    ["export", "3", join(file, "below")],
    ["checkpoint", "download", HASH, "--to", file],
    ["data", "checkout", "digits@1", file],
  ]) {
    const ran = await bench.cli("--json", ...args);
    assert.deepEqual([ran.code, JSON.parse(ran.err).code], [1, "not_a_folder"], ran.err);
    assert.equal(readFileSync(file, "utf8"), "notes");
  }
});

test("an empty folder that is there is the one that is filled, and stays where that fails", async () => {
  const folder = bench.fresh();
  mkdirSync(folder);
  const { ino } = statSync(folder);
  bench.server.answer("GET /experiments/3/bundle", (_, response) => {
    response.writeHead(404).end();
  });
  assert.notEqual((await bench.cli("export", "3", folder)).code, 0);
  assert.deepEqual([statSync(folder).ino, readdirSync(folder)], [ino, []]);
  bench.server.answer("GET /experiments/3/bundle", (_, response) => void response.end(WHOLE));
  bench.server.answer("GET /metrics/export", (_, response) => void response.end(COLUMNS));
  const made = await bench.cli("export", "3", folder);
  assert.equal(made.code, 0, made.err);
  assert.equal(statSync(folder).ino, ino);
  assert.ok(readdirSync(folder).includes("SHA256SUMS"));
  assert.ok(!readdirSync(folder).some((name) => name.includes("contrail-part")));
});

test("what cannot lie in a bundle is not to be named in a file that bundles do not know", async () => {
  const folder = bench.fresh();
  bench.server.answer("GET /experiments/3/bundle", (_, response) => void response.end(WHOLE));
  bench.server.answer("GET /metrics/export", (_, response) => void response.end(COLUMNS));
  const made = await bench.cli("export", "3", folder);
  assert.equal(made.code, 0, made.err);
  symlinkSync("/nowhere", join(folder, "link"));
  const ran = await bench.cli("--json", "import", folder);
  const { code, hint } = JSON.parse(ran.err);
  assert.equal(code, "bad_folder", ran.err);
  assert.match(hint, /nothing but what `contrail export` wrote/);
});

test("what somebody takes away while a bundle is written is not left out of it without a word", async () => {
  const folder = bench.fresh();
  bench.server.answer("GET /experiments/3/bundle", (_, response) => void response.end(WHOLE));
  bench.server.answer("GET /metrics/export", (_, response) => {
    const [part = ""] = besideOf(folder);
    rmSync(join(dirname(folder), part, "trials.jsonl"));
    response.end(COLUMNS);
  });
  const ran = await bench.cli("--json", "export", "3", folder);
  assert.notEqual(ran.code, 0);
  assert.match(JSON.parse(ran.err).detail, /^trials\.jsonl went away/, ran.err);
  assert.deepEqual(besideOf(folder), []);
});

test("two exports into one folder: one is there whole, and the other is refused", async () => {
  const folder = bench.fresh();
  let goOn = (): void => undefined;
  const isThere = new Promise<void>((resolve) => {
    goOn = resolve;
  });
  let begun = (): void => undefined;
  const hasBegun = new Promise<void>((resolve) => {
    begun = resolve;
  });
  bench.server.answer("GET /metrics/export", (_, response) => void response.end(COLUMNS));
  bench.server.answer("GET /experiments/3/bundle", async (_, response) => {
    begun();
    await isThere;
    response.end(WHOLE);
  });
  const slow = bench.cli("--json", "export", "3", folder);
  await hasBegun;
  bench.server.answer("GET /experiments/3/bundle", (_, response) => void response.end(WHOLE));
  const fast = await bench.cli("--json", "export", "3", folder);
  assert.equal(fast.code, 0, fast.err);
  goOn();
  const refused = await slow;
  assert.deepEqual([refused.code === 0, JSON.parse(refused.err).code], [false, "not_empty"]);
  assert.ok(readdirSync(folder).includes("SHA256SUMS"));
  assert.deepEqual(besideOf(folder), [basename(folder)]);
});
