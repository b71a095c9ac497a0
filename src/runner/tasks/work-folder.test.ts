/** A person's folder as a checkpoint, and back. */
import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import {
  chmod,
  mkdir,
  mkdtemp,
  readdir,
  readFile,
  readlink,
  rm,
  symlink,
  writeFile,
} from "node:fs/promises";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { after, test } from "node:test";
import { scanFolder } from "../../store/snapshot.ts";
import { isKeptWork, keepWork, layOutWork, markOf } from "./work-folder.ts";

const root = await mkdtemp(join(tmpdir(), "contrail-work-"));
after(() => rm(root, { recursive: true, force: true }));

async function workAt(name: string): Promise<string> {
  const work = join(root, name);
  await mkdir(join(work, "venv/bin"), { recursive: true });
  await mkdir(join(work, "empty/deep"), { recursive: true });
  await writeFile(join(work, "notes.txt"), "written by hand\n");
  await writeFile(join(work, "venv/bin/tool"), "#!/bin/sh\n", { mode: 0o755 });
  await symlink("/usr/bin/env", join(work, "venv/bin/python"));
  await symlink("notes.txt", join(work, "latest"));
  await symlink("../nowhere", join(work, "broken"));
  execFileSync("mkfifo", [join(work, "pipe")]);
  return work;
}

for (const still of [true, false])
  test(`files, links and empty folders come back${still ? "" : ", from a folder that is in use, too"}`, async () => {
    const work = await workAt(`work-${still}`);
    const kept = join(root, `kept-${still}`);
    const { mark, leftOut } = await keepWork(work, kept, { still });
    assert.equal(mark, await markOf(work));
    assert.deepEqual(leftOut, []);
    const scan = await scanFolder(kept, { ignoreFile: null, ignore: [] });
    assert.ok(scan.ok && isKeptWork(scan.folder.tree));
    const again = join(root, `again-${still}`);
    assert.deepEqual(await layOutWork(kept, again), []);
    assert.equal(await readFile(join(again, "notes.txt"), "utf8"), "written by hand\n");
    assert.deepEqual(await readdir(join(again, "empty/deep")), []);
    assert.equal(await readlink(join(again, "venv/bin/python")), "/usr/bin/env");
    assert.equal(await readFile(join(again, "latest"), "utf8"), "written by hand\n");
    assert.equal(await readlink(join(again, "broken")), "../nowhere");
    assert.ok(!(await readdir(again)).includes("pipe"), "a pipe has nothing that could be kept");
  });

test("the mark of a folder changes with every change", async () => {
  const work = await workAt("marked");
  const marks = [await markOf(work)];
  assert.equal(await markOf(work), marks[0]);
  for (const change of [
    () => writeFile(join(work, "notes.txt"), "written by hanD\n"),
    () => rm(join(work, "latest")),
    () => mkdir(join(work, "another")),
    () => symlink("/tmp", join(work, "latest")),
  ]) {
    await change();
    const mark = await markOf(work);
    assert.ok(!marks.includes(mark));
    marks.push(mark);
  }
});

test("names that a snapshot refuses come back, and what cannot be kept costs nothing else", async () => {
  const work = join(root, "odd-work");
  const files = [
    "README.md",
    "readme.md",
    "Src/a",
    "src/a",
    "back\\slash",
    "deep\\er/file",
    "src/b",
  ];
  for (const path of files) {
    await mkdir(join(work, dirname(path)), { recursive: true });
    await writeFile(join(work, path), `this is ${path}\n`);
  }
  await mkdir(join(work, "no\\thing"));
  await symlink("README.md", join(work, "li\\nk"));
  await writeFile(Buffer.concat([Buffer.from(`${work}/caf`), Buffer.from([0xe9])]), "latin 1");
  await writeFile(join(work, "shut"), "", { mode: 0 });
  await mkdir(join(work, "closed"), { mode: 0 });
  const mayAll = process.getuid?.() === 0;
  for (const still of [true, false]) {
    const kept = join(root, `odd-kept-${still}`);
    const { leftOut } = await keepWork(work, kept, { still });
    assert.deepEqual(leftOut.toSorted(), [
      "caf\ufffd: its name is not valid UTF-8",
      ...(mayAll ? [] : ["closed/: it may not be read", "shut: it may not be read"]),
    ]);
    const scan = await scanFolder(kept, { ignoreFile: null, ignore: [] });
    assert.ok(scan.ok, JSON.stringify(scan));
    const again = join(root, `odd-again-${still}`);
    assert.deepEqual(await layOutWork(kept, again), []);
    for (const path of files)
      assert.equal(await readFile(join(again, path), "utf8"), `this is ${path}\n`);
    assert.deepEqual(await readdir(join(again, "no\\thing")), []);
    assert.equal(await readlink(join(again, "li\\nk")), "README.md");
  }
  await chmod(join(work, "closed"), 0o700);
});

test("what a disk does not take leaves the rest where it belongs", async () => {
  const kept = join(root, "full");
  await mkdir(join(kept, "work"), { recursive: true });
  await mkdir(join(kept, "odd"));
  await writeFile(join(kept, "work/readme"), "first");
  await writeFile(join(kept, "odd/0"), "second");
  await writeFile(join(kept, "odd/1"), "third");
  const odd = { 0: "readme", 1: "other\\name" };
  const links = { a: root, "a/outside": "x", ["n".repeat(300)]: "x", last: "readme" };
  const note = JSON.stringify({ version: 1, links, folders: ["empty"], odd });
  await writeFile(join(kept, "contrail-task.json"), note);
  const work = join(root, "full-out");
  const leftOut = await layOutWork(kept, work);
  assert.deepEqual(
    leftOut.map((line) => line.slice(0, 20)),
    ["readme: this disk ta", "a/outside: it leads ", "n".repeat(20)],
  );
  assert.equal(await readFile(join(work, "last"), "utf8"), "first");
  assert.equal(await readFile(join(work, "other\\name"), "utf8"), "third");
  assert.ok(!(await readdir(root)).includes("outside"));
});

test("a note that was made by somebody else leads nowhere outside", async () => {
  for (const [name, links, folders] of [
    ["up", { "../outside": "x" }, []],
    ["absolute", { "/tmp/outside": "x" }, []],
    ["folder", {}, ["a/../../outside"]],
  ] as const) {
    const kept = join(root, `bad-${name}`);
    await mkdir(join(kept, "work"), { recursive: true });
    await writeFile(
      join(kept, "contrail-task.json"),
      JSON.stringify({ version: 1, links, folders }),
    );
    await assert.rejects(
      layOutWork(kept, join(root, `bad-${name}-out`)),
      /contrail-task.json/,
      name,
    );
    assert.ok(!(await readdir(root)).includes("outside"), name);
  }
});
