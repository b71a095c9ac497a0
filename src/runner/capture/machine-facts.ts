/** The machine under a run: system, processor, memory. The same for as long as the runner lives, so asked once. */
import { readFileSync } from "node:fs";
import {
  arch,
  availableParallelism,
  cpus,
  release,
  type as systemName,
  totalmem,
  version,
} from "node:os";
import type { RecordGap, RecordPart } from "../../protocol/record-part.ts";
import { ask } from "./ask.ts";

const LIMIT_MS = 5_000;

export async function machineFacts(env: Readonly<Record<string, string>>): Promise<RecordPart> {
  const missing: RecordGap[] = [];
  const put = (what: string, value: string | undefined, why: string) => {
    if (value !== undefined && value !== "") return { [what.slice(what.indexOf(".") + 1)]: value };
    missing.push({ what, why });
    return {};
  };
  const cpu = readText("/proc/cpuinfo");
  const line = (names: string): string | undefined =>
    new RegExp(`^(?:${names})\\s*:\\s*(.*)$`, "m").exec(cpu ?? "")?.[1]?.trim();
  const flags = line("flags|Features") ?? (await sysctl("machdep.cpu.features", env));
  const quota = cpuQuota();
  const memoryLimit = memoryLimitBytes();
  const microcode = line("microcode");
  return {
    captured: {
      system: {
        ...put("system.os", await osName(env), "neither /etc/os-release nor sw_vers tells it"),
        kernel: `${systemName()} ${release()}`,
        kernel_build: version(),
        architecture: arch(),
        ...put("system.libc", await libc(env), "getconf does not know it"),
      },
      cpu: {
        ...put("cpu.model", line("model name") ?? cpus()[0]?.model, "the system does not name it"),
        // In order, because the kernel's order is of no meaning.
        ...put(
          "cpu.flags",
          flags?.toLowerCase().split(/\s+/).toSorted().join(" "),
          "the system does not list them",
        ),
        ...(microcode === undefined ? {} : { microcode }),
        cores: cpus().length,
        cores_usable: availableParallelism(),
        ...(quota === undefined ? {} : { cores_quota: quota }),
      },
      memory: {
        bytes: totalmem(),
        ...(memoryLimit === undefined ? {} : { limit_bytes: memoryLimit }),
      },
    },
    not_applicable: [],
    missing,
  };
}

async function osName(env: Readonly<Record<string, string>>): Promise<string | undefined> {
  const text = readText("/etc/os-release");
  const named = /^PRETTY_NAME="?([^"\n]*)"?$/m.exec(text ?? "")?.[1];
  if (named !== undefined) return named;
  if (process.platform !== "darwin") return undefined;
  return said(
    ask({ command: ["sw_vers", "-productVersion"], env, folder: "/", limitMs: LIMIT_MS }),
  ).then((version) => version && `macOS ${version}`);
}

async function libc(env: Readonly<Record<string, string>>): Promise<string | undefined> {
  if (process.platform === "darwin") return `libSystem of ${release()}`;
  const command = ["getconf", "GNU_LIBC_VERSION"];
  return said(ask({ command, env, folder: "/", limitMs: LIMIT_MS }));
}

const sysctl = (
  name: string,
  env: Readonly<Record<string, string>>,
): Promise<string | undefined> =>
  process.platform === "darwin"
    ? said(ask({ command: ["sysctl", "-n", name], env, folder: "/", limitMs: LIMIT_MS }))
    : Promise.resolve(undefined);

const said = (answer: Promise<string>): Promise<string | undefined> =>
  answer.then(
    (text) => text.trim(),
    () => undefined,
  );

/** Cores' worth of time that the control group grants; undefined = no bound. */
function cpuQuota(): number | undefined {
  const [quota, period] = (readText("/sys/fs/cgroup/cpu.max") ?? "max").split(/\s+/);
  if (quota === undefined || quota === "max") return undefined;
  return Number(quota) / Number(period);
}

function memoryLimitBytes(): number | undefined {
  const text = readText("/sys/fs/cgroup/memory.max")?.trim();
  return text === undefined || text === "max" ? undefined : Number(text);
}

export function readText(path: string): string | undefined {
  try {
    return readFileSync(path, "utf8");
  } catch {
    return undefined;
  }
}
