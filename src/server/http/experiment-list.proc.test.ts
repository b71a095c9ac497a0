/** The list of experiments filtered and sorted on a real database, and what people change of them. */
import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { SORT_WORDS } from "../../protocol/experiment-filter/fields.ts";
import { RANDOM_CONFIG, type TestServer, testServer } from "./test-server.ts";

/** Twelve that differ in everything that can be asked for. */
async function twelve(server: TestServer): Promise<void> {
  for (let i = 1; i <= 12; i++)
    await server.client.createExperiment({ config: RANDOM_CONFIG, code: null, activate: false });
  await server.pool.query(`
    update experiments set
      name = (array['100% resnet', 'Res_net', 'o''brien "x"', 'plain'])[1 + id % 4] || ' ' || id,
      labels = case when id % 3 = 0 then '{vision,old}'::text[] else '{text}' end,
      best_objective = case when id % 4 = 0 then null when id = 5 then 'NaN' else id / 10.0 end,
      progress = (id % 5) / 5.0, priority = 1 + id % 3, steps = id * id,
      created_at = '2026-01-01T00:00:00Z'::timestamptz + id * interval '1 day',
      started_at = case when id % 2 = 0 then '2026-02-01T00:00:00Z'::timestamptz + id * interval '1 hour' end,
      description = case when id = 7 then 'about seven' end`);
}

const INJECTIONS = [
  `name:"x' or 1=1 --"`,
  `name~"'); drop table experiments; --"`,
  `label:"x}',(select 1)"`,
  `owner:"ada' union select password_hash from users --"`,
  `"\\\\'; delete from experiments; --"`,
  `description~"$1" notes~"$2::int"`,
];

describe("a list", () => {
  test("is filtered by every field, and what a person writes stays a value", async () => {
    await using server = await testServer();
    await twelve(server);
    const ids = async (filter: string): Promise<number[]> =>
      (await server.client.experiments({ filter, sort: "id" })).items.map(({ id }) => id);
    const cases: readonly (readonly [string, readonly number[]])[] = [
      ["label:vision", [3, 6, 9, 12]],
      ["-label:vision,old id<=4", [1, 2, 4]],
      ["best>0.9", [10, 11]],
      ["metric<0.3", [1, 2]],
      ["-best>0 id<6", [4, 5]],
      ["created>=2026-01-11", [10, 11, 12]],
      ["created:2026-01-05", [4]],
      ["started<2026-02-01T05:00Z", [2, 4]],
      ["-started<2027-01-01 id<4", [1, 3]],
      ['name~"100%"', [4, 8, 12]],
      ["name~res_", [1, 5, 9]],
      [`name~"o'brien \\"x\\""`, [2, 6, 10]],
      ["RESNET", [4, 8, 12]],
      ["priority:1 progress>0.3", [3, 9, 12]],
      ["steps>100 owner:ada", [11, 12]],
      ["searcher:random metric:loss id:1,2", [1, 2]],
      ["description~seven", [7]],
      ["state:paused id>=12", [12]],
      ["state:active,error", []],
    ];
    for (const [filter, expected] of cases) assert.deepEqual(await ids(filter), expected, filter);
    for (const filter of INJECTIONS) assert.deepEqual(await ids(filter), [], filter);
    assert.equal((await ids("")).length, 12, "and they are all still there");
    const refused = await server.call("GET", "/api/v1/experiments?filter=sate:x%20best~1");
    assert.equal(refused.status, 400);
    assert.deepEqual(
      refused.problem.issues?.map(({ column, suggestion }) => [column, suggestion ?? null]),
      [
        [1, "state"],
        [8, null],
      ],
    );
    assert.deepEqual(server.troubles, []);
  });

  test("is sorted by every word in both directions, page by page, each exactly once", async () => {
    await using server = await testServer();
    await twelve(server);
    for (const word of SORT_WORDS)
      for (const sort of [word, `-${word}`]) {
        const whole = (await server.client.experiments({ sort })).items.map(({ id }) => id);
        const paged: number[] = [];
        let cursor: string | undefined;
        do {
          const page = await server.client.experiments({ sort, limit: 5, cursor });
          paged.push(...page.items.map(({ id }) => id));
          cursor = page.next_cursor ?? undefined;
        } while (cursor !== undefined && paged.length < 20);
        assert.deepEqual(paged, whole, sort);
        assert.equal(new Set(whole).size, 12, sort);
      }
    const of = async (sort: string) =>
      (await server.client.experiments({ sort })).items.map(({ id }) => id);
    assert.deepEqual((await of("best")).slice(0, 8), [1, 2, 3, 6, 7, 9, 10, 11]);
    assert.deepEqual((await of("-best")).slice(0, 8), [11, 10, 9, 7, 6, 3, 2, 1]);
    assert.deepEqual(await of("-id"), await of("-created"));
    for (const cursor of ["x", "1_", "1_MWU5OTk", "-1_MQ", "1_!!", "99999999999_MQ"]) {
      const { status } = await server.call("GET", `/api/v1/experiments?sort=best&cursor=${cursor}`);
      assert.equal(status, 400, cursor);
    }
    assert.equal((await server.call("GET", "/api/v1/experiments?sort=e.name")).status, 400);
    assert.deepEqual(server.troubles, []);
  });
});

