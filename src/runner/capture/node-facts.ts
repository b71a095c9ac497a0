/** A Node program's interpreter and packages as fields of a record. */
import type { RecordGap, RecordPart, RecordValue } from "../../protocol/record-part.ts";
import type { Program } from "./entrypoint.ts";
import { type NodeWalk, nodePackages } from "./node-packages.ts";

const QUESTION =
  "JSON.stringify({ path: process.execPath, version: process.version, versions: process.versions, platform: process.platform, arch: process.arch })";

interface Answer {
  readonly path: string;
  readonly version: string;
  readonly versions: Readonly<Record<string, string>>;
  readonly platform: string;
  readonly arch: string;
}

export async function nodeFacts(
  program: Program,
  ask: (command: readonly string[]) => Promise<string>,
  walk: NodeWalk,
): Promise<{ part: RecordPart; places: readonly string[] }> {
  const answer = JSON.parse(await ask([...program.command, "-p", QUESTION])) as Answer;
  const { observed, hashes, origins, places, faults } = await nodePackages(program.folder, walk);
  const interpreter: Record<string, RecordValue> = {
    language: "node",
    implementation: "Node.js",
    path: answer.path,
    version: answer.version.replace(/^v/, ""),
    build: `v8 ${answer.versions.v8} openssl ${answer.versions.openssl} modules ${answer.versions.modules}`,
    platform: `${answer.platform} ${answer.arch}`,
  };
  const missing: RecordGap[] = faults.map((why, i) => ({
    what: `packages_observed.fault.${i + 1}`,
    why,
  }));
  const notApplicable: RecordGap[] = [
    { what: "frameworks", why: "none is known by name for Node programs" },
  ];
  if (!walk.sees(program.folder))
    for (const what of ["packages_observed", "package_hashes"])
      missing.push({
        what,
        why: `they lie in ${program.folder} of the image, which is not looked into`,
      });
  else if (Object.keys(observed).length === 0)
    notApplicable.push({ what: "packages_observed", why: "there is no node_modules folder" });
  if (walk.sees(program.folder) && Object.keys(hashes).length === 0)
    if (Object.keys(observed).every((key) => origins[key] !== undefined))
      notApplicable.push({
        what: "package_hashes",
        why: "no package was installed from a registry",
      });
    else
      missing.push({
        what: "package_hashes",
        why: "node_modules/.package-lock.json, where npm writes the hashes down, is not there",
      });
  return {
    places: [answer.path, ...places],
    part: {
      captured: {
        interpreter,
        packages_observed: observed,
        package_hashes: hashes,
        package_origins: origins,
      },
      not_applicable: notApplicable,
      missing,
    },
  };
}
