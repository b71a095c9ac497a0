import assert from "node:assert/strict";
import { test } from "node:test";
import { readConfig } from "./config.ts";
import { maskedAt, maskedConfig, maskedConfigText, maskedPlaces } from "./masked.ts";

const TOKEN = `hf_${"x".repeat(34)}`;

const check = (text: string, wanted: string): void => {
  assert.equal(maskedConfigText(text), wanted);
  const [before, after] = [readConfig(text), readConfig(wanted)];
  assert.ok(before.ok && after.ok, wanted);
  const masked = maskedConfig(JSON.parse(JSON.stringify(before.config)));
  assert.deepEqual(JSON.parse(JSON.stringify(after.config)), masked);
};

test("a text loses its secrets and nothing else", () => {
  const plain =
    "# ours\nentrypoint:   python3 train.py\nenvironment: {environment_variables: [A=1]}\n";
  check(plain, plain);
  check(
    `# ours, with ${TOKEN}\nentrypoint: [python3, train.py, --hub, ${TOKEN}]\nhyperparameters:\n  lr: 0.1 # small\n`,
    "# ours, with (masked)\nentrypoint: [python3, train.py, --hub, (masked)]\nhyperparameters:\n  lr: 0.1 # small\n",
  );
  check(
    "# ours\nentrypoint: x\nenvironment:\n  environment_variables:\n    HF_TOKEN: s3cret # mine\n    PIN_CODE_SECRET: 1234\n    A: s\n",
    "# ours\nentrypoint: x\nenvironment:\n  environment_variables:\n    HF_TOKEN: (masked)\n    PIN_CODE_SECRET: (masked)\n    A: s\n",
  );
  check(
    "entrypoint: x\nenvironment:\n  environment_variables: [my_token=a b, A=1]\n",
    "entrypoint: x\nenvironment:\n  environment_variables: [my_token=(masked), A=1]\n",
  );
  // Where its name holds another place's value together, and in JSON.
  const anchored = `entrypoint: x\ndescription: &a s3cret\nenvironment: {environment_variables: {TOKEN: *a}}\n`;
  assert.match(maskedConfigText(anchored), /TOKEN: \(masked\)/);
  assert.doesNotMatch(
    maskedConfigText(`{"entrypoint": ["a", "HF_TOKEN=s3cret"], "labels": ["a"]}`),
    /s3cret/,
  );
});

test("what was masked is found again where a program would get it", () => {
  const config = { name: "(masked)", entrypoint: ["a", "--b=(masked)"], data: { a: "(masking)" } };
  assert.deepEqual(maskedPlaces(config), [["entrypoint", 1]]);
  assert.deepEqual(maskedAt({ MY_TOKEN: "x" }), { MY_TOKEN: "x" });
  const path = ["environment", "environment_variables"];
  assert.deepEqual(maskedAt({ MY_TOKEN: "x", N: 3 }, path), { MY_TOKEN: "(masked)", N: 3 });
});
