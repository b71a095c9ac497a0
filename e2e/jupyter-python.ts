/** A Python with JupyterLab, for tests of notebooks; those are skipped by name where there is none. */
import { existsSync } from "node:fs";
import { join } from "node:path";
import { ROOT } from "./support.ts";

export const NO_JUPYTER =
  "no Python with JupyterLab in .cache/venv-jupyter and none named by CONTRAIL_TEST_JUPYTER_PYTHON";

export const jupyterPython: string | undefined = [
  process.env.CONTRAIL_TEST_JUPYTER_PYTHON,
  join(ROOT, ".cache", "venv-jupyter", "bin", "python"),
].find((path) => path !== undefined && path !== "" && existsSync(path));
