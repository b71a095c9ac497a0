import assert from "node:assert/strict";
import {
  chmodSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  readlinkSync,
  rmSync,
  statSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, test } from "node:test";
import { postgresBinaries } from "./binaries.ts";
import { failureFromOutput } from "./cluster.ts";
import { boundLogFile } from "./log-file.ts";

const root = mkdtempSync(join(tmpdir(), "contrail-binaries-test-"));
after(() => rmSync(root, { recursive: true, force: true }));

const us = {
  uid: process.getuid?.() ?? 0,
  gid: process.getgid?.() ?? 0,
  name: "us",
  differs: false,
};
const stranger = { uid: 54321, gid: 54321, name: "stranger", differs: true };

/** A package as npm leaves it when install scripts are off, with little in it. */
function fakePackage(name: string): string {
  const folder = join(root, name);
  for (const part of ["bin", "lib/pkgconfig", "share"])
    mkdirSync(join(folder, "native", part), { recursive: true });
  writeFileSync(join(folder, "package.json"), JSON.stringify({ version: "18.4.0-beta.17" }));
  const links = [{ source: "native/lib/libx.so.1.2", target: "native/lib/libx.so.1" }];
  writeFileSync(join(folder, "native", "pg-symlinks.json"), JSON.stringify(links));
  writeFileSync(join(folder, "native", "lib", "libx.so.1.2"), "library", { mode: 0o600 });
  writeFileSync(join(folder, "native", "lib", "libx.a"), "not needed");
  writeFileSync(join(folder, "native", "bin", "postgres"), "program", { mode: 0o700 });
  return folder;
}

test("library links are made where they are missing, by several at once, and again", async () => {
  const folder = fakePackage("linked");
  const all = await Promise.all([1, 2, 3, 4].map(() => postgresBinaries(root, us, folder)));
  const again = await postgresBinaries(root, us, folder);
  for (const found of [...all, again]) {
    assert.deepEqual([found.major, found.version], [18, "18.4.0-beta.17"]);
    assert.equal(found.postgres, join(folder, "native", "bin", "postgres"));
  }
  assert.equal(readlinkSync(join(folder, "native", "lib", "libx.so.1")), "libx.so.1.2");
});

test("programs that PostgreSQL's user cannot reach are copied into the data folder, once, readable for it", async () => {
  const folder = fakePackage("hidden");
  chmodSync(folder, 0o700);
  const data = join(root, "data");
  mkdirSync(join(data, "postgres-bin-17.0.0"), { recursive: true });
  const found = await postgresBinaries(data, stranger, folder);
  const copy = join(data, "postgres-bin-18.4.0-beta.17");
  assert.equal(found.postgres, join(copy, "native", "bin", "postgres"));
  assert.equal(readFileSync(join(copy, "native", "lib", "libx.so.1"), "utf8"), "library");
  assert.equal(statSync(found.postgres).mode & 0o777, 0o755);
  assert.equal(statSync(join(copy, "native", "lib", "libx.so.1.2")).mode & 0o777, 0o644);
  assert.equal(
    statSync(join(copy, "native", "lib", "libx.a"), { throwIfNoEntry: false }),
    undefined,
  );
  assert.equal(statSync(join(data, "postgres-bin-17.0.0"), { throwIfNoEntry: false }), undefined);
  const inode = statSync(found.postgres).ino;
  assert.equal(statSync((await postgresBinaries(data, stranger, folder)).postgres).ino, inode);
});

test("what PostgreSQL says last tells the kind of failure", () => {
  const cases: [string, string][] = [
    ['FATAL:  could not write file "pg_wal/xlogtemp.1": No space left on device', "disk_full"],
    ['FATAL:  lock file "postmaster.pid" already exists', "data_folder_in_use"],
    [
      "FATAL:  pre-existing shared memory block (key 5, ID 6) is still in use",
      "data_folder_in_use",
    ],
    ["postgres: error while loading shared libraries: libicui18n.so.60", "unsupported_platform"],
    ["FATAL:  something else", "start_failed"],
    ["", "start_failed"],
  ];
  for (const [output, code] of cases)
    assert.equal(failureFromOutput("it ended", output).code, code, output);
});

test("the log file is bounded, and one older one is kept", () => {
  const path = join(root, "postgres.log");
  boundLogFile(path, 10);
  writeFileSync(path, "0123456789");
  boundLogFile(path, 10);
  assert.equal(readFileSync(path, "utf8"), "0123456789");
  writeFileSync(path, "0123456789+");
  boundLogFile(path, 10);
  assert.equal(readFileSync(path, "utf8"), "");
  assert.equal(readFileSync(`${path}.1`, "utf8"), "0123456789+");
});
