/** Packages of Node as they lie on a disk, among them what a program may have put there to hold its runner up. */
import assert from "node:assert/strict";
import { execFile, execFileSync } from "node:child_process";
import { mkdirSync, mkdtempSync, rmSync, symlinkSync, truncateSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, test } from "node:test";
import { promisify } from "node:util";
import { nodeFacts } from "./node-facts.ts";
import { nodePackages } from "./node-packages.ts";

const root = mkdtempSync(join(tmpdir(), "contrail-node-packages-"));
after(() => rmSync(root, { recursive: true, force: true }));
const HERE = { signal: new AbortController().signal, sees: () => true };

function folderOf(packages: Readonly<Record<string, string>>): string {
  const folder = mkdtempSync(join(root, "f-"));
  for (const [path, version] of Object.entries(packages)) {
    mkdirSync(join(folder, "node_modules", path), { recursive: true });
    writeFileSync(
      join(folder, "node_modules", path, "package.json"),
      JSON.stringify({ name: path, version }),
    );
  }
  return folder;
}

test("packages, those of a scope, those inside others, and links, with the hashes that npm wrote", async () => {
  const folder = folderOf({ a: "1.0.0", "@s/b": "2.0.0", "a/node_modules/c": "3.0.0" });
  const elsewhere = folderOf({ linked: "4.0.0" });
  symlinkSync(join(elsewhere, "node_modules", "linked"), join(folder, "node_modules", "linked"));
  writeFileSync(
    join(folder, "node_modules", ".package-lock.json"),
    JSON.stringify({ packages: { "node_modules/a": { integrity: "sha512-a" } } }),
  );
  const found = await nodePackages(folder, HERE);
  assert.deepEqual(found.observed, {
    "npm:@s/b": "2.0.0",
    "npm:a": "1.0.0",
    "npm:a/node_modules/c": "3.0.0",
    "npm:linked": "4.0.0",
  });
  assert.deepEqual(found.hashes, { "npm:a": "sha512-a" });
  assert.match(String(found.origins["npm:linked"]), /^link to .*node_modules\/linked$/);
  assert.deepEqual(found.faults, []);
});

test("a pipe, a device and what is huge in place of their files are left out and hold nobody up", async () => {
  const folder = folderOf({ good: "1.0.0", huge: "1", piped: "1", zero: "1" });
  const file = (name: string): string => join(folder, "node_modules", name, "package.json");
  for (const name of ["piped", "zero"]) rmSync(file(name));
  // Opened the usual way it would wait until somebody writes, and nobody could end that.
  execFileSync("mkfifo", [file("piped"), join(folder, "node_modules", ".package-lock.json")]);
  symlinkSync("/dev/zero", file("zero"));
  truncateSync(file("huge"), 2 ** 31);
  const found = await nodePackages(folder, HERE);
  assert.deepEqual(found.observed, { "npm:good": "1.0.0" });
});

test("whoever does not need it any more ends the walk", async () => {
  const stopped = new AbortController();
  const walk = nodePackages(folderOf({ a: "1.0.0" }), { ...HERE, signal: stopped.signal });
  stopped.abort(new Error("the run was over"));
  await assert.rejects(walk, /the run was over/);
});

test("of a container only what lies here as it does inside, wherever links lead", async () => {
  const above = folderOf({ host: "1.0.0" });
  const folder = join(above, "code");
  mkdirSync(join(folder, "node_modules", "mine"), { recursive: true });
  writeFileSync(join(folder, "node_modules", "mine", "package.json"), '{"version":"2.0.0"}');
  symlinkSync(join(above, "node_modules", "host"), join(folder, "node_modules", "linked"));
  const found = await nodePackages(folder, { ...HERE, sees: (path) => path.startsWith(folder) });
  assert.deepEqual(found.observed, { "npm:mine": "2.0.0" });
  assert.match(found.faults.join(), /linked leads into the image/);
});

