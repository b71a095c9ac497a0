/** What `npm run` runs says how it is called, and of a word that it does not know no more than that. */
import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { join } from "node:path";
import { test } from "node:test";
import { repositoryRoot } from "./repository-files.ts";

const SCRIPTS = [
  "scripts/sim.ts",
  "scripts/mutants.ts",
  "scripts/faults.ts",
  "scripts/inputs.ts",
  "scripts/engines.ts",
  "bench/main.ts",
];

const call = (script: string, option: string) =>
  spawnSync(process.execPath, [join(repositoryRoot, script), option], { encoding: "utf8" });

for (const script of SCRIPTS)
  test(`${script}: an option that there is not, and --help`, () => {
    const wrong = call(script, "--nowhere");
    assert.equal(wrong.status, 2, wrong.stderr);
    assert.match(wrong.stderr, /^Unknown option '--nowhere'/m);
    assert.match(wrong.stderr, /^usage: npm run /m);
    assert.doesNotMatch(wrong.stderr, /^\s+at /m);
    const help = call(script, "--help");
    assert.equal(help.status, 0, help.stderr);
    assert.match(help.stdout, /^usage: npm run /);
  });
