import assert from "node:assert/strict";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, test } from "node:test";
import { curveOfFile } from "./curve-file.ts";

const folder = mkdtempSync(join(tmpdir(), "contrail-curve-"));
after(() => rmSync(folder, { recursive: true }));

function curve(name: string, text: string) {
  writeFileSync(join(folder, name), text);
  return () => curveOfFile(name, folder)({ lr: 0.1 }, 3);
}

test("the default export is the curve", () => {
  assert.equal(curve("good.ts", "export default ({ lr }, step: number) => step * lr;")(), 3 * 0.1);
  assert.equal(curve("nan.ts", "export default () => Number.NaN;")(), Number.NaN);
});

test("what is wrong with the file is said of the file, with the place", () => {
  const wrong: readonly (readonly [call: () => unknown, message: RegExp, exitCode: number])[] = [
    [() => curveOfFile("none.ts", folder), /no file .*none\.ts/, 3],
    [curve("syntax.ts", "export default ((("), /syntax\.ts cannot be loaded: SyntaxError/, 1],
    [curve("import.ts", 'import "nowhere";'), /import\.ts cannot be loaded: .*nowhere/s, 1],
    [curve("other.ts", "export const x = 1;"), /default export of other\.ts is no function/, 2],
    [
      curve("throws.ts", 'export default () => { throw new Error("oops"); };'),
      /throws\.ts failed at step 3 of \{"lr":0\.1\}: Error: oops/,
      1,
    ],
    [curve("text.ts", 'export default () => "a";'), /gave "a" at step 3 .*; it must be a num/, 1],
    [curve("later.ts", "export default async () => 1;"), /gave a promise at step 3/, 1],
  ];
  for (const [call, message, exitCode] of wrong) assert.throws(call, { message, exitCode });
});
