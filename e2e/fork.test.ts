/** A fork when its author is gone: folder, home, sign-in and git remote are deleted before it is made. */
import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { existsSync } from "node:fs";
import { mkdir, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { describe, test } from "node:test";
import type { CreateForkReply, Experiment } from "../src/protocol/api.ts";
import { curveSearch, type Stand, sharedStand } from "./support.ts";

/** A home with a repository whose remote is in it, and changes that nobody committed or pushed. */
async function author(it: Stand): Promise<{ home: string; folder: string }> {
  const home = join(it.folder, "home-of-author");
  const folder = await it.codeFolder({ "notes.txt": "not committed\n" }, ["curve.ts"]);
  await mkdir(home);
  const git = (...args: string[]) =>
    execFileSync("git", ["-c", "user.name=a", "-c", "user.email=a@example.org", ...args], {
      cwd: folder,
      stdio: "ignore",
      env: { ...process.env, HOME: home },
    });
  execFileSync("git", ["init", "--bare", join(home, "remote.git")], { stdio: "ignore" });
  git("init");
  git("remote", "add", "origin", join(home, "remote.git"));
  git("add", "curve.ts");
  git("commit", "-m", "first");
  await writeFile(
    join(folder, "config.yaml"),
    JSON.stringify(
      curveSearch(
        { name: "random", max_length: { epochs: 4 }, max_trials: 3 },
        { data: { numbers: "numbers@latest" } },
      ),
    ),
  );
  return { home, folder };
}

describe("a fork", () => {
  const shared = sharedStand({ slots: 2 });

  test("runs when folder, home and remote of its author are gone, and does the same", async () => {
    const it = shared();
    const { home, folder } = await author(it);
    const data = await it.codeFolder({ "a.csv": "1,2\n" });
    const added = await it.contrail(["data", "add", "numbers", data]);
    assert.equal(added.code, 0, added.stderr);
    const made = await it.contrail(["experiment", "create", "config.yaml", ".", "--json"], {
      cwd: folder,
      env: { HOME: home, CONTRAIL_CONFIG_DIR: join(home, ".config") },
    });
    assert.equal(made.code, 0, made.stderr);
    const { id } = (JSON.parse(made.stdout) as { experiment: Experiment }).experiment;
    await it.ended(id);
    for (const gone of [home, folder, data]) await rm(gone, { recursive: true });
    // What is latest now is something else.
    const other = await it.codeFolder({ "a.csv": "3,4\n" });
    assert.equal((await it.contrail(["data", "add", "numbers", other])).code, 0);

    const elsewhere = join(it.folder, "another-home");
    await mkdir(elsewhere);
    const env = { HOME: elsewhere, CONTRAIL_CONFIG_DIR: join(elsewhere, "contrail") };
    const fork = async (...args: string[]): Promise<CreateForkReply> => {
      const { code, stdout, stderr } = await it.contrail(["fork", ...args, "--json"], {
        ...{ cwd: elsewhere, env },
      });
      assert.equal(code, 0, stderr);
      return JSON.parse(stdout) as CreateForkReply;
    };
    const whole = await fork(String(id));
    assert.deepEqual(whole.overrides, []);
    await it.ended(whole.experiment?.id ?? 0);
    const results = async (experiment: number) =>
      (await it.details(experiment)).map(({ hyperparameters, seed, checkpoint, state }) => ({
        ...{ hyperparameters, seed, state },
        saved: checkpoint?.id,
      }));
    assert.deepEqual(await results(whole.experiment?.id ?? 0), await results(id));
    const detail = await it.client.experiment(whole.experiment?.id ?? 0);
    assert.equal((detail.data.numbers as { dataset: string }).dataset, "numbers@1");
    assert.equal((detail.provenance.git as { branch?: string } | undefined) !== undefined, true);

    const [, second] = await results(id);
    const one = await fork(`${id}.2`);
    await it.ended(one.experiment?.id ?? 0);
    assert.deepEqual(await results(one.experiment?.id ?? 0), [second]);

    const changed = await fork(`${id}.2`, "--set", "hyperparameters.rate=0.25");
    await it.ended(changed.experiment?.id ?? 0);
    assert.deepEqual(
      changed.overrides.map(({ path, to }) => [path, to]),
      [["hyperparameters.rate", 0.25]],
    );
    const show = await it.contrail(["experiment", "show", String(changed.experiment?.id)]);
    assert.match(show.stdout, new RegExp(`fork of trial ${id}\\.2`));
    assert.match(show.stdout, /hyperparameters\.rate: 0\.\d+ -> 0\.25/);
    const diff = await it.contrail(["diff", `${id}.2`, `${changed.experiment?.id}.1`]);
    assert.equal(diff.code, 0, diff.stderr);
    assert.match(diff.stdout, /code {2}the same/);
    assert.match(diff.stdout, /rate +0\.\d+ +0\.25/);
    assert.ok(!existsSync(folder));
  });

  test("that is edited first starts from what the person left in the file", async () => {
    const it = shared();
    const code = await it.codeFolder({}, ["curve.ts"]);
    const { id } = await it.submit(
      curveSearch({ name: "random", max_length: { epochs: 2 }, max_trials: 2 }),
      code,
    );
    await it.ended(id);
    const edited = await it.contrail(["fork", String(id), "--edit", "--json"], {
      env: { VISUAL: "", EDITOR: "sed -i 's/max_trials.*2/max_trials\": 3/'" },
    });
    assert.equal(edited.code, 0, edited.stderr);
    const { overrides, experiment } = JSON.parse(edited.stdout) as CreateForkReply;
    assert.deepEqual(overrides, [{ path: "searcher.max_trials", from: 2, to: 3 }]);
    assert.equal((await it.ended(experiment?.id ?? 0)).trials.total, 3);
    const refused = await it.contrail(["fork", String(id), "--set", "searcher.max_trails=3"]);
    assert.equal(refused.code, 1);
    assert.match(refused.stderr, /max_trials/);
    const failed = await it.contrail(["fork", String(id), "--edit"], { env: { EDITOR: "false" } });
    assert.equal(failed.code, 1);
    assert.match(failed.stderr, /nothing was forked/);
  });
});
