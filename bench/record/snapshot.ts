/** Reading a folder of ten thousand files: the first time, again unchanged, and with one file changed. */
import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { scanFolder } from "../../src/store/snapshot.ts";
import { type Bench, figure, type Measure } from "../bench.ts";
import { type Figure, quartiles } from "../figure.ts";

const FILES = 10_000;
const FILES_A_FOLDER = 100;
const FILE_BYTES = 4_000;
const CHANGED_AIM_MS = 1_000;

export const snapshot: Measure = {
  name: "snapshot",
  title: "reading the folder that is submitted",
  run: snapshotCost,
};

async function snapshotCost(bench: Bench): Promise<Figure[]> {
  const root = join(bench.folder("snapshot"), "code");
  writeFiles(root);
  const rounds = bench.quick ? 3 : 7;
  const took = { cold: [] as number[], same: [] as number[], changed: [] as number[] };
  for (let round = 0; round < rounds; round++) {
    const cache = bench.folder("memory");
    const first = await scanned(bench, root, cache);
    took.cold.push(first.ms);
    took.same.push((await scanned(bench, root, cache)).ms);
    writeFileSync(join(root, "f42", "7.py"), `changed ${round}\n`);
    const last = await scanned(bench, root, cache);
    took.changed.push(last.ms);
    if (last.hash === first.hash) throw new Error("the changed file was not noticed");
  }
  const row = (what: string, values: readonly number[], more: Partial<Figure> = {}): Figure =>
    figure({ measure: "snapshot", what, unit: "ms", value: quartiles(values), ...more });
  const files = `${FILES.toLocaleString("en-US")} files`;
  return [
    row(`snapshot of ${files}, never seen`, took.cold),
    row(`snapshot of ${files}, unchanged`, took.same),
    row(`snapshot of ${files}, one changed`, took.changed, {
      aim: "< 1 s",
      met: quartiles(took.changed).high < CHANGED_AIM_MS,
    }),
  ];
}

/** Each with content of its own. */
function writeFiles(root: string): void {
  for (let i = 0; i < FILES; i++) {
    const folder = join(root, `f${Math.floor(i / FILES_A_FOLDER)}`);
    if (i % FILES_A_FOLDER === 0) mkdirSync(folder, { recursive: true });
    const path = join(folder, `${i % FILES_A_FOLDER}.py`);
    writeFileSync(path, `# file ${i}\n`.padEnd(FILE_BYTES, "x"));
  }
}

/** The clock of the memory is an hour ahead, so that these files count as old, as a person's do. */
async function scanned(
  { clock }: Bench,
  root: string,
  folder: string,
): Promise<{ ms: number; hash: string }> {
  const startMs = clock.monotonicMs();
  const nowMs = () => clock.nowMs() + 3_600_000;
  const result = await scanFolder(root, { cache: { folder, nowMs } });
  const ms = clock.monotonicMs() - startMs;
  if (!result.ok) throw new Error(JSON.stringify(result.issues));
  return { ms, hash: result.folder.hash };
}
