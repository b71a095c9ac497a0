/** What the server writes into the log of changes and what docs/audit.md says that it writes: the first is in the second. */
import assert from "node:assert/strict";
import { globSync, readFileSync } from "node:fs";
import { test } from "node:test";

const TEXT = '(?<!\\[)"[^"\\n]*"|`(?:[^`$]|\\$\\{[^}]*\\})*`';
const VALUE = `((?:${TEXT}|[^,;}\\n"\`])+)`;
/** A field of that name, and what a lifecycle says of a trial. */
const WRITTEN = [
  new RegExp(`\\bwhat:\\s*${VALUE}`, "g"),
  new RegExp(`#say\\([^,]+,[^,]+,\\s*${VALUE}`, "g"),
];
/** Steps of a lease that are stored and are no events. */
const NEVER_WRITTEN = ["speaks"];

const sources = [
  ...globSync("src/server/**/*.ts"),
  "src/core/lease/lease.ts",
  "src/core/lifecycle/step.ts",
].filter((path) => !/\.test\.ts$|^src\/server\/(?:why|record)\//.test(path));

/** As the page may say it: what is filled in is one word there. */
const pattern = (text: string): RegExp =>
  new RegExp(
    `\`${text
      .slice(1, -1)
      .split(/\$\{[^}]*\}/)
      .map((part) => part.replaceAll(/[^\w ]/g, "\\$&"))
      .join("[^` ]+( [a-z]+)?")}\``,
  );

test("every event that is written stands in the table of the page", () => {
  const page = readFileSync("docs/audit.md", "utf8");
  const table = page.slice(page.indexOf("## What is in it"), page.indexOf("## How the chain"));
  const found = new Set<string>();
  for (const path of sources)
    for (const form of WRITTEN)
      for (const [, value = ""] of readFileSync(path, "utf8").matchAll(form))
        for (const [text] of value.matchAll(new RegExp(TEXT, "g"))) found.add(text);
  for (const known of ['"signed out"', '"unpinned"', '"killing"', '"heard again"'])
    assert.ok(found.has(known), `${known} was not found in the sources`);
  const lacking = [...found].filter(
    (text) => !NEVER_WRITTEN.includes(text.slice(1, -1)) && !pattern(text).test(table),
  );
  assert.deepEqual(lacking, []);
});
