/** What stands behind `next:` is what was asked for, word for word, and does what it says when it is run. */
import assert from "node:assert/strict";
import { mkdirSync } from "node:fs";
import { test } from "node:test";
import type { Command } from "commander";
import { optionWords } from "./cli.ts";
import { makeProgram } from "./program.ts";
import { cliBench } from "./test-bench.ts";
import { run, testHost } from "./test-host.ts";
import { aFork } from "./test-things.ts";

const bench = cliBench();
const nextOf = (out: string): string | undefined => /^next: contrail (.*)$/m.exec(out)?.[1];

test("the hint of a dry run makes what was shown", async () => {
  const { config } = bench;
  bench.server.answer("POST /forks", { ...aFork(), experiment: null });
  const cases = [
    [
      [
        "fork",
        "3.2",
        "--from-checkpoint",
        "latest",
        "--set",
        "a.b=1",
        "c=x y",
        "--name",
        "my fork",
      ],
      "fork 3.2 --set a.b=1 --set 'c=x y' --from-checkpoint latest --name 'my fork' --paused",
    ],
    [["fork", "3.2", "--from-checkpoint"], "fork 3.2 --from-checkpoint --paused"],
    [
      ["experiment", "create", config, bench.folder, "--name", "a b", "--template", "base"],
      `experiment create ${config} ${bench.folder} --name 'a b' --template base --paused`,
    ],
  ] as const;
  for (const [words, expected] of cases) {
    const ran = await bench.cli(...words, "--paused", "--dry-run");
    assert.equal(nextOf(ran.out), expected, ran.err);
  }
  const replay = await bench.cli("replay", "3.2", "--dry-run", "--anyway", "--rebuild", "--detach");
  assert.equal(nextOf(replay.out), "replay 3.2 --anyway --rebuild --detach");
  assert.equal(nextOf((await bench.cli("fork", "3", "--dry-run")).out), "fork 3");
});

test("a hint tells no secret, and promises nothing that was edited", async () => {
  bench.server.answer("POST /forks", { ...aFork(), experiment: null });
  for (const set of [
    'environment.environment_variables=["API_KEY=hunter2"]',
    "environment.registry_auth={username: u, password: hunter2}",
  ]) {
    const ran = await bench.cli("fork", "3", "--set", set, "--dry-run");
    assert.deepEqual([ran.code, nextOf(ran.out)], [0, undefined], ran.err);
    assert.match(ran.err, /note: the same command without --dry-run makes it/);
    assert.doesNotMatch(ran.out + ran.err, /hunter2/);
  }
  const host = { env: { EDITOR: "true" }, edit: async () => 0 };
  const edited = await run(["fork", "3", "--edit", "--dry-run"], { url: bench.server.url, host });
  assert.deepEqual([edited.code, nextOf(edited.out)], [0, undefined], edited.err);
  assert.match(edited.err, /note: what was edited is not kept/);
});

test("a folder that was named stays the one of the hint", async () => {
  const ran = await bench.cli("experiment", "create", bench.config, ".", "--dry-run");
  assert.equal(nextOf(ran.out), `experiment create ${bench.config} .`);
});

test("a folder where a file is meant is answered with a command for a shell", async () => {
  const folder = `${bench.fresh()} a/`;
  mkdirSync(folder);
  const inner = `'${folder}config.yaml'`;
  for (const [words, expected] of [
    [["config", "lint", folder], `config lint ${inner}`],
    [["template", "set", "base", folder], `template set base ${inner}`],
    [["experiment", "create", folder], `experiment create ${inner} '${folder}'`],
  ] as const) {
    const ran = await bench.cli(...words);
    assert.ok(ran.err.includes(`\`contrail ${expected}\``), ran.err);
  }
});

test("doctor proposes a server where it has looked", async () => {
  const folder = bench.fresh();
  const ran = await bench.cli("doctor", "--data-dir", folder, "--port", "0");
  assert.equal(nextOf(ran.out), `up --data-dir ${folder} --port 0`, ran.out);
});

test("a value that begins like an option is joined to its own", () => {
  assert.equal(optionWords({ name: "-x", paused: false, set: undefined }), " --name=-x");
});

test("what was removed can be shown as the hint says", async () => {
  for (const kind of ["template", "workspace"]) {
    bench.server.answer(`GET /${kind}s/base`, (request, response) =>
      response.end(
        JSON.stringify({
          ...{ name: "base", version: Number(request.query.get("version")), created_by: "ada" },
          ...{ created_at: "2026-11-23T09:00:00.000Z", removed: null, config: "name: kept\n" },
        }),
      ),
    );
    const hint = nextOf((await bench.cli(kind, "rm", "base")).out) ?? "";
    assert.equal(hint, `${kind} show base@2`);
    assert.match((await bench.cli(...hint.split(" "))).out, /base@2[\s\S]*name: kept/);
  }
});

test("no option of a command has the name of one of the whole program, which would take it", () => {
  const { command } = makeProgram(testHost());
  const taken = new Set(command.options.map(({ long }) => long));
  const walk = (at: Command): string[] =>
    at.commands.flatMap((child) => [
      ...child.options
        .filter(({ long }) => taken.has(long))
        .map(({ long }) => `${child.name()} ${long}`),
      ...walk(child),
    ]);
  assert.deepEqual(walk(command), []);
});
