/** Row I4: snapshots are lists of files and content, so these lists are what attacks come in. */
import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import {
  chmodSync,
  existsSync,
  linkSync,
  lstatSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, describe, test } from "node:test";
import { checkoutTree, checkTree, removeCheckout, scanFolder } from "./snapshot.ts";
import {
  CONTENT,
  CONTENT_HASH,
  contentsOf,
  fileAt,
  HOSTILE_PARTS,
  HOSTILE_TREES,
  makeOutside,
} from "./test-trees.ts";

const root = mkdtempSync(join(tmpdir(), "contrail-hostile-trees-"));
const outside = join(root, "outside");
makeOutside(outside);
after(() => rmSync(root, { recursive: true, force: true }));

const open = async (hash: string) =>
  hash === CONTENT_HASH
    ? {
        stream: (async function* () {
          yield Buffer.from(CONTENT);
        })(),
      }
    : undefined;

describe("a list of files that nobody may unpack", () => {
  test("is refused whole, with its reason, in bounded time, whatever it tries", async (t) => {
    const before = contentsOf(outside);
    let slowest = { name: "", ms: 0 };
    for (const [name, make] of Object.entries({ ...HOSTILE_TREES, ...HOSTILE_PARTS })) {
      const tree = make();
      const target = join(root, "target");
      const began = performance.now();
      const issues = checkTree(tree);
      await assert.rejects(checkoutTree(tree, target, open), { code: "unsafe_tree" }, name);
      const ms = performance.now() - began;
      if (ms > slowest.ms) slowest = { name, ms };
      assert.ok(issues.length >= 1 && issues.length <= 100, name);
      assert.ok(issues.every(({ message }) => message.length > 10 && message.length < 9000));
      assert.equal(existsSync(target), false, name);
      assert.deepEqual(contentsOf(outside), before, name);
    }
    assert.equal(existsSync("/tmp/contrail-escaped"), false);
    const count = Object.keys({ ...HOSTILE_TREES, ...HOSTILE_PARTS }).length;
    const figure = `${slowest.ms.toFixed(0)} ms (${slowest.name})`;
    t.diagnostic(
      `I4: ${count} hostile lists of files, all refused; 0 bytes outside; slowest ${figure}`,
    );
  });

  test("with many faults gives a hundred reasons, not a hundred thousand", () => {
    const tree = Array.from({ length: 100_000 }, (_, i) => fileAt(`../${i}`));
    assert.equal(checkTree(tree).length, 100);
    const twins = Array.from({ length: 1000 }, (_, i) => fileAt(`a${i % 10}`));
    assert.equal(checkTree(twins).length, 100);
  });

  test("that is only large is taken: as many files as there may be, and as deep", () => {
    const wide = Array.from({ length: 100_000 }, (_, i) => fileAt(`${i % 100}/${i}`));
    assert.deepEqual(checkTree(wide), []);
    assert.deepEqual(checkTree([fileAt(Array(128).fill("d").join("/"))]), []);
  });
});

describe("content that is not what the list says", () => {
  test("is not written past its size, whoever sends it: at most one piece more", async (t) => {
    const target = join(root, "endless");
    let sent = 0;
    const endless = async () => ({
      stream: (async function* () {
        for (;;) {
          const zeros = Buffer.alloc(64 * 1024);
          sent += zeros.length;
          yield zeros;
        }
      })(),
    });
    const tree = [fileAt("good"), fileAt("bomb", { size: 1000, hash: "0".repeat(64) })];
    const either = (hash: string) => (hash === CONTENT_HASH ? open(hash) : endless());
    await assert.rejects(checkoutTree(tree, target, either), { code: "damaged_blob" });
    assert.equal(existsSync(target), false);
    assert.ok(sent <= 2 * 64 * 1024, `${sent} bytes were asked for`);
    t.diagnostic(`I4: content without end for a file of 1000 bytes: ${sent} bytes read, 0 kept`);
  });

  test("of more than may be written is refused before anything is", async () => {
    const target = join(root, "too-large");
    const tree = [fileAt("good"), fileAt("zeros", { size: 10 * 2 ** 30 })];
    await assert.rejects(checkoutTree(tree, target, open, { bytesMax: 2 ** 30 }), {
      code: "too_large",
    });
    assert.equal(existsSync(target), false);
  });
});

