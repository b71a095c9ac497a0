/** When a notebook counts as used, by what Jupyter's server answers. */
import assert from "node:assert/strict";
import { once } from "node:events";
import { mkdtempSync, rmSync } from "node:fs";
import { createServer } from "node:http";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { notebookIdle } from "./notebook-idle.ts";

const LAST = "2026-11-28T10:00:00.000000Z";
const folder = mkdtempSync(join(tmpdir(), "ci-"));
const path = join(folder, "s");
let answers: Record<string, unknown> = {};
const server = createServer((request, response) => {
  const answer = answers[request.url ?? ""];
  response.statusCode = answer === undefined ? 404 : 200;
  response.end(typeof answer === "string" ? answer : JSON.stringify(answer ?? {}));
});
before(() => once(server.listen(path), "listening"));
after(() => {
  server.close();
  rmSync(folder, { recursive: true });
});

const KERNELS = "/api/kernels?no_track_activity=1";
const status = (connections: number) => ({ connections, last_activity: LAST, kernels: 1 });

test("it is used while a page is connected or a kernel computes, else since its last activity", async () => {
  const cases: [connections: number, states: string[], since: number | null][] = [
    [0, [], Date.parse(LAST)],
    [0, ["idle", "starting"], Date.parse(LAST)],
    [0, ["idle", "busy"], null],
    [1, ["idle"], null],
  ];
  for (const [connections, states, since] of cases) {
    const kernels = states.map((state) => ({ execution_state: state }));
    answers = { "/api/status": status(connections), [KERNELS]: kernels };
    assert.equal(await notebookIdle(path).idleSince(), since, `${connections} ${states}`);
  }
});

test("what is no answer of Jupyter's proves nothing", async () => {
  for (const wrong of [
    undefined,
    "<html>",
    { connections: 0 },
    { ...status(0), last_activity: "x" },
  ]) {
    answers = wrong === undefined ? {} : { "/api/status": wrong, [KERNELS]: [] };
    await assert.rejects(notebookIdle(path).idleSince());
  }
  await assert.rejects(notebookIdle(join(folder, "none")).idleSince(), /ENOENT/);
});
