/** The runner of a job as its engine starts it, on a node where others have been before. */
import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import {
  chmodSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  symlinkSync,
  utimesSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { lockFile } from "../store/file-lock.ts";
import { removeCheckout } from "../store/snapshot.ts";
import { lockOf } from "./job-state.ts";
import { REPO_ROOT, sh, TestBench } from "./test-bench.ts";

const DAYS_2_S = 2 * 86_400;

test("what runners of jobs left on the node goes, and nothing that is in use, young, or not certainly ours", async (t) => {
  const bench = await TestBench.open();
  t.after(() => bench.close());
  // Sockets below it need a short path.
  const tmp = mkdtempSync(join(tmpdir(), "t-"));
  t.after(() => removeCheckout(tmp));
  const own = `contrail-${process.getuid?.() ?? 0}`;
  const mark = "0123456789ab";
  const make = (name: string, { mode = 0o700, isOld = true } = {}): string => {
    const path = join(tmp, name);
    mkdirSync(join(path, "datasets", "d"), { recursive: true });
    writeFileSync(join(path, "datasets", "d", "file"), "x");
    // As versions of data are laid out.
    chmodSync(join(path, "datasets", "d"), 0o555);
    chmodSync(path, mode);
    if (isOld) utimesSync(path, Date.now() / 1000 - DAYS_2_S, Date.now() / 1000 - DAYS_2_S);
    return path;
  };
  const left = [make(`${own}-gpus.1.2.1-${mark}`), make(`${own}-gpus.1.2.2-${mark}-1`)];
  const held = make(`${own}-gpus.1.3.1-${mark}`, { isOld: false });
  const lock = lockFile(lockOf(held));
  assert.ok(lock);
  t.after(() => lock.release());
  utimesSync(held, 1, 1);
  const target = make("elsewhere");
  const link = `${own}-gpus.1.4.1-${mark}`;
  symlinkSync(target, join(tmp, link));
  make(`${own}-gpus.1.5.1-${mark}`, { isOld: false });
  make(`${own}-gpus.1.6.1-${mark}`, { mode: 0o777 });
  make(`${own}-${mark}`);
  make(`contrail-99${process.getuid?.() ?? 0}-gpus.1.7.1-${mark}`);
  const stay = readdirSync(tmp).filter((name) => !left.includes(join(tmp, name)));

  const args = [
    ...[join(REPO_ROOT, "src/runner/main.ts"), "--runner", "local", "--only", "1.1.1"],
    ...["--token-file", bench.server.tokenFile, "--server-file", bench.server.serverFile],
    ...["--repo-root", REPO_ROOT],
  ];
  const gone = left.map((path) => `[ ! -e '${path}' ]`).join(" && ");
  bench.server.launch("1.1.1", sh(`until ${gone}; do sleep 0.05; done`));
  const runner = spawn(process.execPath, args, {
    env: { ...process.env, TMPDIR: tmp },
    stdio: ["ignore", "ignore", "inherit"],
  });
  const exited = once(runner, "exit");
  const exit = await bench.server.untilExit("1.1.1");
  assert.equal(exit.processes[0]?.code, 0, JSON.stringify(exit));
  assert.deepEqual(await exited, [0, null]);
  assert.deepEqual(
    left.map((path) => existsSync(path)),
    [false, false],
  );
  const names = readdirSync(tmp);
  assert.deepEqual(
    stay.filter((name) => !names.includes(name)),
    [],
  );
  assert.ok(!names.some((name) => name.includes("-local-")), "its own went with it");
});
