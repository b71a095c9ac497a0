/** A search decided again from its log: after a restart in its middle, from a file without any server, and tampered with. */
import assert from "node:assert/strict";
import { readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { describe, test } from "node:test";
import { curveSearch, sharedStand, until } from "./support.ts";

const ASHA = {
  ...{ name: "asha", max_length: { epochs: 9 }, divisor: 3, num_rungs: 3 },
  ...{ max_trials: 9, max_concurrent_trials: 3 },
};

interface Result {
  readonly same: boolean;
  readonly events: number;
  readonly events_same: number;
  readonly decisions: number;
  readonly decisions_same: number;
  readonly difference: { kind: string; seq: number; text: string } | null;
  readonly state: { sha256: string; saved_after: number; as_saved: boolean | null };
  readonly goes_on: boolean;
}

interface Entry {
  readonly seq: number;
  readonly event: { type: string; trial?: number; objective?: number };
  readonly actions: { type: string; target?: number }[];
}

describe("search replay", () => {
  const shared = sharedStand({ slots: 3 });

  test("a search over a server that was killed in its middle is decided the same again", async () => {
    const it = shared();
    const code = await it.codeFolder({}, ["curve.ts"]);
    // The later trials wait, so that the search is in its middle for as long as it is looked at.
    const gate = join(it.folder, "gate");
    const program = `case "$CONTRAIL_TRIAL" in *.[6-9]) until [ -e ${gate} ]; do sleep 0.1; done;; esac; exec node curve.ts`;
    const config = curveSearch(ASHA, {
      ...{ entrypoint: ["sh", "-c", program], delayMs: 40 },
      environment: { E2E_TRACE: it.trace },
    });
    const { id } = await it.submit(config, code);
    const replay = async (...args: string[]) => {
      const {
        code: exit,
        stdout,
        stderr,
      } = await it.contrail(["search", "replay", ...args, "--json"]);
      assert.ok(stdout !== "", stderr);
      return { exit, result: JSON.parse(stdout) as Result };
    };
    await until("trial 4 trains", async () => (await it.traced(`${id}.4`)).length > 0);
    const midway = await replay(String(id));
    assert.deepEqual([midway.exit, midway.result.same], [0, true]);
    assert.equal(midway.result.goes_on, true, "the log so far");
    await writeFile(gate, "");
    await it.killServer();
    await it.start();
    const experiment = await it.ended(id);
    assert.equal(experiment.state, "completed", experiment.reason);

    const file = join(it.folder, "search.jsonl");
    const online = await replay(String(id), "--export", file);
    assert.equal(online.exit, 0);
    const { result } = online;
    assert.ok(result.decisions > 20 && result.decisions_same === result.decisions);
    assert.equal(result.events_same, result.events);
    assert.deepEqual(result.state, { ...result.state, saved_after: result.events, as_saved: true });
    assert.equal(result.goes_on, false);
    const shown = await it.contrail(["search", "replay", String(id)]);
    assert.match(
      shown.stdout,
      new RegExp(`ok: ${result.decisions} of ${result.decisions} decisions are the same`),
    );
    assert.match(shown.stdout, /as saved/);

    // From the file alone, with no server to ask.
    await it.killServer();
    const offline = await replay("--file", file);
    assert.deepEqual(offline, online);

    const lines = (await readFile(file, "utf8")).trim().split("\n");
    const entries = lines.slice(1).map((line) => JSON.parse(line) as Entry);
    const tampered = async (name: string, change: (lines: string[]) => string[]) => {
      const path = join(it.folder, name);
      await writeFile(path, `${change([...lines]).join("\n")}\n`);
      return replay("--file", path);
    };
    const at = entries.findIndex(({ actions }) => actions.some(({ type }) => type === "train"));
    const promoted = entries[at] as Entry;

    // The answer was changed.
    const train = promoted.actions.find(({ type }) => type === "train");
    assert.ok(train);
    train.target = 8;
    const answer = await tampered("answer.jsonl", (all) =>
      all.with(at + 1, JSON.stringify(promoted)),
    );
    assert.equal(answer.exit, 1);
    assert.deepEqual(
      [answer.result.difference?.kind, answer.result.difference?.seq],
      ["decision", promoted.seq],
    );
    assert.match(answer.result.difference?.text ?? "", /target: 8 then, 3 now/);
    assert.ok(answer.result.decisions_same < answer.result.decisions);
    const inWords = await it.contrail([
      "search",
      "replay",
      "--file",
      join(it.folder, "answer.jsonl"),
    ]);
    assert.equal(inWords.code, 1);
    assert.match(inWords.stdout, /differs: Event \d+ is answered otherwise/);
    assert.match(inWords.stdout, /then .*train trial \d to step 8/s);

    // What was measured was changed: the first decision that would have been another is named.
    const index = entries.findIndex(({ event }) => event.type === "report");
    const report = entries[index] as Entry;
    const better = { ...report, event: { ...report.event, objective: 1e9 } };
    const event = await tampered("event.jsonl", (all) =>
      all.with(index + 1, JSON.stringify(better)),
    );
    assert.equal(event.exit, 1);
    assert.equal(event.result.difference?.kind, "decision");

    // Events are missing, in the middle and at the end.
    const gap = await tampered("gap.jsonl", (all) => all.toSpliced(5, 1));
    assert.deepEqual([gap.exit, gap.result.difference?.kind], [1, "missing_event"]);
    const cut = await tampered("cut.jsonl", (all) => all.slice(0, -2));
    assert.deepEqual([cut.exit, cut.result.difference?.kind], [1, "cut_off"]);

    // The whole log fits, and the saved state is another.
    const state = await tampered("state.jsonl", (all) => [
      (all[0] as string).replace(result.state.sha256, "0".repeat(64)),
      ...all.slice(1),
    ]);
    assert.deepEqual([state.exit, state.result.difference?.kind], [1, "state"]);
    assert.equal(state.result.decisions_same, state.result.decisions);

    for (const [name, text] of [
      ["empty.jsonl", ""],
      ["other.jsonl", '{"some": "file"}\n'],
      ["binary.jsonl", "\0\xff\n\n"],
      ["odd.jsonl", `${lines[0]}\nnull\n`],
      [
        "spec.jsonl",
        `${(lines[0] as string).replace('"stepsMax":9', '"stepsMax":-9')}\n${lines[1]}\n`,
      ],
    ] as const) {
      const path = join(it.folder, name);
      await writeFile(path, text);
      const { code: exit, stderr } = await it.contrail(["search", "replay", "--file", path]);
      assert.equal(exit, 1, `${name}: ${stderr}`);
      assert.match(stderr, /is not an export of a search|no specification of a search/, name);
      assert.match(stderr, /--export/);
    }
    const { code: missing } = await it.contrail(["search", "replay", "--file", "nowhere.jsonl"]);
    assert.equal(missing, 3);
    const both = await it.contrail(["search", "replay", String(id), "--file", file]);
    assert.equal(both.code, 2);
    await it.start();
    const unknown = await it.contrail(["search", "replay", "999"]);
    assert.equal(unknown.code, 3, unknown.stderr);
  });
});
