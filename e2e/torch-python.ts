/** A Python with PyTorch, for tests that train with it; those are skipped by name where there is none. */
import { execFileSync } from "node:child_process";
import { existsSync } from "node:fs";
import { dirname, join } from "node:path";
import { ROOT } from "./support.ts";

export const NO_TORCH =
  "no Python with PyTorch in .cache/venv-torch and none named by CONTRAIL_TEST_PYTHON";

/** @param modules what it must be able to import besides */
export function pythonWithTorch(...modules: readonly string[]): string | undefined {
  const named = process.env.CONTRAIL_TEST_PYTHON;
  const candidates = [named, join(ROOT, ".cache", "venv-torch", "bin", "python")];
  return candidates.find((path) => {
    if (path === undefined || path === "" || (dirname(path) !== "." && !existsSync(path)))
      return false;
    try {
      const wanted = ["torch", "numpy", ...modules].join(", ");
      execFileSync(path, ["-c", `import ${wanted}`], { stdio: "ignore" });
      return true;
    } catch {
      return false;
    }
  });
}
