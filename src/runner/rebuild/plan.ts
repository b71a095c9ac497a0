/**
 * From a recorded environment to what has to be built: which interpreter, which packages, and what speaks against it.
 * Everything that can be known to fail is said here, before anything is made. Pure.
 */
import type { RecordFields, RecordPart } from "../../protocol/record-part.ts";

export interface PythonPlan {
  readonly language: "python";
  readonly version: string;
  /** As the interpreter calls it: operating system, processor, binary interface. */
  readonly platform: string;
  /** Where the interpreter was that venvs are made from; the first that is there and of that version is taken. */
  readonly bases: readonly string[];
  /** Folder of the environment that is to be replaced, as commands may name it. */
  readonly prefix: string;
  /** Lines for pip, in order of name. */
  readonly requirements: readonly string[];
  /** Of packages by name: version, and the hash of their content as recorded. */
  readonly packages: ReadonlyMap<
    string,
    { readonly version: string; readonly hash: string | null }
  >;
  /** Where else than the usual index packages come from. */
  readonly indexes: readonly string[];
}

export interface NodePlan {
  readonly language: "node";
  readonly version: string;
  readonly path: string;
  readonly packages: ReadonlyMap<
    string,
    { readonly version: string; readonly hash: string | null }
  >;
}

/** It has no interpreter: there is nothing to rebuild. */
export interface NoPlan {
  readonly language: "none";
}

export type Plan = PythonPlan | NodePlan | NoPlan;
export type Planned = { readonly plan: Plan } | { readonly refused: string };

/** They build packages, and no training imports what differs in them; the venv brings its own pip. */
const OF_INSTALLERS: ReadonlySet<string> = new Set([
  "pip",
  "distribute",
  "pkg-resources",
  "pkg_resources",
]);

export function planOf(environment: RecordPart): Planned {
  const interpreter = environment.captured.interpreter ?? {};
  const language = text(interpreter.language);
  if (language === "node") return { plan: nodePlan(environment) };
  if (language === "python") return pythonPlan(environment);
  const gap = [...environment.missing, ...environment.not_applicable].find(
    ({ what }) => what === "interpreter",
  );
  if (gap !== undefined && environment.not_applicable.includes(gap))
    return { plan: { language: "none" } };
  return {
    refused: `the record does not say which interpreter ran${gap ? `: ${gap.why}` : ""}`,
  };
}

function nodePlan({ captured }: RecordPart): NodePlan {
  return {
    language: "node",
    version: text(captured.interpreter?.version),
    path: text(captured.interpreter?.path),
    packages: packagesOf("npm:", captured),
  };
}

function pythonPlan({ captured, missing }: RecordPart): Planned {
  const {
    interpreter = {},
    packages_observed: observed = {},
    package_origins: origins = {},
  } = captured;
  const gap = missing.find(({ what }) => what === "packages_observed");
  if (gap) return { refused: `its packages were not recorded: ${gap.why}` };
  const conda = Object.keys(observed).filter((key) => key.startsWith("conda:"));
  if (conda.length > 0)
    return {
      refused: `it was a conda environment of ${conda.length} packages, and those are not rebuilt. Make it again (conda env create) at ${text(interpreter.prefix)}, or start the server inside one like it`,
    };
  const requirements: string[] = [];
  const local: string[] = [];
  const packages = packagesOf("pip:", captured);
  for (const [name, { version }] of packages) {
    const line = requirementOf(
      name,
      version,
      text(origins[`pip:${name}`]),
      captured.packages_resolved,
    );
    if (line === null) local.push(`${name} ${version} (${text(origins[`pip:${name}`])})`);
    else requirements.push(line);
  }
  if (local.length > 0)
    return {
      refused: `${local.length === 1 ? "a package was" : "packages were"} installed from a folder or file of one's own, whose content is not in the record: ${local.join(", ")}. Put that code into the experiment's folder, or publish it`,
    };
  return {
    plan: {
      language: "python",
      version: text(interpreter.version),
      platform: text(interpreter.platform),
      bases: [text(interpreter.base_path), text(interpreter.real_path)].filter(
        (path) => path !== "",
      ),
      prefix: text(interpreter.prefix),
      requirements,
      packages,
      indexes: indexesFor(packages),
    },
  };
}

function packagesOf(
  kind: string,
  { packages_observed: observed = {}, package_hashes: hashes = {} }: RecordPart["captured"],
): PythonPlan["packages"] {
  const found = Object.entries(observed)
    .filter(([key]) => key.startsWith(kind) && !OF_INSTALLERS.has(key.slice(kind.length)))
    .toSorted(([a], [b]) => (a < b ? -1 : 1));
  return new Map(
    found.map(([key, version]) => [
      key.slice(kind.length),
      { version: text(version), hash: hashes[key] === undefined ? null : text(hashes[key]) },
    ]),
  );
}

/** @returns null where it cannot be had again */
function requirementOf(
  name: string,
  version: string,
  origin: string,
  resolved: RecordFields = {},
): string | null {
  const [address = "", ...more] = origin.split(" ");
  if (origin === "") {
    const locked = resolved[`pip:${name}`] === version ? text(resolved[`pip:${name} hashes`]) : "";
    const hashes = locked.split(" ").filter((hash) => /^sha256:[0-9a-f]{64}$/.test(hash));
    return [`${name}===${version}`, ...hashes.map((hash) => `--hash=${hash}`)].join(" ");
  }
  if (address.startsWith("file:") || more.includes("editable")) return null;
  const [vcs, commit] = more;
  if (vcs === "git" && /^[0-9a-f]{40}$/.test(commit ?? ""))
    return `${name} @ git+${address}@${commit}`;
  const sha256 = more.find((word) => word.startsWith("sha256:"))?.slice("sha256:".length);
  return `${name} @ ${address}${sha256 === undefined ? "" : `#sha256=${sha256}`}`;
}

/** Builds of torch for a device lie on an index of their own, named by what stands behind the plus in their version. */
function indexesFor(packages: PythonPlan["packages"]): string[] {
  const label = /\+(cpu|cu\d+|rocm[\d.]+|xpu)$/.exec(packages.get("torch")?.version ?? "")?.[1];
  return label === undefined ? [] : [`https://download.pytorch.org/whl/${label}`];
}

/**
 * Where what is here differs from what is wanted, in words; empty = it is the same.
 * @param here packages that an interpreter would import now
 */
export function differences(
  wanted: PythonPlan["packages"],
  here: PythonPlan["packages"],
): string[] {
  const found: string[] = [];
  for (const [name, { version, hash }] of wanted) {
    const one = here.get(name);
    if (one === undefined) found.push(`${name} ${version} is not there`);
    else if (one.version !== version)
      found.push(`${name} is ${one.version} in place of ${version}`);
    else if (hash !== null && one.hash !== null && one.hash !== hash)
      found.push(`${name} ${version} has other content`);
  }
  for (const [name, { version }] of here)
    if (!wanted.has(name)) found.push(`${name} ${version} is there, too`);
  return found;
}

/** The packages of an environment as it was captured just now. */
export const packagesHere = (part: RecordPart, kind: "pip:" | "npm:"): PythonPlan["packages"] =>
  packagesOf(kind, part.captured);

const text = (value: unknown): string => (value === undefined ? "" : String(value));
