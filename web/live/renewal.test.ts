import assert from "node:assert/strict";
import { test } from "node:test";
import { QueryClient, QueryObserver } from "@tanstack/react-query";
import { renewal } from "./renewal.ts";

const turn = (): Promise<void> => new Promise(setImmediate);

test("news that come faster than answers cancel none, and the last of them is asked for too", async () => {
  const queries = new QueryClient();
  let now = 0;
  const asked: { readonly cancelled: () => boolean; readonly answer: () => void }[] = [];
  const observer = new QueryObserver(queries, {
    queryKey: ["queue", "jobs"],
    retry: false,
    queryFn: ({ signal }) =>
      new Promise<number>((resolve) => {
        const seen = now;
        asked.push({ cancelled: () => signal.aborted, answer: () => resolve(seen) });
      }),
  });
  const stop = observer.subscribe(() => undefined);
  await turn();
  asked[0]?.answer();
  await turn();
  assert.equal(observer.getCurrentResult().data, 0);
  const news = renewal(queries, ["queue"]);
  for (let round = 1; round <= 3; round++) {
    now += 1;
    news();
    await turn();
  }
  assert.equal(asked.length, 2, "one question is under way, however many news come");
  asked[1]?.answer();
  await turn();
  await turn();
  assert.equal(observer.getCurrentResult().data, 1, "the page has moved on meanwhile");
  assert.equal(asked.length, 3);
  asked[2]?.answer();
  await turn();
  await turn();
  assert.equal(observer.getCurrentResult().data, 3);
  assert.equal(asked.length, 3, "no news, no question");
  assert.ok(asked.every(({ cancelled }) => !cancelled()));
  now += 1;
  news();
  await turn();
  assert.equal(asked.length, 4);
  asked[3]?.answer();
  await turn();
  void observer.refetch();
  now += 1;
  news();
  asked[4]?.answer();
  await turn();
  await turn();
  assert.equal(asked.length, 6, "one that was asked before the news is asked once more");
  asked[5]?.answer();
  await turn();
  assert.equal(observer.getCurrentResult().data, 5);
  stop();
  queries.clear();
});

test("news that come in the rest after an answer are asked for once, when it is over", async () => {
  const queries = new QueryClient();
  let asked = 0;
  const observer = new QueryObserver(queries, { queryKey: ["detail"], queryFn: () => ++asked });
  const stop = observer.subscribe(() => undefined);
  await turn();
  const rests: (() => void)[] = [];
  const news = renewal(queries, ["detail"], () => new Promise((over) => rests.push(over)));
  for (let round = 1; round <= 3; round++) {
    news();
    await turn();
    await turn();
  }
  assert.equal(asked, 2, "the first is asked for at once, the others wait");
  rests[0]?.();
  await turn();
  await turn();
  assert.equal(asked, 3, "one question for both");
  rests[1]?.();
  await turn();
  assert.equal(asked, 3, "no news in the second rest");
  news();
  await turn();
  await turn();
  assert.equal(asked, 4);
  stop();
  queries.clear();
});
