/** Row I11: every regular expression is ours. One that is made from what a user wrote could run for years. */
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { repositoryFiles, repositoryRoot } from "./repository-files.ts";

/** Files that put one together, and from which texts of our own. */
const MADE: Readonly<Record<string, string>> = {
  "src/protocol/config/fields.ts": "the list of reserved names",
  "src/protocol/config/duration.ts": "the units of time",
  "src/cli/inert.ts": "the ranges of harmful characters",
  "src/runner/capture/container-facts.ts": "names in the file that podman writes",
  "src/runner/capture/machine-facts.ts": "names in /proc/cpuinfo",
  "src/runner/rebuild/in-venv.ts":
    "the folder of an environment, each of its characters for itself",
  "src/engines/slurm/parse.ts": "names of fields that scontrol prints",
  "src/sdk/points.ts": "a line of our own export",
  "src/server/page-files.ts": "the addresses of the page, from its own build",
  "src/server/task-proxy/address.ts": "labels of a host name, from its own words",
};

test("no regular expression is made from text that comes from elsewhere", () => {
  const files = repositoryFiles().filter(
    (path) => /^src\/.*\.ts$/.test(path) && !/\.test\.ts$|\/test-|^src\/sim\//.test(path),
  );
  assert.ok(files.length > 100);
  const making = files.filter((path) =>
    /\bRegExp\(/.test(readFileSync(join(repositoryRoot, path), "utf8")),
  );
  assert.deepEqual(making.sort(), Object.keys(MADE).sort());
});
