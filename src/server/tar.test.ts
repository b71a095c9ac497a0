import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { mkdtempSync, readdirSync, readFileSync, rmSync, statSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { tarBytes, tarStream } from "./tar.ts";

async function archive(contents: Readonly<Record<string, Buffer>>, executable = false) {
  const tree = Object.entries(contents).map(([path, bytes]) => ({
    ...{ path, size: bytes.length, hash: path, executable },
  }));
  const chunks: Uint8Array[] = [];
  const open = async (hash: string) => {
    const bytes = contents[hash] ?? Buffer.alloc(0);
    // In two pieces, as it may come.
    return (async function* () {
      yield bytes.subarray(0, 3);
      yield bytes.subarray(3);
    })();
  };
  for await (const chunk of tarStream({ folder: "trial-1.1", tree }, open)) chunks.push(chunk);
  return { bytes: Buffer.concat(chunks), length: tarBytes({ folder: "trial-1.1", tree }) };
}

test("the system's tar unpacks it to the same files: empty, long, of other scripts, executable", async () => {
  const folder = mkdtempSync(join(tmpdir(), "tar-"));
  try {
    const contents = {
      "model.bin": Buffer.alloc(1537, 7),
      empty: Buffer.alloc(0),
      [`deep/${"d".repeat(90)}/${"n".repeat(120)}`]: Buffer.from("long"),
      "モデル/ü ñ.txt": Buffer.from("names"),
      exact: Buffer.alloc(512, 1),
    };
    const { bytes, length } = await archive(contents, true);
    assert.equal(bytes.length, length);
    execFileSync("tar", ["-xf", "-", "-C", folder], { input: bytes });
    const root = join(folder, "trial-1.1");
    assert.deepEqual(readdirSync(folder), ["trial-1.1"]);
    for (const [path, expected] of Object.entries(contents)) {
      assert.deepEqual(readFileSync(join(root, path)), expected, path);
      assert.equal(statSync(join(root, path)).mode & 0o777, 0o755);
    }
  } finally {
    rmSync(folder, { recursive: true });
  }
});

test("records count their own length at every number of digits", async () => {
  for (const chars of [76, 77, 78, 79, 80, 900, 975, 976, 977, 978, 979, 980, 985]) {
    const name = `${"é".repeat(Math.floor(chars / 2))}${chars % 2 === 1 ? "x" : ""}`;
    const { bytes } = await archive({ [name]: Buffer.from("1") });
    const record = bytes.subarray(512).toString().split("\n")[0] as string;
    assert.equal(Number(record.split(" ")[0]), Buffer.byteLength(record) + 1, String(chars));
  }
});

test("content of another size than its tree says ends in an error, not in a broken archive", async () => {
  const tree = [{ path: "a", size: 5, hash: "a", executable: false }];
  const open = async () =>
    (async function* () {
      yield Buffer.from("1234");
    })();
  await assert.rejects(async () => {
    for await (const chunk of tarStream({ folder: "f", tree }, open)) void chunk;
  }, /a has 4 bytes in store and 5 in its tree/);
});
