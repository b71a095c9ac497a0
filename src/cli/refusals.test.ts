/** What cannot be is said in words of the command line: the option as it was typed, the path that is not there. */
import assert from "node:assert/strict";
import { mkdirSync } from "node:fs";
import { test } from "node:test";
import { cliBench } from "./test-bench.ts";
import { problem } from "./test-host.ts";
import { aLog } from "./test-things.ts";

const bench = cliBench();

test("a field that the server refuses is named as the option or the argument that it came from", async () => {
  const refuse = (route: string, path: string, message: string): void =>
    bench.server.answer(route, (_, response) =>
      problem(response, 400, "invalid_request", `${path}: ${message}`, {
        hint: "Correct the fields listed in `issues`.",
        issues: [{ code: "custom", path, message }],
      }),
    );
  const check = async (
    [route, path, message]: readonly [string, string, string],
    words: readonly string[],
    said: string,
  ): Promise<void> => {
    refuse(route, path, message);
    const ran = await bench.cli(...words);
    const [error, hint] = ran.err.split("\n");
    assert.deepEqual([ran.code, error], [2, `error: ${said}`], ran.err);
    assert.match(hint ?? "", /^hint: `contrail \w+ \w+ --help` shows what it takes\.$/);
    const json = await bench.cli(...words, "--json");
    assert.deepEqual([json.code, JSON.parse(json.err).issues[0].path], [2, path]);
  };
  await check(
    ["GET /experiments", "querystring.sort", "must be one of id, name"],
    ["e", "list", "--sort", "foo"],
    '--sort is "foo": must be one of id, name.',
  );
  await check(
    [
      "DELETE /tokens/nosuch",
      "params.token",
      "Invalid string: must match pattern /^[0-9a-f]{1,32}$/",
    ],
    ["token", "revoke", "nosuch"],
    'id is "nosuch": is not of the form ^[0-9a-f]{1,32}$.',
  );
  await check(
    ["PATCH /experiments/3", "body.name", "Too small: expected string to have >=1 characters"],
    ["e", "update", "3", "--name", ""],
    '--name is "": must not be empty.',
  );
  await check(
    ["GET /experiments/3/curves", "querystring.", "from_step must not be after to_step"],
    ["e", "curves", "3", "--from-step", "50", "--to-step", "3"],
    "--from-step must not be after --to-step.",
  );
});

test("a field that nobody typed is a mistake of ours, and stays as it is", async () => {
  bench.server.answer("GET /slots", (_, response) =>
    problem(response, 400, "invalid_request", "querystring.limit: too many", {
      issues: [{ code: "custom", path: "querystring.limit", message: "too many" }],
    }),
  );
  const ran = await bench.cli("slot", "list");
  assert.equal(ran.code, 1);
  assert.match(ran.err, /querystring\.limit: too many/);
});

test("a file or folder that is not there, or is the other of the two, is named alike everywhere", async () => {
  const folder = bench.fresh();
  mkdirSync(folder);
  const none = bench.fresh();
  const { config } = bench;
  const readers: string[][] = [
    ["config", "lint"],
    ["search", "preview"],
    ["search", "replay", "--file"],
    ["audit", "verify", "--file"],
    ["template", "set", "base"],
    ["experiment", "create"],
    ["up", "--data-dir", bench.fresh(), "--pools"],
  ];
  for (const words of readers) {
    const missing = await bench.cli(...words, none);
    assert.equal(missing.code, 3, `${words}: ${missing.err}`);
    assert.ok(missing.err.includes(`There is no ${none}.\n`), `${words}: ${missing.err}`);
    const other = await bench.cli(...words, folder);
    assert.equal(other.code, 2, `${words}: ${other.err}`);
    assert.ok(other.err.includes(`${folder} is a folder; `), `${words}: ${other.err}`);
  }
  const wanted: string[][] = [["experiment", "create", config], ["import"]];
  for (const words of wanted) {
    const missing = await bench.cli(...words, none);
    assert.equal(missing.code, 3, `${words}: ${missing.err}`);
    assert.ok(missing.err.includes(`There is no ${none}.\n`), `${words}: ${missing.err}`);
    const other = await bench.cli(...words, config);
    assert.equal(other.code, 2, `${words}: ${other.err}`);
    assert.ok(other.err.includes(`${config} is a file; `), `${words}: ${other.err}`);
  }
});

test("logs of which no line fits are no logs in which nothing was written", async () => {
  for (const subject of ["3", "3.2"]) {
    const route = subject === "3" ? "GET /experiments/3/logs" : "GET /trials/3.2/logs";
    const holding = (...lines: unknown[]): void =>
      bench.server.answer(route, ({ query }, response) => {
        const items = query.has("contains") || query.has("rank") ? [] : lines;
        response.end(JSON.stringify({ items, next_cursor: null }));
      });
    const words = ["logs", subject, "--contains", "no such", "--rank", "7"];
    holding(aLog());
    assert.equal(
      (await bench.cli(...words)).err,
      "No line that was written fits --rank 7 --contains 'no such'.\n",
    );
    holding();
    assert.equal((await bench.cli(...words)).err, "Nothing was written.\n");
    assert.equal((await bench.cli("logs", subject)).err, "Nothing was written.\n");
  }
});
