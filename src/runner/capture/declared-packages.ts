/**
 * The packages that the code asks for, and those that its lock files fix, read from the top of the snapshot. The two are
 * kept apart from each other and from what was really there: each can differ from the others, and that is worth knowing.
 */
import { createHash } from "node:crypto";
import { readdirSync } from "node:fs";
import { parse as parseToml } from "smol-toml";
import { parse as parseYaml } from "yaml";
import {
  RECORD_VALUE_CHARS_MAX,
  type RecordGap,
  type RecordPart,
  type RecordValue,
} from "../../protocol/record-part.ts";
import { pathFault } from "../../store/snapshot.ts";
import { readCodeFile } from "./code-file.ts";
import { readRequirements } from "./requirements.ts";

/** The files have more characters than were to be read. */
export class TooLongError extends Error {}

/**
 * @param folder the code as checked out
 * @param charsMax of all files together
 * @throws TooLongError, before what is too long was looked into
 */
export function declaredPackages(folder: string, charsMax = Number.POSITIVE_INFINITY): RecordPart {
  const found = new Declared(folder, charsMax);
  const names = readdirSync(folder).toSorted();
  for (const name of names) {
    const reader = readerOf(name);
    if (reader === undefined) continue;
    try {
      const text = found.read(name);
      if (text !== undefined) reader(found, text, name);
    } catch (error) {
      if (error instanceof TooLongError) throw error;
      found.fault(name, (error as Error).message.split("\n")[0] ?? "");
    }
  }
  if (names.includes("setup.py") && found.requestedCount === 0)
    found.fault("setup.py", "what it asks for is known only when it runs", "packages_requested");
  return found.part();
}

type Reader = (found: Declared, text: string, name: string) => void;
type Loose = Record<string, unknown>;

function readerOf(name: string): Reader | undefined {
  if (/^requirements[\w.-]*\.(?:txt|in)$/.test(name)) return requirements;
  return READERS[name];
}

const READERS: Readonly<Record<string, Reader>> = {
  "pyproject.toml": pyproject,
  Pipfile: (found, text, name) => {
    found.file("packages_requested", name, text);
    tableOf(found, (parseToml(text) as Loose).packages);
  },
  "environment.yml": condaEnvironment,
  "environment.yaml": condaEnvironment,
  "package.json": packageJson,
  "poetry.lock": tomlLock,
  "uv.lock": tomlLock,
  "pylock.toml": tomlLock,
  "Pipfile.lock": pipfileLock,
  "package-lock.json": packageLock,
  "npm-shrinkwrap.json": packageLock,
  "conda-lock.yml": condaLock,
  "yarn.lock": unread,
  "pnpm-lock.yaml": unread,
  "bun.lock": unread,
};

class Declared {
  readonly #folder: string;
  #charsLeft: number;
  readonly #requested: Record<string, RecordValue> = {};
  readonly #resolved: Record<string, RecordValue> = {};
  readonly #missing: RecordGap[] = [];

  constructor(folder: string, charsMax: number) {
    this.#folder = folder;
    this.#charsLeft = charsMax;
  }

