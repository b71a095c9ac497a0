import assert from "node:assert/strict";
import { test } from "node:test";
import { EMPTY_PART, type RecordPart } from "../../protocol/record-part.ts";
import { environmentFaults } from "./required.ts";

const HERE: RecordPart = {
  ...EMPTY_PART,
  captured: {
    system: { architecture: "x64", kernel: "Linux 6" },
    cpu: { model: "Core A", cores: 4 },
    gpu: { devices: 1, driver: "550", cuda: "12.4", "0.model": "H100" },
    interpreter: { language: "python", version: "3.12.1", path: "/usr/bin/python3" },
    packages_observed: { "pip:numpy": "2.0.0", "pip:torch": "2.4.0", "pip:contrail": "0.1.0" },
    package_hashes: { "pip:numpy": "aa" },
  },
};
const changed = (captured: RecordPart["captured"], more: Partial<RecordPart> = {}): RecordPart => ({
  ...HERE,
  captured: { ...HERE.captured, ...captured },
  ...more,
});
const without = (section: keyof RecordPart["captured"], more: Partial<RecordPart> = {}) => {
  const { [section]: _, ...captured } = HERE.captured;
  return { ...HERE, captured, ...more };
};

test("the same is the same, whatever else there is", () => {
  assert.deepEqual(environmentFaults(HERE, HERE), []);
  const more = { ...HERE.captured.packages_observed, "pip:other": "1" };
  assert.deepEqual(
    environmentFaults(
      HERE,
      changed({ packages_observed: more, system: { architecture: "x64", kernel: "Linux 7" } }),
    ),
    [],
  );
  // What nobody took down cannot be asked for.
  assert.deepEqual(environmentFaults(EMPTY_PART, HERE), []);
});

test("what results depend on is told in words", () => {
  const cases: readonly (readonly [RecordPart, RecordPart, RegExp])[] = [
    [HERE, changed({ cpu: { model: "Core B" } }), /^the processor was Core A, and here is Core B$/],
    [HERE, without("gpu"), /^there was a GPU \(H100\), and here is none$/],
    [
      without("gpu", { not_applicable: [{ what: "gpu", why: "none" }] }),
      HERE,
      /^there was no GPU, and here is H100$/,
    ],
    [
      HERE,
      changed({ gpu: { ...HERE.captured.gpu, driver: "560" } }),
      /^the GPU's driver was 550, and here is 560$/,
    ],
    [
      HERE,
      changed({ interpreter: { ...HERE.captured.interpreter, version: "3.13.0" } }),
      /^the interpreter's version was 3\.12\.1, and here is 3\.13\.0$/,
    ],
    [
      HERE,
      without("interpreter", { missing: [{ what: "interpreter", why: "no such file" }] }),
      /^its interpreter \(python 3\.12\.1, \/usr\/bin\/python3\) is not here: no such file$/,
    ],
    [
      HERE,
      changed({ packages_observed: { "pip:numpy": "2.0.1" } }),
      /^numpy is 2\.0\.1 in place of 2\.0\.0; torch 2\.4\.0 is not there$/,
    ],
    [HERE, changed({ package_hashes: { "pip:numpy": "bb" } }), /^numpy 2\.0\.0 has other content$/],
  ];
  for (const [was, is, expected] of cases)
    assert.match(environmentFaults(was, is).join("; "), expected);
});
