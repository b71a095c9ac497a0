/**
 * Everything that leaves the house, by way of the command line and read by strangers: points by pyarrow and pandas, a
 * bundle by a program that knows nothing of us, and by another server.
 */
import assert from "node:assert/strict";
import { execFile, execFileSync } from "node:child_process";
import { existsSync, readdirSync, readFileSync } from "node:fs";
import { cp, readFile, rm, writeFile } from "node:fs/promises";
import { join, relative } from "node:path";
import { describe, test } from "node:test";
import { promisify } from "node:util";
import type { Point } from "../src/sdk/points.ts";
import { curveSearch, ROOT, type Stand, sharedStand, stand } from "./support.ts";

const run = promisify(execFile);
const READER = join(ROOT, "e2e", "programs", "read_points.py");
const VERIFY = join(ROOT, "scripts", "verify-bundle.py");

const arrow = [
  process.env.CONTRAIL_TEST_ARROW_PYTHON ?? "",
  join(ROOT, ".cache", "venv-arrow", "bin", "python"),
].find((path) => {
  if (path === "" || !existsSync(path)) return false;
  try {
    execFileSync(path, ["-c", "import pyarrow, pandas"], { stdio: "ignore" });
    return true;
  } catch {
    return false;
  }
});
const NO_ARROW =
  "no Python with pyarrow and pandas in .cache/venv-arrow and none named by CONTRAIL_TEST_ARROW_PYTHON";

/** A search that is over, with data, output and checkpoints. */
async function searched(it: Stand): Promise<number> {
  await it.contrail(["data", "add", "digits", await it.codeFolder({ "a/one.csv": "1,2\n3,4\n" })]);
  const code = await it.codeFolder({ "notes.md": "# why\n" }, ["curve.ts"]);
  const searcher = {
    name: "asha",
    max_length: { epochs: 4 },
    max_trials: 3,
    divisor: 2,
    num_rungs: 2,
  };
  const { id } = await it.submit(
    curveSearch(searcher, {
      data: { train: "digits@1" },
      checkpoint_storage: { save_trial_latest: 3 },
    }),
    code,
  );
  const experiment = await it.ended(id);
  assert.equal(experiment.state, "completed", experiment.reason);
  return id;
}

const ok = async (it: Stand, ...args: string[]): Promise<string> => {
  const { code, stdout, stderr } = await it.contrail(args);
  assert.equal(code, 0, `${args.join(" ")}: ${stderr}`);
  return stdout;
};

async function verified(bundle: string): Promise<{ code: number; out: string }> {
  try {
    return { code: 0, out: (await run("python3", [VERIFY, bundle])).stdout };
  } catch (error) {
    const { code, stdout } = error as { code: number; stdout: string };
    return { code, out: stdout };
  }
}

