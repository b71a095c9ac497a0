/** The log of a search over HTTP: whole, page by page, with what JSON has no number for; a change in the database shows. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { reviveExact } from "../../base/json.ts";
import { type LoggedStep, Replay } from "../../core/search/replay.ts";
import type { SearchSpec } from "../../core/search/search.ts";
import type { SearchLogEntry } from "../../protocol/api.ts";
import { RemoteError } from "../../sdk/remote-error.ts";
import { searchStateHash } from "../../store/search-state-hash.ts";
import { RANDOM_CONFIG, testServer } from "./test-server.ts";

const MANY = RANDOM_CONFIG.replace("max_trials: 2", "max_trials: 30").replace(
  "name: random,",
  "name: random, max_concurrent_trials: 2,",
);

test("the log comes page by page and is decided the same; what is changed in the database is found", async () => {
  await using server = await testServer({ slots: 2 });
  const { client, pool } = server;
  const { experiment } = await client.createExperiment({
    ...{ config: MANY, code: null },
    activate: false,
  });
  assert.ok(experiment);
  const { id } = experiment;
  // Nothing runs, so each trial that a person ends is over at once: an event, and a successor.
  for (let number = 1; number <= 12; number++) await client.changeTrial(`${id}.${number}`, "kill");

  const read = async (): Promise<SearchLogEntry[]> => {
    const all: SearchLogEntry[] = [];
    let cursor: string | undefined;
    do {
      const page = await client.searchLog(id, { limit: 5, cursor });
      assert.ok(page.items.length <= 5);
      all.push(...page.items);
      cursor = page.next_cursor ?? undefined;
    } while (cursor !== undefined);
    return all;
  };
  const replayed = async () => {
    const head = await client.searchLogHead(id);
    const replay = new Replay(head.spec as unknown as SearchSpec);
    for (const { seq, at_ms: atMs, event, actions } of await read()) {
      const step = reviveExact({ seq, atMs, event, actions }) as unknown as LoggedStep;
      const parting = replay.take(step);
      if (parting) return { head, replay, parting };
    }
    return { head, replay, parting: undefined };
  };
  const first = await replayed();
  assert.equal(first.parting, undefined);
  assert.equal(first.replay.events, first.head.events);
  assert.ok(first.head.events >= 10);
  assert.equal(first.head.ended, false);

  await client.changeExperiment(id, "kill");
  const last = await replayed();
  assert.equal(last.head.ended, true);
  assert.equal(last.head.saved.events, last.head.events);
  assert.equal(last.head.saved.sha256, searchStateHash(last.replay.state));

  await pool.query(
    "update search_events set actions = jsonb_set(actions, '{0,seed}', '1') where experiment_id = $1 and seq = 3",
    [id],
  );
  assert.deepEqual((await replayed()).parting?.seq, 3);

  await assert.rejects(
    client.searchLog(99),
    (error) => error instanceof RemoteError && error.code === "not_found",
  );
  await assert.rejects(
    client.searchLogHead(99),
    (error) => error instanceof RemoteError && error.code === "not_found",
  );
  await assert.rejects(
    client.searchLog(id, { cursor: "x" }),
    (error) => error instanceof RemoteError && error.code === "invalid_request",
  );
});
