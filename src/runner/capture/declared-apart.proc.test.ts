/** What code asks for where it is much: read by a process of its own, which may fail as it likes. */
import assert from "node:assert/strict";
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, test } from "node:test";
import type { LaunchSpec } from "../../protocol/runner-wire.ts";
import { Capture } from "./capture.ts";

const root = mkdtempSync(join(tmpdir(), "contrail-declared-apart-"));
after(() => rmSync(root, { recursive: true, force: true }));

const LAUNCH: LaunchSpec = {
  ...{ experiment: 1, trial: "1.1", allocation: "1.1.1", slots: ["cpu:0"], ranks: 1 },
  ...{ entrypoint: ["/bin/true"], code: "a".repeat(64), data: {}, environment: {}, params: {} },
  ...{ seed: 7, unit: "steps", restore: null, token: "t", killGraceMs: 2_000, yieldGraceMs: 2_000 },
};
/** More than the runner reads itself. */
const MANY = 10_000;

let folders = 0;
function folderOf(text: string): string {
  const folder = join(root, `f-${++folders}`);
  mkdirSync(folder);
  writeFileSync(join(folder, "requirements.txt"), text);
  return folder;
}

const newCapture = () => new Capture({ environment: {}, setpriv: null, nowMs: () => 0 });
const take = (capture: Capture, folder: string, signal = new AbortController().signal) =>
  capture.take({ launch: LAUNCH, folder, environment: {}, signal });

test("much is read by a process, the same as little, and once for all that begin together", async () => {
  const lines = Array.from({ length: MANY }, (_, i) => `package-${i}==1`);
  const capture = newCapture();
  const [first, second] = await Promise.all([
    take(capture, folderOf(lines.join("\n"))),
    take(capture, folderOf("")),
  ]);
  const requested = first.environment.captured.packages_requested ?? {};
  assert.equal(requested[`pip:package-${MANY - 1}`], "==1");
  assert.equal(second.environment.captured.packages_requested, requested, "the very same object");
});

test("who waits for one that leaves reads its own", async () => {
  const lines = Array.from({ length: MANY }, (_, i) => `package-${i}==1`).join("\n");
  const capture = newCapture();
  const over = new AbortController();
  const both = [take(capture, folderOf(lines), over.signal), take(capture, folderOf("six\n"))];
  over.abort(new Error("the run was over"));
  const [left, stayed] = await Promise.all(both);
  const gap = left?.environment.missing.find(({ what }) => what === "packages_requested");
  assert.match(gap?.why ?? "", /could not be read: the run was over/);
  assert.ok("pip:six" in (stayed?.environment.captured.packages_requested ?? {}));
});
