/** The page, the two catalogues of errors and the two versions agree with each other. */
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { test } from "node:test";
import { FakeRunner, goTo, surroundings } from "./fake-runner.ts";
import { init } from "./init.ts";
import { TRIAL_ERROR_CODES } from "./trial-errors.ts";
import { VERSION } from "./version.ts";

const text = (path: string) => readFileSync(new URL(`../../${path}`, import.meta.url), "utf8");
const all = (source: string, pattern: RegExp) => [...source.matchAll(pattern)].map((m) => m[1]!);
const page = text("docs/trial-api.md");

test("TypeScript, Python and the page know the same errors, with the same words", () => {
  const python = text("python/contrail/_errors.py");
  const catalogue = python.slice(python.indexOf("CATALOGUE"), python.indexOf("\n}\n"));
  assert.deepEqual(all(catalogue, /^ {4}"([a-z_]+)":/gm), TRIAL_ERROR_CODES);
  assert.deepEqual(all(page, /^\| `([a-z]+_[a-z_]+)` \|/gm), TRIAL_ERROR_CODES);
  const words = (source: string) => source.replaceAll(/\$\{f\.|[{}"'`\\\s]/g, "");
  const ours = text("src/sdk/trial-errors.ts").replaceAll(/\(f: Fields\) =>|\(\) =>/g, "");
  const start = ours.indexOf("CATALOGUE = {") + "CATALOGUE = {".length;
  const theirs = catalogue.slice(catalogue.indexOf("= {") + 3).replaceAll(/[()]/g, "");
  const mine = ours.slice(start, ours.indexOf("} as const")).replaceAll(/[()]/g, "");
  assert.equal(words(mine), words(theirs));
});

test("one version for the package and for Python", () => {
  const { version } = JSON.parse(text("package.json")) as { version: string };
  assert.equal(VERSION, version);
  assert.deepEqual(all(text("python/pyproject.toml"), /^version = "(.*)"$/gm), [version]);
  assert.deepEqual(all(text("python/contrail/_version.py"), /^__version__ = "(.*)"$/gm), [version]);
});

test("both languages have the same names, and the page names them", async () => {
  await using runner = await FakeRunner.start({ orders: goTo(1) });
  const trial = await init({}, surroundings({ CONTRAIL_SOCKET: runner.socketPath }));
  const snake = (name: string) => name.replaceAll(/[A-Z]/g, (c) => `_${c.toLowerCase()}`);
  const prototype = Object.getOwnPropertyNames(Object.getPrototypeOf(trial));
  const mine = ["params", ...prototype.filter((name) => name !== "constructor")].map(snake);
  const python = text("python/contrail/_trial.py").split("class Trial:")[1]!;
  const theirs = all(python, /^ {4}def ([a-z][a-z_]*)\(/gm);
  assert.deepEqual(mine.toSorted(), theirs.toSorted());
  for (const name of theirs) assert.match(page, new RegExp(`trial\\.${name}\\b`));
});
