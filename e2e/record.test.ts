/** The record of a run: captured without being asked, for programs that know nothing of it, however they end. */
import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { mkdir, rm, truncate, writeFile } from "node:fs/promises";
import { networkInterfaces } from "node:os";
import { join } from "node:path";
import { describe, test } from "node:test";
import type { TrialRecord } from "../src/protocol/api.ts";
import { sharedStand, until } from "./support.ts";

const whats = (gaps: TrialRecord["missing"]): string[] => gaps.map(({ what }) => what).sort();

const whatsOutside = (gaps: TrialRecord["missing"]): string[] =>
  whats(gaps).flatMap((what) => /^outside\.(\w+)/.exec(what)?.[1] ?? []);

describe("the record of a run", () => {
  const shared = sharedStand({ slots: 2 });

  /** Of the newest experiment's only trial. */
  const newest = async (): Promise<TrialRecord> => {
    const [experiment] = (await shared().client.experiments({ limit: 1 })).items;
    return await shared().client.trialRecord(`${experiment?.id}.1`);
  };

  test("is whole for a plain script outside of git, and for one that fails", async () => {
    const it = shared();
    const code = await it.codeFolder({
      "train.py": "import sys\nprint('trained')\nsys.exit(int(sys.argv[1]))\n",
      "requirements.txt": "six>=1.0\n",
    });
    for (const wanted of [0, 3]) {
      const run = await it.contrail(["run", "--", "python3", "train.py", String(wanted)], {
        cwd: code,
        env: { CUDA_CACHE_PATH: "/somewhere", CUDA_SECRET: "hunter2" },
      });
      assert.equal(run.code, wanted, run.stderr);
      const record = await newest();
      const { captured } = record;
      assert.ok(record.captured_at, "the runner told");
      assert.match(record.environment ?? "", /^[0-9a-f]{64}$/);
      assert.deepEqual(
        record.missing.filter(({ what }) => !/^(?:package_hashes\.unhashed|container)/.test(what)),
        [],
      );
      assert.equal(captured.command?.line, `python3 train.py ${wanted}`);
      assert.equal(captured.code?.files, 2);
      assert.equal(captured.code?.folder, code);
      assert.equal(captured.packages_requested?.["pip:six"], ">=1.0");
      const told = execFileSync(
        "python3",
        ["-c", "import sys, platform; print(platform.python_version()); print(sys.executable)"],
        { encoding: "utf8", env: it.env },
      ).split("\n");
      assert.deepEqual(
        [captured.interpreter?.version, captured.interpreter?.path],
        told.slice(0, 2),
      );
      assert.equal(captured.interpreter?.language, "python");
      assert.equal(captured.variables?.CUDA_CACHE_PATH, "/somewhere");
      assert.equal(captured.variables?.CONTRAIL_TOKEN, "(masked)");
      assert.equal(captured.seeds?.trial, (await it.client.trial(record.trial)).seed);
      assert.ok(captured.cpu?.model && captured.cpu.flags && Number(captured.cpu.cores) > 0);
      assert.ok(Number(captured.memory?.bytes) > 0);
      assert.match(String(captured.system?.kernel), /Linux|Darwin/);
      assert.equal(captured.determinism?.CUBLAS_WORKSPACE_CONFIG, "(not set)");
      assert.equal(captured.who?.owner, (await it.client.me()).user);
      assert.ok(!JSON.stringify(record).includes("hunter2"));
      assert.ok(!JSON.stringify(record).includes(it.token));
      assert.ok(whats(record.not_applicable).includes("code.git_commit"));
    }
    const first = await it.client.trialRecord("1.1");
    assert.equal((await newest()).environment, first.environment, "the same surroundings");
  });

  test("is as whole for a run that was killed", async () => {
    const it = shared();
    const code = await it.codeFolder({
      "t.py": "import time\nprint('up', flush=True)\ntime.sleep(600)\n",
    });
    const { id } = await it.submit(
      { entrypoint: "python3 t.py", searcher: { name: "single" } },
      code,
    );
    await until("it prints", async () => (await it.logs(`${id}.1`)).length > 0);
    await it.client.changeExperiment(id, "kill");
    await it.ended(id);
    const { captured, missing } = await it.client.trialRecord(`${id}.1`);
    assert.equal(captured.interpreter?.language, "python");
    // Submitted without the command line, which tells of user and host.
    assert.deepEqual(
      whats(missing).filter((what) => !/^(?:package_hashes\.unhashed|container)/.test(what)),
      ["who.host", "who.user"],
    );
  });

  test("is shown by the command line, for people and for programs", async () => {
    const it = shared();
    await it.contrail(["run", "--no-code", "--", "python3", "-c", "pass"]);
    const record = await newest();
    const shown = await it.contrail(["trial", "show", record.trial, "--record"]);
    assert.equal(shown.code, 0, shown.stderr);
    assert.match(shown.stdout, new RegExp(`^record of ${record.trial}\\.1, captured `));
    assert.match(shown.stdout, /^complete to \d+ %: \d+ of \d+ items that apply$/m);
    assert.match(shown.stdout, /^interpreter$/m);
    assert.match(shown.stdout, /^does not apply$/m);
    const json = await it.contrail(["trial", "show", record.trial, "--record", "--json"]);
    assert.deepEqual(JSON.parse(json.stdout), record);
    const none = await it.contrail(["trial", "show", record.trial, "--record", "--run", "7"]);
    assert.equal(none.code, 3);
    assert.match(none.stderr, /has no run 7/);
  });

  test("says what it could not see, and does not count what there is not", async () => {
    const it = shared();
    await it.contrail(["run", "--no-code", "--", "no-such-program"]);
    const failed = await newest();
    const why = failed.missing.find(({ what }) => what === "interpreter")?.why ?? "";
    assert.match(why, /no interpreter is to be seen: `no-such-program`/);
    assert.ok(failed.captured.cpu, "the machine is on record all the same");
    assert.ok(failed.completeness < 1);
    await it.contrail(["run", "--no-code", "--", "sleep", "0"]);
    const plain = await newest();
    assert.ok(whats(plain.not_applicable).includes("packages_observed"));
    const installing = "python3 -m pip --version; python3 -c pass";
    await it.contrail(["run", "--no-code", "--", "sh", "-c", installing]);
    assert.ok(whats((await newest()).missing).includes("command.installs.1"));
    const never = await it.submit(
      { entrypoint: "true", searcher: { name: "single" } },
      undefined,
      false,
    );
    const record = await it.client.trialRecord(`${never.id}.1`);
    assert.equal(record.run, null);
    assert.ok(record.missing.every(({ why: reason }) => reason !== ""));
    await it.client.changeExperiment(never.id, "kill");
  });

  test("holds a Node program's interpreter and packages", async () => {
    const it = shared();
    const code = await it.codeFolder({
      "train.js": "console.log(process.version)\n",
      "package.json": '{"dependencies": {"left": "^1"}}',
      "package-lock.json": JSON.stringify({
        lockfileVersion: 3,
        packages: { "node_modules/left": { version: "1.2.3", integrity: "sha512-x==" } },
      }),
    });
    const run = await it.contrail(["run", "--", "node", "train.js"], { cwd: code });
    const { captured } = await newest();
    assert.equal(`v${captured.interpreter?.version}\n`, run.stdout);
    assert.equal(captured.packages_requested?.["npm:left"], "^1");
    assert.equal(captured.packages_resolved?.["npm:left"], "1.2.3");
    assert.match(String(captured.packages_observed?.["npm:contrail"]), /^\d/);
  });

  test("holds what the program's own helper tells", async () => {
    const it = shared();
    const code = await it.codeFolder({
      "train.py":
        "import contrail\ntrial = contrail.init(steps=2)\nfor step in trial.steps():\n    trial.report(step, loss=1 / step)\n",
    });
    await it.contrail(["run", "--", "python3", "train.py"], { cwd: code });
    const { captured, missing } = await newest();
    assert.equal(typeof captured.determinism?.hash_randomization, "boolean");
    assert.match(String(captured.determinism?.random_state), /^[0-9a-f]{12}$/);
    assert.deepEqual([captured.outside, whatsOutside(missing)], [undefined, []]);
  });

  test("says what a Python program reached for that no record holds, also after its first report", async () => {
    const it = shared();
    const outside = await it.codeFolder({ "more.csv": "1,2\n", "later.csv": "3,4\n" });
    const added = await it.contrail(["data", "add", "own", await it.codeFolder({ "d.csv": "5" })]);
    assert.equal(added.code, 0, added.stderr);
    const code = await it.codeFolder({
      "side.txt": "beside the code",
      "train.py": [
        "import os, socket, subprocess, sys, contrail",
        "trial = contrail.init(steps=2)",
        "open(trial.data['own'] + '/d.csv').read(), open('side.txt').read()",
        "open('/tmp/' + trial.id, 'w').close(), open('/tmp/' + trial.id).read()",
        "os.remove('/tmp/' + trial.id)",
        "open(sys.argv[1] + '/more.csv').read()",
        "subprocess.run(['true'])",
        "try: socket.getaddrinfo('data.example.invalid', 443)",
        "except OSError: pass",
        "for step in trial.steps():",
        "    trial.report(step, loss=1 / step)",
        "    open(sys.argv[1] + '/later.csv').read()",
      ].join("\n"),
    });
    const { id } = await it.submit(
      {
        entrypoint: ["python3", "train.py", outside],
        data: { own: "own@1" },
        searcher: { name: "single", metric: "loss", max_length: { epochs: 2 } },
      },
      code,
    );
    await it.ended(id);
    const { captured, missing, completeness } = await it.client.trialRecord(`${id}.1`);
    assert.deepEqual(captured.outside, {
      network: "data.example.invalid:443",
      files: `${join(outside, "more.csv")}, ${join(outside, "later.csv")}`,
      programs: "true",
    });
    assert.deepEqual(whatsOutside(missing), ["files", "network", "programs"]);
    assert.match(
      missing.find(({ what }) => what.startsWith("outside.files"))?.why ?? "",
      /neither its code nor its data.*more\.csv/,
    );
    assert.ok(completeness < 1);
  });

  test("holds which packages a Node program really loaded, and what it reached for", async () => {
    const it = shared();
    const pack = (name: string) => ({
      [`node_modules/${name}/package.json`]: `{"name": "${name}", "version": "1.2.3", "type": "module", "exports": "./i.js"}`,
      [`node_modules/${name}/i.js`]: "export const two = () => 2;\n",
    });
    const address = Object.values(networkInterfaces())
      .flat()
      .find((one) => one !== undefined && !one.internal && one.family === "IPv4")?.address;
    const code = await it.codeFolder({
      ".contrailignore": "!node_modules\n",
      ...pack("left"),
      ...pack("right"),
      "package.json": '{"type": "module"}',
      "train.js": [
        'import { spawn } from "node:child_process";',
        'import { once } from "node:events";',
        'import { connect, createServer } from "node:net";',
        'import { init } from "contrail";',
        'import { two } from "left";',
        "const trial = await init({ steps: two() });",
        'await once(spawn("true"), "exit");',
        "const server = createServer((socket) => socket.end()).listen(0);",
        'await once(server, "listening");',
        "for (const host of process.argv.slice(2)) {",
        "  const socket = connect(server.address().port, host).resume();",
        '  await once(socket, "close");',
        "}",
        "server.close();",
        "for await (const step of trial.steps()) trial.report(step, { loss: 1 / step });",
      ].join("\n"),
    });
    const hosts = ["127.0.0.1", ...(address === undefined ? [] : [address])];
    const run = await it.contrail(
      ["run", "--", "node", "--max-old-space-size=300", "train.js", ...hosts],
      { cwd: code },
    );
    assert.equal(run.code, 0, run.stderr);
    const { captured, missing, not_applicable } = await newest();
    const { frameworks, determinism, outside } = captured;
    assert.equal(frameworks?.imported_left, "1.2.3");
    assert.equal(frameworks?.imported_right, undefined, "it was there and not loaded");
    assert.equal(captured.packages_observed?.["npm:right"], "1.2.3");
    assert.equal(determinism?.node_flags, "--max-old-space-size=300");
    assert.equal(determinism?.math_random, "not seeded");
    assert.ok(determinism?.time_zone);
    assert.ok(!whats(not_applicable).includes("frameworks"));
    assert.equal(outside?.programs, "true");
    if (address !== undefined)
      assert.match(String(outside?.network), new RegExp(`^${address}:\\d+$`));
    assert.ok(whatsOutside(missing).includes("programs"));
  });

  test("every kind of change in a git repository is in the snapshot, with the facts of git", async () => {
    const it = shared();
    const code = await it.codeFolder({
      "tracked.txt": "tracked",
      "modified.txt": "before",
      ".contrailignore": "ignored/\n",
      "ignored/big.bin": "not wanted",
      "all.py":
        "from pathlib import Path\nfor p in sorted(Path('.').rglob('*.txt')): print(p, p.read_text())\n",
    });
    const upstream = join(it.folder, "upstream.git");
    const git = (...args: string[]) =>
      execFileSync(
        "git",
        [
          "-c",
          "user.name=a",
          "-c",
          "user.email=a@example.org",
          "-c",
          "init.defaultBranch=main",
          ...args,
        ],
        { cwd: code, encoding: "utf8", stdio: ["ignore", "pipe", "ignore"] },
      ).trim();
    git("init");
    git("init", "--bare", upstream);
    git("remote", "add", "origin", upstream);
    git("add", "tracked.txt", "modified.txt", "all.py");
    git("commit", "-m", "pushed");
    git("push", "origin", "HEAD");
    await writeFile(join(code, "unpushed.txt"), "unpushed");
    git("add", "unpushed.txt");
    git("commit", "-m", "not pushed");
    await writeFile(join(code, "modified.txt"), "after");
    await writeFile(join(code, "staged.txt"), "staged");
    git("add", "staged.txt");
    await writeFile(join(code, "untracked.txt"), "untracked");
    const before = git("status", "--porcelain");
    await writeFile(
      join(code, "config.json"),
      JSON.stringify({ entrypoint: "python3 all.py", searcher: { name: "single" } }),
    );
    const made = await it.contrail(
      ["--json", "experiment", "create", "config.json", ".", "--paused"],
      { cwd: code },
    );
    assert.equal(made.code, 0, made.stderr);
    const { experiment } = JSON.parse(made.stdout);
    // What is edited after the submission changes nothing of it.
    for (const name of ["tracked", "modified", "staged", "untracked", "unpushed"])
      await writeFile(join(code, `${name}.txt`), "too late");
    await rm(join(code, "all.py"));
    assert.ok(!before.includes("config.json"));
    await it.client.changeExperiment(experiment.id, "activate");
    await it.ended(experiment.id);
    const printed = (await it.allLogs(`${experiment.id}.1`)).map(({ text }) => text);
    assert.deepEqual(printed, [
      "modified.txt after",
      "staged.txt staged",
      "tracked.txt tracked",
      "unpushed.txt unpushed",
      "untracked.txt untracked",
    ]);
    const { code: facts } = (await it.client.trialRecord(`${experiment.id}.1`)).captured;
    assert.deepEqual(
      {
        commit: facts?.git_commit,
        branch: facts?.git_branch,
        remote: facts?.git_remote,
        clean: facts?.git_clean,
        staged: facts?.git_staged,
        modified: facts?.git_modified,
        // .contrailignore, config.json, ignored/, untracked.txt
        untracked: facts?.git_untracked,
        unpushed: facts?.git_unpushed,
        ids: facts?.git_unpushed_commits,
      },
      {
        commit: git("rev-parse", "HEAD"),
        branch: "main",
        remote: upstream,
        clean: false,
        staged: 1,
        modified: 1,
        untracked: 4,
        unpushed: 1,
        ids: git("rev-parse", "HEAD"),
      },
    );
  });

  test("nobody needs a repository, a commit or a name; what is too large is refused with the way out", async () => {
    const it = shared();
    const code = await it.codeFolder({ "a.py": "print('ran')\n" });
    await mkdir(join(code, "data"));
    await writeFile(join(code, "data", "huge.bin"), "");
    // Sparse: half a gigabyte that takes no space.
    await truncate(join(code, "data", "huge.bin"), 600 * 2 ** 20);
    const refused = await it.contrail(["run", "--", "python3", "a.py"], { cwd: code });
    assert.equal(refused.code, 1);
    assert.match(
      refused.stderr,
      /600\.0 MiB, the limit is 512\.0 MiB.*huge\.bin.*\.contrailignore/s,
    );
    await writeFile(join(code, ".contrailignore"), "data/\n");
    const ran = await it.contrail(["run", "--", "python3", "a.py"], { cwd: code });
    assert.equal(ran.stdout, "ran\n");
    assert.notEqual((await newest()).captured.code?.snapshot, undefined);
  });
});