  /** As `readCodeFile`. */
  read(path: string): string | undefined {
    const text = readCodeFile(this.#folder, path);
    this.#charsLeft -= text?.length ?? 0;
    if (this.#charsLeft < 0) throw new TooLongError(`${path} is too long to be read here`);
    return text;
  }

  get requestedCount(): number {
    return Object.keys(this.#requested).length;
  }

  file(section: "packages_requested" | "packages_resolved", name: string, text: string): void {
    const target = section === "packages_requested" ? this.#requested : this.#resolved;
    target[`file:${name}`] = `sha256:${createHash("sha256").update(text).digest("hex")}`;
  }

  request(key: string, wanted: string): void {
    const before = this.#requested[key];
    const text = wanted.trim() === "" ? "any version" : wanted.trim();
    this.#requested[key] =
      before === undefined || before === text ? text : cut(`${before}; ${text}`);
  }

  resolve(key: string, version: string, hashes: readonly string[], origin = ""): void {
    // One name may be there in several versions, for several platforms.
    const before = this.#resolved[key];
    const known = typeof before === "string" && before !== version;
    this.#resolved[key] = known ? cut(`${before}; ${version}`) : version;
    const all = [...new Set(hashes)].join(" ");
    if (all !== "") this.#resolved[`${key} hashes`] = cut(all);
    if (origin !== "") this.#resolved[`${key} origin`] = cut(origin);
  }

  fault(name: string, why: string, what = `packages_resolved.${name}`): void {
    this.#missing.push({ what, why: `${name}: ${why}`.slice(0, 1000) });
  }

  part(): RecordPart {
    const captured: RecordPart["captured"] = {};
    const notApplicable: RecordGap[] = [];
    for (const [section, fields, none] of [
      [
        "packages_requested",
        this.#requested,
        "the code names none: no requirements.txt, pyproject.toml, environment.yml or package.json at its top",
      ],
      ["packages_resolved", this.#resolved, "the code has no lock file at its top"],
    ] as const)
      if (Object.keys(fields).length > 0) captured[section] = fields;
      else if (!this.#missing.some(({ what }) => what.startsWith(section)))
        notApplicable.push({ what: section, why: none });
    return { captured, not_applicable: notApplicable, missing: this.#missing };
  }
}

/** Only whole words: half a hash is none. */
const cut = (text: string): string =>
  text.length <= RECORD_VALUE_CHARS_MAX
    ? text
    : text.slice(0, text.lastIndexOf(" ", RECORD_VALUE_CHARS_MAX));

export const pipName = (name: string): string =>
  `pip:${name.replace(/[-_.]+/g, "-").toLowerCase()}`;
const textOf = (value: unknown): string => (typeof value === "string" ? value : "");
const objectOf = (value: unknown): Loose =>
  typeof value === "object" && value !== null && !Array.isArray(value) ? (value as Loose) : {};
const listOf = (value: unknown): unknown[] => (Array.isArray(value) ? value : []);

function requirements(found: Declared, text: string, name: string): void {
  // Each once: files that name each other would be read until the end of days.
  const seen = new Set([name]);
  const lines = readRequirements(text, (other) => {
    if (pathFault(other) !== undefined || seen.has(other)) return undefined;
    seen.add(other);
    try {
      return found.read(other);
    } catch (error) {
      if (error instanceof TooLongError) throw error;
      found.fault(other, (error as Error).message, `packages_requested.${other}`);
      return undefined;
    }
  });
  // A file in which each line has a hash was written by a resolver.
  const locked =
    lines.length > 0 && lines.every(({ hashes, version }) => hashes.length > 0 && version);
  found.file(locked ? "packages_resolved" : "packages_requested", name, text);
  for (const line of lines)
    if (locked) found.resolve(pipName(line.name), line.version ?? "", line.hashes);
    else found.request(pipName(line.name), line.wanted);
}

function pyproject(found: Declared, text: string, name: string): void {
  const { project, tool, "dependency-groups": groups } = parseToml(text) as Loose;
  const own = objectOf(project);
  const poetry = objectOf(objectOf(tool).poetry);
  if (own.dependencies === undefined && poetry.dependencies === undefined && groups === undefined)
    return;
  found.file("packages_requested", name, text);
  const add = (list: unknown): void => {
    const lines = listOf(list).filter((item) => typeof item === "string");
    for (const line of readRequirements(lines.join("\n"), () => undefined))
      found.request(pipName(line.name), line.wanted);
  };
  add(own.dependencies);
  for (const list of Object.values(objectOf(own["optional-dependencies"]))) add(list);
  for (const list of Object.values(objectOf(groups))) add(list);
  tableOf(found, poetry.dependencies);
  for (const group of Object.values(objectOf(poetry.group)))
    tableOf(found, objectOf(group).dependencies);
  if (textOf(own["requires-python"]) !== "")
    found.request("python", textOf(own["requires-python"]));
}

/** `name = "^1"` or `name = {version = "^1", …}`, as Poetry and Pipenv write it. */
function tableOf(found: Declared, table: unknown): void {
  for (const [name, wanted] of Object.entries(objectOf(table))) {
    const more = objectOf(wanted);
    const text = textOf(wanted) || textOf(more.version) || textOf(more.git) || textOf(more.path);
    found.request(name === "python" ? "python" : pipName(name), text);
  }
}

function condaEnvironment(found: Declared, text: string, name: string): void {
  found.file("packages_requested", name, text);
  for (const item of listOf(objectOf(parseYaml(text)).dependencies)) {
    if (typeof item === "string") {
      const match = /^\s*(?:[\w./-]+::)?([\w.-]+)\s*(.*)$/s.exec(item);
      if (match) found.request(`conda:${match[1]}`, match[2] ?? "");
    } else
      for (const line of readRequirements(listOf(objectOf(item).pip).join("\n"), () => undefined))
        found.request(pipName(line.name), line.wanted);
  }
}

function packageJson(found: Declared, text: string, name: string): void {
  const json = objectOf(JSON.parse(text));
  const all = [
    "dependencies",
    "devDependencies",
    "optionalDependencies",
    "peerDependencies",
  ].flatMap((field) => Object.entries(objectOf(json[field])));
  if (all.length === 0) return;
  found.file("packages_requested", name, text);
  for (const [one, wanted] of all) found.request(`npm:${one}`, textOf(wanted));
  const node = textOf(objectOf(json.engines).node);
  if (node !== "") found.request("node", node);
}

/** poetry.lock, uv.lock, pylock.toml: tables of packages, each with its files and their hashes. */
function tomlLock(found: Declared, text: string, name: string): void {
  const document = parseToml(text) as Loose;
  found.file("packages_resolved", name, text);
  // Older poetry.lock: one table of files for all.
  const apart = objectOf(objectOf(document.metadata).files);
  for (const item of listOf(document.package ?? document.packages)) {
    const one = objectOf(item);
    const source = objectOf(one.source);
    if (source.virtual !== undefined || source.editable !== undefined) continue; // The project itself.
    const files = [
      ...[...listOf(one.files), ...listOf(one.wheels), one.sdist, one.archive],
      ...listOf(apart[textOf(one.name)]),
    ].map(objectOf);
    const hashes = files.flatMap((file) => {
      const sha256 = textOf(objectOf(file.hashes).sha256);
      return [textOf(file.hash), sha256 && `sha256:${sha256}`].filter((hash) => hash !== "");
    });
    const origin = textOf(source.git) || textOf(source.url) || textOf(objectOf(one.vcs).url);
    found.resolve(pipName(textOf(one.name)), textOf(one.version), hashes, origin);
  }
}

function pipfileLock(found: Declared, text: string, name: string): void {
  found.file("packages_resolved", name, text);
  const json = objectOf(JSON.parse(text));
  for (const [one, item] of Object.entries(objectOf(json.default))) {
    const { version, hashes, git } = objectOf(item);
    const list = listOf(hashes).filter((hash) => typeof hash === "string");
    found.resolve(pipName(one), textOf(version).replace(/^==/, ""), list, textOf(git));
  }
}

function packageLock(found: Declared, text: string, name: string): void {
  found.file("packages_resolved", name, text);
  const { packages } = objectOf(JSON.parse(text));
  if (packages === undefined)
    return found.fault(
      name,
      "it is of npm 6 or older and is not read; npm install writes a newer one",
    );
  for (const [path, item] of Object.entries(objectOf(packages))) {
    if (!path.startsWith("node_modules/")) continue;
    const { version, integrity, resolved, link } = objectOf(item);
    const key = `npm:${path.slice("node_modules/".length)}`;
    const registry = /^https:\/\/registry\.(?:npmjs\.org|yarnpkg\.com)\//.test(textOf(resolved));
    const origin = link === true ? `link to ${textOf(resolved)}` : registry ? "" : textOf(resolved);
    found.resolve(key, textOf(version), textOf(integrity).split(" ").filter(Boolean), origin);
  }
}

function condaLock(found: Declared, text: string, name: string): void {
  found.file("packages_resolved", name, text);
  for (const item of listOf(objectOf(parseYaml(text)).package)) {
    const one = objectOf(item);
    const sha256 = textOf(objectOf(one.hash).sha256);
    const key = one.manager === "pip" ? pipName(textOf(one.name)) : `conda:${textOf(one.name)}`;
    found.resolve(key, textOf(one.version), sha256 === "" ? [] : [`sha256:${sha256}`]);
  }
}

function unread(found: Declared, text: string, name: string): void {
  found.file("packages_resolved", name, text);
  found.fault(name, "its hash is recorded, its packages are not read from this format");
}
