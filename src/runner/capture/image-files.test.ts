/** Command lines of containers, with an image that is asked by the shell of this machine. */
import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { chmodSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, test } from "node:test";
import { promisify } from "node:util";
import { readInside } from "./image-files.ts";

const root = mkdtempSync(join(tmpdir(), "contrail-image-files-"));
after(() => rmSync(root, { recursive: true, force: true }));
const [bin, code] = [join(root, "image bin"), join(root, "code")];

function file(path: string, text: string): void {
  writeFileSync(path, text);
  chmodSync(path, 0o755);
}
for (const folder of [bin, code]) mkdirSync(folder);
file(join(bin, "torchrun"), "#!/opt/conda/bin/python3.12\nimport sys\n");
file(join(bin, "launch"), `#!/bin/sh\nexec torchrun "$@"\n`);
file(join(bin, "sim"), "\x7fELF\0\0");
file(join(code, "train.sh"), "torchrun train.py\n");
file(join(code, "own.py"), "#!/usr/bin/env python3\n");

async function read(...argv: string[]) {
  let asked = 0;
  const image = {
    ask: async ([program = "", ...words]: readonly string[]) => {
      asked += 1;
      return (await promisify(execFile)(program, words, { env: { PATH: "/usr/bin:/bin" } })).stdout;
    },
    sees: (path: string) => path.startsWith(`${code}/`),
  };
  const path = `/nowhere:${bin}`;
  const { programs, unclear } = await readInside(argv, { PATH: path }, code, image);
  const starts = programs.map(({ command }) => command.join(" ").replaceAll(root, "ROOT"));
  return { starts, unclear, asked };
}
const found = (asked: number, ...starts: string[]) => ({ starts, unclear: [], asked });

test("what only the image has is asked for there, as often as one leads to the next", async () => {
  const python = "/opt/conda/bin/python3.12";
  assert.deepEqual(await read("torchrun", "train.py"), found(1, python));
  assert.deepEqual(await read(join(bin, "torchrun"), "train.py"), found(1, python));
  assert.deepEqual(await read("launch", "train.py"), found(2, python));
  assert.deepEqual(await read("sim"), found(1, "ROOT/image bin/sim"));
});

test("nobody is asked about an interpreter, or about the code, which lies here as it does inside", async () => {
  assert.deepEqual(await read("python3", "train.py"), found(0, "python3"));
  assert.deepEqual(await read("./own.py"), found(0, "/usr/bin/env python3"));
  assert.deepEqual(await read("bash", "train.sh"), found(1, "/opt/conda/bin/python3.12"));
});

test("what is nowhere is unclear, and so is everything of an image that does not answer", async () => {
  const { starts, unclear } = await read("no-such-program", "x");
  assert.deepEqual(starts, []);
  assert.match(unclear.join(), /`no-such-program x`: there is no such file/);
  const poor = {
    // Of its programs only the shell is there.
    ask: async ([program = "", ...words]: readonly string[]) =>
      (await promisify(execFile)(program, words, { env: { PATH: "/nowhere" } })).stdout,
    sees: () => false,
  };
  const told = await readInside([join(bin, "torchrun")], { PATH: bin }, code, poor);
  assert.deepEqual(told.programs, []);
  assert.match(told.unclear.join(), /the image could not be asked what it starts: .*head/s);
  const silent = {
    ask: () => Promise.reject(new Error("it has no shell")),
    sees: () => false,
  };
  // This machine has one, which is another.
  const reading = await readInside([join(bin, "torchrun")], { PATH: bin }, code, silent);
  assert.deepEqual(reading.programs, []);
  assert.match(
    reading.unclear.join(),
    /the image could not be asked what it starts: it has no shell/,
  );
});

test("a file that the image's user may not read counts as none wherever it stands, and a reader that fails is told of", async () => {
  const folder = join(root, "guarded");
  mkdirSync(folder);
  for (const path of [root, folder]) chmodSync(path, 0o755);
  file(join(folder, "torchrun"), "#!/opt/conda/bin/python3.12\n");
  file(join(folder, "secret"), "#!/bin/sh\nnever-read\n");
  chmodSync(join(folder, "secret"), 0o111);
  // Whoever runs this as root may read everything.
  const nobody = ["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups", "--"];
  const asUser = process.getuid?.() === 0 ? nobody : [];
  const readWith = (path: string, line: string) => {
    const ask = async (command: readonly string[]) => {
      const [program = "", ...words] = [...asUser, ...command];
      return (await promisify(execFile)(program, words, { env: { PATH: path } })).stdout;
    };
    return readInside(["sh", "-c", line], { PATH: folder }, code, { ask, sees: () => false });
  };
  for (const line of ["secret; torchrun t.py", "torchrun t.py; secret"]) {
    const { programs, unclear } = await readWith("/usr/bin:/bin", line);
    assert.deepEqual(programs[0]?.command, ["/opt/conda/bin/python3.12"]);
    assert.deepEqual(unclear, ["`secret`: there is no such file to look into"]);
  }
  file(join(folder, "broken"), "#!/bin/sh\n");
  file(
    join(folder, "head"),
    `#!/bin/sh\ncase $3 in *broken) exit 5;; esac\nexec /usr/bin/head "$@"\n`,
  );
  const { unclear } = await readWith(`${folder}:/usr/bin:/bin`, "broken; torchrun t.py");
  assert.match(unclear.join(), /the image could not be asked what it starts/);
});

test("of very many names some are asked for at a time, so that no answer is too long", async () => {
  const names = Array.from({ length: 150 }, (_, i) => `no-such-${i}`);
  assert.equal((await read("sh", "-c", [...names, "torchrun t.py"].join("\n"))).asked, 2);
});
