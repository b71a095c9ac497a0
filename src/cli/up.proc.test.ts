/** `up`, `run`, `down` with the real server on a data folder of its own. */
import assert from "node:assert/strict";
import { type ChildProcess, spawn } from "node:child_process";
import { chmodSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { type AddressInfo, createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { fileURLToPath } from "node:url";
import { observeRunner } from "../engines/local/local-engine.ts";
import { isServerProcess, readNote } from "./server-process.ts";

const MAIN = fileURLToPath(new URL("./main.ts", import.meta.url));
let folder: string;
let dataDir: string;
let code: string;

interface Ended {
  readonly code: number | null;
  readonly out: string;
  readonly err: string;
}

function contrail(
  args: readonly string[],
  more: NodeJS.ProcessEnv = {},
  heard: (said: string, child: ChildProcess) => void = () => {},
): Promise<Ended> {
  const { CONTRAIL_SERVER: _, CONTRAIL_TOKEN: __, DATABASE_URL: ___, ...env } = process.env;
  const child = spawn(process.execPath, [MAIN, ...args], {
    cwd: code,
    env: { ...env, CONTRAIL_CONFIG_DIR: join(folder, "config"), ...more },
    stdio: ["ignore", "pipe", "pipe"],
  });
  let out = "";
  let err = "";
  child.stdout.setEncoding("utf8").on("data", (text: string) => {
    out += text;
  });
  child.stderr.setEncoding("utf8").on("data", (text: string) => {
    err += text;
    heard(err, child);
  });
  return new Promise((done) => child.once("close", (exit) => done({ code: exit, out, err })));
}

const up = (...args: string[]): Promise<Ended> =>
  contrail(["up", "--data-dir", dataDir, "--port", "0", "--slots", "1", "--json", ...args]);
const pid = (): number => readNote(dataDir)?.pid ?? -1;

before(() => {
  // Where PostgreSQL's own user can pass, for a run as root.
  folder = mkdtempSync(join(tmpdir(), "contrail-up-test-"));
  chmodSync(folder, 0o711);
  dataDir = join(folder, "data");
  code = mkdtempSync(join(tmpdir(), "contrail-up-code-"));
  writeFileSync(join(code, "program.sh"), 'echo "out $1"; echo err >&2; exit 7\n');
});
after(async () => {
  await contrail(["down", "--data-dir", dataDir]);
  rmSync(folder, { recursive: true, force: true });
  rmSync(code, { recursive: true, force: true });
});

test("two `up` at once give one server, and both say where it is", async () => {
  const [a, b] = await Promise.all([up(), up()]);
  assert.deepEqual([a.code, b.code], [0, 0], a.err + b.err);
  const [one, other] = [JSON.parse(a.out), JSON.parse(b.out)];
  assert.equal(one.pid, other.pid);
  assert.equal(one.pid, pid());
  assert.equal(one.started || other.started, true);
  assert.equal(one.started && other.started, false);
});

test("a later `up` finds it and needs no new token", async () => {
  const { code: exit, out } = await up();
  assert.equal(exit, 0);
  const { started, slots, user } = JSON.parse(out);
  assert.deepEqual([started, slots, typeof user], [false, 1, "string"]);
});

test("`run` records a program as it is and ends as it does", async () => {
  const ran = await contrail(["run", "--", "sh", "program.sh", "one two"]);
  assert.deepEqual([ran.code, ran.out], [7, "out one two\n"], ran.err);
  assert.match(ran.err, /^err$/m);
  const shown = JSON.parse((await contrail(["--json", "trial", "show", "1.1"])).out);
  assert.equal(shown.allocations[0].exit_code, 7);
  const logs = await contrail(["--json", "logs", "1"]);
  assert.deepEqual(
    logs.out
      .trim()
      .split("\n")
      .map((line) => JSON.parse(line).text)
      .toSorted(),
    ["err", "out one two"],
  );
});

test("a lost credentials file is said, with what to do", async () => {
  const { code: exit, err } = await contrail(["up", "--data-dir", dataDir, "--port", "0"], {
    CONTRAIL_CONFIG_DIR: join(folder, "elsewhere"),
  });
  assert.equal(exit, 0);
  assert.match(err, /no token is stored .* down --data-dir .* up --data-dir/);
});

test("`down` without a token that works stops nothing, and says how to", async () => {
  const running = pid();
  const nobody = { CONTRAIL_CONFIG_DIR: join(folder, "elsewhere") };
  const down = ["down", "--data-dir", dataDir, "--json"];
  for (const env of [
    nobody,
    { ...nobody, CONTRAIL_TOKEN: "cu_unknown" },
    // Meant for another server.
    { ...nobody, CONTRAIL_TOKEN: "cu_x", CONTRAIL_SERVER: "http://x" },
  ]) {
    const refused = await contrail(down, env);
    assert.deepEqual([refused.code, refused.out], [4, ""], refused.err);
    const said = JSON.parse(refused.err);
    assert.equal(said.code, "not_authenticated");
    assert.match(said.detail, /runs on: it could not be told to end training\. /);
    assert.match(said.hint, /contrail login http.* down --data-dir \S+ --keep-trials/);
    assert.equal(isServerProcess(running), true);
  }
});

test("`down --keep-trials` needs no token, and says that training goes on", async () => {
  const args = ["down", "--data-dir", dataDir, "--keep-trials", "--json"];
  const done = await contrail(args, { CONTRAIL_CONFIG_DIR: join(folder, "elsewhere") });
  assert.equal(done.code, 0, done.err);
  const { stopped, trials } = JSON.parse(done.out);
  assert.deepEqual([stopped, trials], [true, "keep"]);
  assert.equal((await up()).code, 0);
});

test("`down` takes the token of the environment", async () => {
  const { servers } = JSON.parse(readFileSync(join(folder, "config", "credentials.json"), "utf8"));
  const url = readNote(dataDir)?.url ?? "";
  const env = {
    CONTRAIL_CONFIG_DIR: join(folder, "elsewhere"),
    CONTRAIL_SERVER: url,
    CONTRAIL_TOKEN: servers[url].token,
  };
  const done = await contrail(["down", "--data-dir", dataDir, "--json"], env);
  assert.equal(done.code, 0, done.err);
  assert.equal(JSON.parse(done.out).trials, "stop");
  assert.equal((await up()).code, 0);
});

test("`down` leaves no process, and a second one has nothing to do", async () => {
  const before = pid();
  const first = await contrail(["down", "--json"]);
  assert.equal(first.code, 0, first.err);
  assert.equal(JSON.parse(first.out).stopped, true);
  assert.equal(isServerProcess(before), false);
  assert.equal(JSON.parse((await contrail(["down", "--json"])).out).stopped, false);
});

/** The runner's process; undefined when none lives. */
function runner(): number | undefined {
  const seen = observeRunner(dataDir);
  return seen.state === "alive" ? seen.pid : undefined;
}

test("`down` finds the runner of a server that was killed, and ends it unless training is to go on", async () => {
  assert.equal((await up()).code, 0);
  const [server, left] = [pid(), runner()];
  assert.notEqual(left, undefined);
  process.kill(server, "SIGKILL");
  while (isServerProcess(server)) await new Promise((done) => setTimeout(done, 20));
  const down = ["down", "--data-dir", dataDir];
  const kept = JSON.parse((await contrail([...down, "--keep-trials", "--json"])).out);
  assert.deepEqual([kept.stopped, kept.trials, kept.runners], [false, "keep", [left]]);
  assert.equal(runner(), left);
  const ended = await contrail(down);
  assert.equal(ended.code, 0, ended.err);
  assert.match(
    ended.out,
    new RegExp(`^No server runs on .*\n.*runner \\(process ${left}\\).* is ended`),
  );
  assert.equal(runner(), undefined);
  assert.deepEqual(JSON.parse((await contrail([...down, "--json"])).out).runners, []);
});

test("Ctrl-C of a server in the foreground says what goes on, and how to end it", async () => {
  const args = ["up", "--foreground", "--data-dir", dataDir, "--port", "0", "--slots", "1"];
  let pressed = false;
  const ended = await contrail(args, {}, (said, child) => {
    // Once: the second time it would wait for nothing.
    if (!pressed && /Ctrl-C stops it/.test(said)) pressed = child.kill("SIGINT");
  });
  assert.equal(ended.code, 0, ended.err);
  // Its words are those of this start, and not the last of the log that an earlier one has left.
  assert.doesNotMatch(ended.err, /starting the server in/);
  assert.doesNotMatch(ended.out, /server\.log/);
  const hint = `contrail down --data-dir ${dataDir}`;
  assert.match(ended.err, new RegExp(`runner \\(process ${runner()}\\) .* go on.*\`${hint}\``));
  assert.equal((await contrail(["down", "--data-dir", dataDir])).code, 0);
  assert.equal(runner(), undefined);
});

test("a folder where none can be made and a port that is taken are said at once", async () => {
  const nowhere = await contrail(["up", "--data-dir", "/proc/no-folder/x", "--port", "0"]);
  assert.equal(nowhere.code, 1);
  assert.match(nowhere.err, /data folder cannot be made[\s\S]*--data-dir/);
  const holder = createServer();
  await new Promise<void>((done) => holder.listen(0, "127.0.0.1", done));
  const { port } = holder.address() as AddressInfo;
  const taken = await contrail(["up", "--data-dir", join(folder, "other"), "--port", String(port)]);
  await new Promise((done) => holder.close(done));
  assert.equal(taken.code, 1);
  assert.match(taken.err, new RegExp(`port ${port} already[\\s\\S]*--port 0`));
});

test("a server that cannot start says why", async () => {
  const taken = join(folder, "a-file");
  writeFileSync(taken, "");
  const file = await contrail(["up", "--data-dir", taken]);
  assert.equal(file.code, 1);
  assert.match(file.err, /a-file/);
  const remote = await up("--host", "0.0.0.0");
  assert.equal(remote.code, 1);
  assert.match(JSON.parse(remote.err).detail, /--allow-remote/);
});
