/** run.mjs and bin/contrail in a small repository of their own, with one dependency on the disk. */
import assert from "node:assert/strict";
import { spawn, spawnSync } from "node:child_process";
import { once } from "node:events";
import {
  copyFileSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, describe, test } from "node:test";
import { repositoryRoot } from "./repository-files.ts";

const folder = mkdtempSync(join(tmpdir(), "run it's "));
after(() => rmSync(folder, { recursive: true }));

const write = (path: string, text: string): void => {
  mkdirSync(join(folder, path, ".."), { recursive: true });
  writeFileSync(join(folder, path), text);
};
const copy = (path: string): void => {
  mkdirSync(join(folder, path, ".."), { recursive: true });
  copyFileSync(join(repositoryRoot, path), join(folder, path));
};
const environment = { ...process.env, NODE_COMPILE_CACHE: undefined, npm_execpath: undefined };

function run(command: string, args: readonly string[], cwd = folder) {
  const { status, stdout, stderr } = spawnSync(command, args, {
    cwd,
    env: environment,
    encoding: "utf8",
  });
  return { status, stdout, stderr };
}
const runScript = (...args: string[]) => run(process.execPath, ["scripts/run.mjs", ...args]);
const installed = () => existsSync(join(folder, "node_modules", ".contrail-install"));

before(() => {
  copy("scripts/run.mjs");
  copy("bin/contrail");
  write("dep/package.json", `{ "name": "dep", "version": "1.0.0" }`);
  write(
    "package.json",
    `{ "name": "x", "version": "1.0.0", "dependencies": { "dep": "file:dep" } }`,
  );
  write(
    "package-lock.json",
    JSON.stringify({
      name: "x",
      version: "1.0.0",
      lockfileVersion: 3,
      requires: true,
      packages: {
        "": { name: "x", version: "1.0.0", dependencies: { dep: "file:dep" } },
        dep: { version: "1.0.0" },
        "node_modules/dep": { resolved: "dep", link: true },
      },
    }),
  );
  write(
    "show.ts",
    `const args: string[] = process.argv.slice(2); console.log(JSON.stringify(args));`,
  );
  write("fail.ts", "process.exit(7);");
  write(
    "wait.ts",
    `process.on("SIGTERM", () => process.exit(3)); setInterval(() => {}, 1000); console.log("up");`,
  );
  write(
    "src/cli/main.ts",
    `console.log(JSON.stringify([process.env.CONTRAIL_SELF, process.argv.slice(2)]));`,
  );
});

describe("bin/contrail", () => {
  const launcher = join(folder, "bin", "contrail");
  const quoted = `'${launcher.replaceAll("'", "'\\''")}'`;
  test("says what to do when the dependencies are missing", () => {
    const { status, stderr } = run("sh", [launcher]);
    assert.equal(status, 1);
    assert.match(stderr, /not installed\. Run: \(cd .*npm ci\)/);
  });
  test("runs the CLI through links, from any folder, and tells it how it was called", () => {
    runScript();
    mkdirSync(join(folder, "links"));
    symlinkSync("../bin/contrail", join(folder, "links", "one"));
    symlinkSync("one", join(folder, "links", "contrail"));
    const direct = run("sh", [launcher, "a b", "--c"], tmpdir());
    assert.deepEqual(JSON.parse(direct.stdout), [quoted, ["a b", "--c"]]);
    const linked = run("sh", ["links/contrail"]);
    assert.deepEqual(JSON.parse(linked.stdout), ["links/contrail", []]);
  });
});

describe("run.mjs", () => {
  test("installs what is missing and says so, apart from the script's output", () => {
    rmSync(join(folder, "node_modules"), { recursive: true, force: true });
    const { status, stdout, stderr } = runScript("show.ts", "a b", "--json");
    assert.equal(status, 0, stderr);
    assert.equal(stdout, `["a b","--json"]\n`);
    assert.match(stderr, /^Installing the dependencies .*\n {2}done, \d+ s\n$/);
    assert.ok(installed());
  });
  test("is silent when nothing is missing", () => {
    assert.deepEqual(runScript("show.ts"), { status: 0, stdout: "[]\n", stderr: "" });
  });
  test("takes over what somebody installed by hand", () => {
    rmSync(join(folder, "node_modules", ".contrail-install"));
    assert.equal(runScript().stderr, "");
    assert.ok(installed());
  });
  test("begins again after an install that was cut short", () => {
    rmSync(join(folder, "node_modules", ".contrail-install"));
    rmSync(join(folder, "node_modules", ".package-lock.json"));
    // Left by a process that is gone.
    write(".cache/install.lock", "4194304999");
    assert.match(runScript().stderr, /Installing/);
    assert.ok(installed());
  });
  test("installs nothing for what only another machine's package needs", () => {
    const path = join(folder, "package-lock.json");
    const text = readFileSync(path, "utf8");
    const lock = JSON.parse(text);
    lock.packages[""].optionalDependencies = { other: "1.0.0" };
    lock.packages["node_modules/other"] = {
      ...{ version: "1.0.0", optional: true, os: ["no-such-system"] },
      dependencies: { helper: "1.0.0" },
    };
    lock.packages["node_modules/helper"] = { version: "1.0.0", optional: true };
    writeFileSync(path, JSON.stringify(lock));
    const { status, stderr } = runScript();
    writeFileSync(path, text);
    assert.deepEqual([status, stderr], [0, ""]);
    assert.ok(installed());
  });

  test("installs again when the lock file changes", () => {
    const path = join(folder, "package-lock.json");
    write("dep/package.json", `{ "name": "dep", "version": "1.0.1" }`);
    writeFileSync(
      path,
      readFileSync(path, "utf8").replace(`"dep":{"version":"1.0.0"`, `"dep":{"version":"1.0.1"`),
    );
    rmSync(join(folder, "node_modules", "dep"));
    assert.match(runScript().stderr, /Installing/);
    assert.ok(installed());
  });
  test("hands on the exit code", () => {
    assert.equal(runScript("fail.ts").status, 7);
  });
  test("hands on SIGTERM and waits for the script to end in its own way", async () => {
    const child = spawn(process.execPath, ["scripts/run.mjs", "wait.ts"], {
      cwd: folder,
      env: environment,
      stdio: ["ignore", "pipe", "inherit"],
    });
    await once(child.stdout, "data");
    child.kill("SIGTERM");
    const [code] = await once(child, "exit");
    assert.equal(code, 3);
  });
  test("shows what npm said when it cannot install", () => {
    write(
      "package.json",
      `{ "name": "x", "version": "1.0.0", "dependencies": { "gone": "file:gone" } }`,
    );
    rmSync(join(folder, "node_modules"), { recursive: true });
    const { status, stderr } = runScript("show.ts");
    assert.equal(status, 1);
    assert.match(stderr, /npm ci failed/);
  });
});
