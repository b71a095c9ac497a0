/** Commands and shells as tasks: a person's work on slots that is no result, and is not lost. */
import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { wayToShell } from "../src/cli/shell/way.ts";
import { RemoteError } from "../src/sdk/remote-error.ts";
import { sharedStand } from "./support.ts";
import { Terminal } from "./terminal.ts";

const numberIn = (text: string): number => Number(/shell (\d+)/.exec(text)?.[1]);

describe("tasks", () => {
  const shared = sharedStand({ slots: 1 });

  test("a command passes output and exit code on, has all its slots as one program, and is no experiment", async () => {
    const it = shared();
    const code = await it.codeFolder({
      "ask.py":
        "import os, sys\nprint('size', os.environ['CONTRAIL_SIZE'])\nprint('to err', file=sys.stderr)\nsys.exit(7)\n",
    });
    const run = await it.contrail(["command", "run", "--", "python3", "ask.py"], { cwd: code });
    assert.deepEqual([run.code, run.stdout], [7, "size 1\n"], run.stderr);
    assert.match(run.stderr, /^to err$/m);
    const [listed] = (await it.client.experiments({ filter: "kind:command" })).items;
    assert.deepEqual([listed?.task?.kind, listed?.state], ["command", "error"]);
    assert.deepEqual((await it.client.experiments({})).items, []);
    const tasks = await it.contrail(["task", "list", "--ended"]);
    assert.match(tasks.stdout, /command +error +python3 ask\.py/);
    assert.match((await it.contrail(["task", "list"])).stdout, /No task is at work/);
  });

  test("Ctrl-C lets a command go on, and one that is killed leaves nothing", async () => {
    const it = shared();
    const stubborn = "trap '' TERM; sleep 1000 & echo up-$((1+1)); sleep 1001";
    using terminal = new Terminal(
      it,
      ["command", "run", "--no-code", "--", "sh", "-c", stubborn],
      it.folder,
    );
    await terminal.until("up-2");
    terminal.type("\x03");
    await terminal.until("It goes on. Stop it with");
    assert.equal(await terminal.ended, 130);
    const { items } = await it.client.experiments({ filter: "kind:command state:active" });
    const [task] = items;
    await it.trialWhen(`${task?.id}.1`, "goes on", ({ state }) => state === "running");
    await it.contrail(["task", "kill", String(task?.id)]);
    assert.equal((await it.ended(task?.id ?? 0)).state, "canceled");
    const left = it.processes().filter(({ allocation }) => allocation?.startsWith(`${task?.id}.`));
    assert.deepEqual(left, []);
  });

  test("a file gives what has no option, and options count before it", async () => {
    const it = shared();
    const folder = await it.codeFolder({
      "task.yaml":
        "resources: {priority: 7, slots_per_trial: 3}\nenvironment: {environment_variables: [A=1, B=2]}\nlabels: [probe]\n",
    });
    const run = await it.contrail(
      [
        "command",
        "run",
        "--no-code",
        "--config",
        "task.yaml",
        "--slots",
        "1",
        "-e",
        "B=3",
        "--",
        "sh",
        "-c",
        "echo $A $B",
      ],
      { cwd: folder },
    );
    assert.deepEqual([run.code, run.stdout], [0, "1 3\n"], run.stderr);
    const [task] = (await it.client.experiments({ filter: "kind:command label:probe" })).items;
    assert.deepEqual([task?.priority, task?.plan.slots_per_trial], [7, 1]);
  });

  test("a shell is driven from a terminal, outlives it, and is paused and brought back with its folder", async () => {
    const it = shared();
    const code = await it.codeFolder({ "given.txt": "from here\n" });
    using first = new Terminal(it, ["shell", "start"], code);
    const id = numberIn(await first.until("exit ends it"));
    first.type(
      "stty size; cat given.txt; rm given.txt; ln -s mine.txt link; echo $((40+2)) > mine.txt; echo done-$((1+1))\r",
    );
    const shown = await first.until("done-2");
    assert.match(shown, /24 80/);
    assert.match(shown, /from here/);
    first.size(33, 99);
    // A size and what is typed come by two ways.
    first.type('until [ "$(stty size)" = "33 99" ]; do sleep 0.1; done; echo sized-$((1+1))\r');
    await first.until("sized-2");
    // Said by the program itself: between a shell's own word and its next program Ctrl-C would meet the shell alone.
    first.type("sh -c 'echo sleeping-$((1+1)); exec sleep 1000'\r");
    await first.until("sleeping-2");
    first.type("\x03");
    first.type("there=still; echo awake-$((1+1))\r");
    await first.until("awake-2");
    first.close();
    await first.ended;

    using second = new Terminal(it, ["shell", "open", String(id)], code);
    await second.until("awake-2");
    second.type("echo $there-here\r");
    await second.until("still-here");
    second.type("\r~.");
    await second.until("runs on");
    assert.equal(await second.ended, 0);

    await it.contrail(["task", "pause", String(id)]);
    await it.trialWhen(`${id}.1`, "paused", ({ state }) => state === "paused");
    const refused = await it.contrail(["shell", "open", String(id)]);
    assert.equal(refused.code, 2, "without a terminal");
    using third = new Terminal(it, ["shell", "open", String(id)], code);
    await third.until(`task activate ${id}`);
    assert.notEqual(await third.ended, 0);

    await it.contrail(["task", "activate", String(id)]);
    using fourth = new Terminal(it, ["shell", "open", String(id)], code);
    await fourth.until("exit ends it");
    fourth.type("cat link; ls; echo kept-$((1+1))\r");
    const again = await fourth.until("kept-2");
    assert.match(again, /[\r\n]42\r\n/);
    assert.doesNotMatch(again, /given\.txt/, "what was removed stays removed");
    fourth.type("exit 3\r");
    await fourth.until("has ended");
    assert.equal(await fourth.ended, 0);
    assert.equal((await it.ended(id)).state, "completed");
  });

  test("a shell that nobody uses gives its slot to who waits, and says why", async () => {
    const it = shared();
    const start = await it.contrail([
      "--json",
      "shell",
      "start",
      "--no-code",
      "--detach",
      "--idle-timeout",
      "3s",
    ]);
    assert.equal(start.code, 0, start.stderr);
    const { id } = JSON.parse(start.stdout) as { id: number };
    // It may have run and been paused by the time that somebody looks.
    await it.trialWhen(`${id}.1`, "has its slot", ({ allocations }) => allocations.length > 0);
    const waiting = await it.submit({ entrypoint: "true", searcher: { name: "single" } });
    await it.ended(waiting.id);
    const task = await it.client.experiment(id);
    assert.deepEqual([task.state, task.task?.idle_timeout_s], ["paused", 3]);
    assert.match(task.reason, /nobody used it for \d+ s, .*idle_timeout/);
    const why = await it.client.why("trial", `${id}.1`);
    assert.equal(why.reasons[0]?.code, "paused_idle");
    const audit = await it.contrail(["audit", "list", "--actor", "idle"]);
    assert.match(audit.stdout, new RegExp(`experiment ${id}`));
    await it.contrail(["task", "kill", String(id)]);
    await it.ended(id);
  });

  test("a shell is opened with a token that may change things, by an upgrade, and by nothing less", async () => {
    const it = shared();
    const start = await it.contrail(["--json", "shell", "start", "--no-code", "--detach"]);
    const { id } = JSON.parse(start.stdout) as { id: number };
    await it.trialWhen(`${id}.1`, "runs", ({ state }) => state === "running");
    const reading = await it.client.createToken({ name: "reader", scope: "read", lifetime_s: 600 });
    for (const [token, code] of [
      [undefined, "not_authenticated"],
      ["ca_nonsense", "not_authenticated"],
      [reading.token, "not_allowed"],
    ] as const)
      await assert.rejects(
        wayToShell({ url: it.server.url, token }, id),
        (error: unknown) => error instanceof RemoteError && error.code === code,
      );
    const plain = await fetch(`${it.server.url}/api/v1/tasks/${id}/shell`, {
      headers: { Authorization: `Bearer ${it.token}` },
    });
    assert.equal(plain.status, 400, "no upgrade is asked for");
    const way = await wayToShell({ url: it.server.url, token: it.token }, id);
    way.destroy();
    await it.contrail(["task", "kill", String(id)]);
    await it.ended(id);
    await assert.rejects(wayToShell({ url: it.server.url, token: it.token }, id), RemoteError);
  });
});
