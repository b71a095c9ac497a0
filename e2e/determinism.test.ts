/** `doctor determinism` on programs with one planted cause each, and on one that has none. */
import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { cp, mkdir, mkdtemp, readdir, rm, symlink, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, describe, test } from "node:test";
import { ROOT } from "./support.ts";
import { NO_TORCH, pythonWithTorch } from "./torch-python.ts";

const torch = pythonWithTorch();

interface Said {
  readonly same: boolean;
  readonly steps: number;
  readonly first: { readonly step: number | null; readonly kind: string; readonly where: string };
  readonly causes: readonly {
    readonly cause: string;
    readonly how: string;
    readonly places: readonly string[];
    readonly first: { readonly where: string };
  }[];
  readonly untried: readonly unknown[];
  readonly network: readonly string[];
}

describe("doctor determinism", () => {
  let folder = "";
  before(async () => {
    folder = await mkdtemp(join(tmpdir(), "contrail-doctor-"));
    const programs = join(ROOT, "e2e", "programs", "determinism");
    await cp(programs, folder, { recursive: true });
    await mkdir(join(folder, "samples"));
    for (const [index, name] of ["b", "c", "a", "e", "d"].entries())
      await writeFile(join(folder, "samples", `${name}.txt`), String(index));
    await mkdir(join(folder, "node_modules"));
    await symlink(ROOT, join(folder, "node_modules", "contrail"));
  });
  after(() => rm(folder, { recursive: true, force: true }));

  const doctor = (...args: string[]) =>
    new Promise<{ code: number | null; stdout: string; stderr: string }>((resolve) => {
      const child = spawn(join(ROOT, "bin", "contrail"), ["doctor", "determinism", ...args], {
        cwd: folder,
      });
      const out = { stdout: "", stderr: "" };
      child.stdout.on("data", (text: Buffer) => {
        out.stdout += text.toString();
      });
      child.stderr.on("data", (text: Buffer) => {
        out.stderr += text.toString();
      });
      child.on("close", (code) => resolve({ code, ...out }));
    });

  const asked = async (...args: string[]): Promise<Said> => {
    const { code, stdout, stderr } = await doctor("--json", ...args);
    assert.ok(stdout !== "", stderr);
    const said = JSON.parse(stdout) as Said;
    assert.equal(code, said.same ? 0 : 1);
    return said;
  };

  test("a program without a fault is left in peace", async () => {
    const said = await asked("--", "python3", "clean.py");
    assert.equal(said.same, true, JSON.stringify(said));
    assert.equal(said.steps, 3);
  });

  const planted: readonly [program: string, cause: string, python: string | undefined][] = [
    ["unseeded_numpy.py", "numpy", torch],
    ["hash_order.py", "hash_order", "python3"],
    ["wall_clock.py", "clock", "python3"],
    ["folder_order.py", "listing", "python3"],
    ["loading_race.py", "threads", "python3"],
    ["unseeded_worker.py", "workers", "python3"],
  ];
  for (const [program, cause, python] of planted)
    test(`names the cause planted in ${program}`, {
      skip: python === undefined ? NO_TORCH : false,
    }, async () => {
      const said = await asked("--", python ?? "", program);
      assert.equal(said.same, false);
      assert.equal(said.first.step, 1);
      assert.equal(said.first.kind, "checkpoint");
      assert.deepEqual(
        said.causes.map(({ cause, how }) => [cause, how]),
        [[cause, "measured"]],
        JSON.stringify(said),
      );
      assert.deepEqual(said.untried, []);
    });

  test("names the tensor, how far it is apart, the place and the remedy, for people", {
    skip: torch === undefined ? NO_TORCH : false,
  }, async () => {
    const { code, stdout } = await doctor("--steps", "1", "--", torch ?? "", "torch_worker.py");
    assert.equal(code, 1);
    assert.match(
      stdout,
      /differs from step 1 on: model\.pt, tensor weight \(float32 \[1, 4\]\): \d of 4 elements, by [\d.e-]+ at most/,
    );
    assert.match(stdout, /cause: a worker process draws from a generator that is not seeded/);
    assert.match(stdout, /seen at torch_worker\.py:\d+/);
    assert.match(stdout, /fix: .*contrail\.torch\.loader/);
  });

  test("a program that knows nothing of Contrail is judged by what it writes", async () => {
    const said = await asked("--", "python3", "plain.py");
    assert.equal(said.steps, 0);
    assert.deepEqual([said.first.kind, said.first.where], ["files", "result.txt"]);
    assert.deepEqual(
      said.causes.map(({ cause }) => cause),
      ["python_random"],
    );
    assert.deepEqual(said.network, ["plain.py:10"]);
  });

  test("programs of Node, too", async () => {
    const said = await asked("--", process.execPath, "math-random.ts");
    assert.deepEqual(
      said.causes.map(({ cause, places }) => [cause, places]),
      [["math_random", ["math-random.ts:10"]]],
      JSON.stringify(said),
    );
  });

  test("a program that fails is an error with its last words, and nothing is left in the folder", async () => {
    const before = await readdir(folder);
    const { code, stderr } = await doctor("--json", "--", "python3", "-c", "import no_such_module");
    assert.equal(code, 1);
    assert.match(stderr, /program_failed/);
    assert.match(stderr, /No module named 'no_such_module'/);
    assert.deepEqual(await readdir(folder), before);
  });
});
