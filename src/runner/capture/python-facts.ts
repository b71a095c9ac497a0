/** The answer of `probe.py` as fields of a record. */
import { join } from "node:path";
import type { RecordGap, RecordPart, RecordValue } from "../../protocol/record-part.ts";
import { pipName } from "./declared-packages.ts";

interface Package {
  readonly name: string;
  readonly version: string;
  readonly sha256?: string;
  readonly origin?: string;
  readonly build?: string;
}

export interface ProbeAnswer {
  readonly interpreter: Readonly<Record<string, unknown>>;
  readonly places: readonly string[];
  readonly packages: readonly Package[];
  readonly conda?: readonly Package[];
  readonly torch?: Readonly<Record<string, string>>;
  readonly faults: readonly string[];
}

const MARK = "\x1econtrail-probe ";

/**
 * @param command an interpreter with its flags
 * @param run starts a program and gives what it prints
 * @throws Error in words
 */
export async function askPython(
  command: readonly string[],
  run: (command: readonly string[]) => Promise<string>,
): Promise<{ part: RecordPart; places: readonly string[] }> {
  return pythonFacts(readAnswer(await run([...command, join(import.meta.dirname, "probe.py")])));
}

const PREFIX_MARK = "\x1econtrail-prefix ";
const PREFIX_QUESTION = `import json, sys; print("\\n\\x1econtrail-prefix " + json.dumps({"path": sys.executable, "prefix": sys.prefix}))`;

/** Which interpreter it is, and of which environment: without its packages. @throws Error in words */
export async function askPrefix(
  command: readonly string[],
  run: (command: readonly string[]) => Promise<string>,
): Promise<{ readonly path: string; readonly prefix: string }> {
  const text = await run([...command, "-c", PREFIX_QUESTION]);
  const line = text.split("\n").findLast((one) => one.startsWith(PREFIX_MARK));
  if (line === undefined)
    throw new Error("it printed no answer; what it runs is perhaps no Python");
  return JSON.parse(line.slice(PREFIX_MARK.length));
}

/** @throws Error where there is no answer in it */
export function readAnswer(text: string): ProbeAnswer {
  const at = text.lastIndexOf(MARK);
  if (at === -1) throw new Error("it printed no answer; what it runs is perhaps no Python");
  return JSON.parse(text.slice(at + MARK.length)) as ProbeAnswer;
}

/** What numbers come out of, by the names of their distributions. */
const FRAMEWORKS = [
  ...["torch", "torchvision", "torchaudio", "lightning", "pytorch-lightning", "numpy", "scipy"],
  ...["tensorflow", "keras", "jax", "jaxlib", "flax", "scikit-learn", "xgboost", "lightgbm"],
  ...["transformers", "accelerate", "deepspeed", "triton", "pandas"],
];

export function pythonFacts(answer: ProbeAnswer): { part: RecordPart; places: readonly string[] } {
  const missing: RecordGap[] = answer.faults.map((why, i) => ({
    what: `packages_observed.fault.${i + 1}`,
    why,
  }));
  const notApplicable: RecordGap[] = [];
  const observed: Record<string, RecordValue> = {};
  const hashes: Record<string, RecordValue> = {};
  const origins: Record<string, RecordValue> = {};
  const add = (key: string, one: Package): void => {
    observed[key] = one.build ? `${one.version} ${one.build}` : one.version;
    if (one.sha256) hashes[key] = `sha256:${one.sha256}`;
    if (one.origin) origins[key] = one.origin;
  };
  for (const one of answer.packages) add(pipName(one.name), one);
  for (const one of answer.conda ?? []) add(`conda:${one.name}`, one);
  const none = Object.keys(observed).length === 0 && answer.faults.length === 0;
  if (none)
    for (const what of ["packages_observed", "package_hashes"] as const)
      notApplicable.push({ what, why: "this Python has no packages besides its own library" });
  else {
    const without = Object.keys(observed).filter((key) => hashes[key] === undefined);
    if (without.length > 0)
      missing.push({
        what: "package_hashes.unhashed",
        why: `${without.length} of ${Object.keys(observed).length} packages came without a list of hashes: ${without.slice(0, 10).join(", ")}${without.length > 10 ? ", …" : ""}`,
      });
  }
  const frameworks = frameworkFacts(answer);
  if (Object.keys(frameworks).length === 0)
    notApplicable.push({
      what: "frameworks",
      why: "none of those that are known by name is installed",
    });
  return {
    places: answer.places,
    part: {
      captured: {
        interpreter: interpreterFacts(answer.interpreter),
        packages_observed: observed,
        package_hashes: hashes,
        package_origins: origins,
        frameworks,
      },
      not_applicable: notApplicable,
      missing,
    },
  };
}

function interpreterFacts(told: ProbeAnswer["interpreter"]): Record<string, RecordValue> {
  const { flags, ...rest } = told;
  const fields: Record<string, RecordValue> = {};
  for (const [name, value] of Object.entries(rest))
    if (typeof value === "string" && value !== "") fields[name] = value;
  for (const [name, value] of Object.entries((flags ?? {}) as Record<string, unknown>))
    if (typeof value === "number") fields[`flag_${name}`] = value;
  return fields;
}

function frameworkFacts({ packages, torch }: ProbeAnswer): Record<string, RecordValue> {
  const fields: Record<string, RecordValue> = {};
  for (const { name, version } of packages) {
    if (FRAMEWORKS.includes(name)) fields[name] = version;
    const library = /^nvidia-(cudnn|cublas|cuda-runtime|nccl)(?:-cu\d+)?$/.exec(name)?.[1];
    if (library !== undefined) fields[library] = version;
  }
  for (const [name, value] of Object.entries(torch ?? {})) fields[`torch_${name}`] = value;
  return fields;
}
