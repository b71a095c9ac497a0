/**
 * F12: runner, server or training is killed at every file of a checkpoint of six files: while the files are written,
 * and before and after each of them has reached the server. What is left over is gone after one run of `gc`.
 */
import { createHash } from "node:crypto";
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import type { TreeEntry } from "../../src/protocol/runner-wire.ts";
import { type Stand, until } from "../support.ts";
import { HttpProxy } from "./http-proxy.ts";
import { findLeftovers } from "./leftovers.ts";
import { reroutedStand } from "./rerouted-stand.ts";
import { all, type Faults, type Finding, none, type Row } from "./row.ts";

const FILES = 6;
/** The checkpoint that is hit; the one before it is of step 2. */
const STEP = 4;

interface Kill {
  readonly victim: "runner" | "server" | "training";
  /** Which of its uploads, from 1; the list of files is the last. */
  readonly upload: number;
  readonly moment: "before" | "after";
}

/** While it writes its files: the number of those that it has written. */
type Place = Kill | { readonly victim: "training"; readonly written: number };

export const halfCheckpoint: Row = {
  name: "F12",
  fault: "kill at every file of a checkpoint",
  async run(faults) {
    await using routed = await reroutedStand(2, (target) => HttpProxy.open(target));
    const code = await routed.it.codeFolder({}, ["parts.py"]);
    const seen: Seen = {
      begun: 0,
      whole: 0,
      broken: [],
      listed: new Map(),
      from: [],
      experiments: [],
    };
    const places = faults.quick ? QUICK : allPlaces();
    for (const [i, place] of places.entries()) {
      if (i % 5 === 0) faults.say(`${i} of ${places.length} kills`);
      await hit(faults, { ...routed, code, place, seen });
    }
    routed.proxy.handler = (_message, forward) => forward();
    return [
      ...findings(seen, places.length),
      ...(await findLeftovers(routed.it, seen.experiments)),
    ];
  },
};

const QUICK: readonly Place[] = [
  { victim: "runner", upload: 3, moment: "before" },
  { victim: "server", upload: FILES + 1, moment: "before" },
  { victim: "training", written: 3 },
];

function allPlaces(): Place[] {
  const numbers = Array.from({ length: FILES + 1 }, (_, i) => i);
  const uploads = (["runner", "server", "training"] as const).flatMap((victim) =>
    (["before", "after"] as const).flatMap((moment) =>
      numbers.map((i) => ({ victim, moment, upload: i + 1 })),
    ),
  );
  const writings = numbers
    .slice(0, FILES)
    .map((written) => ({ victim: "training", written }) as const);
  return [...uploads, ...writings];
}

interface Seen {
  /** Trials that were hit, and those that reached their end. */
  begun: number;
  whole: number;
  readonly broken: string[];
  /** Checkpoints that were listed at any time, and what was wrong with them. */
  readonly listed: Map<string, string | undefined>;
  /** Where those went on whose half checkpoint was never offered. */
  readonly from: number[];
  readonly experiments: number[];
}

interface Hit {
  readonly it: Stand;
  readonly proxy: HttpProxy;
  readonly code: string;
  readonly place: Place;
  readonly seen: Seen;
}

