import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { test } from "node:test";
import { experimentState, trialState } from "./api-words.ts";
import { cliDocument } from "./document.ts";
import { EXIT, EXIT_MEANINGS } from "./exit-code.ts";
import { run } from "./test-host.ts";

const text = await cliDocument();

test("docs/cli.md is what the commands say now", () => {
  const there = readFileSync(new URL("../../docs/cli.md", import.meta.url), "utf8");
  assert.equal(there, text, "run: npm run generate");
});

test("every command has its section, and every link leads to one", () => {
  const sections = new Set(
    [...text.matchAll(/^## (.+)$/gm)].map(([, title]) => title?.replaceAll(" ", "-")),
  );
  const links = [...text.matchAll(/\]\(#([^)]+)\)/g)].map(([, anchor]) => anchor);
  assert.ok(links.length > 30);
  for (const anchor of links) assert.ok(sections.has(anchor), anchor);
});

test("the exit codes of the document are those of the program", () => {
  assert.deepEqual(
    EXIT_MEANINGS.map(([code]) => code).toSorted((a, b) => a - b),
    Object.values(EXIT).toSorted((a, b) => a - b),
  );
});

test("the words of the options are those of the protocol", async () => {
  const api = await import("../protocol/api.ts");
  assert.deepEqual([...experimentState], api.experimentState.options);
  assert.deepEqual([...trialState], api.trialState.options);
});

/** Files that are loaded before any command runs: static imports that survive type stripping. */
function loadedAtStart(file: URL, seen = new Set<string>()): Set<string> {
  if (seen.has(file.href)) return seen;
  seen.add(file.href);
  const source = readFileSync(file, "utf8");
  const imports = /^(?:import|export)\s(?!type\b)(?:[^;]*?\sfrom\s+)?"([^"]+)";/gm;
  for (const [, name = ""] of source.matchAll(imports)) {
    if (name.startsWith(".")) loadedAtStart(new URL(name, file), seen);
    else seen.add(name);
  }
  return seen;
}

test("starting loads no schemas, no parser and no command: it has to be quick", () => {
  const loaded = [...loadedAtStart(new URL("./main.ts", import.meta.url))];
  const packages = loaded.filter((name) => !name.startsWith("file:") && !name.startsWith("node:"));
  assert.deepEqual(packages, ["commander"]);
  const rooms = loaded.filter((name) =>
    /\/src\/(?:store|core|server|protocol|cli\/commands)\//.test(name),
  );
  assert.deepEqual(rooms, []);
});

test("help takes a whole command, and shows the help of that one", async () => {
  for (const words of ["experiment create", "e create", "trial show", "up", "experiment"]) {
    const asked = await run(["help", ...words.split(" ")]);
    const flagged = await run([...words.split(" "), "--help"]);
    assert.equal(asked.code, 0, words);
    assert.equal(asked.out, flagged.out, words);
    assert.match(asked.out, /^Usage: contrail /);
  }
  assert.match((await run(["help", "experiment", "create"])).out, /--dry-run/);
});