const filesIn = (folder: string): string[] =>
  readdirSync(folder, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map((entry) => relative(folder, join(entry.parentPath, entry.name)))
    .sort();

describe("export", () => {
  const shared = sharedStand({ slots: 2 });
  let id = 0;
  const experiment = async (): Promise<number> => {
    if (id === 0) id = await searched(shared());
    return id;
  };

  test("points as pyarrow and pandas read them", {
    skip: arrow === undefined ? NO_ARROW : false,
  }, async () => {
    const it = shared();
    const of = String(await experiment());
    const wanted: object[] = [];
    for await (const some of it.client.points({ ids: of, superseded: true }))
      wanted.push(...some.map((point: Point) => ({ ...point, value: point.value })));
    assert.ok(wanted.length > 10);
    for (const how of ["parquet", "arrow", "query"]) {
      const file = join(it.folder, `points.${how}`);
      if (how !== "query") await ok(it, "metrics", "export", of, "-o", file, "--superseded");
      const env = {
        ...process.env,
        PYTHONPATH: join(ROOT, "python"),
        ...{ CONTRAIL_SERVER: it.server.url, CONTRAIL_TOKEN: it.token },
      };
      const { stdout } = await run(arrow ?? "", [READER, how, how === "query" ? of : file], {
        env,
      });
      const { rows, types } = JSON.parse(stdout);
      assert.deepEqual(
        rows.map((row: { value: string }) => ({ ...row, value: Number(row.value) })),
        wanted,
        how,
      );
      if (how === "query") continue;
      assert.equal(types.value, "double");
      assert.equal(types.time, "timestamp[ms, tz=UTC]");
      assert.equal(types.seq, "int64");
    }
  });

  test("a bundle verifies, and of every byte that is changed the file is named", async () => {
    const it = shared();
    const of = await experiment();
    const bundle = join(it.folder, "bundle");
    const options = ["--with-data", "--with-checkpoints"];
    const told = JSON.parse(await ok(it, "export", `${of}.1`, bundle, ...options, "--json"));
    const whole = await verified(bundle);
    assert.equal(whole.code, 0, whole.out);
    assert.match(whole.out, /^1 trial, \d+ runs?, \d+ points?\n\d+ links/);
    await run("sha256sum", ["--check", "--quiet", "SHA256SUMS"], { cwd: bundle });
    const files = filesIn(bundle);
    for (const wanted of [
      "code/curve.ts",
      "code/notes.md",
      "data/train/a/one.csv",
      "metrics.parquet",
    ])
      assert.ok(files.includes(wanted), `${wanted} in ${files}`);
    assert.ok(files.some((path) => path.startsWith("checkpoints/")));
    assert.equal(readFileSync(join(bundle, "data/train/a/one.csv"), "utf8"), "1,2\n3,4\n");
    assert.equal(told.counts.trial, 1);
    for (const path of files) {
      const full = join(bundle, path);
      const bytes = await readFile(full);
      for (const at of new Set([0, Math.floor(bytes.length / 2), bytes.length - 1])) {
        if (bytes.length === 0) continue;
        const changed = Buffer.from(bytes);
        changed[at] = (changed[at] as number) ^ 1;
        await writeFile(full, changed);
        const { code, out } = await verified(bundle);
        assert.equal(code, 1, `${path} byte ${at}: ${out}`);
        const named = out.split("\n").filter((line) => line.startsWith("FAULT "));
        assert.ok(
          named.every((line) => line.startsWith(`FAULT ${path}: `)),
          `${path}: ${out}`,
        );
      }
      await writeFile(full, bytes);
    }
    const stranger = join(bundle, "code", "stranger");
    await writeFile(stranger, "");
    assert.match((await verified(bundle)).out, /FAULT code\/stranger: is in no list/);
    await rm(stranger);
    const taken = await readFile(join(bundle, "code/notes.md"));
    await rm(join(bundle, "code/notes.md"));
    assert.match((await verified(bundle)).out, /FAULT code\/notes\.md: is missing/);
    const { code, stderr } = await it.contrail(["import", bundle]);
    assert.equal(code, 1);
    assert.match(stderr, /code\/notes\.md is missing.*Nothing was imported/);
    await writeFile(join(bundle, "code/notes.md"), taken);
    assert.equal((await verified(bundle)).code, 0);
  });

  test("a bundle becomes an experiment of another server, is found there by a bare model file, forked and replayed", async () => {
    const it = shared();
    const of = await experiment();
    const judged = JSON.parse(await ok(it, "replay", `${of}.1`, "--json"));
    assert.equal(judged.verdict.state, "identical");
    const bundle = join(it.folder, "whole");
    const all = ["--with-checkpoints", "all", "--with-data", "--json"];
    const told = JSON.parse(await ok(it, "export", String(of), bundle, ...all));
    await using other = await stand({ slots: 1 });
    await cp(bundle, join(other.folder, "bundle"), { recursive: true });
    const first = JSON.parse(await ok(other, "import", "bundle", "--json"));
    const id = first.experiment.id as number;
    assert.equal(first.created, true);
    const read = { as: "train", origin: "digits@1", dataset: "digits.imported@1", created: true };
    assert.deepEqual(first.data, [read]);
    const second = JSON.parse(await ok(other, "import", "bundle", "--json"));
    assert.deepEqual([second.created, second.experiment.id], [false, id]);
    const detail = await other.client.experiment(id);
    assert.equal(detail.ancestry?.kind, "import");
    assert.equal(detail.ancestry?.label, `experiment ${of} of ${it.server.url}`);
    assert.equal((await other.client.trial(`${id}.1`)).verdict?.state, "identical");
    const again = join(other.folder, "again");
    const back = JSON.parse(await ok(other, "export", String(id), again, ...all));
    const { audit: _mine, ...counts } = told.counts;
    const { audit: _theirs, ...theirCounts } = back.counts;
    assert.deepEqual(theirCounts, counts);
    for (const part of ["log", "decisions", "search", "reports", "trials"]) {
      const file = `${part}.jsonl`;
      const [mine, theirs] = [again, bundle].map((folder) =>
        readFileSync(join(folder, file), "utf8"),
      );
      assert.equal(mine, theirs, file);
    }
    const checked = await verified(again);
    assert.equal(checked.code, 0, checked.out);
    // Where it was trained is told by the log that was kept there, which comes along however far it goes.
    assert.ok(checked.out.includes(`imported from experiment ${of} of ${it.server.url}:`));
    const same = (a: string, b: string) => assert.deepEqual(readFileSync(a), readFileSync(b), b);
    const kept = ["audit.jsonl", "experiment.json", "manifest.json"];
    for (const file of kept) same(join(again, "origin", file), join(bundle, file));
    const third = JSON.parse(await ok(other, "import", again, "--json"));
    assert.equal(third.created, true, "the same trials with another log are another record");
    const onwards = join(other.folder, "onwards");
    await ok(other, "export", String(third.experiment.id), onwards, "--json");
    for (const file of kept) {
      same(join(onwards, "origin", file), join(again, file));
      same(join(onwards, "origin", "origin", file), join(bundle, file));
    }
    assert.equal((await verified(onwards)).code, 0);
    const forged = join(onwards, "origin", "origin", "audit.jsonl");
    await writeFile(forged, readFileSync(forged, "utf8").replace("completed", "canceled"));
    assert.match((await verified(onwards)).out, /^FAULT origin\/origin\/audit\.jsonl: was changed/);
    const author = (await it.client.experiment(of)).owner;
    const model = filesIn(bundle).find((path) => path.startsWith("checkpoints/")) ?? "";
    for (const [server, number, dataset] of [
      [it, of, "digits@1"],
      [other, id, "digits.imported@1"],
    ] as const) {
      const found = JSON.parse(await ok(server, "whence", join(bundle, model), "--json"));
      assert.equal(found.checkpoints[0].experiment.id, number);
      assert.equal(found.checkpoints[0].experiment.data.train.dataset, dataset);
      assert.equal(found.checkpoints[0].experiment.author, author);
    }
    const repeated = JSON.parse(await ok(other, "replay", `${id}.2`, "--json"));
    assert.equal(repeated.verdict.state, "identical", repeated.verdict.text);
    const forked = JSON.parse(
      await ok(other, "fork", `${id}.1`, "--set", "hyperparameters.delay_ms=1", "--json"),
    );
    assert.equal((await other.ended(forked.experiment.id)).state, "completed");
  });
});
