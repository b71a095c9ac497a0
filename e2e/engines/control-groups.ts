/** Control groups, version 1, for engines that tests start. A machine that systemd started has them; a bare one may not. */
import { execFileSync } from "node:child_process";
import { existsSync, mkdirSync, readFileSync, rmdirSync } from "node:fs";
import { join } from "node:path";

export const GROUPS = "/sys/fs/cgroup";

export const hasVersion2 = (): boolean => existsSync(join(GROUPS, "cgroup.controllers"));

/** Mounts those that are missing, as root. @returns whether all that is wanted is there */
export function mountControlGroups(...wanted: readonly string[]): boolean {
  const isThere = () => wanted.every((name) => existsSync(join(GROUPS, name, "tasks")));
  if (isThere() || hasVersion2() || process.getuid?.() !== 0) return isThere();
  console.log(`mounting the control groups (version 1) on ${GROUPS}`);
  if (!readFileSync("/proc/self/mountinfo", "utf8").includes(` ${GROUPS} `))
    execFileSync("mount", ["-t", "tmpfs", "-o", "mode=0755", "cgroup", GROUPS]);
  for (const line of readFileSync("/proc/cgroups", "utf8").split("\n")) {
    const [name = "", , , enabled] = line.split("\t");
    const folder = join(GROUPS, name);
    if (name.startsWith("#") || enabled !== "1" || existsSync(join(folder, "tasks"))) continue;
    mkdirSync(folder, { recursive: true });
    try {
      execFileSync("mount", ["-t", "cgroup", "-o", name, "cgroup", folder], { stdio: "ignore" });
    } catch {
      rmdirSync(folder); // Bound to the other hierarchy.
    }
  }
  return isThere();
}
