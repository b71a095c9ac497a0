/** How many lines of an example are there because it may train with several processes: at most five. */
import assert from "node:assert/strict";
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";

const LINES_MAX = 5;
/** What a program of one process would not say. */
const FOR_SEVERAL =
  /contrail\.torch\.(?:prepare|total)\(|contrail\.meet\(|ranks\.(?:share|sum|total)\(/;
const FOLDER = import.meta.dirname;

const lines = (example: string): string[] =>
  readdirSync(join(FOLDER, example), { withFileTypes: true })
    .filter((entry) => entry.isFile() && /\.(?:py|ts)$/.test(entry.name))
    .flatMap(({ name }) => readFileSync(join(FOLDER, example, name), "utf8").split("\n"))
    .filter((line) => FOR_SEVERAL.test(line));

test("training with several processes costs an example at most five lines", () => {
  const examples = readdirSync(FOLDER, { withFileTypes: true }).filter((one) => one.isDirectory());
  const counted = new Map(examples.map(({ name }) => [name, lines(name).length]));
  for (const [name, count] of counted) assert.ok(count <= LINES_MAX, `${name}: ${count}`);
  assert.equal(counted.get("digits-pytorch"), 2);
  assert.equal(counted.get("spirals-typescript"), 4);
});
