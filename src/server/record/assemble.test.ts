/** Parts put together, and how complete the whole is. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { EMPTY_PART, type RecordPart } from "../../protocol/record-part.ts";
import { assemble } from "./assemble.ts";
import { RUNNER_ITEMS, SERVER_ITEMS } from "./items.ts";
import { flat, ownFacts } from "./own-facts.ts";

const part = (more: Partial<RecordPart>): RecordPart => ({ ...EMPTY_PART, ...more });

test("everything that nobody told is missing, with the reason", () => {
  const record = assemble([], "it was never started");
  assert.equal(record.completeness, 0);
  assert.deepEqual(record.items, {
    captured: 0,
    applicable: SERVER_ITEMS.length + RUNNER_ITEMS.length,
  });
  assert.equal(record.missing.length, record.items.applicable);
  assert.ok(record.missing.some(({ why }) => why === "it was never started"));
});

test("what does not apply counts neither way, and a section covers its fields", () => {
  const gpu = { what: "gpu", why: "none found" };
  const with_ = assemble([part({ not_applicable: [gpu] })], null);
  assert.ok(!with_.missing.some(({ what }) => what.startsWith("gpu")));
  assert.equal(with_.items.applicable, SERVER_ITEMS.length + RUNNER_ITEMS.length - 3);
  // What somebody has all the same wins over somebody's word that there is none.
  const both = assemble(
    [part({ not_applicable: [gpu] }), part({ captured: { gpu: { devices: 1 } } })],
    null,
  );
  assert.equal(both.captured.gpu?.devices, 1);
});

test("a section that is missing counts as each item of it on the list, told singly or not", () => {
  const all = SERVER_ITEMS.length + RUNNER_ITEMS.length;
  const missing = ["interpreter", "interpreter.path", "gpu", "outside"].map((what) => ({
    ...{ what, why: "it could not be asked" },
  }));
  const { items } = assemble([part({ missing })], null);
  assert.deepEqual(items, { captured: 0, applicable: all + 1 });
  const none = { what: "gpu.cuda", why: "this driver has none" };
  const without = assemble([part({ missing, not_applicable: [none] })], null);
  assert.equal(without.items.applicable, all);
});

test("a gap that is on no list counts, too", () => {
  const gap = { what: "command.installs.1", why: "pip install" };
  const record = assemble([part({ missing: [gap] })], null);
  assert.deepEqual(record.missing[0], gap);
  assert.equal(record.items.applicable, SERVER_ITEMS.length + RUNNER_ITEMS.length + 1);
});

test("the last part to tell a field is believed", () => {
  const record = assemble(
    [
      part({ captured: { frameworks: { torch: "2.13.0", cudnn: "9" } } }),
      part({ captured: { frameworks: { cudnn: 90100 } } }),
    ],
    null,
  );
  assert.deepEqual(record.captured.frameworks, { torch: "2.13.0", cudnn: 90100 });
  const flags = record.missing.find(({ what }) => what.startsWith("determinism.torch"));
  assert.match(flags?.why ?? "", /only the program can tell/);
});

test("a record with everything is complete", () => {
  const captured: Record<string, Record<string, string>> = {};
  for (const item of [...SERVER_ITEMS, ...RUNNER_ITEMS]) {
    const [section = "", ...field] = item.split(".");
    captured[section] = { ...captured[section], [field.join(".") || "x"]: "y" };
  }
  const record = assemble([part({ captured })], null);
  assert.deepEqual(record.missing, []);
  assert.equal(record.completeness, 1);
});

test("what the program reached for outside of the record is a gap in it", () => {
  const determinism = { numpy_seeded: false };
  const told = { determinism, outside: { network: "a.example:443", files: "/x" } };
  const { missing, completeness, captured } = assemble([part({ captured: told })], null);
  const found = missing.filter(({ what }) => /^(?:outside|determinism)/.test(what));
  assert.deepEqual(
    found.map(({ what }) => what),
    ["determinism.numpy_seed", "outside.network.content", "outside.files.content"],
  );
  assert.match(found[1]?.why ?? "", /other machines.*: a\.example:443$/);
  const seeded = { ...told, determinism: { numpy_seeded: true }, outside: {} };
  const better = assemble([part({ captured: seeded })], null);
  assert.ok(better.completeness > completeness);
  assert.equal(captured.outside?.files, "/x");
});

test("values beyond those that a record lists are a gap in it", () => {
  const layers = Array.from({ length: 2_003 }, (_, i) => i);
  const { captured, missing } = ownFacts(
    {
      ...{ code: null, config: { hyperparameters: { layers } }, config_text: "", data: {} },
      ...{ seed: 7, provenance: {}, created_at: new Date(0), owner: "ada" },
    },
    { hyperparameters: { layers }, seed: 8 },
    undefined,
  );
  assert.equal(Object.keys(captured.hyperparameters ?? {}).length, 2_000);
  assert.deepEqual(
    missing.map(({ what }) => what),
    ["hyperparameters.rest", "configuration.rest"],
  );
  assert.match(missing[0]?.why ?? "", /^3 values are left out/);
});

const HUB_TOKEN = `hf_${"x".repeat(34)}`;

test("nested values become paths; secrets are masked wherever they stand", () => {
  assert.deepEqual(flat({ a: { b: [1, { c: true }], d: null }, e: "x" }), {
    "a.b.0": 1,
    "a.b.1.c": true,
    e: "x",
  });
  const own = ownFacts(
    {
      code: null,
      config: {
        environment: { environment_variables: { MY_TOKEN: "s3cret", A: "1" } },
        entrypoint: ["python3", "train.py", "--hub-token", HUB_TOKEN],
      },
      config_text: "",
      data: { train: { snapshot: "h", dataset: "digits@3" }, other: { value: "s3://ada:pw@x/y" } },
      seed: 7,
      provenance: {
        argv: ["run", "https://ada:pw@example.org", "--env", "WANDB_API_KEY=x"],
        user: "ada",
        git: { commit: null, untracked: 2 },
      },
      created_at: new Date(0),
      owner: "ada",
    },
    { hyperparameters: { hub: { token: HUB_TOKEN } }, seed: 8 },
    undefined,
  );
  const { captured, missing } = own;
  assert.doesNotMatch(JSON.stringify(own), /s3cret|pw@|hf_|KEY=x/);
  assert.equal(captured.configuration?.["entrypoint.3"], "(masked)");
  assert.equal(captured.hyperparameters?.["hub.token"], "(masked)");
  assert.equal(captured.configuration?.["environment.environment_variables.MY_TOKEN"], "(masked)");
  assert.equal(captured.configuration?.["environment.environment_variables.A"], "1");
  assert.deepEqual(captured.data, {
    train: "digits@3",
    "train.snapshot": "h",
    "other.value": "s3://(masked)@x/y",
  });
  assert.deepEqual(
    missing.map(({ what }) => what),
    ["data.other"],
  );
  assert.equal(captured.code?.git_untracked, 2);
  assert.equal(
    captured.who?.command,
    "run https://(masked)@example.org --env WANDB_API_KEY=(masked)",
  );
});
