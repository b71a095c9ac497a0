/**
 * F7: every message is delivered one to three times, each copy up to five seconds late, in any order.
 *
 * In breadth on a virtual clock: what the sync route calls, over a real database, a thousand seeds. In depth over the
 * real wire: a proxy between the real runner and the real server does the same, and the training program repeats itself.
 */
import { setTimeout as wait } from "node:timers/promises";
import { keyed, type Random } from "../../src/base/random.ts";
import type { SyncRequest } from "../../src/protocol/runner-wire.ts";
import { everything, TestCluster } from "../../src/server/test-cluster.ts";
import type { Database } from "../../src/store/schema.ts";
import { scratchDatabase } from "../../src/store/test-scratch-database.ts";
import { renamedTo, story } from "../story.ts";
import { curveSearch, type Stand } from "../support.ts";
import { comparable, firstDifference, type Left } from "./compare.ts";
import { type Handler, HttpProxy } from "./http-proxy.ts";
import { reroutedStand } from "./rerouted-stand.ts";
import { eachOf, type Faults, type Finding, none, type Row } from "./row.ts";

const LATE_MS = 5_000;
const COPIES = 3;

const SPACE = `
hyperparameters:
  rate: {type: log, base: 10, minval: -4, maxval: -1}
reproducibility: {experiment_seed: 11}
entrypoint: train
`;

/** What is compared of each: where trials run side by side, who was told of what first is not a result. */
const SEARCHES = [
  {
    name: "asha, one trial at a time",
    slots: 1,
    config: `${SPACE}
name: asha
searcher: {name: asha, metric: loss, max_length: {epochs: 4}, max_trials: 8, divisor: 2, num_rungs: 3, max_concurrent_trials: 1}
`,
    tables: ["experiments", "trials", "decisions", "reports", "metrics", "checkpoints"],
  },
  {
    name: "random, three trials at a time",
    slots: 3,
    config: `${SPACE}
name: random
searcher: {name: random, metric: loss, max_length: {epochs: 4}, max_trials: 6, max_concurrent_trials: 3}
`,
    tables: ["trials", "reports", "metrics", "checkpoints"],
  },
] as const;
type Search = (typeof SEARCHES)[number];

export const messagesDoubled: Row = {
  name: "F7",
  fault: "messages doubled, late, reordered",
  async run(faults) {
    const findings: Finding[] = [];
    for (const search of SEARCHES) findings.push(...(await inBreadth(faults, search)));
    return [...findings, ...(await overTheWire(faults))];
  },
};

async function inBreadth(faults: Faults, search: Search): Promise<Finding[]> {
  const { name } = search;
  const clean = await play(faults, search, undefined);
  const seeds = Array.from({ length: faults.quick ? 4 : 500 }, (_, i) => i + 1);
  const different: string[] = [];
  let copies = 0;
  await eachOf(faults, `seeds of ${name}`, seeds, async (seed) => {
    const played = await play(faults, search, keyed(seed, "late"));
    copies += played.copies;
    const difference = firstDifference(clean.left, played.left);
    if (difference !== undefined) different.push(`seed ${seed}: ${difference}`);
  });
  const of = ` of ${seeds.length} seeds (${copies} messages for ${clean.copies * seeds.length})`;
  return [none(`end states unlike the clean run, ${name}`, different, of)];
}

interface Played {
  readonly left: Left;
  /** How many requests reached the server. */
  readonly copies: number;
}

/** @param random undefined = each message once and at once */
async function play(faults: Faults, search: Search, random: Random | undefined): Promise<Played> {
  await using database = await scratchDatabase<Database>(await faults.database());
  const { pool } = database;
  const cluster = await TestCluster.open({ pool, slots: search.slots });
  await cluster.create(search.config, { key: "k" });
  const underWay: { readonly dueMs: number; readonly request: SyncRequest }[] = [];
  let copies = 0;
  const send = async (): Promise<void> => {
    const request = cluster.request();
    const count = random === undefined ? 1 : 1 + random.below(COPIES);
    for (let i = 0; i < count; i++)
      underWay.push({ request, dueMs: cluster.nowMs + (random?.below(LATE_MS) ?? 0) });
    const due = underWay.filter(({ dueMs }) => dueMs <= cluster.nowMs);
    for (const message of random === undefined ? due : shuffled(due, random)) {
      underWay.splice(underWay.indexOf(message), 1);
      copies += 1;
      cluster.take(await cluster.sync(message.request));
    }
    await cluster.tick();
  };
  await cluster.finish(() => cluster.round(send), 2_000);
  // What comes after the end must change nothing either.
  for (const { request } of underWay) await cluster.sync(request);
  // A program whose orders are late says that it waits, which takes a number.
  const left = comparable(await everything(pool, search.tables), { without: ["seq"] });
  return { left, copies: copies + underWay.length };
}

function shuffled<T>(items: readonly T[], random: Random): T[] {
  const left = [...items];
  return items.map(() => left.splice(random.below(left.length), 1)[0] as T);
}

async function overTheWire(faults: Faults): Promise<Finding[]> {
  await using routed = await reroutedStand(2, (target) => HttpProxy.open(target));
  const { it, proxy } = routed;
  const code = await it.codeFolder({}, ["curve.ts"]);
  faults.say("over the wire");
  const clean = await search(it, code, 0);
  const seeds = Array.from({ length: faults.quick ? 1 : 10 }, (_, i) => i + 1);
  const different: string[] = [];
  const counts = { messages: 0, copies: 0 };
  for (const seed of seeds) {
    faults.say(`over the wire: ${seed} of ${seeds.length}`);
    proxy.handler = late(keyed(seed, "wire"), counts);
    const doubled = await search(it, code, 2);
    proxy.handler = (_message, forward) => forward();
    const told = renamedTo(clean.id, doubled.id, doubled.told);
    const difference = firstDifference(
      { story: [JSON.stringify(clean.told)] },
      { story: [JSON.stringify(told)] },
    );
    if (difference !== undefined) different.push(`seed ${seed}: ${difference}`);
  }
  return [
    none("searches over the wire unlike the clean one", different, ` of ${seeds.length}`),
    {
      what: "messages over the wire",
      figure: `${counts.messages}, delivered ${counts.copies} times`,
      passes: "more than once each",
      ok: counts.copies > counts.messages,
    },
  ];
}

async function search(it: Stand, code: string, echoes: number) {
  const asha = {
    ...{ name: "asha", max_length: { epochs: 4 }, divisor: 2, num_rungs: 2 },
    ...{ max_trials: 4, max_concurrent_trials: 1 },
  };
  const { id } = await it.submit(
    curveSearch(asha, { environment: { E2E_ECHOES: String(echoes) } }),
    code,
  );
  await it.ended(id, 180_000);
  return { id, told: await story(it, id) };
}

/** The first copy soon, so that the search comes to an end; the others whenever they like. */
function late(random: Random, counts: { messages: number; copies: number }): Handler {
  return async (_message, forward) => {
    counts.messages += 1;
    const copies = 1 + random.below(COPIES);
    counts.copies += copies;
    for (let i = 1; i < copies; i++)
      void wait(random.below(LATE_MS))
        .then(forward, () => undefined)
        .catch(() => undefined);
    await wait(random.below(300));
    return forward();
  };
}
