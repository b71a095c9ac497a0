/**
 * Pythons with packages that some tests need, each in a folder of `.cache`, made once from a list of requirements. They are
 * large and not for every platform, so where one cannot be had its tests are skipped by name instead of failing:
 * nothing of Contrail itself needs them.
 */
import { createHash } from "node:crypto";
import { existsSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { repositoryRoot } from "../repository-files.ts";
import { runProgram } from "./child.ts";

interface Venv {
  /** Below `.cache`. */
  readonly folder: string;
  readonly requirements: readonly string[];
  /** What is installed, for whoever waits. */
  readonly words: string;
}

const TORCH: Venv = {
  folder: "venv-torch",
  requirements: ["examples/digits-pytorch/requirements.txt", "python/torch_tests/requirements.txt"],
  words: "PyTorch into .cache/venv-torch (once; some 200 MB)",
};
/** What people read exported points with. */
const ARROW: Venv = {
  folder: "venv-arrow",
  requirements: ["e2e/programs/arrow-requirements.txt"],
  words: "pandas and pyarrow into .cache/venv-arrow (once; some 70 MB)",
};
/** A server that speaks S3. */
const MOTO: Venv = {
  folder: "venv-moto",
  requirements: ["e2e/programs/moto-requirements.txt"],
  words: "moto into .cache/venv-moto (once; some 150 MB)",
};

/** What notebooks run. */
const JUPYTER: Venv = {
  folder: "venv-jupyter",
  requirements: ["e2e/programs/jupyter-requirements.txt"],
  words: "JupyterLab into .cache/venv-jupyter (once; some 250 MB)",
};

const INSTALL_TIMEOUT_MS = 15 * 60_000;

export type VenvPython =
  | { readonly python: string }
  /** Why there is none, in one line. */
  | { readonly missing: string };

export const torchPython = (): Promise<VenvPython> => venvPython(TORCH);
export const arrowPython = (): Promise<VenvPython> => venvPython(ARROW);
export const motoPython = (): Promise<VenvPython> => venvPython(MOTO);
export const jupyterPython = (): Promise<VenvPython> => venvPython(JUPYTER);

async function venvPython({ folder: name, requirements, words }: Venv): Promise<VenvPython> {
  const folder = join(repositoryRoot, ".cache", name);
  const python = join(folder, "bin", "python");
  const stampPath = join(folder, "contrail-stamp");
  const version = await pythonVersion();
  if (version === undefined) return { missing: "python3 is not installed" };
  const hash = createHash("sha256").update(version);
  for (const path of requirements) hash.update(readFileSync(join(repositoryRoot, path)));
  const stamp = hash.digest("hex");
  // Written last, so an install that was cut short is begun again.
  const isReady = existsSync(stampPath) && readFileSync(stampPath, "utf8") === stamp;
  if (isReady && existsSync(python)) return { python };
  console.log(`  installing ${words} …`);
  const made = await run("python3", ["-m", "venv", "--clear", folder]);
  if (made !== undefined) return { missing: `python3 -m venv failed: ${made}` };
  const quiet = ["--quiet", "--disable-pip-version-check", "--no-input"];
  const patience = ["--retries", "1", "--timeout", "30", "--only-binary", ":all:"];
  const files = requirements.flatMap((path) => ["-r", path]);
  const install = ["-m", "pip", "install", ...quiet, ...patience, ...files];
  const installed = await run(python, install);
  if (installed !== undefined) return { missing: `pip install ${files.join(" ")}: ${installed}` };
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
