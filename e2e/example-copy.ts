/** Examples as tests run them: copies whose configuration is made small. */
import assert from "node:assert/strict";
import { cp, readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { ROOT, type Stand } from "./support.ts";

/** A copy of an example whose configuration is changed by these replacements. @param as the folder's name */
export async function copyOf(
  it: Stand,
  name: string,
  changes: readonly [RegExp, string][],
  as = name,
): Promise<string> {
  const folder = join(it.folder, as);
  await cp(join(ROOT, "examples", name), folder, { recursive: true });
  let text = await readFile(join(folder, "config.yaml"), "utf8");
  for (const [what, by] of changes) {
    assert.match(text, what);
    text = text.replace(what, by);
  }
  await writeFile(join(folder, "config.yaml"), text);
  return folder;
}

/** `examples/digits-pytorch` starts `python3`, and PyTorch lies elsewhere here. */
export const withPython = (python: string): [RegExp, string] => [
  /entrypoint: python3 train\.py/,
  `entrypoint: [${JSON.stringify(python)}, train.py]`,
];
