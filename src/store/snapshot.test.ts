import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { createHash } from "node:crypto";
import {
  chmodSync,
  existsSync,
  lstatSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { after, test } from "node:test";
import type { TreeEntry } from "../protocol/runner-wire.ts";
import { openBlobFolder } from "./blobs.ts";
import {
  canonicalTree,
  checkoutTree,
  checkTree,
  contentHash,
  removeCheckout,
  type ScannedFolder,
  type ScanOptions,
  scanFolder,
} from "./snapshot.ts";

const root = mkdtempSync(join(tmpdir(), "contrail-snapshot-test-"));
after(() => removeCheckout(root));

let folders = 0;
function folderWith(files: Record<string, string>): string {
  const folder = join(root, `folder-${folders++}`);
  mkdirSync(folder);
  for (const [path, content] of Object.entries(files)) {
    mkdirSync(dirname(join(folder, path)), { recursive: true });
    writeFileSync(join(folder, path), content);
  }
  return folder;
}

const hashOf = (content: string) => createHash("sha256").update(content).digest("hex");
const entry = (path: string, content = ""): TreeEntry => ({
  path,
  size: Buffer.byteLength(content),
  hash: hashOf(content),
  executable: false,
});

async function scanned(folder: string, options?: ScanOptions): Promise<ScannedFolder> {
  const result = await scanFolder(folder, options);
  assert(result.ok, JSON.stringify(result));
  return result.folder;
}

async function issuesOf(folder: string, options?: ScanOptions): Promise<string[]> {
  const result = await scanFolder(folder, options);
  assert.equal(result.ok, false);
  return result.ok ? [] : result.issues.map((issue) => `${issue.path} ${issue.message}`);
}

const pathsOf = async (folder: string, options?: ScanOptions) =>
  (await scanned(folder, options)).tree.map((file) => file.path);

const contents = (files: Record<string, string>) => {
  const blobs = new Map(Object.values(files).map((content) => [hashOf(content), content]));
  return async (hash: string) => {
    const content = blobs.get(hash);
    if (content === undefined) return undefined;
    const stream = async function* () {
      yield Buffer.from(content.slice(0, 3));
      yield Buffer.from(content.slice(3));
    };
    return { stream: stream() };
  };
};

test("a folder with odd names becomes a tree and the same folder again, through a blob store", async () => {
  const files = {
    "train.py": "print(1)",
    "a folder/with spaces/and\nnewlines": "x",
    "ünïcödé/日本語/😀.txt": "smile",
    "z\u{10000}": "beyond",
    "z\uFFFD": "before",
    "-rf": "dash",
    "$(echo)`;'\"": "shell",
    empty: "",
  };
  const folder = folderWith(files);
  chmodSync(join(folder, "train.py"), 0o755);
  const found = await scanned(folder);
  const byBytes = Object.keys(files).sort((a, b) => Buffer.compare(Buffer.from(a), Buffer.from(b)));
  assert.deepEqual(
    found.tree.map((file) => file.path),
    byBytes,
  );
  assert.equal(found.tree.find((file) => file.path === "train.py")?.executable, true);
  const blobs = await openBlobFolder(join(root, "blobs"));
  for (const { path, hash } of found.tree) {
    await blobs.put(readFileSync(found.sourceOf(path)), { expected: hash });
  }
  const copy = join(root, "copy");
  await checkoutTree(found.tree, copy, (hash) => blobs.open(hash));
  for (const [path, content] of Object.entries(files))
    assert.equal(readFileSync(join(copy, path), "utf8"), content);
  assert.equal(lstatSync(join(copy, "train.py")).mode & 0o777, 0o755);
  assert.equal(lstatSync(join(copy, "empty")).mode & 0o777, 0o644);
  assert.equal((await scanned(copy)).hash, found.hash);
});

test("a tree's name depends on its files alone, not on order or extra keys, and never changes", () => {
  const tree = [entry("b", "2"), entry("a/x", "1"), entry("a.b", "3")];
  const { bytes, hash } = canonicalTree(tree);
  assert.equal(
    Buffer.from(bytes).toString(),
    `[{"executable":false,"hash":"${hashOf("3")}","path":"a.b","size":1},` +
      `{"executable":false,"hash":"${hashOf("1")}","path":"a/x","size":1},` +
      `{"executable":false,"hash":"${hashOf("2")}","path":"b","size":1}]`,
  );
  assert.equal(canonicalTree(tree.toReversed().map((e) => ({ note: 1, ...e }))).hash, hash);
  assert.equal(
    canonicalTree([]).hash,
    "4f53cda18c2baa0c0354bb5f9a3ecbe5ed12ab4d8e11ba873c2f11161202b945",
  );
});

test("a large file is cut into parts, and its snapshot is the same folder again", async () => {
  const folder = folderWith({ small: "s" });
  const large = Buffer.alloc(20 * 1024 * 1024, "all the same for a while, ");
  large.write("and then not", 12_345_678);
  writeFileSync(join(folder, "large"), large);
  const whole = await scanned(folder);
  const cut = await scanned(folder, { chunked: true });
  const [first, second] = cut.tree;
  assert.ok(first?.chunks && first.chunks.length > 1);
  assert.equal(second?.chunks, undefined);
  assert.deepEqual(
    cut.tree.map(({ hash }) => hash),
    whole.tree.map(({ hash }) => hash),
  );
  assert.notEqual(cut.hash, whole.hash);
  assert.equal(contentHash(cut.tree), whole.hash);
  const blobs = await openBlobFolder(join(root, "blobs of parts"));
  await blobs.put(Buffer.from("s"));
  let at = 0;
  for (const { size } of first.chunks) {
    await blobs.put(large.subarray(at, at + size));
    at += size;
  }
  const again = join(root, "parts again");
  await checkoutTree(cut.tree, again, (hash) => blobs.open(hash));
  assert.ok(readFileSync(join(again, "large")).equals(large));

  // Each part is what it says, and the whole is not.
  const lying = cut.tree.map((item) => ({ ...item, hash: hashOf("something else") })).slice(0, 1);
  const target = join(root, "parts that lie");
  await assert.rejects(
    checkoutTree(lying, target, (hash) => blobs.open(hash)),
    { code: "damaged_blob" },
  );
  assert.equal(existsSync(target), false);
});

test("ignored by default, by pattern, and taken back in", async () => {
  const folder = folderWith({
    ".git/config": "",
    "node_modules/x/index.js": "",
    "src/__pycache__/a.pyc": "",
    "src/a.py": "",
    "src/a.pyc": "",
    "src/keep.pyc": "",
    "data/big.bin": "",
    "deep/data/small.bin": "",
    "logs/a.log": "",
    "logs/b.txt": "",
    "build/out": "",
    "tools/build": "",
    "docs/x/y/z.md": "",
    "#literal": "",
    file1: "",
    fileA: "",
    ".contrailignore":
      "# comment\n*.pyc\n!keep.pyc\n/data\nlogs/*.log\nbuild/\ndocs/**/z.md\n\\#literal\nfile[0-9]\n",
  });
  assert.deepEqual(await pathsOf(folder), [
    ".contrailignore",
    "deep/data/small.bin",
    "fileA",
    "logs/b.txt",
    "src/a.py",
    "src/keep.pyc",
    "tools/build",
  ]);
  const everything = await pathsOf(folder, { ignore: [], ignoreFile: null });
  assert.equal(everything.length, 17);
});

test("links inside are followed; links outside, nowhere and to a folder above are errors", async () => {
  const folder = folderWith({ "real/file": "content" });
  symlinkSync("real/file", join(folder, "link"));
  symlinkSync("real", join(folder, "linked-folder"));
  const found = await scanned(folder);
  assert.deepEqual(
    found.tree.map((file) => [file.path, file.hash]),
    ["link", "linked-folder/file", "real/file"].map((path) => [path, hashOf("content")]),
  );
  assert.equal(readFileSync(found.sourceOf("linked-folder/file"), "utf8"), "content");
  symlinkSync("/etc/passwd", join(folder, "outside"));
  symlinkSync("no-such-file", join(folder, "nowhere"));
  symlinkSync("..", join(folder, "real", "above"));
  const issues = await issuesOf(folder);
  assert.equal(issues.length, 4);
  assert(
    issues.some((issue) =>
      issue.startsWith("outside is a link to /etc/passwd, outside the folder"),
    ),
  );
  assert(issues.some((issue) => issue.startsWith("nowhere is a link that leads nowhere")));
  assert(issues.some((issue) => issue.startsWith("real/above is a link to a folder above it")));
  assert(
    issues.some((issue) => issue.startsWith("linked-folder/above is a link to a folder above it")),
  );
  writeFileSync(join(folder, ".contrailignore"), "outside\nnowhere\nabove/\n");
  assert.deepEqual(await pathsOf(folder), [
    ".contrailignore",
    "link",
    "linked-folder/file",
    "real/file",
  ]);
});

test("sockets and pipes are left out with a note, and never opened", async () => {
  const folder = folderWith({ "a.txt": "a" });
  execFileSync("mkfifo", [join(folder, "pipe")]);
  const server = createServer();
  await new Promise<void>((resolve) => server.listen(join(folder, "socket"), resolve));
  const found = await scanned(folder);
  await new Promise((resolve) => server.close(resolve));
  assert.deepEqual([...found.notes].sort(), [
    "pipe: left out, it is a named pipe",
    "socket: left out, it is a socket",
  ]);
  assert.deepEqual(
    found.tree.map((file) => file.path),
    ["a.txt"],
  );
});

test("too much is refused before it is read, naming what is large", async () => {
  const folder = folderWith({
    "small.py": "x",
    "data/large.bin": "y".repeat(3000),
    "data/b": "",
    "data/c": "",
  });
  assert.match(
    (await issuesOf(folder, { limits: { bytesMax: 2048 } }))[0]!,
    /holds 2\.9 KiB, the limit is 2\.0 KiB\. Largest: data\/large\.bin \(2\.9 KiB\), small\.py \(1 bytes\)/,
  );
  assert.match(
    (await issuesOf(folder, { limits: { filesMax: 3 } }))[0]!,
    /holds 4 files, the limit is 3\. Most are in: data\/ \(3\), small\.py \(1\)/,
  );
});

test("names that another system would read differently are refused while scanning", async () => {
  const folder = folderWith({ "back\\slash": "", Readme: "", README: "" });
  writeFileSync(Buffer.concat([Buffer.from(`${folder}/`), Buffer.from([0x66, 0xff])]), "");
  const issues = await issuesOf(folder);
  assert.equal(issues.length, 2);
  assert(issues.some((issue) => issue.includes("contains a backslash")));
  assert(issues.some((issue) => issue.includes("not valid UTF-8")));
  writeFileSync(join(folder, ".contrailignore"), "back*\nf*\n");
  assert.deepEqual(await issuesOf(folder), [
    'Readme differs from "README" only in upper and lower case or Unicode form',
  ]);
  assert.match((await issuesOf(join(folder, "nothing-here")))[0]!, /cannot be read/);
  assert.match((await issuesOf(join(folder, "README")))[0]!, /is not a folder/);
});

test("a file that is written to while it is read gives an error, not a mixture", async () => {
  const folder = folderWith({ growing: "x".repeat(64 * 1024 * 1024) });
  const path = join(folder, "growing");
  let over = false;
  const scanning = issuesOf(folder).finally(() => {
    over = true;
  });
  for (let at = 0; !over; at++) {
    writeFileSync(path, String(at), { flag: "a" });
    await new Promise((resolve) => setImmediate(resolve));
  }
  assert.match((await scanning)[0]!, /^growing changed while it was read/);
});

test("trees that could write outside or mean two things are refused, all reasons at once", () => {
  const cases: [string, string[], RegExp][] = [
    ["absolute", ["/etc/passwd"], /absolute/],
    ["dot dot", ["../x"], /contains "\.\."/],
    ["dot dot inside", ["a/../../x"], /contains "\.\."/],
    ["dot", ["a/./b"], /contains "\."/],
    ["backslash", ["a\\..\\b"], /backslash/],
    ["NUL", ["a\0b"], /NUL/],
    ["empty", [""], /empty/],
    ["double slash", ["a//b"], /empty name/],
    ["trailing slash", ["a/"], /empty name/],
    ["lone surrogate", ["a\uD800"], /Unicode/],
    ["long name", ["n".repeat(256)], /longer than 255/],
    ["long path", [Array(60).fill("n".repeat(100)).join("/")], /longer than 4096/],
    ["twice", ["a", "a"], /listed twice/],
    ["case twins", ["a/File", "a/fILE"], /upper and lower case/],
    ["case twins of folders", ["A/x", "a/y"], /upper and lower case/],
    ["Unicode twins", ["\u00e9", "e\u0301"], /Unicode form/],
    ["sharp s", ["stra\u00dfe", "STRASSE"], /upper and lower case/],
    ["file and folder", ["a", "a/b"], /both a file and a folder/],
    ["folder and file", ["a/b", "a"], /both a file and a folder/],
    ["case file and folder", ["A", "a/b"], /upper and lower case/],
  ];
  for (const [name, paths, expected] of cases) {
    const issues = checkTree(paths.map((path) => entry(path)));
    assert.equal(issues.length, 1, name);
    assert.match(issues[0]!.message, expected, name);
  }
  const bad = [{ ...entry("x"), hash: "../../etc" }, { ...entry("y"), size: -1 }, entry("..")];
  assert.equal(checkTree(bad).length, 3);
  assert.deepEqual(checkTree([entry("a/b"), entry("a/c"), entry("..a"), entry("a..b/...")]), []);
  assert.equal(checkTree(Array(1_000_000).fill(entry("a"))).length, 1);
});

test("an unsafe tree, a missing blob, wrong content and too many bytes leave nothing on the disk", async () => {
  const open = contents({ a: "good", b: "other" });
  const target = join(root, "refused");
  const lies: TreeEntry = { ...entry("sub/file", "good"), size: 3 };
  const cases: [TreeEntry[], string][] = [
    [[entry("../escaped", "good")], "unsafe_tree"],
    [[entry("x", "good"), entry("y", "not stored")], "missing_blob"],
    [[entry("x", "good"), lies], "damaged_blob"],
    [[entry("x", "good"), { ...entry("y", "good"), size: 2 ** 40 }], "too_large"],
  ];
  for (const [tree, code] of cases) {
    await assert.rejects(checkoutTree(tree, target, open, { bytesMax: 1000 }), {
      name: "CheckoutError",
      code,
    });
    assert.equal(existsSync(target), false, code);
  }
  const damaged = async () => ({
    stream: (async function* () {
      yield Buffer.from("evil");
    })(),
  });
  await assert.rejects(checkoutTree([entry("x", "good")], target, damaged), {
    code: "damaged_blob",
  });
  assert.equal(existsSync(join(root, "escaped")), false);
});

test("a checkout goes into a new or empty folder only, and through no link", async () => {
  const open = contents({ a: "good" });
  const tree = [entry("a/b/file", "good")];
  const used = folderWith({ mine: "mine" });
  await assert.rejects(checkoutTree(tree, used, open), { code: "not_empty" });
  assert.equal(readFileSync(join(used, "mine"), "utf8"), "mine");
  const outside = folderWith({});
  const planted = folderWith({});
  // The link appears while the checkout runs, before its first file is made.
  const planting = async (hash: string) => {
    rmSync(join(planted, "a", "b"), { recursive: true });
    symlinkSync(outside, join(planted, "a", "b"));
    symlinkSync(join(outside, "stolen"), join(outside, "file"));
    return open(hash);
  };
  await assert.rejects(checkoutTree(tree, planted, planting), { code: "failed" });
  assert.equal(existsSync(join(outside, "stolen")), false);
  const empty = folderWith({});
  await checkoutTree(tree, empty, open);
  assert.equal(readFileSync(join(empty, "a/b/file"), "utf8"), "good");
});

test("a read-only checkout cannot be changed by accident, and can be removed", async () => {
  const target = join(root, "read-only");
  const tree = [entry("a/file", "good"), { ...entry("a/run.sh", "good"), executable: true }];
  await checkoutTree(tree, target, contents({ a: "good" }), { readOnly: true });
  const mode = (path: string) => lstatSync(join(target, path)).mode & 0o777;
  assert.deepEqual(
    [mode("a/file"), mode("a/run.sh"), mode("a"), mode("")],
    [0o444, 0o555, 0o555, 0o555],
  );
  await removeCheckout(target);
  assert.equal(existsSync(target), false);
  await removeCheckout(target);
  assert.deepEqual(readdirSync(root).includes("read-only"), false);
});
