/** `metrics export` and `whence` against a fake server. */
import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { existsSync, readFileSync, writeFileSync } from "node:fs";
import { test } from "node:test";
import { cliBench } from "../test-bench.ts";
import { problem } from "../test-host.ts";

const bench = cliBench();
const exported = (bytes: string) =>
  bench.server.answer("GET /metrics/export", (_, response) => void response.end(bytes));
const asked = (): Record<string, string> =>
  Object.fromEntries(bench.server.requests.at(-1)?.query ?? []);

test("asks for what was named and writes what comes", async () => {
  exported("PAR1");
  const file = `${bench.fresh()}.parquet`;
  const ran = await bench.cli("metrics", "export", "3", "4.12", "-o", file, "--names", "loss,acc");
  assert.equal(ran.code, 0, ran.err);
  assert.equal(readFileSync(file, "utf8"), "PAR1");
  assert.deepEqual(asked(), { format: "parquet", ids: "3,4.12", names: "loss,acc" });
  assert.equal(existsSync(`${file}.part`), false);

  const csv = `${bench.fresh()}.csv`;
  const filter = ["label:vision", "best>0.9"];
  const steps = ["--from", "2", "--to", "9", "--superseded"];
  const json = await bench.cli("m", "export", ...filter, "-o", csv, ...steps, "--json");
  assert.deepEqual(JSON.parse(json.out), { file: csv, format: "csv", bytes: 4 });
  assert.deepEqual(asked(), {
    ...{ format: "csv", filter: "label:vision best>0.9", from_step: "2", to_step: "9" },
    superseded: "true",
  });
  await bench.cli("m", "export", "-o", `${bench.fresh()}.x`, "--format", "arrow");
  assert.deepEqual(asked(), { format: "arrow" });
});

test("refuses what it cannot mean, and to write over a file", async () => {
  exported("x");
  const file = `${bench.fresh()}.csv`;
  writeFileSync(file, "mine");
  for (const [args, code, words] of [
    [["-o", file], 1, /is there already/],
    [["-o", "metrics"], 2, /does not say in which format/],
    [["-o", "m.csv", "--format", "xlsx"], 2, /--format is "xlsx"/],
    [["3", "label:a", "-o", "m.csv"], 2, /"3" is an id, and the rest of the query is a filter/],
    [["3.1.1", "-o", "m.csv"], 2, /is an id/],
    [["3"], 2, /output/],
  ] as const) {
    const ran = await bench.cli("metrics", "export", ...args);
    assert.equal(ran.code, code, `${args}: ${ran.err}`);
    assert.match(ran.err, words);
  }
  assert.equal(readFileSync(file, "utf8"), "mine");
  assert.equal((await bench.cli("metrics", "export", "-o", file, "--force")).code, 0);
  assert.equal(readFileSync(file, "utf8"), "x");
});

test("an export that is cut off leaves no file behind", async () => {
  bench.server.answer("GET /metrics/export", (_, response) => {
    response.write("half");
    setImmediate(() => response.destroy());
  });
  const file = `${bench.fresh()}.csv`;
  const ran = await bench.cli("metrics", "export", "-o", file);
  assert.equal(ran.code, 5, ran.err);
  assert.match(
    ran.err,
    /The answer of http\S+ ended too early: the connection was cut\.\nhint: Try again/,
  );
  assert.deepEqual([existsSync(file), existsSync(`${file}.part`)], [false, false]);
});

test("an export that can hold nothing says so, and a place where no file can be is named", async () => {
  exported("trial,step\n");
  bench.server.answer("GET /experiments", { items: [], next_cursor: null });
  const file = `${bench.fresh()}.csv`;
  const none = await bench.cli("metrics", "export", "label:vision", "-o", file);
  assert.equal(none.code, 0, none.err);
  assert.match(none.err, /^note: no experiment fits label:vision/m);
  const folder = bench.fresh();
  const refusals = [
    [["-o", "-", "--format", "csv"], 2, /-o names a file/],
    [["-o", bench.folder, "--format", "csv"], 2, /is a folder; -o names a file/],
    [["-o", bench.folder, "--format", "csv", "--force"], 2, /is a folder; -o names a file/],
    [["-o", `${file}2.csv`, "--from", "9", "--to", "3"], 2, /--from 9 is after --to 3/],
  ] as const;
  for (const [words, code, said] of refusals) {
    const ran = await bench.cli("metrics", "export", ...words);
    assert.equal(ran.code, code, ran.err);
    assert.match(ran.err, said);
  }
  const lost = await bench.cli("metrics", "export", "-o", `${folder}/p.csv`);
  assert.equal(lost.code, 3);
  assert.ok(lost.err.includes(`There is no ${folder}.\n`), lost.err);
});

test("whence hashes the file and shows run, author, code and data", async () => {
  const file = bench.fresh();
  writeFileSync(file, "weights");
  const hash = createHash("sha256").update("weights").digest("hex");
  const id = "5a".repeat(32);
  const experiment = {
    ...{
      id: 3,
      name: "digits",
      owner: "bob",
      author: "ada",
      state: "completed",
      code: "c0".repeat(32),
    },
    ...{ data: { train: { dataset: "digits@2", snapshot: id } } },
    provenance: { git: { commit: "0123456789abcdef" } },
  };
  const place = { trial: "3.12", run: 2, step: 9, path: "model.bin\u001b[31m" };
  const times = { created_at: "2026-11-23T09:00:00.000Z", deleted: null };
  bench.server.answer(`GET /whence/${hash}`, {
    ...{ hash, size: 7, stored: true, code: [], datasets: [] },
    checkpoints: [{ id, ...place, ...times, experiment }],
  });
  const ran = await bench.cli("whence", file);
  assert.equal(ran.code, 0, ran.err);
  for (const words of [
    "checkpoint 5a5a5a5a5a5a of trial 3.12",
    "at step 9 of its run 2",
    "3 digits (completed)",
    "author",
    "c0c0c0c0c0c0, git 0123456789ab",
    "train: digits@2",
  ])
    assert.ok(ran.out.includes(words), `${words} in\n${ran.out}`);
  assert.ok(!ran.out.includes("\u001b[31m"));
  assert.equal((await bench.cli("whence", hash, "--json")).code, 0);
  bench.server.answer(`GET /whence/${hash}`, (_, response) =>
    problem(response, 404, "not_found", "no file with that content is known here"),
  );
  assert.equal((await bench.cli("whence", hash)).code, 3);
  assert.equal((await bench.cli("whence", "no-such-file")).code, 3);
});
