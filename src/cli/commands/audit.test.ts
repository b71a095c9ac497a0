import assert from "node:assert/strict";
import { mkdtempSync, rmSync, truncateSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, describe, test } from "node:test";
import type { AuditChange } from "../../protocol/api.ts";
import { CHAIN_START, linkHash } from "../../store/write-batch.ts";
import { fakeServer, problem, run } from "../test-host.ts";
import { thingOf } from "./why.ts";

const folder = mkdtempSync(join(tmpdir(), "contrail-audit-"));
after(() => rmSync(folder, { recursive: true, force: true }));

/** A log as the server would export it. */
function exported(events: number): AuditChange[] {
  let { hash } = CHAIN_START;
  return Array.from({ length: events }, (_, i) => {
    const fields = {
      ...{ seq: i + 1, at: new Date(Date.UTC(2026, 0, 1, 0, 0, i)).toISOString(), actor: "ada" },
      ...{ subject: `trial 1.${i}`, what: "paused", cause: `by \u001b[31mada "${i}"` },
    };
    const experiment = i % 2 === 0 ? 1 : null;
    hash = linkHash(hash, { ...fields, experimentId: experiment });
    return { ...fields, experiment, hash: hash.toString("hex") };
  });
}

let files = 0;
function fileOf(text: string): string {
  const path = join(folder, `${++files}.json`);
  writeFileSync(path, text);
  return path;
}
const items = exported(5);
const last = `5:${items[4]?.hash}`;

