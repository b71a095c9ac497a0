/** An environment that is gone is built again from the record, or the run is refused before anything starts. */
import assert from "node:assert/strict";
import { execFileSync, spawnSync } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { mkdir, readdir, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, describe, test } from "node:test";
import type { Experiment, Verdict } from "../src/protocol/api.ts";
import { sharedStand } from "./support.ts";

const SIX = "1.16.0";
const scratch = mkdtempSync(join(tmpdir(), "contrail-rebuild-"));
after(() => rmSync(scratch, { recursive: true, force: true }));

/** A virtual environment with one small package of PyPI's; undefined where that cannot be had. */
function venvWithSix(): string | undefined {
  const venv = join(scratch, "venv");
  const made = spawnSync("python3", ["-m", "venv", venv]);
  if (made.status !== 0) return undefined;
  const pip = ["-m", "pip", "install", "--quiet", "--disable-pip-version-check", `six==${SIX}`];
  return spawnSync(join(venv, "bin", "python"), pip).status === 0 ? venv : undefined;
}
const venv = venvWithSix();
const skip = venv === undefined ? "six cannot be installed from PyPI here" : false;
/** Whether npm and its registry are there. */
const noNpm =
  spawnSync("npm", ["view", "ms@2.1.3", "version"], { timeout: 60_000 }).status === 0
    ? false
    : "no registry of npm can be reached here";

