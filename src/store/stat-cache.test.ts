/** The memory of scans: what it may spare, and the changes that it must never hide. */
import assert from "node:assert/strict";
import {
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  utimesSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, describe, test } from "node:test";
import { type ScannedFolder, scanFolder } from "./snapshot.ts";

const root = mkdtempSync(join(tmpdir(), "contrail-stat-cache-"));
after(() => rmSync(root, { recursive: true, force: true }));

const HOUR_MS = 3_600_000;
let count = 0;

/** A folder, and a clock that says how long ago its files were written. */
class Bench {
  readonly folder = join(root, `f${count++}`);
  readonly memory = `${this.folder}-memory`;
  laterMs = HOUR_MS;

  constructor(files: Readonly<Record<string, string>>) {
    mkdirSync(this.folder);
    for (const [name, text] of Object.entries(files)) this.write(name, text);
  }

  write(name: string, text: string): void {
    writeFileSync(join(this.folder, name), text);
  }

  async scan(): Promise<ScannedFolder> {
    const nowMs = () => Date.now() + this.laterMs;
    const result = await scanFolder(this.folder, { cache: { folder: this.memory, nowMs } });
    assert.ok(result.ok, JSON.stringify(result));
    return result.folder;
  }

  /** What a scan without any memory finds. */
  async truth(): Promise<string> {
    const result = await scanFolder(this.folder);
    assert.ok(result.ok);
    return result.folder.hash;
  }

  /** Puts another hash in the memory's place of the real one: who uses it, shows it. */
  poison(): void {
    const [name = ""] = readdirSync(this.memory);
    const path = join(this.memory, name);
    const file = JSON.parse(readFileSync(path, "utf8"));
    for (const entry of file.entries) entry[2] = "0".repeat(64);
    writeFileSync(path, JSON.stringify(file));
  }
}

describe("scans with a memory", () => {
  test("read nothing again that is as it was", async () => {
    const bench = new Bench({ "a.py": "a", "b.py": "b" });
    assert.equal((await bench.scan()).hash, await bench.truth());
    assert.equal((await bench.scan()).hash, await bench.truth());
    bench.poison();
    const { tree } = await bench.scan();
    assert.deepEqual(new Set(tree.map(({ hash }) => hash)), new Set(["0".repeat(64)]));
  });

  test("read what changed, also where size and mtime were put back", async () => {
    const bench = new Bench({ "a.py": "aaaa", "b.py": "bbbb" });
    await bench.scan();
    const path = join(bench.folder, "a.py");
    const { atime, mtime } = statSync(path);
    // Else the clock of the file system may stand where it stood, and this test would be about that.
    await new Promise((resolve) => setTimeout(resolve, 20));
    bench.write("a.py", "AAAA");
    utimesSync(path, atime, mtime);
    assert.equal(statSync(path).mtimeMs, mtime.getTime());
    assert.equal((await bench.scan()).hash, await bench.truth());
  });

  test("remember nothing of a file that was written a moment before: it may be written again at the same time", async () => {
    const bench = new Bench({ "a.py": "aaaa" });
    bench.laterMs = 1_000;
    await bench.scan();
    bench.poison();
    assert.equal((await bench.scan()).hash, await bench.truth());
    bench.laterMs = -HOUR_MS; // Written in the future, as a file server's clock may say.
    await bench.scan();
    bench.poison();
    assert.equal((await bench.scan()).hash, await bench.truth());
  });

  test("know names, modes and files that went", async () => {
    const bench = new Bench({ "a.py": "a", "b.py": "b" });
    await bench.scan();
    rmSync(join(bench.folder, "b.py"));
    bench.write("c.py", "a");
    assert.equal((await bench.scan()).hash, await bench.truth());
    assert.deepEqual(
      (await bench.scan()).tree.map(({ path }) => path),
      ["a.py", "c.py"],
    );
  });

  test("do without a memory that is broken or cannot be written", async () => {
    const bench = new Bench({ "a.py": "a" });
    await bench.scan();
    const [name = ""] = readdirSync(bench.memory);
    for (const text of ["", "{", "[]", '{"version":1,"entries":3}', '{"version":99}']) {
      writeFileSync(join(bench.memory, name), text);
      assert.equal((await bench.scan()).hash, await bench.truth());
    }
    const other = new Bench({ "a.py": "a" });
    writeFileSync(other.memory, "a file where the folder should be");
    assert.equal((await other.scan()).hash, await other.truth());
  });
});