describe("verify --file", () => {
  const verify = (text: string, ...more: string[]) =>
    run(["--json", "audit", "verify", "--file", fileOf(text), ...more]);

  test("what is too large to be read is no mistake of ours", async () => {
    const file = fileOf("");
    truncateSync(file, 2 ** 30);
    const { code, err } = await run(["audit", "verify", "--file", file]);
    assert.equal(code, 1);
    assert.match(err, /has 1\.1 GB; at most .* can be checked/);
  });

  test("one document, or an event a line", async () => {
    for (const text of [
      JSON.stringify({ items, next_cursor: null }, null, 2),
      JSON.stringify({ items }),
      `${items.map((item) => JSON.stringify(item)).join("\n")}\n`,
    ]) {
      const { code, out } = await verify(text, "--expect-last", last);
      const verdict = JSON.parse(out);
      assert.deepEqual([code, verdict.ok, verdict.checked], [0, true, 5], text);
      assert.equal(`${verdict.last.seq}:${verdict.last.hash}`, last);
    }
  });

  test("a changed field, a missing event, a cut end: exit code 1, and which event", async () => {
    const changed = items.map((item) => (item.seq === 3 ? { ...item, actor: "eve" } : item));
    const cases = [
      [changed, "hash", 3],
      [items.filter(({ seq }) => seq !== 2), "sequence", 2],
      [items.slice(0, 4), "truncated", 5],
    ] as const;
    for (const [list, kind, seq] of cases) {
      const { code, out } = await verify(JSON.stringify({ items: list }), "--expect-last", last);
      const { ok, misfit } = JSON.parse(out);
      assert.deepEqual([code, ok, misfit.kind, misfit.seq], [1, false, kind, seq]);
    }
  });

  test("what holds no event is no log, and none of which anything fits", async () => {
    for (const text of ["", "\n", '{"items":[]}', '{"items":[],"next_cursor":null}']) {
      const { code, out, err } = await verify(text);
      assert.deepEqual([code, out, JSON.parse(err).code], [1, "", "no_export"], text);
    }
  });

  test("for people: what was expected, what was found, and nothing of it reaches the terminal raw", async () => {
    const changed = items.map((item) => (item.seq === 3 ? { ...item, what: "activated" } : item));
    const { out } = await run([
      "audit",
      "verify",
      "--file",
      fileOf(JSON.stringify({ items: changed })),
    ]);
    assert.match(out, /does not fit: event 3 carries the hash/);
    assert.match(out, /2 events before it fit/);
    // A server that is asked for event 3 may hold another.
    assert.doesNotMatch(out, /^next:/m);
    assert.match(out, /activated +by \\x1b\[31mada/);
    assert.ok(!out.includes("\u001b[31mada"));
  });

  test("what is no export says so", async () => {
    for (const text of ["{}", "no", '{"items":[{"seq":1}]}', `${JSON.stringify(items[0])}\n{`])
      assert.equal(JSON.parse((await verify(text)).err).code, "no_export", text);
    const { err } = await run(["--json", "audit", "verify", "--file", join(folder, "none")]);
    assert.equal(JSON.parse(err).code, "no_such_file");
    assert.equal((await verify("", "--expect-last", "5:abc")).code, 2);
  });
});

describe("over a server", () => {
  const hash = "a".repeat(64);

  test("verify goes on where the server stopped, until all is seen", async (t) => {
    const server = await fakeServer();
    t.after(() => server.close());
    server.answer("GET /audit/verify", ({ query }, response) => {
      const from = Number(query.get("after_seq") ?? 0);
      const body = {
        ok: true,
        complete: from === 20,
        checked: 10,
        last: { seq: from + 10, hash },
        misfit: null,
      };
      response.writeHead(200, { "content-type": "application/json" });
      response.end(JSON.stringify(body));
    });
    const { code, out } = await run(["audit", "verify", "--expect-last", `7:${hash}`], {
      url: server.url,
    });
    assert.equal(code, 0);
    assert.match(out, /^ok: 30 events fit, without a gap/);
    assert.match(out, new RegExp(`\nlast: 30:${hash}\n`));
    assert.deepEqual(
      server.requests.map(({ query }) => [query.get("after_seq"), query.get("expect_seq")]),
      [
        [null, "7"],
        ["10", "7"],
        ["20", "7"],
      ],
    );
  });

  test("list narrows by what is asked, and times can be told as how long ago", async (t) => {
    const server = await fakeServer({ "GET /audit": { items, next_cursor: null } });
    t.after(() => server.close());
    const { code, out } = await run(
      [
        "audit",
        "list",
        "3.12",
        "--actor",
        "ada",
        "--what",
        "granted",
        "--since",
        "2h",
        "--until",
        "2026-01-31",
        "--oldest",
      ],
      { url: server.url },
    );
    assert.equal(code, 0);
    assert.equal(out.split("\n").filter((line) => /trial 1\.\d/.test(line)).length, 5);
    const query = server.requests[0]?.query;
    assert.deepEqual(
      ["trial", "actor", "what", "until", "order"].map((name) => query?.get(name)),
      ["3.12", "ada", "granted", "2026-01-31T00:00:00.000Z", "oldest"],
    );
    const ago = Date.now() - Date.parse(query?.get("since") ?? "");
    assert.ok(ago >= 7_200_000 && ago < 7_300_000);
    for (const wrong of [
      ["list", "cpu:0"],
      ["list", "--since", "yesterday"],
      ["show", "x"],
    ])
      assert.equal((await run(["audit", ...wrong], { url: server.url })).code, 2, String(wrong));
  });

  test("show: one event; one that is not there", async (t) => {
    const server = await fakeServer({
      "GET /audit/3": items[2] as AuditChange,
      "GET /audit/4": (_, response) =>
        problem(response, 404, "not_found", "the log has no event 4"),
    });
    t.after(() => server.close());
    const { out } = await run(["audit", "show", "3"], { url: server.url });
    assert.match(out, /^event +3$/m);
    assert.ok(out.includes(items[2]?.hash as string));
    assert.match(out, /next: .*why trial 1\.2/);
    assert.equal((await run(["audit", "show", "4"], { url: server.url })).code, 3);
  });
});

test("things that can be asked about", () => {
  const ask = (...words: string[]) => Object.values(thingOf(words)).join(" ");
  assert.equal(ask("3"), "experiment 3");
  assert.equal(ask("3.12"), "trial 3.12");
  assert.equal(ask("3.12.2"), "allocation 3.12.2");
  assert.equal(ask("gpu:0"), "slot gpu:0");
  assert.equal(ask("Searcher", "3"), "searcher 3");
  assert.equal(ask("trial", "3.12"), "trial 3.12");
  for (const words of [["x"], ["3.1.2.3"], ["planet", "3"], ["searcher"], ["3", "4"]])
    assert.throws(() => thingOf(words), /names nothing that could be asked about/);
});
