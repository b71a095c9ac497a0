import assert from "node:assert/strict";
import { test } from "node:test";
import type { JsonMap } from "../../protocol/pod-spec.ts";
import { strategicMerge, withOurName } from "./pod-spec-overlay.ts";

const cases: readonly [what: string, under: JsonMap, patch: JsonMap, merged: JsonMap][] = [
  ["maps go by key", { a: { b: 1, c: 2 } }, { a: { c: 3, d: 4 } }, { a: { b: 1, c: 3, d: 4 } }],
  ["null deletes", { a: { b: 1, c: 2 } }, { a: { b: null } }, { a: { c: 2 } }],
  ["other lists are whole", { tolerations: [1, 2] }, { tolerations: [3] }, { tolerations: [3] }],
  [
    "variables go by name, and what is new comes behind",
    { env: [{ name: "A", value: "1" }] },
    {
      env: [
        { name: "B", value: "2" },
        { name: "A", value: "3" },
      ],
    },
    {
      env: [
        { name: "A", value: "3" },
        { name: "B", value: "2" },
      ],
    },
  ],
  [
    "mounts go by path",
    { volumeMounts: [{ name: "shm", mountPath: "/dev/shm" }] },
    { volumeMounts: [{ name: "big", mountPath: "/dev/shm" }] },
    { volumeMounts: [{ name: "big", mountPath: "/dev/shm" }] },
  ],
  [
    "$patch: delete takes one away",
    { volumes: [{ name: "a" }, { name: "b" }] },
    { volumes: [{ $patch: "delete", name: "a" }] },
    { volumes: [{ name: "b" }] },
  ],
  [
    "$patch: replace in a list takes the others away",
    { volumes: [{ name: "a" }] },
    { volumes: [{ $patch: "replace" }, { name: "c" }] },
    { volumes: [{ name: "c" }] },
  ],
  [
    "$patch: replace in a map forgets what was there",
    { nodeSelector: { a: "1" } },
    { nodeSelector: { $patch: "replace", b: "2" } },
    { nodeSelector: { b: "2" } },
  ],
];

for (const [what, under, patch, merged] of cases)
  test(`a patch is laid over: ${what}`, () => {
    const before = structuredClone(under);
    assert.deepEqual(strategicMerge(under, patch), merged);
    assert.deepEqual(under, before, "what lies below is not changed");
  });

test("the job's container is understood under its older name, and stands in front", () => {
  const spec: JsonMap = {
    containers: [{ name: "sidecar" }, { name: "determined-container", env: [] }],
  };
  assert.deepEqual(withOurName({ spec }), {
    spec: { containers: [{ name: "contrail", env: [] }, { name: "sidecar" }] },
  });
});