describe("a recorded environment", () => {
  const shared = sharedStand({ slots: 1 });
  const program = "import six, sys\nprint(six.__version__, sys.prefix)\n";

  test("is used as it is while it is there, and built again when it is gone", {
    skip,
  }, async () => {
    const it = shared();
    const code = await it.codeFolder({ "t.py": program });
    const python = join(venv as string, "bin", "python");
    const config = { entrypoint: [python, "t.py"], searcher: { name: "single" }, max_restarts: 0 };
    const run = async (more: object) => {
      const { id } = await it.submit({ ...config, ...more }, code);
      const experiment = await it.ended(id, 300_000);
      const lines = (await it.allLogs(`${id}.1`)).map(({ text }) => text);
      return { state: experiment.state, lines, trial: await it.client.trial(`${id}.1`) };
    };
    const first = await run({});
    assert.deepEqual(first.lines, [`${SIX} ${venv}`]);
    const record = await it.client.trialRecord(first.trial.id);
    assert.equal(record.captured.packages_observed?.["pip:six"], SIX);
    const wanted = { environment: { rebuild: record.environment } };
    const there = await run(wanted);
    assert.deepEqual(there.lines, [
      "contrail: the recorded environment is here as it was",
      `${SIX} ${venv}`,
    ]);

    await rm(venv as string, { recursive: true });
    const again = await run(wanted);
    assert.equal(again.state, "completed", JSON.stringify(again));
    assert.match(again.lines.join("\n"), /building the recorded environment: Python/);
    assert.match(again.lines.join("\n"), /is built: every package as it was recorded/);
    const place = join(it.dataDir, "runner", "environments");
    assert.match(again.lines.at(-1) ?? "", new RegExp(`^${SIX} ${place}/python-[0-9a-f]{40}$`));
    const rebuilt = await it.client.trialRecord(again.trial.id);
    assert.equal(
      rebuilt.captured.package_hashes?.["pip:six"],
      record.captured.package_hashes?.["pip:six"],
    );
    const third = await run(wanted);
    assert.deepEqual(third.lines, [again.lines.at(-1)], "built once");
  });

  test("is refused with the reason where it cannot be had, and nothing is started", {
    skip,
  }, async () => {
    const it = shared();
    const own = join(scratch, "own");
    await mkdir(own);
    await writeFile(join(own, "pyproject.toml"), '[project]\nname = "ownpkg"\nversion = "1.0"\n');
    await writeFile(join(own, "ownpkg.py"), "");
    const local = join(scratch, "local");
    execFileSync("python3", ["-m", "venv", local]);
    // By hand what an installer leaves behind for a package from a folder.
    const site = execFileSync(join(local, "bin", "python"), [
      ...["-c", "import sysconfig; print(sysconfig.get_path('purelib'))"],
    ])
      .toString()
      .trim();
    const info = join(site, "ownpkg-1.0.dist-info");
    await mkdir(info);
    await writeFile(join(info, "METADATA"), "Metadata-Version: 2.1\nName: ownpkg\nVersion: 1.0\n");
    await writeFile(
      join(info, "direct_url.json"),
      JSON.stringify({ url: `file://${own}`, dir_info: {} }),
    );
    const config = {
      entrypoint: [join(local, "bin", "python"), "-c", "print('started')"],
      searcher: { name: "single" },
      max_restarts: 0,
    };
    const before = await it.submit(config);
    await it.ended(before.id);
    const { environment } = await it.client.trialRecord(`${before.id}.1`);
    await rm(local, { recursive: true });
    const after_ = await it.submit({ ...config, environment: { rebuild: environment } });
    const ended = await it.ended(after_.id);
    assert.equal(ended.state, "error");
    const trial = await it.client.trial(`${after_.id}.1`);
    assert.equal(trial.end_reason, "launch_failed");
    assert.match(trial.reason, /recorded environment cannot be had here.*ownpkg 1\.0 \(file:\/\//);
    assert.deepEqual(await it.allLogs(trial.id), []);
    await assert.rejects(it.submit({ ...config, environment: { rebuild: "0".repeat(64) } }), {
      code: "invalid_config",
    });
  });

  test("has the packages of a Node program installed again from its lock file", {
    skip: noNpm,
  }, async () => {
    const it = shared();
    const code = await it.codeFolder({
      "t.js": "console.log(require('ms')('2 days'), require('ms/package.json').version)\n",
      "package.json": '{"dependencies": {"ms": "2.1.3"}}',
      // The first run brings its packages along, the second has none.
      ".contrailignore": "!node_modules\n",
    });
    execFileSync("npm", ["install", "--no-audit", "--no-fund"], { cwd: code, stdio: "ignore" });
    const config = { entrypoint: "node t.js", searcher: { name: "single" }, max_restarts: 0 };
    const run = async (more: object) => {
      const { id } = await it.submit({ ...config, ...more }, code);
      const { state } = await it.ended(id, 300_000);
      const lines = (await it.allLogs(`${id}.1`)).map(({ text }) => text);
      return { state, lines, id };
    };
    const first = await run({});
    assert.deepEqual(first.lines, ["172800000 2.1.3"]);
    const record = await it.client.trialRecord(`${first.id}.1`);
    assert.equal(record.captured.packages_observed?.["npm:ms"], "2.1.3");
    assert.match(String(record.captured.package_hashes?.["npm:ms"]), /^sha512-/);
    await rm(join(code, "node_modules"), { recursive: true });
    assert.equal((await run({})).state, "error", "without them it cannot run");
    const wanted = { environment: { rebuild: record.environment } };
    const again = await run(wanted);
    assert.equal(again.lines.at(-1), "172800000 2.1.3", again.lines.join("\n"));
    assert.match(again.lines[0] ?? "", /installing the recorded packages for Node .*: npm ci/);
    await rm(join(code, "package-lock.json"));
    const refused = await run(wanted);
    const { reason } = await it.client.trial(`${refused.id}.1`);
    assert.match(reason, /its code has no package\.json with a package-lock\.json/);
  });

  test("is built once more for a replay of a Node program, whose packages are nowhere else", {
    skip: noNpm,
  }, async () => {
    const it = shared();
    const code = await it.codeFolder({
      "t.mjs": [
        'import ms from "ms";',
        'import { init } from "contrail";',
        "const trial = await init();",
        'for await (const step of trial.steps()) trial.report(step, { loss: ms("1m") / step });',
      ].join("\n"),
      "package.json": '{"dependencies": {"ms": "2.1.3"}}',
      ".contrailignore": "!node_modules\n",
    });
    execFileSync("npm", ["install", "--no-audit", "--no-fund"], { cwd: code, stdio: "ignore" });
    const config = {
      entrypoint: "node t.mjs",
      searcher: { name: "single", metric: "loss", max_length: { epochs: 3 } },
      max_restarts: 0,
    };
    const first = await it.submit(config, code);
    await it.ended(first.id, 300_000);
    const { environment } = await it.client.trialRecord(`${first.id}.1`);
    await rm(join(code, "node_modules"), { recursive: true });
    const bare = await it.submit({ ...config, environment: { rebuild: environment } }, code);
    const ended = await it.ended(bare.id, 300_000);
    assert.equal(ended.state, "completed", ended.reason);
    for (const name of await readdir(join(it.dataDir, "runner", "environments")))
      if (name.startsWith("node-"))
        await rm(join(it.dataDir, "runner", "environments", name), { recursive: true });
    const replay = async (...options: string[]) => {
      const { code: exit, stdout } = await it.contrail([
        ...["replay", `${bare.id}.1`, "--json", ...options],
      ]);
      return { exit, ...(JSON.parse(stdout) as { experiment: Experiment; verdict: Verdict }) };
    };
    const again = await replay("--rebuild");
    assert.deepEqual([again.exit, again.verdict.state], [0, "identical"], again.verdict.text);
    const lines = (await it.allLogs(`${again.experiment.id}.1`)).map(({ text }) => text);
    assert.ok(
      lines.some((line) => /installing the recorded packages .*: npm ci/.test(line)),
      lines.join("\n"),
    );
  });
});
