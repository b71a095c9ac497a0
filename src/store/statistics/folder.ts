/** What can be said of a dataset's files without opening them: sizes by extension, and classes that are folders. */
import type { DatasetStatistics } from "../../protocol/api/dataset-statistics.ts";

const GROUPS_MAX = 1000;

interface Sized {
  readonly path: string;
  readonly size: number;
}

export const folderStatistics = (
  files: readonly Sized[],
): Pick<DatasetStatistics, "extensions" | "classes"> => ({
  extensions: grouped(files, ({ path }) => extensionOf(path)),
  classes: classesOf(files),
});

/** With its dot, in small letters; "" where there is none. */
export function extensionOf(path: string): string {
  const name = path.slice(path.lastIndexOf("/") + 1);
  const [extension = ""] = /(?<=.)(?:\.tar)?\.[a-z0-9]{1,16}$/i.exec(name) ?? [];
  return extension.toLowerCase();
}

/** Every file in a folder of the last level, two such folders at least: `train/cat/1.png` is of class `train/cat`. */
function classesOf(files: readonly Sized[]): DatasetStatistics["classes"] {
  if (files.some(({ path }) => !path.includes("/"))) return [];
  const groups = grouped(files, ({ path }) => path.slice(0, path.lastIndexOf("/")));
  return groups.length < 2 ? [] : groups.sort((a, b) => (a.name < b.name ? -1 : 1));
}

function grouped(
  files: readonly Sized[],
  nameOf: (file: Sized) => string,
): DatasetStatistics["extensions"] {
  const groups = new Map<string, { files: number; bytes: number }>();
  for (const file of files) {
    const name = nameOf(file);
    const group = groups.get(name) ?? { files: 0, bytes: 0 };
    group.files += 1;
    group.bytes += file.size;
    groups.set(name, group);
  }
  return [...groups]
    .map(([name, group]) => ({ name, ...group }))
    .sort((a, b) => b.files - a.files || (a.name < b.name ? -1 : 1))
    .slice(0, GROUPS_MAX);
}
