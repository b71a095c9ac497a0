/**
 * F22: every order to an experiment and to a trial, in every state that they can be in: each is carried out or refused
 * by name, and whatever the answer was, a kill ends everything afterwards.
 */
import { RemoteError } from "../../src/sdk/remote-error.ts";
import { curveSearch, type Stand, stand, until } from "../support.ts";
import { doing } from "../why/asking.ts";
import { eachOf, everyNth, type Faults, none, type Row, within } from "./row.ts";

const VERBS = ["pause", "activate", "cancel", "kill"] as const;
type Verb = (typeof VERBS)[number];
/** A trial is deleted with its experiment. */
const ORDERS = {
  experiment: [...VERBS, "delete"],
  trial: VERBS,
} as const;
type Level = keyof typeof ORDERS;
type Order = Verb | "delete";

/** Ends that are no ends: what an order may come to, by the state in which it was given. */
interface State {
  readonly name: string;
  /** Brings an experiment there. @returns the number of the trial that is meant */
  readonly reach: (it: Stand, code: string) => Promise<{ id: number; number: number }>;
  /** The states of the trial that count as carried out. */
  readonly wanted: Readonly<Record<Verb, readonly string[]>>;
  /** Whether the experiment has ended, so that it can be deleted; undefined: it may end at any moment. */
  readonly ended: boolean | undefined;
}

const AT_RUNG = "waiting for the search";
const OVER = ["canceled"];
const ALIVE: State["wanted"] = {
  pause: ["paused"],
  activate: ["queued", "running", "waiting"],
  ...{ cancel: OVER, kill: OVER },
};
/** On its way to the end already: whatever comes is refused, or changes nothing. */
const ENDING: State["wanted"] = { pause: OVER, activate: OVER, cancel: OVER, kill: OVER };
const sameForAll = (state: string): State["wanted"] => {
  const wanted = [state];
  return { pause: wanted, activate: wanted, cancel: wanted, kill: wanted };
};

/** A program that knows nothing of us and sleeps. */
const sleeper = (more: object = {}): object => ({
  ...{ name: "sleeper", entrypoint: ["sleep", "600"], searcher: { name: "single" } },
  ...more,
});
/** It hears every order and follows none; what it is asked for politely ends after 2 s. */
const deaf = (): object => doing("deaf", { preemption_timeout: 2 });

const submitted = async (it: Stand, config: object, code?: string, activate = true) => {
  const { id } = await it.submit(config, code, activate);
  return { id, number: 1 };
};

async function inState(it: Stand, of: { id: number; number: number }, state: string) {
  await it.trialWhen(`${of.id}.${of.number}`, `is ${state}`, (t) => t.state === state);
  return of;
}

async function deafOne(it: Stand, code: string, verb: Verb) {
  const of = await inState(it, await submitted(it, deaf(), code), "running");
  await until("it listens to nobody", async () =>
    (await it.logs(`${of.id}.1`)).some(({ text }) => text === "holding"),
  );
  await it.client.changeExperiment(of.id, verb);
  return of;
}

const STATES: readonly State[] = [
  {
    name: "never started",
    reach: (it) => submitted(it, sleeper(), undefined, false),
    wanted: { ...ALIVE, activate: ["paused", "queued", "running"] },
    ended: false,
  },
  {
    name: "queued",
    reach: async (it) => {
      const searcher = { name: "random", metric: "loss", max_length: { epochs: 1 }, max_trials: 2 };
      const one = await submitted(it, sleeper({ searcher, resources: { max_slots: 1 } }));
      return inState(it, { ...one, number: 2 }, "queued");
    },
    wanted: ALIVE,
    ended: false,
  },
  {
    name: "running",
    reach: async (it) => inState(it, await submitted(it, sleeper()), "running"),
    wanted: ALIVE,
    ended: false,
  },
  {
    name: "paused",
    reach: async (it) => {
      const of = await inState(it, await submitted(it, sleeper()), "running");
      await it.client.changeTrial(`${of.id}.1`, "pause");
      return inState(it, of, "paused");
    },
    // An order to the experiment to go on is none to a trial that a person holds.
    wanted: { ...ALIVE, activate: ["paused", "queued", "running"] },
    ended: false,
  },
  {
    name: "pausing",
    reach: (it, code) => deafOne(it, code, "pause"),
    wanted: { ...ALIVE, activate: ["paused", "queued", "running"] },
    ended: false,
  },
  {
    name: "being canceled",
    reach: (it, code) => deafOne(it, code, "cancel"),
    wanted: ENDING,
    ended: undefined,
  },
  {
    name: "being killed",
    reach: (it, code) => deafOne(it, code, "kill"),
    wanted: ENDING,
    ended: undefined,
  },
  {
    name: "waiting to be restarted",
    reach: async (it) => {
      const of = await submitted(
        it,
        sleeper({ entrypoint: ["sh", "-c", "exit 1"], max_restarts: 1000 }),
      );
      await it.trialWhen(`${of.id}.1`, "has failed", ({ restarts }) => restarts > 3);
      return of;
    },
    wanted: ALIVE,
    ended: false,
  },
  {
    name: AT_RUNG,
    reach: async (it, code) => {
      const searcher = { name: "asha", max_length: { epochs: 900 }, divisor: 30, num_rungs: 3 };
      // The others of the search hold, so that its rung is never closed.
      const program =
        'case "$CONTRAIL_TRIAL" in *.1) exec node curve.ts;; *) exec sleep 1000;; esac';
      const config = curveSearch(
        { ...searcher, max_trials: 40, max_concurrent_trials: 2 },
        { entrypoint: ["sh", "-c", program], resources: { max_slots: 1 } },
      );
      return inState(it, await submitted(it, config, code), "waiting");
    },
    wanted: ALIVE,
    ended: false,
  },
  {
    name: "completed",
    reach: async (it) =>
      inState(it, await submitted(it, sleeper({ entrypoint: ["true"] })), "completed"),
    wanted: sameForAll("completed"),
    ended: true,
  },
  {
    name: "failed",
    reach: async (it) => {
      const config = sleeper({ entrypoint: ["false"], max_restarts: 0 });
      return inState(it, await submitted(it, config), "error");
    },
    wanted: sameForAll("error"),
    ended: true,
  },
  {
    name: "killed",
    reach: async (it) => {
      const of = await submitted(it, sleeper());
      await it.client.changeExperiment(of.id, "kill");
      return inState(it, of, "canceled");
    },
    wanted: sameForAll("canceled"),
    ended: true,
  },
  {
    name: "deleted",
    reach: async (it) => {
      const of = await submitted(it, sleeper({ entrypoint: ["true"] }));
      await it.ended(of.id);
      await it.client.actOnExperiments("delete", [of.id]);
      return inState(it, of, "completed");
    },
    wanted: sameForAll("completed"),
    ended: true,
  },
];

