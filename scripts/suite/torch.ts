/**
 * A Python with PyTorch in `.cache/venv-torch`, made once from the example's requirements. PyTorch is
 * some 200 MB and not for every platform, so where it cannot be had its tests are skipped by name
 * instead of failing: nothing else of Contrail needs it.
 */
import { createHash } from "node:crypto";
import { existsSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { repositoryRoot } from "../repository-files.ts";
import { runProgram } from "./child.ts";

const REQUIREMENTS = "examples/digits-pytorch/requirements.txt";
const INSTALL_TIMEOUT_MS = 15 * 60_000;

export type TorchPython =
  | { readonly python: string }
  /** Why there is none, in one line. */
  | { readonly missing: string };

export async function torchPython(): Promise<TorchPython> {
  const folder = join(repositoryRoot, ".cache", "venv-torch");
  const python = join(folder, "bin", "python");
  const stampPath = join(folder, "contrail-stamp");
  const version = await pythonVersion();
  if (version === undefined) return { missing: "python3 is not installed" };
  const stamp = createHash("sha256")
    .update(version)
    .update(readFileSync(join(repositoryRoot, REQUIREMENTS)))
    .digest("hex");
  // Written last, so an install that was cut short is begun again.
  const isReady = existsSync(stampPath) && readFileSync(stampPath, "utf8") === stamp;
  if (isReady && existsSync(python)) return { python };
  console.log("  installing PyTorch into .cache/venv-torch (once; some 200 MB) …");
  const made = await run("python3", ["-m", "venv", "--clear", folder]);
  if (made !== undefined) return { missing: `python3 -m venv failed: ${made}` };
  const quiet = ["--quiet", "--disable-pip-version-check", "--no-input"];
  const patience = ["--retries", "1", "--timeout", "30", "--only-binary", ":all:"];
  const install = ["-m", "pip", "install", ...quiet, ...patience, "-r", REQUIREMENTS];
  const installed = await run(python, install);
  if (installed !== undefined) return { missing: `pip install -r ${REQUIREMENTS}: ${installed}` };
  writeFileSync(stampPath, stamp);
  return { python };
}

/** @returns `3.11.7`, or undefined without a python3 on PATH */
export async function pythonVersion(): Promise<string | undefined> {
  const args = ["-c", "import platform; print(platform.python_version())"];
  const { status, output } = await runProgram({ command: "python3", args, timeoutMs: 30_000 });
  return status === 0 ? output.trim() : undefined;
}

/** @returns the last line of the trouble, or undefined when all went well */
async function run(command: string, args: readonly string[]): Promise<string | undefined> {
  // pip's cache and settings are the user's own.
  const env = { HOME: process.env.HOME };
  const ended = await runProgram({ command, args, env, timeoutMs: INSTALL_TIMEOUT_MS });
  if (ended.status === 0) return undefined;
  const lines = ended.output.trim().split("\n");
  const said = lines.findLast((line) => /^ERROR/.test(line)) ?? lines.at(-1);
  return said || `ended with ${ended.status}`;
}
