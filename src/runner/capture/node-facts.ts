/** A Node program's interpreter and packages as fields of a record. */
import type { RecordGap, RecordPart, RecordValue } from "../../protocol/record-part.ts";
import type { Program } from "./entrypoint.ts";
import { type NodePackages, type NodeWalk, nodePackages } from "./node-packages.ts";

/** With the folders in which it looks for packages, of which only it can tell whether an image has them. */
const QUESTION =
  "JSON.stringify({ path: process.execPath, version: process.version, versions: process.versions, platform: process.platform, arch: process.arch, folders: [...require('module')._nodeModulePaths(process.cwd()), ...(process.env.NODE_PATH || '').split(':')].filter((one) => one !== '' && require('fs').existsSync(one)) })";

interface Answer {
  readonly path: string;
  readonly version: string;
  readonly versions: Readonly<Record<string, string>>;
  readonly platform: string;
  readonly arch: string;
  readonly folders: readonly string[];
}

export async function nodeFacts(
  program: Program,
  ask: (command: readonly string[]) => Promise<string>,
  walk: NodeWalk,
): Promise<{ part: RecordPart; places: readonly string[] }> {
  const answer = JSON.parse(await ask([...program.command, "-p", QUESTION])) as Answer;
  const found = await nodePackages(program.folder, walk);
  const interpreter: Record<string, RecordValue> = {
    language: "node",
    implementation: "Node.js",
    path: answer.path,
    version: answer.version.replace(/^v/, ""),
    build: `v8 ${answer.versions.v8} openssl ${answer.versions.openssl} modules ${answer.versions.modules}`,
    platform: `${answer.platform} ${answer.arch}`,
  };
  const gaps = gapsOf(
    found,
    walk.sees(program.folder) ? answer.folders.filter((one) => !walk.sees(one)) : [program.folder],
  );
  return {
    places: [answer.path, ...found.places],
    part: {
      captured: {
        interpreter,
        packages_observed: found.observed,
        package_hashes: found.hashes,
        package_origins: found.origins,
      },
      ...gaps,
    },
  };
}

/** @param unseen folders of the image in which it may find packages */
function gapsOf(
  { observed, hashes, origins, faults }: NodePackages,
  unseen: readonly string[],
): Pick<RecordPart, "missing" | "not_applicable"> {
  const missing: RecordGap[] = faults.map((why, i) => ({
    what: `packages_observed.fault.${i + 1}`,
    why,
  }));
  if (unseen.length > 0)
    missing.push({
      what: "packages_observed.image",
      why: `what lies in ${unseen.join(", ")} of the image is not looked into`,
    });
  const notApplicable: RecordGap[] = [
    { what: "frameworks", why: "none is known by name for Node programs" },
  ];
  const names = Object.keys(observed);
  // What does not apply covers every gap: so it does only where all was looked into.
  const untold = missing.map(({ why }) => why).join("; ");
  if (names.length === 0)
    if (untold !== "")
      missing.splice(0, missing.length, { what: "packages_observed", why: untold });
    else notApplicable.push({ what: "packages_observed", why: "there is no node_modules folder" });
  if (Object.keys(hashes).length > 0) return { missing, not_applicable: notApplicable };
  if (names.some((key) => origins[key] === undefined))
    missing.push({
      what: "package_hashes",
      why: "node_modules/.package-lock.json, where npm writes the hashes down, is not there",
    });
  else if (untold !== "") missing.push({ what: "package_hashes", why: untold });
  else
    notApplicable.push({
      what: "package_hashes",
      why: "no package was installed from a registry",
    });
  return { missing, not_applicable: notApplicable };
}