describe("links and modes", () => {
  test("a link where the target should be is neither followed nor changed", async () => {
    const before = contentsOf(outside);
    const tree = [fileAt("good")];
    const full = join(root, "link-to-full");
    symlinkSync(outside, full);
    await assert.rejects(checkoutTree(tree, full, open), { code: "not_empty" });
    const nowhere = join(root, "link-to-nowhere");
    symlinkSync(join(outside, "new"), nowhere);
    await assert.rejects(checkoutTree(tree, nowhere, open), { name: "CheckoutError" });
    const file = join(root, "link-to-file");
    symlinkSync(join(outside, "secret"), file);
    await assert.rejects(checkoutTree(tree, file, open), { name: "CheckoutError" });
    assert.deepEqual(contentsOf(outside), before);
  });

  test("removing a checkout that a link has replaced removes the link alone", async () => {
    const before = contentsOf(outside);
    const link = join(root, "replaced");
    symlinkSync(outside, link);
    await removeCheckout(link);
    assert.equal(lstatSync(link, { throwIfNoEntry: false }), undefined);
    const holder = join(root, "holder");
    mkdirSync(holder);
    symlinkSync(outside, join(holder, "inner"));
    await removeCheckout(holder);
    assert.equal(existsSync(holder), false);
    assert.deepEqual(contentsOf(outside), before);
  });

  test("no set-user-id bit and no foreign mode goes in or comes out", async () => {
    const folder = join(root, "modes");
    mkdirSync(folder);
    for (const [name, mode] of [
      ["setuid", 0o4755],
      ["setgid", 0o2644],
      ["sticky", 0o1666],
    ] as const) {
      writeFileSync(join(folder, name), CONTENT);
      chmodSync(join(folder, name), mode);
    }
    linkSync(join(outside, "secret"), join(folder, "hard"));
    const scanned = await scanFolder(folder);
    assert.ok(scanned.ok);
    const { tree, sourceOf } = scanned.folder;
    assert.deepEqual(
      tree.map((entry) => [entry.path, Object.keys(entry).sort().join(), entry.executable]),
      [
        ["hard", "executable,hash,path,size", false],
        ["setgid", "executable,hash,path,size", false],
        ["setuid", "executable,hash,path,size", true],
        ["sticky", "executable,hash,path,size", false],
      ],
    );
    const copy = join(root, "modes-copy");
    const bytesOf = new Map(tree.map(({ path, hash }) => [hash, readFileSync(sourceOf(path))]));
    await checkoutTree(tree, copy, async (hash) => ({
      stream: (async function* () {
        yield bytesOf.get(hash) as Buffer;
      })(),
    }));
    const found = tree.map(({ path }) => lstatSync(join(copy, path)));
    assert.deepEqual(
      found.map(({ mode }) => (mode & 0o7777).toString(8)),
      ["644", "644", "755", "644"],
    );
    // What was one file under two names is a copy of its own: writing it changes nothing outside.
    assert.ok(found.every(({ nlink }) => nlink === 1));
  });
});

describe("a folder that was laid out to do harm", () => {
  test("links out, pipes, sockets and devices are never opened", async (t) => {
    const folder = join(root, "laid-out");
    mkdirSync(join(folder, "sub"), { recursive: true });
    writeFileSync(join(folder, "good"), CONTENT);
    execFileSync("mkfifo", [join(folder, "sub", "pipe")]);
    const server = createServer();
    await new Promise<void>((resolve) => server.listen(join(folder, "sub", "socket"), resolve));
    symlinkSync("/dev/zero", join(folder, "zero"));
    symlinkSync("/proc/self/environ", join(folder, "environ"));
    symlinkSync(join(outside, "secret"), join(folder, "stolen"));
    symlinkSync(outside, join(folder, "tree"));
    symlinkSync("sub/../../outside/secret", join(folder, "roundabout"));
    symlinkSync("loop", join(folder, "loop"));
    const refused = await scanFolder(folder);
    await new Promise((resolve) => server.close(resolve));
    assert.ok(!refused.ok);
    assert.deepEqual(refused.issues.map(({ path }) => path).sort(), [
      "environ",
      "loop",
      "roundabout",
      "stolen",
      "tree",
      "zero",
    ]);
    assert.ok(!JSON.stringify(refused).includes("canary"));
    t.diagnostic(
      "I4: of 8 traps in a scanned folder 6 are refused by name and 2 left out; 0 opened",
    );
  });

  test("an ignore file that is a pipe, or endless, does not hold the scan up", async () => {
    const pipe = join(root, "ignore-pipe");
    mkdirSync(pipe);
    execFileSync("mkfifo", [join(pipe, ".contrailignore")]);
    writeFileSync(join(pipe, "good"), CONTENT);
    const scanned = await scanFolder(pipe);
    assert.ok(scanned.ok);
    assert.deepEqual(
      scanned.folder.tree.map(({ path }) => path),
      ["good"],
    );
    const large = join(root, "ignore-large");
    mkdirSync(large);
    writeFileSync(join(large, ".contrailignore"), "x\n".repeat(600_000));
    const refused = await scanFolder(large);
    assert.ok(!refused.ok);
    assert.match(refused.issues[0]?.message ?? "", /holds more than 1\.0 MiB/);
  });
});
