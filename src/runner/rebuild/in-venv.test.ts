/** Which words of a command lead to an environment that was built. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { inVenv } from "./in-venv.ts";

const THERE = ["python", "python3", "pip", "torchrun", "activate"].map(
  (name) => `/new/bin/${name}`,
);

function moved(prefix: string, ...words: string[]): string[] {
  return inVenv(words, { prefix, venv: "/new", has: (path) => THERE.includes(path) });
}

test("paths of a virtual environment are led to the new one, wherever they begin in a word", () => {
  assert.deepEqual(moved("/a/venv", "/a/venv/bin/python3", "t.py"), ["/new/bin/python3", "t.py"]);
  const script = `. /a/venv/bin/activate; PY=/a/venv/bin/python "/a/venv/bin/torchrun" t.py`;
  assert.deepEqual(moved("/a/venv", "sh", "-c", script), [
    ...["sh", "-c", `. /new/bin/activate; PY=/new/bin/python "/new/bin/torchrun" t.py`],
  ]);
});

test("programs of the system stay, where its own Python was the environment", () => {
  assert.deepEqual(moved("/usr", "/usr/bin/env", "python3", "t.py"), [
    ...["/usr/bin/env", "python3", "t.py"],
  ]);
  assert.deepEqual(
    moved("/usr", "sh", "-c", "/usr/bin/nice /usr/bin/python3 /opt/usr/bin/python3"),
    [...["sh", "-c", "/usr/bin/nice /new/bin/python3 /opt/usr/bin/python3"]],
  );
});

test("a path that only begins like one is another, and a folder's name is no expression", () => {
  const words = ["run", "/a/venv/bin/python3.13t", "/a/venv/bin/python/lib", "/axvenv/bin/python"];
  assert.deepEqual(moved("/a.venv", ...words), words);
  assert.deepEqual(moved("/a/venv", ...words), words);
});

test("an interpreter that is started by its path is the new one, of whatever name", () => {
  assert.deepEqual(moved("/a/venv", "/opt/python3.11"), ["/new/bin/python"]);
  assert.deepEqual(moved("/usr", "/usr/bin/python3.11", "t.py"), ["/new/bin/python", "t.py"]);
  assert.deepEqual(moved("", "python3", "/usr/bin/python3"), ["python3", "/usr/bin/python3"]);
});
