/** A search that says little, over a template and the defaults of its workspace: trained, copied, replayed, moved to another server. */
import assert from "node:assert/strict";
import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { describe, test } from "node:test";
import type { CreateExperimentReply, ExperimentDetail } from "../src/protocol/api.ts";
import { curveSearch, type Stand, sharedStand } from "./support.ts";

const json = async <T>(it: Stand, args: string[], cwd?: string): Promise<T> => {
  const { code, stdout, stderr } = await it.contrail([...args, "--json"], cwd ? { cwd } : {});
  assert.equal(code, 0, `${args.join(" ")}: ${stderr}`);
  return JSON.parse(stdout) as T;
};

describe("templates", () => {
  const shared = sharedStand({ slots: 2 });
  const other = sharedStand({ slots: 1 });

  test("what a template gives is trained, told, and not needed any more by a copy, a replay or another server", async () => {
    const it = shared();
    const folder = await it.codeFolder({}, ["curve.ts"]);
    const whole = curveSearch(
      { name: "random", max_length: { epochs: 2 }, max_trials: 2 },
      { max_restarts: 1 },
    );
    const { hyperparameters, ...template } = whole as { hyperparameters: object };
    const file = (name: string, value: object) =>
      writeFile(join(folder, name), JSON.stringify(value));
    await file("template.json", template);
    await file("vision.json", { max_restarts: 4, resources: { priority: 12 } });
    await file("config.json", {
      ...{ template: "curves", workspace: "vision", project: "digits" },
      hyperparameters,
    });
    await json(it, ["template", "set", "curves", "template.json"], folder);
    await json(it, ["workspace", "set", "vision", "vision.json"], folder);

    // Any part of a configuration is a template.
    await json(it, ["template", "set", "curves", "vision.json"], folder);
    const create = ["experiment", "create", "config.json", "."];
    const dry = await it.contrail([...create, "--template", "curves@1", "--dry-run"], {
      cwd: folder,
    });
    assert.match(dry.stdout, /^from template curves@1: .*\.entrypoint, .*\.searcher\.name/m);
    assert.match(dry.stdout, /^from the defaults of workspace vision@1: \.resources\.priority$/m);
    const lacking = await it.contrail(create, { cwd: folder });
    assert.equal(lacking.code, 1, "the newest version has no entrypoint");
    assert.match(lacking.stderr, /entrypoint is missing[\s\S]*read over template curves@2/);

    const made = await json<CreateExperimentReply>(
      it,
      [...create, "--template", "curves@1"],
      folder,
    );
    const id = made.experiment?.id ?? 0;
    await it.ended(id);
    const shown = await it.contrail(["experiment", "show", String(id), "--config"]);
    assert.match(shown.stdout, /^max_restarts: 1 # template curves@1$/m);
    assert.match(shown.stdout, /^ {2}priority: 12 # the defaults of workspace vision@1$/m);
    assert.match(shown.stdout, /^workspace: vision$/m);
    assert.match(shown.stdout, /^preemption_timeout: 3600 # default$/m);
    const record = await it.contrail(["trial", "show", `${id}.1`, "--record", "--json"]);
    assert.match(record.stdout, /"template":\s*"curves@1"/);

    await json(it, ["template", "rm", "curves"]);
    await json(it, ["workspace", "rm", "vision"]);
    const replay = await it.contrail(["replay", `${id}.1`]);
    assert.equal(replay.code, 0, replay.stdout + replay.stderr);
    const fork = await json<CreateExperimentReply>(it, ["fork", String(id)]);
    const detail = (n: number) => json<ExperimentDetail>(it, ["experiment", "show", String(n)]);
    const [first, copy] = [await detail(id), await detail(fork.experiment?.id ?? 0)];
    assert.deepEqual(copy.config, first.config);
    assert.deepEqual(copy.layers, []);

    const bundle = join(it.folder, "bundle");
    await json(it, ["export", String(id), bundle]);
    const elsewhere = other();
    const imported = await json<{ experiment: { id: number } }>(elsewhere, ["import", bundle]);
    const there = await json<ExperimentDetail>(elsewhere, [
      ...["experiment", "show", String(imported.experiment.id)],
    ]);
    assert.deepEqual(there.layers, first.layers);
    assert.deepEqual(there.config, first.config);
  });
});
