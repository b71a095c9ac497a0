/** What is built from a recorded environment, and what is refused before anything is. */
import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { EMPTY_PART, type RecordPart } from "../../protocol/record-part.ts";
import { differences, type PythonPlan, planOf } from "./plan.ts";

const HASH = `sha256:${"a".repeat(64)}`;

function python(captured: RecordPart["captured"], more: Partial<RecordPart> = {}): RecordPart {
  const interpreter = {
    ...{ language: "python", version: "3.11.7", platform: "linux-x86_64 cpython-311" },
    ...{ base_path: "/usr/bin/python3.11", prefix: "/people/ada/venv" },
  };
  return { ...EMPTY_PART, captured: { interpreter, ...captured }, ...more };
}

function planned(part: RecordPart): PythonPlan {
  const found = planOf(part);
  assert.ok("plan" in found && found.plan.language === "python", JSON.stringify(found));
  return found.plan;
}
function refused(part: RecordPart): string {
  const found = planOf(part);
  assert.ok("refused" in found, JSON.stringify(found));
  return found.refused;
}

describe("a plan for Python", () => {
  test("names each package exactly, with the hashes of its lock where they are of that version", () => {
    const plan = planned(
      python({
        packages_observed: { "pip:six": "1.16.0", "pip:numpy": "2.1.0", "pip:pip": "24" },
        packages_resolved: {
          ...{ "pip:six": "1.16.0", "pip:six hashes": `${HASH} sha512:x` },
          ...{ "pip:numpy": "2.0.0", "pip:numpy hashes": HASH },
        },
        package_hashes: { "pip:six": "sha256:content" },
      }),
    );
    assert.deepEqual(plan.requirements, ["numpy===2.1.0", `six===1.16.0 --hash=${HASH}`]);
    assert.equal(plan.packages.get("six")?.hash, "sha256:content");
    assert.deepEqual(plan.indexes, []);
  });

  test("goes where a build of torch for a device lies, and to the commit of a repository", () => {
    const commit = "0123456789".repeat(4);
    const plan = planned(
      python({
        packages_observed: {
          "pip:torch": "2.13.0+cu126",
          "pip:tool": "1",
          "pip:wheel-by-url": "2",
        },
        package_origins: {
          "pip:tool": `https://example.org/tool.git git ${commit}`,
          "pip:wheel-by-url": `https://example.org/w.whl ${HASH}`,
        },
      }),
    );
    assert.deepEqual(plan.indexes, ["https://download.pytorch.org/whl/cu126"]);
    assert.deepEqual(plan.requirements, [
      `tool @ git+https://example.org/tool.git@${commit}`,
      "torch===2.13.0+cu126",
      `wheel-by-url @ https://example.org/w.whl#${HASH.replace(":", "=")}`,
    ]);
  });

  test("is refused for folders of one's own, for conda, and where packages are not known", () => {
    const own = { "pip:mine": "file:///people/ada/mine editable" };
    assert.match(
      refused(python({ packages_observed: { "pip:mine": "0" }, package_origins: own })),
      /folder or file of one's own.*mine 0 \(file:\/\/\/people\/ada\/mine editable\)/,
    );
    assert.match(
      refused(python({ packages_observed: { "conda:numpy": "2" } })),
      /a conda environment/,
    );
    const gap = { what: "packages_observed", why: "it hung" };
    assert.match(refused(python({}, { missing: [gap] })), /were not recorded: it hung/);
  });
});

test("without an interpreter nothing is built; without knowing which, nothing can be", () => {
  const none = { what: "interpreter", why: "a program by itself" };
  assert.deepEqual(planOf({ ...EMPTY_PART, not_applicable: [none] }), {
    plan: { language: "none" },
  });
  assert.match(refused({ ...EMPTY_PART, missing: [none] }), /which interpreter ran: a program by/);
  assert.match(refused(EMPTY_PART), /which interpreter ran$/);
});

test("differences are named; an unknown hash is none", () => {
  const map = (...all: [string, string, string | null][]) =>
    new Map(all.map(([name, version, hash]) => [name, { version, hash }]));
  assert.deepEqual(
    differences(
      map(["a", "1", "x"], ["b", "1", "x"], ["c", "1", "x"], ["d", "1", null], ["e", "1", null]),
      map(["a", "1", "x"], ["b", "2", "x"], ["c", "1", "y"], ["d", "1", "z"], ["f", "3", null]),
    ),
    ["b is 2 in place of 1", "c 1 has other content", "e 1 is not there", "f 3 is there, too"],
  );
});