test("a text that is being written is answered with its faults or its plan, and nothing is made", async () => {
  await using server = await testServer();
  const { client } = server;
  const fine = await client.checkExperiment(RANDOM_CONFIG);
  assert.equal(fine.accepted?.plan.trials_max, 2);
  assert.equal(fine.refused, null);
  const { accepted, refused } = await client.checkExperiment(`nam: x\n${RANDOM_CONFIG}`);
  assert.equal(accepted, null);
  assert.deepEqual(
    refused?.issues.map(({ line, suggestion }) => [line, suggestion]),
    [[1, "name"]],
  );
  const large = await client.checkExperiment(`${RANDOM_CONFIG}\nresources: {slots_per_trial: 9}\n`);
  assert.equal(large.refused?.code, "slots_unavailable");
  assert.deepEqual((await client.experiments()).items, []);
});

describe("what people change of an experiment", () => {
  test("labels are added and taken away whatever each one has, of what runs and of what is over", async () => {
    await using server = await testServer();
    const { client } = server;
    for (const names of ["[one, both]", "[two, both]"])
      await client.createExperiment({
        config: `${RANDOM_CONFIG}labels: ${names}\n`,
        ...{ code: null, activate: false },
      });
    await client.changeExperiment(2, "kill");
    for (const id of [1, 2])
      await client.updateExperiment(id, { add_labels: ["new", "both"], remove_labels: ["one"] });
    await server.restart("stop");
    const { items } = await server.client.experiments({ sort: "id" });
    assert.deepEqual(
      items.map(({ labels }) => labels),
      [
        ["both", "new"],
        ["two", "both", "new"],
      ],
    );
    const many = Array.from({ length: 98 }, (_, i) => `n${i}`);
    const refused = server.client.updateExperiment(2, { add_labels: many });
    await assert.rejects(refused, /experiment 2 would have 101 labels; it may have 100/);
    await assert.rejects(
      server.client.updateExperiment(2, { labels: ["x"], add_labels: ["y"] }),
      /labels replaces all of them/,
    );
  });

  test("is there at once, in the log with actor and what it was, and after a restart", async () => {
    await using server = await testServer();
    const { client } = server;
    for (let i = 0; i < 2; i++)
      await client.createExperiment({ config: RANDOM_CONFIG, code: null, activate: false });
    const body = { name: "better", notes: "worth\na look", labels: ["a", "b", "a"], priority: 7 };
    const changed = await client.updateExperiment(2, body);
    assert.deepEqual(
      [changed.name, changed.notes, changed.labels, changed.priority],
      ["better", "worth\na look", ["a", "b"], 7],
    );
    await client.updateExperiment(2, body);
    const log = (await client.audit({ experiment: 2, what: "changed" })).items;
    assert.deepEqual(
      log.map(({ what, actor }) => `${actor} ${what}`).sort(),
      ["ada changed labels", "ada changed name", "ada changed notes", "ada changed priority"],
      "and nothing the second time",
    );
    assert.match(log.find(({ what }) => what === "changed priority")?.cause ?? "", /42 became 7/);
    assert.ok((await client.auditVerify()).ok);
    assert.deepEqual(
      (await client.jobs()).map(({ experiment }) => experiment),
      [2, 1],
    );
    await server.restart("keep");
    assert.deepEqual(
      (await client.jobs()).map(({ experiment, priority }) => [experiment, priority]),
      [
        [2, 7],
        [1, 42],
      ],
    );
  });

  test("is refused whole where a part of it is wrong", async () => {
    await using server = await testServer();
    const { client } = server;
    await client.createExperiment({ config: RANDOM_CONFIG, code: null, activate: false });
    const patch = async (body: object, id = 1) =>
      (await server.call("PATCH", `/api/v1/experiments/${id}`, { body })).status;
    assert.equal(await patch({}), 400);
    assert.equal(await patch({ name: "x", priority: 100 }), 400);
    assert.equal(await patch({ name: "two\nlines" }), 400);
    assert.equal(await patch({ state: "error" }), 400);
    assert.equal(await patch({ name: "a\0b" }), 400);
    assert.equal(await patch({ name: "x" }, 99), 404);
    await client.changeExperiment(1, "kill");
    assert.equal(await patch({ name: "x", priority: 3 }), 409);
    assert.notEqual((await client.experiment(1)).name, "x");
    assert.equal(await patch({ notes: "afterwards" }), 200);
    const { token } = await client.createToken({ name: "look", scope: "read" });
    const read = await server.call("PATCH", "/api/v1/experiments/1", {
      token,
      body: { name: "x" },
    });
    assert.equal(read.status, 403);
  });
});
