import assert from "node:assert/strict";
import { test } from "node:test";
import { diffLines } from "./diff-view.ts";
import { NO_PAINT } from "./paint.ts";
import { aDiff } from "./test-things.ts";

test("what is not shown is counted, and a section of few lines is shown beside one of many", () => {
  const diff = aDiff();
  const environment = [
    ...Array.from({ length: 100 }, (_, i) => ({ path: `packages_observed.p${i}`, a: "1", b: "2" })),
    { path: "gpu.0.model", a: "A100", b: "H100" },
  ];
  const view = (more: number): string =>
    diffLines(
      { ...diff, environment, not_listed: { ...diff.not_listed, environment: more } },
      { width: 100, paint: NO_PAINT, nowMs: 0 },
    ).join("\n");
  assert.match(view(0), /gpu\.0\.model +A100 +H100/);
  assert.match(view(0), /^ {2}the first is the same, then$/m);
  assert.match(view(0), /… and 61 more \(--json has all\)/);
  assert.match(view(7), /… and 68 more \(--json has 101 of them\)/);
});

test("what was not compared is not called the same", () => {
  const shown = (diff: Parameters<typeof diffLines>[0]): string =>
    diffLines(diff, { width: 100, paint: NO_PAINT, nowMs: 0 }).join("\n");
  const same = { ...aDiff(), environment: [] };
  assert.match(shown(same), /^environment {2}the same$/m);
  assert.doesNotMatch(shown({ ...same, trials: null }), /^environment/m);
  assert.match(shown({ ...same, trials: null }), /Environment, metrics, .* belong to trials/);
});