async function hit(_faults: Faults, { it, proxy, code, place, seen }: Hit): Promise<void> {
  let killed = false;
  let uploads = 0;
  let restarting: Promise<unknown> = Promise.resolve();
  let stepFour = false;
  proxy.handler = async ({ method, body }, forward) => {
    if (method !== "PUT" || killed || !("upload" in place)) return forward();
    stepFour ||= body.includes(`"step": ${STEP}`);
    if (!stepFour) return forward();
    uploads += 1;
    if (uploads !== place.upload) return forward();
    killed = true;
    if (place.moment === "after") await forward();
    if (place.victim === "runner") process.kill(it.runnerPid, "SIGKILL");
    else if (place.victim === "server") restarting = it.killServer().then(() => it.start());
    else for (const { pid, allocation } of it.processes()) if (allocation) kill(pid);
    return place.victim === "training" ? forward() : undefined;
  };
  const dieAt = "written" in place ? place.written : -1;
  const { id } = await it.submit(
    {
      ...{ name: "parts", entrypoint: ["python3", "parts.py"], max_restarts: 1 },
      hyperparameters: { files: FILES, die_at: dieAt },
      searcher: { name: "random", metric: "loss", max_length: { epochs: 6 }, max_trials: 1 },
      environment: { environment_variables: { E2E_TRACE: it.trace } },
    },
    code,
  );
  const trial = `${id}.1`;
  const where = JSON.stringify(place);
  seen.begun += 1;
  seen.experiments.push(id);
  const over = await until(`${trial}, hit at ${where}, is over`, async () => {
    await lookAtListed(it, trial, seen);
    const detail = await it.client.trial(trial).catch(() => undefined);
    return detail?.ended_at ? detail : undefined;
  });
  await restarting;
  await lookAtListed(it, trial, seen);
  if (over.end_reason === "finished") seen.whole += 1;
  else seen.broken.push(`${where}: ${over.reason}`);
  if (!killed && "upload" in place) seen.broken.push(`${where} was never reached`);
  const trace = join(it.trace, `parts-${trial}`);
  // One that failed before it went on from anything has noted nothing.
  const notes = (await readFile(trace, "utf8").catch(() => "")).split("\n");
  for (const note of notes.filter((line) => line.startsWith("restored"))) {
    if (!note.endsWith(" whole")) seen.broken.push(`${where}: ${note}`);
    if ("written" in place) seen.from.push(Number(note.split(" ")[1]));
  }
}

/** Everything that is listed, the moment it is, has to be there to the last byte. */
async function lookAtListed(it: Stand, trial: string, seen: Seen): Promise<void> {
  const { items } = await it.client.trialCheckpoints(trial).catch(() => ({ items: [] }));
  for (const { id, step } of items) {
    const key = `${trial} step ${step} ${id}`;
    if (seen.listed.has(key)) continue;
    const detail = await it.client.checkpoint(id).catch(() => undefined);
    if (detail === undefined) continue;
    try {
      const fault = await faultOf(it, detail.tree);
      // Given up while it was being read: a later one was saved, and retention needs this one no more.
      if (fault !== undefined && (await isGivenUp(it, trial, id))) continue;
      seen.listed.set(key, fault);
    } catch {
      // The server was killed meanwhile; it is looked at again.
    }
  }
}

async function isGivenUp(it: Stand, trial: string, id: string): Promise<boolean> {
  const { items } = await it.client.trialCheckpoints(trial);
  return items.some((checkpoint) => checkpoint.id === id && checkpoint.deleted !== null);
}

async function faultOf(it: Stand, tree: readonly TreeEntry[]): Promise<string | undefined> {
  if (tree.length !== FILES) return `has ${tree.length} files`;
  for (const { path, hash } of tree) {
    const response = await fetch(`${it.server.url}/api/v1/blobs/${hash}`, {
      headers: { authorization: `Bearer ${it.token}` },
    });
    const bytes = Buffer.from(await response.arrayBuffer());
    if (!response.ok) return `${path}: ${response.status}`;
    if (createHash("sha256").update(bytes).digest("hex") !== hash) return `${path} is damaged`;
  }
  return undefined;
}

function kill(pid: number): void {
  try {
    process.kill(pid, "SIGKILL");
  } catch {
    // It has just ended.
  }
}

function findings(seen: Seen, kills: number): Finding[] {
  const half = [...seen.listed].flatMap(([key, fault]) =>
    fault === undefined ? [] : `${key} ${fault}`,
  );
  return [
    all("trials that went on and ended well", seen.whole, kills),
    none("checkpoints listed and not whole", half, ` of ${seen.listed.size} listed`),
    none("resumed from something broken, or hit elsewhere than meant", seen.broken),
    {
      what: "killed while writing: went on from",
      figure: [...new Set(seen.from)].map((step) => `step ${step}`).join(", ") || "nothing",
      passes: "step 2, the one before",
      ok: seen.from.length > 0 && seen.from.every((step) => step === 2),
    },
  ];
}
