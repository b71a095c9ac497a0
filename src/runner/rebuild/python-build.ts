/** A venv with exactly the packages that were recorded. */
import { createHash } from "node:crypto";
import { mkdir, writeFile } from "node:fs/promises";
import { homedir } from "node:os";
import { join } from "node:path";
import { plural } from "../../base/plural.ts";
import { askPython } from "../capture/python-facts.ts";
import { LaunchError } from "../rank-process.ts";
import { differences, type PythonPlan, packagesHere } from "./plan.ts";

/** Starts a program and gives what it prints. @throws Error in words */
export type Run = (
  command: readonly string[],
  limitMs?: number,
  folder?: string,
) => Promise<string>;

/** What a build has to do with those for whom it is made: it ends when none of them is left, and tells all who still wait. */
export interface Shared {
  readonly signal: AbortSignal;
  readonly tell: (text: string) => void;
  readonly run: Run;
}

const VENV_LIMIT_MS = 300_000;
const INSTALL_LIMIT_MS = 3_600_000;

type Base = { readonly path: string; readonly key: string } | { readonly refused: string };

/** An interpreter of exactly that version, to make a venv from. */
export async function findBase(
  plan: PythonPlan,
  variables: Readonly<Record<string, string>>,
  run: Run,
): Promise<Base> {
  const short = plan.version.split(".").slice(0, 2).join(".");
  const pyenv = variables.PYENV_ROOT ?? join(variables.HOME ?? homedir(), ".pyenv");
  const candidates = [
    ...plan.bases,
    `python${short}`,
    join(pyenv, "versions", plan.version, "bin", "python3"),
    "python3",
    "python",
  ];
  const seen = new Map<string, string>();
  for (const candidate of new Set(candidates)) {
    const found = await askPython([candidate], run).catch(() => undefined);
    const { version, platform, base_path: path } = found?.part.captured.interpreter ?? {};
    if (version === undefined) continue;
    if (version === plan.version && platform === plan.platform) {
      const base = String(path ?? candidate);
      const key = [base, plan.version, plan.platform, ...plan.requirements].join("\n");
      return {
        path: base,
        key: `python-${createHash("sha256").update(key).digest("hex").slice(0, 40)}`,
      };
    }
    seen.set(`${version} (${platform}) at ${path ?? candidate}`, candidate);
  }
  const there =
    seen.size === 0 ? "there is none at all" : `there are ${[...seen.keys()].join(", ")}`;
  return {
    refused: `Python ${plan.version} (${plan.platform}) is needed; ${there}. Install it: uv python install ${plan.version}, or pyenv install ${plan.version}`,
  };
}

interface BuildPython extends Shared {
  readonly plan: PythonPlan;
  readonly base: string;
  /** Is made, and stays at this place: a venv cannot be moved. */
  readonly folder: string;
}

export async function buildPython(options: BuildPython): Promise<void> {
  const { plan, base, folder, tell, signal, run } = options;
  const count = plural(plan.requirements.length, "package");
  tell(`building the recorded environment: Python ${plan.version} with ${count}`);
  await step(signal, "a virtual environment could not be made", () =>
    run([base, "-I", "-m", "venv", folder], VENV_LIMIT_MS),
  );
  const python = join(folder, "bin", "python");
  if (plan.requirements.length > 0) {
    await mkdir(join(folder, "contrail"), { recursive: true });
    // pip wants either a hash for each line or for none.
    const [hashed, plain] = [
      plan.requirements.filter((line) => line.includes(" --hash=")),
      plan.requirements.filter((line) => !line.includes(" --hash=")),
    ];
    for (const [name, lines] of [
      ["with hashes", hashed],
      ["without hashes", plain],
    ] as const) {
      if (lines.length === 0) continue;
      const file = join(folder, "contrail", `requirements ${name}.txt`);
      await writeFile(file, `${lines.join("\n")}\n`);
      tell(`installing ${plural(lines.length, "package")} ${name}`);
      await step(signal, "not every package is to be had", () =>
        run(
          [
            ...[python, "-I", "-m", "pip", "install", "--no-deps", "--no-input", "--quiet"],
            ...["--disable-pip-version-check", "--no-warn-script-location", "--requirement", file],
            ...plan.indexes.flatMap((index) => ["--extra-index-url", index]),
          ],
          INSTALL_LIMIT_MS,
          folder,
        ),
      );
    }
  }
  const { part } = await askPython([python], run);
  const left = differences(plan.packages, packagesHere(part, "pip:")).filter(
    (text) => !/^(?:setuptools|wheel) .* is there, too$/.test(text),
  );
  const other = left.filter((text) => text.endsWith("has other content"));
  const wrong = left.filter((text) => !text.endsWith("has other content"));
  if (wrong.length > 0)
    throw new LaunchError(
      `the recorded environment cannot be had here: after it was built, ${wrong.join(", ")}`,
    );
  tell(
    other.length === 0
      ? `the recorded environment is built: every package as it was recorded`
      : `the recorded environment is built; of the versions that were recorded, but other in their files: ${other.join(", ")}`,
  );
}

export async function step<T>(
  signal: AbortSignal,
  what: string,
  work: () => Promise<T>,
): Promise<T> {
  try {
    return await work();
  } catch (error) {
    signal.throwIfAborted();
    const said = (error as Error).message.replace(/\s*\n\s*/g, " ");
    throw new LaunchError(`the recorded environment cannot be had here: ${what}: ${said}`, {
      cause: error,
    });
  }
}
