import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, rmSync, statSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { after, test } from "node:test";
import { DataFolderError, openDataFolder, readServerNote } from "./data-folder.ts";

const root = mkdtempSync(join(tmpdir(), "contrail-folder-test-"));
after(() => rmSync(root, { recursive: true, force: true }));

async function holder(path: string) {
  const code = `import { openDataFolder } from ${JSON.stringify(new URL("./data-folder.ts", import.meta.url).href)};
    const folder = openDataFolder(${JSON.stringify(path)}, { startedAtMs: 5 });
    folder.writeNote({ url: "http://127.0.0.1:4100" });
    console.log("held");
    setInterval(() => {}, 1000);`;
  const child = spawn(process.execPath, ["--input-type=module", "-e", code], {
    stdio: ["ignore", "pipe", "inherit"],
  });
  await once(createInterface({ input: child.stdout }), "line");
  return child;
}

test("a second server is refused and told who holds the folder; kill -9 leaves no lock behind", async () => {
  const path = join(root, "shared");
  const child = await holder(path);
  assert.throws(
    () => openDataFolder(path, { startedAtMs: 6 }),
    (error: unknown) => {
      assert(error instanceof DataFolderError);
      assert.equal(error.code, "locked");
      assert.equal(error.holder?.pid, child.pid);
      assert.match(
        error.message,
        new RegExp(`${path} is in use by the server with process id ${child.pid} at http:`),
      );
      return true;
    },
  );
  const gone = once(child, "exit");
  child.kill("SIGKILL");
  await gone;
  const folder = openDataFolder(path, { startedAtMs: 7 });
  assert.deepEqual(readServerNote(path), { pid: process.pid, startedAtMs: 7 });
  folder.release();
});

test("of many starters exactly one gets the folder, in this process too", () => {
  const path = join(root, "many");
  const first = openDataFolder(path, { startedAtMs: 1 });
  for (let at = 0; at < 3; at++)
    assert.throws(() => openDataFolder(path, { startedAtMs: 1 }), { code: "locked" });
  first.release();
  first.release();
  const second = openDataFolder(path, { startedAtMs: 2 });
  assert.throws(() => openDataFolder(path, { startedAtMs: 1 }), { code: "locked" });
  second.release();
});

test("nobody but the owner can look inside", () => {
  const path = join(root, "private");
  const folder = openDataFolder(path, { startedAtMs: 1 });
  folder.writeNote({ url: "http://127.0.0.1:1", token: "secret" });
  const mode = (name: string) => statSync(join(path, name)).mode & 0o777;
  assert.equal(mode("") & 0o066, 0);
  assert.equal(mode("server.json"), 0o600);
  assert.equal(mode("blobs"), 0o700);
  assert.equal(mode("runner"), 0o700);
  folder.release();
});

test("a folder that cannot be one is explained", () => {
  const file = join(root, "file");
  writeFileSync(file, "");
  assert.throws(() => openDataFolder(file, { startedAtMs: 1 }), {
    code: "unusable",
    message: /cannot use .*file as data folder.*--data-dir/,
  });
});
