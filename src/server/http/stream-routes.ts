import { z } from "zod";
import { reviveExact } from "../../base/json.ts";
import { searchRungs } from "../../core/search/methods.ts";
import * as api from "../../protocol/api.ts";
import { listTrials, readExperiment } from "../../store/experiment-reads.ts";
import { isCurrent, type LiveRungs, liveRungs } from "../live-rungs.ts";
import { liveExperimentView, liveTrialView } from "../live-view.ts";
import { silenceOf } from "../runner-view.ts";
import { experimentView, rungView, trialView } from "../views.ts";
import type { App } from "./app.ts";
import { experimentHead, type RouteContext } from "./context.ts";
import { type EventStream, openStream } from "./event-stream.ts";
import { SentWaits } from "./sent-waits.ts";
import { mayWait, sameWaitWords, waitOf, waitWords } from "./wait-reasons.ts";

/** Changes within this time go out together. */
const GATHER_MS = 100;
/** Rungs are sent whole, a megabyte for 10,000 trials, and a search may hear a hundred results a second. */
const RUNGS_GATHER_MS = 1000;
const TRIALS_PER_EVENT = 500;
/** A list is read by people, and each of its rows is a whole experiment. */
const ALL_GATHER_MS = 500;
const EXPERIMENTS_PER_EVENT = 100;

export function streamRoutes(app: App, context: RouteContext): void {
  app.get(
    "/experiments/stream",
    {
      config: { access: ["read"], produces: "text/event-stream" },
      schema: { tags: ["experiments"] },
    },
    async (request, reply) => {
      await followAll(context, openStream(context, request, reply));
    },
  );

  app.get(
    "/experiments/:id/stream",
    {
      config: { access: ["read"], produces: "text/event-stream" },
      schema: { params: z.object({ id: api.experimentIdParam }), tags: ["experiments"] },
    },
    async (request, reply) => {
      const { id } = request.params;
      await experimentHead(context, id);
      await followExperiment(context, id, openStream(context, request, reply));
    },
  );
}

/** The experiments that are not over, then each one that changed; it has no end. */
async function followAll(context: RouteContext, stream: EventStream): Promise<void> {
  const { world, clock, readPool, verdicts } = context;
  const changed = new Set<number>(world.experiments.keys());
  const stop = context.subscribers.watchAll((experiments) => {
    for (const id of experiments) changed.add(id);
    stream.wake();
  });
  try {
    // At least one event, so that a reader knows at once that the line is open.
    await stream.send("experiments", []);
    while (!stream.closed) {
      const ids = [...changed].slice(0, EXPERIMENTS_PER_EVENT);
      for (const id of ids) changed.delete(id);
      const seen = await context.loop.read(() =>
        ids.map((id) => {
          const live = world.experiments.get(id);
          return live ? liveExperimentView(live, clock.nowMs(), verdicts) : id;
        }),
      );
      const items: api.Experiment[] = [];
      for (const one of seen) {
        if (typeof one !== "number") items.push(one);
        else {
          const row = await readExperiment(readPool, one);
          if (row) items.push(experimentView(row, new Date(clock.nowMs()), verdicts));
        }
      }
      if (items.length > 0) await stream.send("experiments", items);
      await stream.pause(ALL_GATHER_MS);
      if (changed.size === 0) await stream.idle();
    }
  } finally {
    stop();
    stream.close();
  }
}

