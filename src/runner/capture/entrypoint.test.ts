/** Which interpreter a command line starts, without starting it. */
import assert from "node:assert/strict";
import { chmodSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { after, describe, test } from "node:test";
import { readEntrypoint } from "./entrypoint.ts";

const root = mkdtempSync(join(tmpdir(), "contrail-entrypoint-"));
after(() => rmSync(root, { recursive: true, force: true }));
const bin = join(root, "bin");
const code = join(root, "code");

function file(path: string, text: string, mode = 0o755): string {
  const whole = join(root, path);
  mkdirSync(dirname(whole), { recursive: true });
  writeFileSync(whole, text);
  chmodSync(whole, mode);
  return whole;
}
file("bin/torchrun", "#!/opt/venv/bin/python3.12\nimport sys\n");
file("bin/pytest", "#!/usr/bin/env python3\n");
file("bin/sim", "\x7fELF\0\0\0");
file("bin/uv", "\x7fELF\0\0\0");
file("shims/accelerate", '#!/usr/bin/env bash\nexec "/x/pyenv" exec "$program" "$@"\n');
file("code/train.sh", '#!/bin/bash\nset -e\ncd src\npython3 -u train.py "$@"\n', 0o644);
file("code/run.py", "#!/usr/bin/env -S python3 -u\n");
file("bin/two.sh", "node other.js\n");
file("code/two.sh", "python3 prepare.py && node train.js\n");

function reading(...argv: string[]) {
  const read = readEntrypoint(argv, { PATH: bin, HOME: "/people/ada" }, code);
  return {
    programs: read.programs.map(({ command }) => command.join(" ").replaceAll(root, "ROOT")),
    unclear: read.unclear.length,
    installs: read.installs,
    read,
  };
}
const sh = (text: string) => reading("/bin/sh", "-c", text);

describe("an entrypoint", () => {
  const cases: [
    what: string,
    got: ReturnType<typeof reading>,
    programs: string[],
    unclear?: number,
  ][] = [
    ["python", reading("python3", "train.py"), ["python3"]],
    ["its flags", reading("python3", "-I", "-X", "dev", "train.py"), ["python3 -I -X dev"]],
    ["a module", reading("/v/bin/python", "-m", "torch.distributed.run"), ["/v/bin/python"]],
    ["node", reading("node", "--enable-source-maps", "train.ts"), ["node"]],
    ["a console script", reading("torchrun", "train.py"), ["/opt/venv/bin/python3.12"]],
    ["one by way of env", reading("pytest", "-x"), ["/usr/bin/env python3"]],
    ["a script with flags in its first line", reading("./run.py"), ["/usr/bin/env python3"]],
    ["a binary", reading("sim", "a"), ["ROOT/bin/sim"]],
    ["a shell's text", sh("python3 train.py"), ["python3"]],
    ["after an assignment", sh("A=1 exec python3 train.py"), ["python3"]],
    ["after others", sh("set -e; mkdir -p x && python3 t.py | tee log"), ["python3"]],
    ["in quotes", sh("'python3' \"train.py\""), ["python3"]],
    ["with a variable that is known", sh("$HOME/v/bin/python t.py"), ["/people/ada/v/bin/python"]],
    ["with one that is not", sh("$PY t.py"), [], 1],
    ["by substitution", sh("$(which python3) t.py"), [], 1],
    ["in a comment", sh("# python3 a.py\nnode b.js"), ["node"]],
    ["in a condition", sh("if true; then python3 a.py; fi"), ["python3"]],
    ["behind wrappers", reading("nice", "-n", "5", "python3", "t.py"), ["nice -n 5 python3"]],
    ["behind env", reading("env", "A=1", "python3", "t.py"), ["env A=1 python3"]],
    ["behind a limit", reading("timeout", "10m", "torchrun", "x"), ["/opt/venv/bin/python3.12"]],
    ["behind uv", reading("uv", "run", "python", "t.py"), ["uv run python"]],
    ["behind mpirun", reading("mpirun", "-n", "4", "python3", "t.py"), ["python3"]],
    ["by a script", reading("bash", "train.sh", "5"), ["python3"]],
    ["by a script in a shell's text", sh("bash train.sh"), ["python3"]],
    ["two", sh("bash two.sh"), ["python3", "node"]],
    ["the same twice", sh("python3 a.py; python3 b.py"), ["python3"]],
    ["nothing of the kind", sh("echo hello; sleep 1"), []],
    ["nothing that is there", reading("no-such-program"), [], 1],
  ];
  for (const [what, got, programs, unclear = 0] of cases)
    test(what, () => {
      assert.deepEqual(got.programs, programs);
      assert.equal(got.unclear, unclear, got.read.unclear.join("\n"));
    });

  test("an activated environment stands first on the path", () => {
    const { read } = sh("cd sub && . ../venv/bin/activate && python t.py");
    const [program] = read.programs;
    assert.equal(program?.env.VIRTUAL_ENV, join(code, "venv"));
    assert.ok(program?.env.PATH?.startsWith(`${join(code, "venv", "bin")}:`));
    assert.equal(program?.folder, join(code, "sub"));
  });

  test("a shim of pyenv stands for the interpreter beside it", () => {
    const read = readEntrypoint(["accelerate", "launch"], { PATH: join(root, "shims") }, code);
    assert.deepEqual(read.programs[0]?.command, [join(root, "shims", "python")]);
  });

  test("what the command installs itself is told", () => {
    const { installs, programs } = sh(
      "pip install -r requirements.txt && python3 -m pip install x; python3 t.py",
    );
    assert.deepEqual(installs, ["pip install -r requirements.txt", "python3 -m pip install x"]);
    assert.deepEqual(programs, ["python3"]);
  });

  test("scripts that start each other without end are given up", () => {
    file("code/loop.sh", "sh loop.sh\n");
    assert.equal(reading("sh", "loop.sh").unclear, 1);
  });
});
