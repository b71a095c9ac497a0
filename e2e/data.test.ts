/** Versions of data as a person has them: added, changed by a byte, trained with, compared, verified, removed. */
import assert from "node:assert/strict";
import { readFileSync, statSync, writeFileSync } from "node:fs";
import { mkdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { describe, test } from "node:test";
import type { CreateDatasetReply, DatasetDetail, VerifyDatasetReply } from "../src/protocol/api.ts";
import { filesBelow } from "../src/store/test-trees.ts";
import { type Stand, sharedStand } from "./support.ts";

const MIB = 1024 * 1024;

/** A command of `contrail` with --json. */
async function contrail<T>(it: Stand, ...args: string[]): Promise<T> {
  const { code, stdout, stderr } = await it.contrail([...args, "--json"]);
  assert.equal(code, 0, `contrail ${args.join(" ")}: ${stderr}`);
  return JSON.parse(stdout) as T;
}

/** Prints what lies at its data, in Python and in TypeScript. */
const PYTHON = `
import contrail
trial = contrail.init()
for step in trial.steps():
    with open(trial.data["train"] + "/labels.csv") as file:
        print("python", len(file.read()), trial.data["depth"])
    trial.report(step, loss=1.0)
`;
const TYPESCRIPT = `
import { readFileSync } from "node:fs";
import { init } from "contrail";
const trial = await init();
for await (const step of trial.steps()) {
  console.log("typescript", readFileSync(trial.data.train + "/labels.csv", "utf8").length, trial.data.depth);
  trial.report(step, { loss: 1 });
}
`;

describe("data", () => {
  const shared = sharedStand({ slots: 2 });

  const submit = async (it: Stand, entrypoint: string, data: string): Promise<number> => {
    const folder = await it.codeFolder({ "train.py": PYTHON, "train.ts": TYPESCRIPT });
    const config = `entrypoint: ${entrypoint}
max_restarts: 0
searcher: {name: single, metric: loss, max_length: {epochs: 1}}
data: {train: ${data}, depth: 3}
`;
    return (await it.submit(config, folder)).id;
  };

  const printed = async (it: Stand, experiment: number): Promise<string> =>
    (await it.allLogs(`${experiment}.1`)).map(({ text }) => text).join("\n");

  test("a version is added, gets into training, and says afterwards who used it", async () => {
    const it = shared();
    const folder = join(it.folder, "digits");
    await mkdir(folder);
    const large = Buffer.alloc(20 * MIB);
    for (let i = 0; i < large.length; i += 4) large.writeUInt32LE((i * 2654435761) >>> 0, i);
    await writeFile(join(folder, "images.bin"), large);
    await writeFile(join(folder, "labels.csv"), "id,label\n1,cat\n2,dog\n3,cat\n");
    const one = await contrail<CreateDatasetReply>(it, "data", "add", "digits", folder);
    assert.deepEqual([one.version, one.created, one.files], [1, true, 2]);
    const again = await contrail<CreateDatasetReply>(it, "data", "add", "digits", folder);
    assert.deepEqual([again.version, again.created], [1, false]);
    const blobs = (): number =>
      filesBelow(join(it.dataDir, "blobs")).reduce((sum, path) => sum + statSync(path).size, 0);
    const before = blobs();
    large[9 * MIB] = 0xaa;
    writeFileSync(join(folder, "images.bin"), large);
    writeFileSync(join(folder, "labels.csv"), "id,label\n1,cat\n2,dog\n3,cat\n4,cat\n");
    const two = await contrail<CreateDatasetReply>(it, "data", "add", "digits", folder);
    assert.equal(two.version, 2);
    const grown = blobs() - before;
    assert.ok(grown < 9 * MIB, `${grown} bytes more for one byte that changed`);

    const python = await submit(it, "python3 train.py", "digits@1");
    const typescript = await submit(it, "node train.ts", "digits@latest");
    assert.equal((await it.ended(python)).state, "completed");
    assert.equal((await it.ended(typescript)).state, "completed");
    assert.match(await printed(it, python), /python 27 3/);
    assert.match(await printed(it, typescript), /typescript 33 3/);

    const shown = await contrail<DatasetDetail>(it, "data", "show", "digits@1");
    assert.deepEqual(
      shown.used_by.map(({ experiment, as }) => [experiment, as]),
      [[python, ["train"]]],
    );
    const [table] = shown.statistics?.tables ?? [];
    assert.deepEqual(
      [table?.path, table?.rows, table?.columns[1]?.distinct?.value],
      ["labels.csv", 3, 2],
    );
    const experiment = await it.contrail(["experiment", "show", String(typescript)]);
    assert.match(experiment.stdout, /data\s+train = digits@2/);

    const diff = await contrail<Record<string, unknown[]>>(
      it,
      "data",
      "diff",
      "digits@1",
      "digits",
    );
    assert.deepEqual(
      (diff.changed as { path: string }[]).map(({ path }) => path),
      ["images.bin", "labels.csv"],
    );
    assert.ok(
      (diff.statistics as { figure: string; from: unknown; to: unknown }[]).some(
        ({ figure, from, to }) => figure === "rows" && from === 3 && to === 4,
      ),
    );

    const target = join(it.folder, "checked out");
    await contrail(it, "data", "checkout", "digits@2", target);
    assert.ok(readFileSync(join(target, "images.bin")).equals(large));
    const verified = await contrail<VerifyDatasetReply & { intact: boolean }>(
      ...([it, "data", "verify", "digits"] as const),
    );
    assert.deepEqual([verified.intact, verified.files, verified.bytes], [true, 2, two.bytes]);

    const refused = await it.contrail(["data", "rm", "digits@1"]);
    assert.equal(refused.code, 1);
    assert.match(
      refused.stderr,
      new RegExp(`given to experiment ${python}[\\s\\S]*--force digits@1`),
    );
    await contrail(it, "data", "rm", "digits@1", "--force", "digits@1");
    const list = await contrail<{ items: { version: number }[] }>(it, "data", "list", "digits");
    assert.deepEqual(
      list.items.map(({ version }) => version),
      [2],
    );
  });

  test("by reference: training reads it in place, and a changed file stops it before it starts", async () => {
    const it = shared();
    const folder = join(it.folder, "far");
    await mkdir(folder);
    await writeFile(join(folder, "labels.csv"), "id,label\n1,cat\n");
    const added = await contrail<CreateDatasetReply>(
      ...([it, "data", "add", "far", folder, "--reference"] as const),
    );
    assert.deepEqual([added.kind, added.place], ["directory", folder]);
    const first = await submit(it, "python3 train.py", "far@1");
    assert.equal((await it.ended(first)).state, "completed");
    assert.match(await printed(it, first), /python 15 3/);

    writeFileSync(join(folder, "labels.csv"), "id,label\n1,dog\n");
    const verify = await it.contrail(["data", "verify", "far"]);
    assert.equal(verify.code, 1);
    assert.match(
      verify.stdout,
      /changed {2}labels\.csv: has SHA-256 [0-9a-f]{64} and was registered/,
    );
    const second = await submit(it, "python3 train.py", "far@1");
    assert.equal((await it.ended(second)).state, "error");
    const [trial] = await it.details(second);
    assert.match(
      JSON.stringify(trial),
      /data set train in .*far is not what was registered: .*labels\.csv.* has SHA-256 [0-9a-f]{64}/,
    );
    assert.doesNotMatch(await printed(it, second), /python/);
  });
});
