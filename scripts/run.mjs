/**
 * Runs a script of this repository: `node scripts/run.mjs scripts/X.ts args…`. Alone it only installs.
 *
 * Plain JavaScript without dependencies, because it is what a bare clone on Node 20 runs first. It
 * makes node_modules agree with package-lock.json, then starts the script on the Node 24 that came
 * with the dependencies. When there is nothing to install it says nothing. All it says goes to
 * stderr, so that the output of the script stays the script's own.
 *
 * Whether node_modules is right is a stamp inside it: `npm ci` deletes the folder first, so an
 * install that was cut short has no stamp. A tree that somebody installed by hand gets its stamp
 * after a comparison with the lock file. Asking npm itself (`npm ls`) costs a second at every start.
 */
import { spawn } from "node:child_process";
import { createHash } from "node:crypto";
import { existsSync, mkdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { constants } from "node:os";
import { delimiter, dirname, join, resolve } from "node:path";
import { fileURLToPath } from "node:url";

const root = dirname(dirname(fileURLToPath(import.meta.url)));
const modules = join(root, "node_modules");
const stampPath = join(modules, ".contrail-install");
const bundledNode = join(modules, `node-${process.platform}-${process.arch}`, "bin", "node");
/** The first Node that runs TypeScript sources as they are without a flag. */
const NODE_MINIMUM = [22, 18];

const say = (text) => process.stderr.write(`${text}\n`);

function fail(text) {
  say(text);
  process.exit(1);
}

if (Number(process.versions.node.split(".")[0]) < 20) {
  fail(`Contrail needs Node 20 or newer to install itself; this is ${process.version}.`);
}

try {
  await ensureInstalled();
} catch (error) {
  fail(error.message);
}
const [script, ...args] = process.argv.slice(2);
const node = findNode();
if (script !== undefined) await runScript(node, script, args);

/** @returns the path of a Node that can run the sources */
function findNode() {
  if (existsSync(bundledNode)) return bundledNode;
  const [major, minor] = process.versions.node.split(".").map(Number);
  if (major > NODE_MINIMUM[0] || (major === NODE_MINIMUM[0] && minor >= NODE_MINIMUM[1])) {
    return process.execPath;
  }
  return fail(
    `No Node 24 came with the dependencies for ${process.platform}-${process.arch} (looked for ${bundledNode}), ` +
      `and this Node ${process.version} is older than 22.18. Install Node 24 and run the command again.`,
  );
}

function runScript(node, script, args) {
  const env = {
    ...process.env,
    NODE_COMPILE_CACHE: process.env.NODE_COMPILE_CACHE ?? join(root, ".cache", "node-compile"),
    PATH: `${join(modules, ".bin")}${delimiter}${process.env.PATH ?? ""}`,
  };
  const child = spawn(
    node,
    ["--disable-warning=ExperimentalWarning", resolve(root, script), ...args],
    { stdio: "inherit", env },
  );
  // On a terminal Ctrl-C reaches the whole foreground group, the child too: passing it on would
  // make it two, which many programs take for "at once, without cleaning up".
  process.on("SIGINT", () => {
    if (!process.stdin.isTTY) child.kill("SIGINT");
  });
  for (const signal of ["SIGTERM", "SIGHUP"]) process.on(signal, () => child.kill(signal));
  return new Promise(() => {
    child.on("error", (error) => fail(`Cannot start ${node}: ${error.message}`));
    child.on("exit", (code, signal) => {
      process.exit(signal === null ? code : 128 + constants.signals[signal]);
    });
  });
}

async function ensureInstalled() {
  const lockText = readFileSync(join(root, "package-lock.json"), "utf8");
  const stamp = createHash("sha256")
    .update(`${process.platform} ${process.arch}\n${lockText}`)
    .digest("hex");
  if (isStamped(stamp)) return;
  await holdingTheInstallLock(async () => {
    if (isStamped(stamp)) return;
    const lock = JSON.parse(lockText);
    if (firstDifference(lock) !== undefined) await install(lock);
    const difference = firstDifference(lock);
    if (difference === undefined) writeFileSync(stampPath, stamp);
    else if (!difference.optional) throw new Error(`npm ci ended, but ${difference.text}.`);
  });
}

function isStamped(stamp) {
  return existsSync(stampPath) && readFileSync(stampPath, "utf8") === stamp;
}

/** What of the lock file is not in node_modules; undefined when everything for this machine is. */
function firstDifference(lock) {
  if (!existsSync(join(modules, ".package-lock.json"))) {
    return { text: "node_modules is missing or incomplete", optional: false };
  }
  let missingOptional;
  for (const [path, wanted] of wantedPackages(lock)) {
    const found = installedVersion(join(root, path));
    if (found !== undefined && (wanted.link || found === wanted.version)) continue;
    const text = `${path} is ${found ?? "missing"}, not ${wanted.version}`;
    if (!wanted.optional) return { text, optional: false };
    missingOptional ??= { text, optional: true };
  }
  return missingOptional;
}

/**
 * What npm installs on this machine: what can be reached from the root through packages that are made for it. A lock
 * file also lists what only the builds for other machines need (some are made for WebAssembly, and bring helpers).
 */
function wantedPackages({ packages }) {
  const reached = new Set();
  const waiting = [""];
  for (let from = waiting.pop(); from !== undefined; from = waiting.pop()) {
    const entry = packages[from];
    const optionalPeers = Object.entries(entry.peerDependenciesMeta ?? {})
      .filter(([, { optional }]) => optional)
      .map(([name]) => name);
    const names = Object.keys({
      ...entry.dependencies,
      ...entry.optionalDependencies,
      ...(from === "" ? entry.devDependencies : entry.peerDependencies),
    }).filter((name) => !optionalPeers.includes(name));
    for (const name of names) {
      const path = resolvedIn(packages, from, name);
      if (path === undefined || reached.has(path) || !isForThisMachine(packages[path])) continue;
      reached.add(path);
      waiting.push(path);
    }
  }
  return [...reached].map((path) => [path, packages[path]]);
}

/** Where `name` is found from the package at `from`: beside it, or in a folder further out. */
function resolvedIn(packages, from, name) {
  for (let at = from; ; at = at.slice(0, Math.max(0, at.lastIndexOf("node_modules/") - 1))) {
    const path = at === "" ? `node_modules/${name}` : `${at}/node_modules/${name}`;
    if (path in packages) return path;
    if (at === "") return undefined;
  }
}

function installedVersion(folder) {
  try {
    return JSON.parse(readFileSync(join(folder, "package.json"), "utf8")).version;
  } catch {
    return undefined;
  }
}

function isForThisMachine({ os, cpu, libc }) {
  const fits = (list, mine) => list === undefined || [list].flat().includes(mine);
  if (!fits(os, process.platform) || !fits(cpu, process.arch)) return false;
  if (libc === undefined) return true;
  return fits(libc, process.report.getReport().header.glibcVersionRuntime ? "glibc" : "musl");
}

async function install(lock) {
  const wanted = wantedPackages(lock);
  const startMs = performance.now();
  const seconds = () => `${Math.round((performance.now() - startMs) / 1000)} s`;
  const progress = () => {
    const there = wanted.filter(([path]) => existsSync(join(root, path, "package.json"))).length;
    return `  ${there} of ${wanted.length} packages, ${seconds()}`;
  };
  const live = process.stderr.isTTY;
  say(`Installing the dependencies into node_modules (npm ci, ${wanted.length} packages) …`);
  const timer = setInterval(
    () => process.stderr.write(live ? `\r${progress()} ` : `${progress()}\n`),
    live ? 500 : 5000,
  );
  // Half the packages ask for a newer Node than the one that installs them; they will run on the
  // Node 24 that is installed with them, so that warning would only frighten.
  const { code, output } = await npm(["ci", "--loglevel=error", "--no-fund", "--no-audit"]);
  clearInterval(timer);
  if (live) process.stderr.write("\r\u001b[K");
  if (code !== 0) {
    const said = output.split("\nnpm error Clean install a project")[0].trim();
    if (typeof code === "string") throw new Error(`npm ci was ended by ${code}.`);
    const advice = /E(USAGE|JSONPARSE|INTEGRITY)/.test(said)
      ? "package.json and package-lock.json have to be put right first."
      : "Check that the npm registry can be reached, then run the same command again.";
    throw new Error(`${said}\n\nnpm ci failed (exit code ${code}) after ${seconds()}. ${advice}`);
  }
  say(`  done, ${seconds()}`);
}

/** @returns the exit code and everything that npm said */
function npm(args) {
  // npm tells its scripts where it lies itself; that one is surely there, `npm` on PATH perhaps not.
  const self = process.env.npm_execpath;
  const [command, first] = self?.endsWith(".js") ? [process.execPath, [self]] : ["npm", []];
  return new Promise((done, reject) => {
    const child = spawn(command, [...first, ...args], {
      cwd: root,
      stdio: ["ignore", "pipe", "pipe"],
    });
    const stop = () => child.kill("SIGTERM");
    for (const signal of ["SIGINT", "SIGTERM"]) process.once(signal, stop);
    let output = "";
    for (const stream of [child.stdout, child.stderr]) {
      stream.setEncoding("utf8").on("data", (text) => {
        output += text;
      });
    }
    child.on("error", (error) => reject(new Error(`Cannot start npm: ${error.message}`)));
    child.on("close", (code, signal) => {
      for (const name of ["SIGINT", "SIGTERM"]) process.off(name, stop);
      done({ code: code ?? signal, output });
    });
  });
}

/** Two commands at once in a fresh clone would otherwise delete each other's node_modules. */
async function holdingTheInstallLock(work) {
  const path = join(root, ".cache", "install.lock");
  mkdirSync(dirname(path), { recursive: true });
  for (let told = false; ; ) {
    try {
      writeFileSync(path, String(process.pid), { flag: "wx" });
      break;
    } catch (error) {
      if (error.code !== "EEXIST") throw error;
    }
    const holder = Number(readFileSync(path, { encoding: "utf8", flag: "a+" }));
    if (holder > 0 && !isAlive(holder)) {
      rmSync(path, { force: true });
      continue;
    }
    if (!told) say(`Waiting for another install (process ${holder}) …`);
    told = true;
    await new Promise((done) => setTimeout(done, 300));
  }
  try {
    await work();
  } finally {
    rmSync(path, { force: true });
  }
}

function isAlive(pid) {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return error.code === "EPERM";
  }
}