/** Everything once, then what changed, then `end`. */
async function followExperiment(
  context: RouteContext,
  id: number,
  stream: EventStream,
): Promise<void> {
  const { world, clock } = context;
  let sent: LiveRungs | undefined;
  let rungsDueMs = clock.monotonicMs();
  const waits = new SentWaits(clock.monotonicMs());
  const changed = new Set<number>();
  let news = true;
  const stop = context.subscribers.watch(id, {
    changed: (trials) => {
      // It may be the experiment's own, and name no trial.
      news = true;
      for (const number of trials) changed.add(number);
      stream.wake();
    },
  });
  try {
    for (const number of world.experiments.get(id)?.x.trials.keys() ?? []) changed.add(number);
    while (!stream.closed) {
      const numbers = [...changed];
      changed.clear();
      const told = news;
      news = false;
      const seen = await context.loop.read(() => {
        const isDue = clock.monotonicMs() >= rungsDueMs;
        return look(context, { id, numbers, told, sent, isDue, waits });
      });
      if (!seen) break;
      for (let i = 0; i < seen.trials.length; i += TRIALS_PER_EVENT)
        await stream.send("trials", seen.trials.slice(i, i + TRIALS_PER_EVENT));
      if (seen.rungs) {
        await stream.send("rungs", seen.rungs.rungs);
        sent = seen.rungs;
        rungsDueMs = clock.monotonicMs() + RUNGS_GATHER_MS;
      }
      if (seen.experiment) await stream.send("experiment", seen.experiment);
      await stream.pause(GATHER_MS);
      const dueMs = Math.min(
        seen.rungsLater ? rungsDueMs : Number.POSITIVE_INFINITY,
        waits.dueMs ?? Number.POSITIVE_INFINITY,
      );
      if (world.experiments.has(id))
        await stream.idle(Number.isFinite(dueMs) ? dueMs - clock.monotonicMs() : undefined);
    }
    if (!stream.closed) await sendFinal(context, id, stream);
  } finally {
    stop();
    stream.close();
  }
}

interface Look {
  readonly id: number;
  /** The trials that changed. */
  readonly numbers: readonly number[];
  /** Whether anything changed: else it is only looked whether a reason is another, or rungs are due. */
  readonly told: boolean;
  /** The rungs that its reader has. */
  readonly sent: LiveRungs | undefined;
  /** Whether others may be sent by now. */
  readonly isDue: boolean;
  /** The reasons that its reader has, kept up to date with what is returned. */
  readonly waits: SentWaits;
}

/**
 * What there is to show of a live experiment, all of one moment but the rungs, which its reader has or gets later.
 * @returns undefined once it is over
 */
function look(context: RouteContext, { id, numbers, told, sent, isDue, waits }: Look) {
  const live = context.world.experiments.get(id);
  if (!live) return undefined;
  const nowMs = context.clock.nowMs();
  const { verdicts } = context;
  const isNews = !isCurrent(sent, live);
  const wordsOf = (number: number) => sameWaitWords(waitOf(context, live, number));
  const waited = waits.changed(context.clock.monotonicMs(), wordsOf);
  const trials = [...new Set([...numbers, ...waited])]
    .map((number) => {
      const wait = waitOf(context, live, number);
      waits.sent(number, mayWait(context, live, number), sameWaitWords(wait));
      const reason = wait === undefined ? undefined : waitWords(wait, nowMs);
      const silence = silenceOf(context.world, live, number);
      return liveTrialView(live, number, { nowMs, verdicts, reason, silence });
    })
    .filter((trial) => trial !== undefined);
  const rungs = isNews && isDue ? liveRungs(live) : undefined;
  return {
    trials,
    rungs,
    rungsLater: isNews && !isDue,
    // Counted over all of its trials, so not for who is told nothing.
    experiment:
      told || trials.length > 0 || rungs ? liveExperimentView(live, nowMs, verdicts) : undefined,
  };
}

/** The last state, from the database: the experiment is over and no longer in memory. */
async function sendFinal(context: RouteContext, id: number, stream: EventStream): Promise<void> {
  const row = await readExperiment(context.readPool, id);
  // Gone from memory for another reason (the server stops): no end is claimed, the reader comes back.
  if (!row?.ended_at) return;
  let after: { key: number; number: number } | undefined;
  for (;;) {
    const trials = await listTrials(context.readPool, {
      experiment: id,
      after,
      limit: TRIALS_PER_EVENT,
    });
    const last = trials.at(-1);
    if (!last) break;
    await stream.send(
      "trials",
      trials.map((trial) => trialView(trial, context.verdicts)),
    );
    after = { key: last.sort_key, number: last.number };
  }
  const rungs = searchRungs(row.search_spec, reviveExact(row.search_state));
  await stream.send(
    "rungs",
    rungs.map((rung) => rungView(id, rung)),
  );
  const final = experimentView(row, new Date(context.clock.nowMs()), context.verdicts);
  await stream.send("experiment", final);
  await stream.send("end", final);
}