const LIMIT_S = 30;
/** Nine orders to a state: at every eighth each of them has its turn in some state. */
const EVERY_QUICK = 8;

export const ordersInEveryState: Row = {
  name: "F22",
  fault: "pause, activate, cancel, kill, delete in every state",
  async run(faults) {
    await using it = await stand({ slots: 24 });
    const code = await it.codeFolder({}, ["curve.ts", "act.py"]);
    const pairs = STATES.flatMap((state) =>
      (["experiment", "trial"] as const).flatMap((level) =>
        ORDERS[level].map((verb) => ({ state, level, verb })),
      ),
    );
    const chosen = everyNth(pairs, faults.quick ? EVERY_QUICK : 1);
    const wrong: string[] = [];
    const settledMs: number[] = [];
    const endedMs: number[] = [];
    await eachOf(
      faults,
      "pairs",
      chosen,
      async (pair) => {
        const seen = await order(faults, it, code, pair);
        settledMs.push(seen.settledMs);
        endedMs.push(seen.endedMs);
        if (seen.wrong !== undefined) wrong.push(seen.wrong);
      },
      6,
    );
    const held = (await it.client.slots()).filter(({ allocation }) => allocation !== null);
    return [
      none("pairs that came to something else", wrong, ` of ${chosen.length}`),
      within("the order carried out", settledMs, LIMIT_S),
      within("then killed: everything over", endedMs, LIMIT_S),
      none("slots still held", held),
      none(
        "processes left",
        it.processes().filter(({ allocation }) => allocation !== undefined),
      ),
    ];
  },
};

interface Pair {
  readonly state: State;
  readonly level: Level;
  readonly verb: Order;
}

async function order(faults: Faults, it: Stand, code: string, { state, level, verb }: Pair) {
  const where = `${verb} of the ${level}, ${state.name}`;
  const { id, number } = await state.reach(it, code);
  const trial = `${id}.${number}`;
  const beganMs = performance.now();
  const refused = verb === "delete" ? await remove(it, id) : await change(it, level, verb, trial);
  let wrong = refused === undefined || refused === "conflict" ? undefined : `${where}: ${refused}`;
  if (verb === "delete") {
    const deleted = (await it.client.experiment(id)).deleted !== null;
    if (deleted !== (refused === undefined)) wrong ??= `${where}: ${refused}, deleted: ${deleted}`;
    if (state.ended !== undefined && deleted !== state.ended)
      wrong ??= `${where}: ${deleted ? "deleted while it lives" : "refused"}`;
  } else {
    const alive = state.wanted === ALIVE || state.name === "never started";
    if (refused === "conflict" && alive) wrong = `${where}: refused`;
    // Its experiment is paused, and it waits at its rung all the same.
    const atRung = level === "experiment" && verb === "pause" && state.name === AT_RUNG;
    const wanted = atRung ? ["paused", "waiting"] : state.wanted[verb];
    await it
      .trialWhen(trial, where, (seen) => wanted.includes(seen.state))
      .catch((error: Error) => {
        wrong ??= error.message;
      });
    if (alive && level === "experiment" && verb === "pause") {
      const { state: now } = await it.client.experiment(id);
      if (now !== "paused") wrong ??= `${where}: the experiment is ${now}`;
    }
  }
  const settledMs = performance.now() - beganMs;
  const killedMs = performance.now();
  await it.client.changeExperiment(id, "kill").catch(() => undefined);
  await it.ended(id).catch((error: Error) => {
    wrong ??= error.message;
  });
  if (wrong !== undefined) faults.say(wrong.slice(0, 300));
  return { settledMs, endedMs: performance.now() - killedMs, wrong };
}

/** @returns the code with which it was refused */
async function change(
  it: Stand,
  level: Level,
  verb: Verb,
  trial: string,
): Promise<string | undefined> {
  const id = Number(trial.split(".")[0]);
  return await (level === "trial"
    ? it.client.changeTrial(trial, verb)
    : it.client.changeExperiment(id, verb)
  ).then(
    () => undefined,
    (error: unknown) => (error instanceof RemoteError ? error.code : String(error)),
  );
}

async function remove(it: Stand, id: number): Promise<string | undefined> {
  const { items } = await it.client.actOnExperiments("delete", [id]);
  return items[0]?.problem?.code;
}
