/** `contrail run`: any program, recorded as it is; and code that comes from the snapshot, not from the folder. */
import assert from "node:assert/strict";
import { rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { describe, test } from "node:test";
import { curveSearch, sharedStand, until } from "./support.ts";

describe("contrail run", () => {
  const shared = sharedStand({ slots: 2 });

  test("passes output and exit code on, and puts both on record", async () => {
    const it = shared();
    const code = await it.codeFolder({
      "say.py":
        "import sys\nprint('to out', sys.argv[1:])\nprint('to err', file=sys.stderr)\nsys.exit(int(sys.argv[1]))\n",
    });
    for (const wanted of [0, 3]) {
      const run = await it.contrail(["run", "--", "python3", "say.py", String(wanted), "a b"], {
        cwd: code,
      });
      assert.equal(run.code, wanted, run.stderr);
      assert.equal(run.stdout, `to out ['${wanted}', 'a b']\n`);
      assert.match(run.stderr, /^to err$/m);
      const [experiment] = (await it.client.experiments({ limit: 1 })).items;
      assert.equal(experiment?.state, wanted === 0 ? "completed" : "error");
      assert.equal(experiment?.name, `python3 say.py ${wanted} 'a b'`);
      assert.equal(experiment?.searcher.name, "single");
      const trial = await it.client.trial(`${experiment?.id}.1`);
      assert.deepEqual(
        trial.allocations.map(({ exit_code: exit, signal }) => [exit, signal]),
        [[wanted, null]],
      );
      assert.deepEqual(
        (await it.allLogs(trial.id)).map(({ stream, text }) => [stream, text]).sort(),
        [
          ["stderr", "to err"],
          ["stdout", `to out ['${wanted}', 'a b']`],
        ],
      );
      const detail = await it.client.experiment(experiment?.id ?? 0);
      assert.ok(detail.code !== null, "the code is on record");
    }
  });

  test("a program that dies of a signal is kept with it, and the exit code is the shell's", async () => {
    const it = shared();
    const run = await it.contrail([
      "run",
      "--no-code",
      "--",
      "sh",
      "-c",
      "echo last words; kill -SEGV $$",
    ]);
    assert.equal(run.code, 128 + 11, run.stderr);
    const [experiment] = (await it.client.experiments({ limit: 1 })).items;
    const trial = await it.client.trial(`${experiment?.id}.1`);
    assert.equal(trial.allocations[0]?.signal, "SIGSEGV");
    assert.deepEqual(trial.last_lines, ["last words"]);
  });

  test("a script's own number of steps is its end where nobody else sets a length", async () => {
    const it = shared();
    const loop =
      "for step in trial.steps():\n    trial.report(step, loss=1 / step)\nprint('done')\n";
    for (const [call, last] of [
      ["contrail.init(steps=3)", 3],
      ["contrail.init()", 1],
    ] as const) {
      const code = await it.codeFolder({ "t.py": `import contrail\ntrial = ${call}\n${loop}` });
      const run = await it.contrail(["run", "--", "python3", "t.py"], { cwd: code });
      assert.equal(run.code, 0, run.stderr);
      assert.match(run.stderr, new RegExp(`sets no length; training to step ${last} `));
      const [experiment] = (await it.client.experiments({ limit: 1 })).items;
      const trial = await it.client.trial(`${experiment?.id}.1`);
      assert.deepEqual(
        [trial.step, trial.target, trial.end_reason, experiment?.state],
        [last, null, "finished", "completed"],
      );
    }
  });

  test("a program that is killed from elsewhere stays on record as killed", async () => {
    const it = shared();
    const running = it.contrail([
      "run",
      "--no-code",
      "--name",
      "to-kill",
      "--",
      "sh",
      "-c",
      "echo up; sleep 600",
    ]);
    const id = await until("it runs", async () => {
      const [experiment] = (await it.client.experiments({ limit: 1 })).items;
      if (experiment?.name !== "to-kill") return undefined;
      const lines = await it.logs(`${experiment.id}.1`);
      return lines.length > 0 ? experiment.id : undefined;
    });
    const killed = await it.contrail(["experiment", "kill", String(id)]);
    assert.equal(killed.code, 0, killed.stderr);
    const run = await running;
    assert.notEqual(run.code, 0);
    const trial = await it.client.trial(`${id}.1`);
    assert.equal(trial.end_reason, "killed_by_user");
    assert.equal(trial.allocations[0]?.signal, "SIGTERM");
    assert.deepEqual(
      (await it.allLogs(trial.id)).map(({ text }) => text),
      ["up"],
    );
  });

  test("bytes of output arrive as they were written", async () => {
    const it = shared();
    const program = String.raw`printf 'a\033[31mred\033[0m\rbar\n\377\376\000z\nno newline'; head -c 200000 /dev/zero | tr '\0' x`;
    const { id } = await it.submit({
      ...{ name: "bytes", entrypoint: ["sh", "-c", program], searcher: { name: "single" } },
    });
    await it.ended(id);
    const lines = await it.allLogs(`${id}.1`);
    const bytes = Buffer.concat(
      lines.flatMap(({ bytes: exact, text, complete }) => [
        exact === undefined ? Buffer.from(text) : Buffer.from(exact, "base64"),
        Buffer.from(complete ? "\n" : ""),
      ]),
    );
    const expected = Buffer.concat([
      Buffer.from("a\u001b[31mred\u001b[0m\rbar\n"),
      Buffer.from([0xff, 0xfe, 0x00, 0x7a, 0x0a]),
      Buffer.from(`no newline${"x".repeat(200_000)}`),
    ]);
    assert.ok(bytes.equals(expected), `${bytes.length} bytes came of ${expected.length}`);
    assert.ok(lines.length >= 6, "a long line comes in pieces");
  });
});

describe("the snapshot", () => {
  const shared = sharedStand({ slots: 1 });

  test("is what runs, whatever becomes of the folder", async () => {
    const it = shared();
    const code = await it.codeFolder({ "lib/value.ts": "export const value = 'as submitted';\n" }, [
      "curve.ts",
    ]);
    const program =
      "import { value } from './lib/value.ts';\nconsole.log(value);\nawait import('./curve.ts');\n";
    await writeFile(join(code, "main.ts"), program);
    const searcher = {
      name: "random",
      max_length: { epochs: 2 },
      max_trials: 3,
      max_concurrent_trials: 1,
    };
    const { id } = await it.submit(
      curveSearch(searcher, { entrypoint: "node main.ts", delayMs: 20 }),
      code,
    );
    await writeFile(join(code, "lib/value.ts"), "export const value = 'edited';\n");
    await it.trialWhen(`${id}.1`, "has begun", (trial) => trial.step > 0);
    await rm(code, { recursive: true });
    assert.equal((await it.ended(id)).state, "completed");
    for (const trial of await it.trials(id)) {
      const [first] = await it.allLogs(trial.id);
      assert.equal(first?.text, "as submitted");
    }
  });
});
