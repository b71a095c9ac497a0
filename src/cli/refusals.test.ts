/** What cannot be is said in words of the command line: the option as it was typed, the path that is not there. */
import assert from "node:assert/strict";
import { chmodSync, mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { notTaken } from "./commands/server.ts";
import { cliBench } from "./test-bench.ts";
import { events, problem, run } from "./test-host.ts";
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

test("what is wrong with a filter is said once, of the option or the query that it is, with its hint", async () => {
  const message = 'There is no field "foo". Did you mean for?';
  bench.server.answer("GET /experiments", (_, response) =>
    problem(response, 400, "invalid_request", `the filter cannot be read, column 3: ${message}`, {
      hint: "The language is described in docs/filters.md.",
      issues: [{ code: "unknown_field", path: "filter", message, line: 1, column: 3 }],
    }),
  );
  for (const [words, what] of [
    [["experiment", "list", "--filter"], "--filter"],
    [["metrics", "export", "-o", `${bench.fresh()}.csv`], "query"],
  ] as const) {
    const ran = await bench.cli(...words, "a foo:bar");
    const said = `${what} is "a foo:bar", column 3: ${message}`;
    const hint = "hint: The language is described in docs/filters.md.\n";
    assert.deepEqual([ran.code, ran.err], [2, `error: ${said}\n${hint}`]);
  }
});

test("of several ids each is refused in the words of the only one, and a script gets the field all the same", async () => {
  const path = "params.token";
  for (const id of ["x1", "x2"])
    bench.server.answer(`DELETE /tokens/${id}`, (_, response) =>
      problem(response, 400, "invalid_request", `${path}: no id`, {
        hint: "Correct the fields listed in `issues`.",
        issues: [{ code: "custom", path, message: "must be an id" }],
      }),
    );
  const ran = await bench.cli("token", "revoke", "x1", "x2");
  assert.equal(ran.code, 2, ran.out);
  assert.match(ran.out, /^token x1: id: must be an id\. `contrail token revoke --help` shows/);
  const json = await bench.cli("token", "revoke", "x1", "x2", "--json");
  assert.deepEqual([json.code, JSON.parse(json.out).refused[1].problem.issues[0].path], [2, path]);
});

test("a hint does not speak of a list of fields where there is none", async () => {
  bench.server.answer("POST /datasets", (_, response) =>
    problem(response, 400, "invalid_request", "the dataset empty has no files", {
      hint: "Correct the fields listed in `issues`.",
    }),
  );
  const folder = bench.fresh();
  mkdirSync(folder);
  const ran = await bench.cli("data", "add", "empty", folder);
  assert.equal(ran.code, 1);
  assert.match(ran.err, /has no files\nhint: `contrail data add --help` shows what it takes/);
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

test("a name of no letters is no name of the current folder", async () => {
  for (const words of [
    ["config", "lint", ""],
    ["experiment", "create", bench.config, ""],
    ["run", "--dir", "", "--", "true"],
    ["metrics", "export", "--format", "csv", "-o", ""],
    ["down", "--data-dir", ""],
    ["doctor", "--data-dir", ""],
    ["data", "add", "rows", ""],
    ["data", "checkout", "rows", ""],
    ["export", "3", ""],
    ["import", ""],
    ["whence", ""],
    ["checkpoint", "download", "3.1", "--to", ""],
  ]) {
    const ran = await bench.cli(...words);
    assert.deepEqual([ran.code, ran.out], [2, ""], ran.err);
    assert.match(ran.err, /is empty\.\nhint: Name it/);
  }
});

test("what this user may not read is neither absent nor wrong", async () => {
  const folder = bench.fresh();
  mkdirSync(folder);
  const file = join(folder, "server.json");
  writeFileSync(file, "{}");
  const commands = [
    ["down", "--data-dir", folder],
    ["audit", "verify", "--file", file],
  ];
  // Once beforehand, for what is loaded when it is needed.
  for (const words of commands) await bench.cli(...words);
  const isRoot = process.getuid?.() === 0;
  chmodSync(folder, 0o000);
  if (isRoot) process.seteuid?.(65_534);
  try {
    for (const words of commands) {
      const ran = await bench.cli(...words);
      assert.deepEqual([ran.code, ran.out], [4, ""], ran.err);
      assert.ok(ran.err.startsWith(`error: ${file} may not be used by this user`), ran.err);
    }
  } finally {
    if (isRoot) process.seteuid?.(0);
    chmodSync(folder, 0o700);
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

test("a list of tasks without any says of which kind, and how one is started", async () => {
  bench.server.answer("GET /experiments", { items: [], next_cursor: null });
  const notebooks = await bench.cli("notebook", "list");
  assert.match(notebooks.out, /^No notebook is at work\.[\s\S]*^next: contrail notebook start$/m);
  assert.doesNotMatch(notebooks.out, /command run/);
  const tasks = await bench.cli("task", "list");
  assert.match(tasks.out, /^No task is at work\.[\s\S]*command run[\s\S]*notebook start$/m);
});

test("the refusal of the only id is an error like any other, and one of several names the program as it was called", async () => {
  const hint = "List what there is: `contrail experiment list`.";
  const refused = {
    ...{ type: "urn:contrail:error:not_found", code: "not_found", title: "", status: 404 },
    ...{ detail: "there is no experiment 999", hint, class: "fix" },
  };
  const items = [999, 998].map((id) => ({
    id,
    changed: false,
    experiment: null,
    problem: refused,
  }));
  bench.server.answer("POST /experiments/archive", { items: items.slice(0, 1) });
  const one = await bench.cli("experiment", "archive", "999");
  assert.deepEqual([one.code, one.out], [3, ""]);
  assert.match(one.err, /^error: there is no experiment 999\nhint: List what there is/);
  bench.server.answer("POST /experiments/archive", { items });
  const env = { CONTRAIL_SELF: "./bin/contrail" };
  const { url } = bench.server;
  const several = await run(["experiment", "archive", "999", "998"], { url, host: { env } });
  assert.equal(several.code, 3);
  assert.match(several.out, /^experiment 999: .*`\.\/bin\/contrail experiment list`/);
});

test("the log of what never was is not found; of what was, an empty list is what fits", async () => {
  bench.server.answer("GET /audit", { items: [], next_cursor: null });
  bench.server.answer("GET /experiments/999", (_, response) =>
    problem(response, 404, "not_found", "there is no experiment 999"),
  );
  const never = await bench.cli("audit", "list", "999");
  assert.equal(never.code, 3);
  assert.match(never.err, /no event of 999: there has never been one/);
  for (const words of [["999", "--actor", "eve"], []]) {
    const empty = await bench.cli("audit", "list", ...words);
    assert.equal(empty.code, 0, empty.err);
    assert.match(empty.out, /no event that matches/);
  }
  const imported = await bench.cli("audit", "list", "3.2", "--oldest");
  assert.equal(imported.code, 0, imported.err);
  assert.match(imported.out, /no event of 3\.2: it was imported.*\nnext: contrail audit list 3 /);
});

test("what a server that runs was not started with is told, but not the address that it has", () => {
  const given = new Map([
    ["--data-dir", "/d"],
    ["--port", "4795"],
    ["--slots", "4"],
    ["--foreground", "true"],
  ]);
  assert.deepEqual(notTaken(given, "http://127.0.0.1:4791"), ["--port", "--slots", "--foreground"]);
  const same = new Map([
    ["--port", "4791"],
    ["--host", "127.0.0.1"],
  ]);
  assert.deepEqual(notTaken(same, "http://127.0.0.1:4791"), []);
  for (const [host, port, url] of [
    ["localhost", "4791", "http://127.0.0.1:4791"],
    ["localhost", "4791", "http://[::1]:4791"],
    ["::1", "80", "http://[::1]"],
  ] as const) {
    const meant = { "--host": host, "--port": port, "--task-port": "0" };
    assert.deepEqual(notTaken(new Map(Object.entries(meant)), url), [], url);
  }
  assert.deepEqual(notTaken(new Map([["--host", "localhost"]]), "http://10.0.0.1"), ["--host"]);
});

test("of several files one that is not there hides no fault of the others", async () => {
  const bad = `${bench.fresh()}.yaml`;
  writeFileSync(bad, "entrypoint: x\nsearcher: {name: nosuch}\n");
  const none = bench.fresh();
  const ran = await bench.cli("config", "lint", bad, none);
  assert.equal(ran.code, 1);
  assert.match(ran.out, /nosuch/);
  assert.ok(ran.out.includes(`There is no ${none}.`), ran.out);
  const folder = bench.fresh();
  mkdirSync(folder);
  const { out } = await bench.cli("config", "lint", bad, folder, "--json");
  assert.equal(JSON.parse(out).files[1].issues[0].code, "usage");
});

test("help of what is no command says so, and a lacking argument points to the help of its own command", async () => {
  for (const words of [
    ["help", "fokr"],
    ["help", "config", "lnit"],
  ]) {
    const ran = await bench.cli(...words);
    assert.deepEqual([ran.code, ran.out], [2, ""]);
    assert.match(ran.err, /^error: Unknown command '(?:fokr|lnit)'\.\nhint: Did you mean/);
  }
  assert.match((await bench.cli("help", "config", "lint")).out, /^Usage: contrail config lint/);
  assert.match((await bench.cli("help", "fork")).out, /^Usage: contrail fork/);
  assert.match((await bench.cli("config", "lint")).err, /`contrail help config lint` shows/);
});

test("help runs nothing, whatever stands behind the command", async () => {
  for (const [words, usage] of [
    [["experiment", "kill", "3"], "experiment kill"],
    [["--json", "e", "rm", "3"], "experiment delete|rm"],
    [["down", "--data-dir", "/nonexistent"], "down"],
    [["run", "--", "true"], "run"],
    [["--json"], ""],
  ] as const) {
    const ran = await bench.cli("help", ...words);
    assert.equal(ran.code, 0, ran.err);
    assert.ok(ran.out.startsWith(`Usage: contrail ${usage}`), ran.out);
  }
  assert.equal((await bench.cli("help", "doctor", "--port", "0", "all")).code, 2);
});

test("the beginning of a hash is refused as such", async () => {
  for (const noun of ["lineage", "whence"]) {
    const ran = await bench.cli(noun, "0dd97d53afe3");
    assert.equal(ran.code, 2);
    assert.match(ran.err, /"0dd97d53afe3" is the beginning of a hash[\s\S]*Give all 64 digits/);
  }
});

test("who asked for a task is told of tasks", async () => {
  bench.server.answer("GET /experiments/999", (_, response) =>
    problem(response, 404, "not_found", "there is no experiment 999"),
  );
  const task = await bench.cli("task", "show", "999");
  assert.equal(task.code, 3);
  assert.match(task.err, /^error: there is no task 999\n.*`contrail task list --ended`/);
  bench.server.answer("POST /experiments/999/kill", (_, response) =>
    problem(response, 404, "not_found", "there is no experiment 999"),
  );
  const two = await bench.cli("task", "kill", "3", "999");
  assert.match(two.out, /^task 3 is being killed\ntask 999: there is no task 999\. .*task list/);
  assert.match(two.out, /^next: contrail task show 3$/m);
  bench.server.answer("GET /experiments/3/stream", (_, response) => events(response, []));
  const late = await bench.cli("task", "wait", "3", "--timeout", "1");
  assert.equal(late.code, 6);
  assert.match(late.err, /^error: Task 3 was not over[\s\S]*`contrail task wait 3`/);
  const experiment = await bench.cli("experiment", "show", "999");
  assert.match(experiment.err, /^error: there is no experiment 999\n.*`contrail experiment list`/);
});

test("an empty file is not said to be null", async () => {
  const empty = `${bench.fresh()}.yaml`;
  writeFileSync(empty, "");
  const { out } = await bench.cli("config", "lint", empty);
  assert.match(out, /is empty; it must be a map/);
  assert.doesNotMatch(out, /null/);
});