test("a folder of packages, or a scope, that is a link into the image is not read here", async () => {
  const host = folderOf({ "@s/host": "1.0.0" });
  const modules = join(host, "node_modules");
  const [linked, scoped, dangling] = [folderOf({}), folderOf({ mine: "2.0.0" }), folderOf({})];
  symlinkSync(modules, join(linked, "node_modules"));
  symlinkSync(join(modules, "@s"), join(scoped, "node_modules", "@s"));
  symlinkSync("/nowhere-on-this-machine", join(dangling, "node_modules"));
  for (const [folder, names] of [
    [linked, []],
    [scoped, ["npm:mine"]],
    [dangling, []],
  ] as const) {
    const walk = { ...HERE, sees: (path: string) => path.startsWith(folder) };
    const { observed, faults } = await nodePackages(folder, walk);
    assert.deepEqual(Object.keys(observed), names);
    assert.match(faults.join(), /leads into the image, which is not looked into$/);
  }
});

/** What stands in the record of a program of Node that finds these folders of packages where it runs. */
async function gapsIn(folder: string, folders: readonly string[], sees: (path: string) => boolean) {
  const answer = { path: "/usr/bin/node", version: "v24.0.0", versions: {}, platform: "linux" };
  const program = { kind: "node", command: ["node"], env: {}, folder } as const;
  const told = JSON.stringify({ ...answer, folders });
  const { part } = await nodeFacts(program, () => Promise.resolve(told), { ...HERE, sees });
  const what = (gaps: readonly { what: string }[]) => gaps.map((gap) => gap.what);
  return { missing: what(part.missing), not_applicable: what(part.not_applicable) };
}

test("packages that lie in an image are a gap, and no sign that there are none", async () => {
  const all = ["packages_observed", "package_hashes"];
  const none = { missing: all, not_applicable: ["frameworks"] };
  assert.deepEqual(await gapsIn("/app", [], () => false), none);
  const [bare, linked] = [folderOf({}), folderOf({})];
  const sees = (path: string) => path.startsWith(root);
  assert.deepEqual(await gapsIn(bare, ["/app/node_modules"], sees), none);
  const nothing = { missing: [], not_applicable: ["frameworks", ...all] };
  assert.deepEqual(await gapsIn(bare, [], sees), nothing);
  mkdirSync(join(linked, "node_modules"));
  const ours = join(folderOf({ contrail: "1.0.0" }), "node_modules", "contrail");
  symlinkSync(ours, join(linked, "node_modules", "contrail"));
  const [here, image] = [join(linked, "node_modules"), "/app/node_modules"];
  assert.deepEqual(await gapsIn(linked, [here, image], sees), {
    missing: ["packages_observed.image", "package_hashes"],
    not_applicable: ["frameworks"],
  });
  const complete = { missing: [], not_applicable: ["frameworks", "package_hashes"] };
  assert.deepEqual(await gapsIn(linked, [here], sees), complete);
});

test("Node names the folders in which it looks for packages", async () => {
  const [folder, other] = [folderOf({ a: "1.0.0" }), folderOf({ b: "1.0.0" })];
  const [here, there] = [join(folder, "node_modules"), join(other, "node_modules")];
  const program = { kind: "node", command: ["node"], env: {}, folder } as const;
  const run = ([, ...words]: readonly string[]) =>
    promisify(execFile)(process.execPath, words, {
      cwd: folder,
      env: { NODE_PATH: `${there}:/nowhere` },
    }).then(({ stdout }) => stdout);
  const walk = { ...HERE, sees: (path: string) => path.startsWith(folder) };
  const { part } = await nodeFacts(program, run, walk);
  assert.deepEqual(part.captured.packages_observed, { "npm:a": "1.0.0" });
  const gap = part.missing.find(({ what }) => what === "packages_observed.image");
  assert.ok(gap?.why.includes(there) && !gap.why.includes(here) && !gap.why.includes("nowhere"));
});
