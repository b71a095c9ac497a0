/** How trials fail, and what is said about it (rows F14, F15 and the reasons of §5). */
import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { curveSearch, sharedStand } from "./support.ts";

const single = (entrypoint: string[], more: object = {}): object => ({
  ...{ name: "fails", entrypoint, searcher: { name: "single" }, max_restarts: 0, ...more },
});

describe("a trial that fails", { concurrency: 4 }, () => {
  const shared = sharedStand({ slots: 8 });

  test("always: max_restarts + 1 attempts, then error with its last lines; the others are untouched", async () => {
    const it = shared();
    const program = `case "$CONTRAIL_TRIAL" in
        *.2) echo "about to fail" >&2; echo "boom $CONTRAIL_ALLOCATION"; exit 3;;
        *) exec node curve.ts;;
      esac`;
    const code = await it.codeFolder({}, ["curve.ts"]);
    const searcher = { name: "asha", max_length: { epochs: 4 }, divisor: 2, num_rungs: 2 };
    const { id } = await it.submit(
      curveSearch(
        { ...searcher, max_trials: 4, max_concurrent_trials: 4 },
        { entrypoint: ["sh", "-c", program], max_restarts: 2 },
      ),
      code,
    );
    const experiment = await it.ended(id);
    assert.equal(experiment.state, "completed", experiment.reason);
    for (const trial of await it.details(id)) {
      if (trial.number !== 2) {
        assert.equal(trial.state, "completed", trial.reason);
        assert.equal(trial.restarts, 0);
        continue;
      }
      assert.equal(trial.state, "error");
      assert.equal(trial.end_reason, "user_error");
      assert.equal(trial.restarts, 2);
      assert.deepEqual(
        trial.allocations.map(({ end, exit_code: code }) => [end, code]),
        [1, 2, 3].map(() => ["user_error", 3]),
      );
      await it.allLogs(trial.id);
      const { last_lines: lines } = await it.client.trial(trial.id);
      assert.deepEqual(
        lines.filter((line) => line.startsWith("boom")),
        [1, 2, 3].map((run) => `boom ${id}.2.${run}`),
      );
      assert.match(trial.reason, /exit code 3; max_restarts \(2\) are used up/);
    }
    const { items } = await it.client.experimentChanges(id, { limit: 1000 });
    assert.equal(items.filter(({ what }) => what === "restarting").length, 2);
  });

  const ends: readonly [name: string, entrypoint: string[], reason: string, text: RegExp][] = [
    [
      "by a signal of its own",
      ["sh", "-c", "kill -KILL $$"],
      "user_error",
      /killed by SIGKILL, which Contrail did not send/,
    ],
    ["because there is no such program", ["./missing"], "launch_failed", /missing/],
    [
      "because the shell finds no command",
      ["sh", "-c", "no-such-command"],
      "user_error",
      /exit code 127 \(command not found\)/,
    ],
    [
      "because Node's heap is full",
      [
        "node",
        "--max-old-space-size=24",
        "-e",
        "const a = []; for (;;) a.push(new Array(1e5).fill(Math.random()))",
      ],
      "out_of_memory",
      /out of memory/,
    ],
    [
      "because Python has no memory left",
      [
        "python3",
        "-c",
        "import resource as r; r.setrlimit(r.RLIMIT_AS, (1 << 28, 1 << 28)); b = bytearray(1 << 30)",
      ],
      "out_of_memory",
      /out of memory/,
    ],
  ];
  for (const [name, entrypoint, reason, text] of ends)
    test(name, async () => {
      const it = shared();
      const { id } = await it.submit(single(entrypoint));
      const experiment = await it.ended(id);
      assert.equal(experiment.state, "error");
      const trial = await it.client.trial(`${id}.1`);
      assert.equal(trial.end_reason, reason, JSON.stringify(trial));
      assert.match(trial.reason, text);
      assert.equal(trial.allocations.length, 1);
    });

  test("by ending well without the metric that the search judges by", async () => {
    const it = shared();
    const program = `import * as contrail from "contrail";
      const trial = await contrail.init();
      for await (const step of trial.steps()) trial.report(step, { los: 1, accuracy: 0.5 });`;
    const code = await it.codeFolder({ "other.ts": program });
    const random = { name: "random", max_length: { epochs: 2 }, max_trials: 1 };
    const silent = await it.submit(curveSearch(random, { entrypoint: ["true"] }), code);
    const misnamed = await it.submit(curveSearch(random, { entrypoint: "node other.ts" }), code);
    await it.ended(silent.id);
    await it.ended(misnamed.id);
    const first = await it.client.trial(`${silent.id}.1`);
    assert.equal(first.end_reason, "objective_missing", first.reason);
    assert.match(
      first.reason,
      /"loss" \(searcher\.metric\) was not reported by step 0; no metric was reported/,
    );
    const second = await it.client.trial(`${misnamed.id}.1`);
    assert.equal(second.end_reason, "objective_missing", second.reason);
    assert.match(second.reason, /reported were: los, accuracy/);
  });

  test("while it saves the model that the search let it train: it is not shown as completed without one", async () => {
    const it = shared();
    const program = `import { writeFileSync } from "node:fs";
      import * as contrail from "contrail";
      const trial = await contrail.init();
      const [, number, run] = process.env.CONTRAIL_ALLOCATION.split(".");
      const save = (path) => {
        if (number === "2" || run === "1") throw new Error("no room for the model");
        writeFileSync(path + "/model.txt", "trained");
      };
      for await (const step of trial.steps({ save, restore: () => undefined })) trial.report(step, { loss: 1 / step });`;
    const code = await it.codeFolder({ "heavy.ts": program });
    const random = { name: "random", max_length: { epochs: 2 }, max_trials: 2 };
    const { id } = await it.submit(
      curveSearch(random, { entrypoint: "node heavy.ts", max_restarts: 1 }),
      code,
    );
    assert.equal((await it.ended(id)).state, "completed");
    const first = await it.client.trial(`${id}.1`);
    assert.deepEqual([first.state, first.restarts, first.checkpoint?.step], ["completed", 1, 2]);
    const second = await it.client.trial(`${id}.2`);
    assert.deepEqual(
      [second.state, second.end_reason, second.restarts],
      ["error", "user_error", 1],
    );
    assert.match(
      second.reason,
      /exit code 1, before a checkpoint of step 2, .*was saved; max_restarts/,
    );
    assert.deepEqual(
      [first, second].map(({ allocations }) => allocations.map(({ end }) => end)),
      [
        ["user_error", "stopped"],
        ["user_error", "user_error"],
      ],
    );
  });

  test("not for names and values that no JSON or database holds: those are refused by name", async () => {
    const it = shared();
    const program = `import json, math, os, socket
import contrail
trial = contrail.init()
for step in trial.steps():
    trial.report(step, loss=1 / step, nan=math.nan, inf=math.inf, minus=-math.inf, zero=-0.0, odd=2.0**53)
    # What a client written by hand may send.
    raw = socket.socket(socket.AF_UNIX)
    raw.connect(os.environ["CONTRAIL_SOCKET"])
    def send(**message):
        raw.sendall(json.dumps(message).encode() + b"\\n")
    send(type="hello", rank=0, sdk="by hand")
    raw.recv(65536)
    send(type="report", step=step, metrics={"__proto__": 1, "constructor": 2, "text": "12", "none": None})
    raw.close()
`;
    const code = await it.codeFolder({ "odd.py": program });
    const searcher = { name: "random", max_length: { epochs: 3 }, max_trials: 1 };
    const { id } = await it.submit(curveSearch(searcher, { entrypoint: "python3 odd.py" }), code);
    assert.equal((await it.ended(id)).state, "completed");
    const trial = await it.client.trial(`${id}.1`);
    assert.deepEqual(Object.keys(trial.refused_metrics).sort(), ["(__proto__)", "none", "text"]);
    const shown = async (name: string) =>
      (await it.series(trial.id, name)).map(([, value]) => value);
    for (const [name, value] of [
      ["nan", "NaN"],
      ["inf", "Infinity"],
      ["minus", "-Infinity"],
      ["zero", 0],
      ["odd", 2 ** 53],
      ["constructor", 2],
    ] as const)
      assert.deepEqual(await shown(name), [value, value, value], name);
  });

  test("by hyperparameters that cannot work: it is replaced, within a bound", async () => {
    const it = shared();
    const program = `import * as contrail from "contrail";
      const trial = await contrail.init<{ rate: number }>();
      if (trial.params.rate > 0.25) await trial.invalidHyperparameters(\`rate \${trial.params.rate} is too high\`);
      for await (const step of trial.steps()) trial.report(step, { loss: trial.params.rate });`;
    const never = `import * as contrail from "contrail";
      const trial = await contrail.init();
      await trial.invalidHyperparameters("never");`;
    const code = await it.codeFolder({ "some.ts": program, "none.ts": never });
    const random = { name: "random", max_length: { epochs: 1 }, max_trials: 4 };
    const some = await it.submit(curveSearch(random, { entrypoint: "node some.ts" }), code);
    const none = await it.submit(
      curveSearch({ ...random, max_trials: 2 }, { entrypoint: "node none.ts" }),
      code,
    );
    assert.equal((await it.ended(some.id)).state, "completed");
    const trials = await it.details(some.id);
    const invalid = trials.filter((trial) => trial.end_reason === "invalid_hyperparameters");
    assert.ok(invalid.length > 0, "the seed has some that are too high");
    assert.equal(trials.length - invalid.length, 4);
    for (const trial of invalid) {
      assert.match(trial.reason, /rate 0\.\d+ is too high/);
      assert.equal(trial.restarts, 0);
      assert.equal(trial.allocations.length, 1);
    }
    const ended = await it.ended(none.id);
    assert.equal(ended.state, "error", ended.reason);
    assert.ok(ended.trials.total < 200, `${ended.trials.total} trials were tried`);
  });
});
