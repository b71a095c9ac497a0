/** Notebooks from the command line, with JupyterLab as it is and without it. */
import assert from "node:assert/strict";
import { chmod } from "node:fs/promises";
import { join } from "node:path";
import { describe, test } from "node:test";
import { jupyterPython, NO_JUPYTER } from "./jupyter-python.ts";
import { sharedStand, until } from "./support.ts";

describe("notebooks", () => {
  const stand = sharedStand({ slots: 2 });

  test("where JupyterLab or Python is not there, the command line says so, where, and what to do", async () => {
    const it = stand();
    const folder = await it.codeFolder({
      // A Python that has nothing but what comes with it.
      "bare.sh": '#!/bin/sh\nexec python3 -S "$@"\n',
    });
    await chmod(join(folder, "bare.sh"), 0o755);
    const python = "python3-that-is-not-there";
    const none = await it.contrail(["notebook", "start", "--python", python], { cwd: folder });
    assert.equal(none.code, 1, none.stderr);
    assert.match(none.stderr, /error: Notebook \d+ has ended: .*127/);
    assert.match(none.stderr, /there is no python3-that-is-not-there on PATH here/);
    const bare = await it.contrail(["notebook", "start", "--python", "./bare.sh"], { cwd: folder });
    assert.equal(bare.code, 1, bare.stderr);
    assert.match(bare.stderr, /JupyterLab is not installed for \S+ \(Python 3\.\d+\.\d+\) on \S+/);
    assert.match(bare.stderr, /-m pip install jupyterlab/);
    assert.match(bare.stderr, /hint: All that it wrote: `\S+ notebook logs \d+`/);
  });

  test("a task of another kind and an experiment are told from a notebook", async () => {
    const it = stand();
    const { id } = await it.submit({
      name: "x",
      entrypoint: "sleep 600",
      searcher: { name: "single" },
    });
    const opened = await it.contrail(["notebook", "open", String(id)]);
    assert.equal(opened.code, 1);
    assert.match(opened.stderr, /is an experiment, and no notebook/);
    await it.client.changeExperiment(id, "kill");
    const nothing = await it.contrail(["notebook", "open", "999"]);
    assert.equal(nothing.code, 3);
  });

  const skip = jupyterPython === undefined ? NO_JUPYTER : false;
  const python = jupyterPython ?? "";

  test("it starts, is listed, and nobody's use of it pauses it; it comes back with its folder", {
    skip,
  }, async () => {
    const it = stand();
    // Names that Python itself has: Jupyter must not take these for its own.
    const cwd = await it.codeFolder({ "queue.py": "raise SystemExit(9)\n", "notes.txt": "kept\n" });
    const args = ["notebook", "start", "--python", python, "--idle-timeout", "90s", "--json"];
    const started = await it.contrail(args, { cwd });
    assert.equal(started.code, 0, started.stderr);
    const { id, url } = JSON.parse(started.stdout) as { id: number; url: string };
    assert.match(
      url,
      new RegExp(`^http://task-${id}\\.localhost:\\d+/\\.contrail/enter\\?ticket=`),
    );
    // The server comes back, and the runner's ways to it with it.
    const port = Number(new URL(it.server.url).port);
    await it.stop("keep");
    await it.start(port);
    const reopened = await it.contrail(["notebook", "open", String(id)]);
    assert.equal(reopened.code, 0, reopened.stderr);
    const listed = await it.contrail(["notebook", "list"]);
    assert.match(listed.stdout, new RegExp(`^ *${id} +notebook +running`, "m"));
    const paused = await until("it is paused", async () => {
      const now = await it.client.experiment(id);
      return now.state === "paused" ? now : undefined;
    });
    assert.match(paused.reason, /nobody used it for \d+/);
    const refused = await it.contrail(["notebook", "open", String(id)]);
    assert.match(
      refused.stderr,
      new RegExp(`Notebook ${id} is paused: .*task activate ${id}`, "s"),
    );
    await it.client.changeExperiment(id, "activate");
    const again = await it.contrail(["notebook", "open", String(id)]);
    assert.equal(again.code, 0, again.stderr);
    const stopped = await it.contrail(["notebook", "stop", String(id)]);
    assert.equal(stopped.code, 0, stopped.stderr);
    await it.ended(id);
  });
});
