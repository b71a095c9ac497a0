/** F6: the network between runner and server is cut, cut in one direction, or swallows everything, for a while. */
import { readFile } from "node:fs/promises";
import { setTimeout as wait } from "node:timers/promises";
import { readRunnerRecord, runnerFiles } from "../../src/engines/runner-record.ts";
import type { SyncReply } from "../../src/protocol/runner-wire.ts";
import { curveSearch, type Stand, until } from "../support.ts";
import { endFaults, fourTrials, watchForTwins } from "./four-trials.ts";
import { reroutedStand } from "./rerouted-stand.ts";
import { type Faults, type Finding, none, type Row, within } from "./row.ts";
import { type Network, TcpProxy } from "./tcp-proxy.ts";

const NETWORKS: readonly Network[] = ["cut", "requests held", "answers held", "black hole"];
/** What a connection that hangs costs until it is given up: the runner's longest wait for an answer. */
const CAUGHT_UP_S = 40;

export const networkCut: Row = {
  name: "F6",
  fault: "the network between runner and server is cut",
  async run(faults) {
    await using routed = await reroutedStand(4, (target) => TcpProxy.open(target));
    const { it, proxy } = routed;
    const seconds = faults.long ? [1, 20, 60, 600] : [1, 20, 60];
    const cuts = faults.quick
      ? [{ networks: NETWORKS, cutS: 1 }]
      : seconds.flatMap((cutS) => NETWORKS.map((network) => ({ networks: [network], cutS })));
    const findings: Finding[] = [];
    for (const each of cuts) findings.push(...(await cut(faults, { it, proxy, ...each })));
    findings.push(...(await staleReports(it)));
    return findings;
  },
};

interface Cut {
  readonly it: Stand;
  readonly proxy: TcpProxy;
  /** One after the other, on the same trials. */
  readonly networks: readonly Network[];
  readonly cutS: number;
}

async function cut(faults: Faults, { it, proxy, networks, cutS }: Cut): Promise<Finding[]> {
  const how = `${networks.join(", ")}, ${cutS} s`;
  faults.say(how);
  // Training goes on beyond the cuts and the time to catch up.
  const four = await fourTrials(it, { steps: networks.length * (cutS * 20 + 20) + 60 });
  const stopWatching = watchForTwins(it);
  const caughtUpMs: number[] = [];
  for (const network of networks) {
    proxy.become(network);
    await wait(cutS * 1000);
    const trained = await Promise.all(four.trials.map(async (t) => (await it.traced(t)).length));
    proxy.become("open");
    const healedMs = performance.now();
    await until("the server has heard what was trained during the cut", async () => {
      const heard = (await it.trials(four.id)).map(({ step }) => step);
      return heard.every((step, i) => step >= (trained[i] ?? 0));
    });
    caughtUpMs.push(performance.now() - healedMs);
  }
  // One allocation each, none lost, nobody charged: nothing but latency.
  // The end waits behind the checkpoints that were saved meanwhile.
  const faultsAtEnd = await endFaults(it, four, ["stopped"], 180_000 + cutS * 1000);
  return [
    none(`trials that it did more to than delay, ${how}`, faultsAtEnd, " of 4"),
    none(`two processes for a trial, ${how}`, stopWatching()),
    within(`caught up, ${how}`, caughtUpMs, CAUGHT_UP_S),
  ];
}

/** What an allocation that was replaced says later counts for itself, and for nothing else. */
async function staleReports(it: Stand): Promise<Finding[]> {
  const code = await it.codeFolder({}, ["curve.ts"]);
  const searcher = { name: "random", max_length: { epochs: 5000 }, max_trials: 1 };
  const { id } = await it.submit(curveSearch(searcher, { delayMs: 50 }), code);
  const trial = `${id}.1`;
  await it.trialWhen(trial, "trains", ({ step }) => step >= 3);
  await it.client.changeTrial(trial, "pause");
  const paused = await it.trialWhen(trial, "is paused", ({ state }) => state === "paused");
  await it.client.changeTrial(trial, "activate");
  await it.trialWhen(trial, "goes on", ({ step }) => step > paused.step);
  const files = runnerFiles(it.dataDir);
  const token = (await readFile(files.token, "utf8")).trim();
  // Only the process that holds the runner's name is heard at all.
  const { boot } = readRunnerRecord(files.record) ?? {};
  const first = { id: `${trial}.1`, fence: 1 };
  // Heard before, so it changes nothing; the answer says how far this allocation was heard.
  const heard = { type: "started", seq: 1, atMs: Date.now(), pid: 1 };
  const { acked } = await sync({ ...first, events: [heard] }, token);
  const STALE_STEP = 4_900;
  const seq = (acked[first.id] ?? 0) + 1;
  const event = {
    ...{ type: "report", seq, atMs: Date.now(), step: STALE_STEP, metrics: { loss: -1e9 } },
  };
  const reply = await sync({ ...first, events: [event] }, token);
  const after = await it.trialWhen(trial, "trains on", ({ step }) => step > paused.step + 3);
  const decided: string[] = [];
  if (after.step >= STALE_STEP) decided.push(`the trial stands at step ${after.step}`);
  if (after.best?.objective === -1e9) decided.push("it is the best objective");
  if (!reply.gone.includes(first.id)) decided.push("its sender is not told that it is gone");
  const { series } = await it.client.metrics(trial, { names: "loss", superseded: true });
  const kept = series[0]?.points.some(({ run, step }) => run === 1 && step === STALE_STEP) === true;
  await it.client.changeExperiment(id, "kill");
  await it.ended(id);
  return [
    none("ways in which a report under an old fence decided something", decided),
    none("late reports not kept under their own allocation", kept ? [] : [first.id], " of 1"),
  ];

  async function sync(allocation: object, bearer: string): Promise<SyncReply> {
    const response = await fetch(`${it.server.url}/api/v1/runners/local/sync`, {
      method: "POST",
      headers: { authorization: `Bearer ${bearer}`, "content-type": "application/json" },
      body: JSON.stringify({ boot, ordersAfter: 0, allocations: [allocation] }),
    });
    if (!response.ok) throw new Error(`sync: ${response.status} ${await response.text()}`);
    return (await response.json()) as SyncReply;
  }
}
