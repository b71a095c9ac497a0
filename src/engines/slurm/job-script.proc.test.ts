/** The script run by real shells, with an srun that starts its command once. */
import assert from "node:assert/strict";
import { spawn, spawnSync } from "node:child_process";
import { chmodSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { delimiter, join } from "node:path";
import { after, describe, test } from "node:test";
import { jobScript } from "./job-script.ts";

const folder = mkdtempSync(join(tmpdir(), "job-script-"));
after(() => rmSync(folder, { recursive: true }));
writeFileSync(
  join(folder, "srun"),
  `#!/bin/sh
while [ "\${1#--}" != "$1" ]; do printf '%s\\n' "$1" >> "$SRUN_ARGS"; shift; done
exec "$@"
`,
);
chmodSync(join(folder, "srun"), 0o755);

let scripts = 0;
/** @param printed what Slurm has written of it by its end */
function write(
  command: readonly string[],
  {
    environment = {},
    nodes = 1,
    printed = "",
  }: { environment?: Record<string, string>; nodes?: number; printed?: string } = {},
): string {
  const path = join(folder, `job-${++scripts}.sh`);
  const output = join(folder, `it's ${scripts}.log`);
  writeFileSync(path, jobScript({ title: "a\ntitle", nodes, command, environment, output }));
  writeFileSync(output, printed);
  return path;
}
const env = (more: NodeJS.ProcessEnv = {}): NodeJS.ProcessEnv => ({
  PATH: `${folder}${delimiter}${process.env.PATH}`,
  ...{ SRUN_ARGS: join(folder, "args"), SLURM_PROCID: "1", SLURMD_NODENAME: "localhost", ...more },
});

const shells = ["sh", "bash"].filter((shell) => spawnSync(shell, ["-c", "true"]).status === 0);
for (const shell of shells)
  describe(`the script of a job in ${shell}`, () => {
    const run = (path: string, more: NodeJS.ProcessEnv = {}) =>
      spawnSync(shell, [path], { env: env(more), encoding: "utf8" });

    test("words and variables come through as they are", () => {
      const odd = ["a b", "it's", '"$HOME"', "`id`", "\\n", "*", "", "two\nlines", "ü"];
      const print = "process.stdout.write(JSON.stringify([process.env, process.argv.slice(1)]))";
      const command = [process.execPath, "-e", print, "--", ...odd];
      const { stdout, stderr } = run(
        write(command, { environment: { ODD: odd.join("|") }, nodes: 2 }),
      );
      assert.equal(stderr, "");
      const [variables, words] = JSON.parse(stdout) as [NodeJS.ProcessEnv, string[]];
      assert.deepEqual(words, odd);
      assert.deepEqual(
        [variables.ODD, variables.CONTRAIL_NODE_RANK, variables.CONTRAIL_NODES],
        [odd.join("|"), "1", "2"],
      );
      assert.equal(variables.CONTRAIL_NODE_ADDRESS, "localhost");
    });

    test("what no shell can export, and what is Slurm's to say, is left out", () => {
      const environment = {
        ...{ "BASH_FUNC_x%%": "() { true; }", UID: "7", SLURM_JOB_ID: "1", "a b": "c" },
        ...{ CUDA_VISIBLE_DEVICES: "6", KEPT: "yes" },
      };
      const print = ["/bin/sh", "-c", 'echo "[$KEPT] [$SLURM_JOB_ID] [$CUDA_VISIBLE_DEVICES]"'];
      const { status, stdout, stderr } = run(write(print, { environment }), {
        ...{ SLURM_JOB_ID: "17", CUDA_VISIBLE_DEVICES: "0" },
      });
      assert.deepEqual([status, stdout, stderr], [0, "[yes] [17] [0]\n", ""]);
    });

    for (const code of [0, 3, 127, 137])
      test(`the command's code is the script's: ${code}`, () =>
        assert.equal(run(write(["/bin/sh", "-c", `exit ${code}`])).status, code));

    test("memory that ran out is told by another code, and only where srun says so", () => {
      const fails = ["/bin/sh", "-c", "exit 1"];
      const printed = "started\nsrun: error: n1: task 0: Out Of Memory\n";
      assert.equal(run(write(fails, { printed })).status, 125);
      assert.equal(run(write(["true"], { printed })).status, 0);
      assert.equal(run(write(fails, { printed: "0: Out Of Memory\n" })).status, 1);
    });

    test("srun hears of processors where Slurm says how many", () => {
      run(write(["true"]), { SLURM_CPUS_PER_TASK: "4", SRUN_ARGS: join(folder, `cpus-${shell}`) });
      const args = readFileSync(join(folder, `cpus-${shell}`), "utf8");
      assert.match(args, /--kill-on-bad-exit=1\n(?:.*\n)*--cpus-per-task=4\n/);
    });

    test("a second start by Slurm runs nothing", () => {
      const { status, stdout } = run(write(["echo", "ran"]), { SLURM_RESTART_COUNT: "1" });
      assert.equal(status, 75);
      assert.doesNotMatch(stdout, /^ran/m);
    });

    test("the shell hears signals, and waits for the command's own end", async () => {
      const go = join(folder, `go-${shell}`);
      const wait = `echo ready; until [ -e ${go} ]; do sleep 0.02; done; exit 9`;
      const child = spawn(shell, [write(["/bin/sh", "-c", wait])], {
        ...{ env: env(), stdio: ["ignore", "pipe", "inherit"] },
      });
      const exited = new Promise((resolve) => child.once("exit", (code) => resolve(code)));
      await new Promise((resolve) => child.stdout.once("data", resolve));
      for (const signal of ["SIGTERM", "SIGUSR1", "SIGTERM"] as const) {
        child.kill(signal);
        await handled(child.pid as number);
      }
      assert.equal(child.exitCode, null);
      writeFileSync(go, "");
      assert.equal(await exited, 9);
    });
  });

/** Until no signal waits to be handled by it. */
async function handled(pid: number): Promise<void> {
  const waits = () => {
    const status = readFileSync(`/proc/${pid}/status`, "utf8");
    return /^(?:SigPnd|ShdPnd):\s*0*[1-9a-f]/m.test(status) || !/^State:\s*S/m.test(status);
  };
  while (waits()) await new Promise((resolve) => setTimeout(resolve, 5));
}
