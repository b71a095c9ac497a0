/** For tests: lists of files that nobody may unpack (row I4), and what has to be left alone beside a target. */
import { createHash } from "node:crypto";
import { lstatSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import type { TreeEntry } from "../protocol/runner-wire.ts";

export const CONTENT = "content of every file here";
export const CONTENT_HASH = createHash("sha256").update(CONTENT).digest("hex");

export const fileAt = (path: string, more: Partial<TreeEntry> = {}): TreeEntry => ({
  path,
  size: Buffer.byteLength(CONTENT),
  hash: CONTENT_HASH,
  executable: false,
  ...more,
});

/** A file in parts that are all the same. */
const partsAt = (path: string, chunks: TreeEntry["chunks"], size: number): TreeEntry =>
  fileAt(path, { size, chunks });
const part = { hash: CONTENT_HASH, size: Buffer.byteLength(CONTENT) };

/** What may be sent as data alone: elsewhere no file is in parts. */
export const HOSTILE_PARTS: Readonly<Record<string, () => TreeEntry[]>> = {
  "parts that are more than the file": () => [...files("good"), partsAt("x", [part, part], 1)],
  "parts that are less than the file": () => [
    ...files("good"),
    partsAt("x", [part], part.size * 2),
  ],
  "no parts": () => [...files("good"), partsAt("x", [], 0)],
  "an empty part": () => [...files("good"), partsAt("x", [part, { ...part, size: 0 }], part.size)],
  "a part below nothing": () => [
    ...files("good"),
    partsAt(
      "x",
      [
        { ...part, size: 2 * part.size },
        { ...part, size: -part.size },
      ],
      part.size,
    ),
  ],
  "a part whose hash is a path": () => [
    ...files("good"),
    partsAt("x", [{ ...part, hash: "../../outside/secret" }], part.size),
  ],
  "a part of no size": () => [
    ...files("good"),
    partsAt("x", [{ ...part, size: Number.NaN }], Number.NaN),
  ],
  "a million parts": () => {
    const chunks = Array.from({ length: 1_000_000 }, () => part);
    return [...files("good"), partsAt("x", chunks, part.size * chunks.length)];
  },
};

const files = (...paths: string[]): TreeEntry[] => paths.map((path) => fileAt(path));
const names = (count: number): string[] => Array.from({ length: count }, (_, i) => `f${i}`);
const deep = (depth: number): string => Array.from({ length: depth }, () => "d").join("/");

/** Each is refused as a whole: the good file in it is not written either. */
export const HOSTILE_TREES: Readonly<Record<string, () => TreeEntry[]>> = {
  "dot dot": () => files("good", "../outside/x"),
  "dot dot inside": () => files("good", "a/../../outside/x"),
  "dot dot at the end": () => files("good", "a/.."),
  absolute: () => files("good", "/tmp/contrail-escaped"),
  "backslash dot dot": () => files("good", "..\\outside\\x"),
  "drive letter with backslash": () => files("good", "C:\\x"),
  NUL: () => files("good", "x\0.py"),
  dot: () => files("good", "./x"),
  empty: () => files("good", ""),
  "empty name": () => files("good", "a//x"),
  "trailing slash": () => files("good", "a/"),
  "half a surrogate pair": () => files("good", "a\ud800"),
  "same path twice": () => files("good", "a/x", "a/x"),
  "case twins": () => files("good", "a/X", "a/x"),
  "case twins of folders": () => files("good", "A/x", "a/y"),
  "Unicode twins": () => files("good", "\u00e9", "e\u0301"),
  "a file where another needs a folder": () => files("good", "a", "a/b"),
  "a folder where another is a file": () => files("good", "a/b", "a"),
  "name too long": () => files("good", "n".repeat(256)),
  "path too long": () => files("good", Array(60).fill("n".repeat(100)).join("/")),
  "2,000 folders deep": () => files("good", deep(2000)),
  "a million folders": () => names(15_000).map((name, i) => fileAt(`${i}/${deep(80)}/${name}`)),
  "a million entries": () => names(1_000_000).map((path) => fileAt(path)),
  "a size below nothing": () => [...files("good"), fileAt("x", { size: -1 })],
  "a size that is no number": () => [...files("good"), fileAt("x", { size: Number.NaN })],
  "a hash that is a path": () => [...files("good"), fileAt("x", { hash: "../../outside/secret" })],
};

/** Paths of everything below a folder. Links are not followed, as Node's own recursion would. */
export function pathsBelow(folder: string): string[] {
  return readdirSync(folder, { withFileTypes: true }).flatMap((entry) => {
    const path = join(folder, entry.name);
    return entry.isDirectory() ? [path, ...pathsBelow(path)] : [path];
  });
}

export const filesBelow = (folder: string): string[] =>
  pathsBelow(folder).filter((path) => lstatSync(path).isFile());

/** Whatever is in a folder, with its modes: to be compared with what it was before. */
export function contentsOf(folder: string): Record<string, string> {
  const found: Record<string, string> = {};
  for (const path of pathsBelow(folder)) {
    const { mode } = lstatSync(path);
    const content = lstatSync(path).isFile() ? readFileSync(path, "utf8") : "";
    found[path] = `${mode.toString(8)} ${content}`;
  }
  return found;
}

/** A folder that stands for everything outside: a file in it, and a folder that may not be written. */
export function makeOutside(folder: string): void {
  mkdirSync(join(folder, "inner"), { recursive: true });
  writeFileSync(join(folder, "secret"), "outside-canary");
  writeFileSync(join(folder, "inner", "private"), "outside-canary", { mode: 0o400 });
}
