/**
 * Why a trial is as it is: from rows to sentences. Pure, so that every situation is a table in a test.
 *
 * The log of changes leads. Each event that people would call a decision becomes one reason, with the figures
 * that the search or the runner left beside it; the last of them, or the scheduler's word of this very
 * moment, explains the state and comes first. Nothing is concluded that no row says. Alternative refused: one
 * "reason" text on the trial, which shows the last cause and forgets who, when, and what came before.
 */
import { plural } from "../../base/plural.ts";
import type { Why, WhyReason } from "../../protocol/api.ts";
import type { WhyCode } from "./codes.ts";
import type { ChangeFact, RunnerFact, TrialFacts } from "./facts.ts";
import { moment, reasonOf, sentence, waitReason } from "./sentences.ts";
import { endReason } from "./trial-end.ts";
import { historyOf } from "./trial-history.ts";

/** So many steps of its history are told; the log has all of them. */
const HISTORY_MAX = 24;

export function answerTrial(f: TrialFacts): Why {
  const history = historyOf(f);
  const now = stateReason(f, history);
  // What explains the state is not told again below it, unless that is all there is to tell.
  const before = history.filter((reason) => reason !== now && !sameEvents(reason, now));
  return {
    kind: "trial",
    id: f.id,
    state: f.state,
    reasons: [
      now,
      ...(f.silent ? [silence(f, f.silent)] : []),
      ...shortened(before),
      ...(f.container ? [ranIn(f, f.container)] : []),
      ...(f.nodes ? [ranOn(f, f.nodes)] : []),
    ],
    last_lines: [...f.lastLines],
  };
}

/** Two runs of one name may be in two images, so what it stood for is told. */
const ranIn = (
  f: TrialFacts,
  { run, image, digest }: NonNullable<TrialFacts["container"]>,
): WhyReason =>
  reasonOf(
    "ran_in_image",
    `Allocation ${f.id}.${run} is in a container of the image ${image}, which was ${digest} then.`,
    { actor: "contrail", figures: { image, digest } },
  );

const ranOn = (f: TrialFacts, { run, names }: NonNullable<TrialFacts["nodes"]>): WhyReason =>
  reasonOf(
    "ran_on_nodes",
    `Allocation ${f.id}.${run} is on ${plural(names.length, "node")}: ${names.join(", ")}. Rank 0 is on the first.`,
    { actor: "contrail", figures: { nodes: names.length } },
  );

/** Beside its state and no part of it: nobody knows more than that nothing was heard. */
function silence(f: TrialFacts, runner: RunnerFact): WhyReason {
  const alive =
    runner.aliveAt === null
      ? ""
      : ` The engine said that it lives at ${moment(runner.aliveAt)}, and while it does nothing ends.`;
  return reasonOf(
    "runner_silent",
    `Runner ${runner.runner}, on which allocation ${f.id}.${f.allocations.at(-1)?.run ?? ""} runs, is silent since ${moment(runner.since)}: ${sentence(runner.cause)}${heardWords(runner)}${alive}`,
    { actor: "contrail", figures: { ...runner } },
  );
}

export const heardWords = (runner: RunnerFact): string =>
  runner.heardAt === null
    ? " It was not heard since the server started."
    : ` It was last heard at ${moment(runner.heardAt)}.`;

const sameEvents = (a: WhyReason, b: WhyReason): boolean =>
  a.events.length > 0 && a.code === b.code && String(a.events) === String(b.events);

function shortened(reasons: readonly WhyReason[]): WhyReason[] {
  if (reasons.length <= HISTORY_MAX) return [...reasons];
  const first = reasons.slice(0, 1);
  const last = reasons.slice(-(HISTORY_MAX - 1));
  const left = reasons.length - first.length - last.length;
  return [
    ...first,
    reasonOf(
      "left_out",
      `${plural(left, "step")} of its history are left out here; the log has them.`,
    ),
    ...last,
  ];
}

// ---- the state it is in ------------------------------------------------------------------------

function stateReason(f: TrialFacts, history: readonly WhyReason[]): WhyReason {
  const latest = (...codes: WhyCode[]): WhyReason | undefined =>
    history.findLast(({ code }) => (codes as string[]).includes(code));
  const plain = (): WhyReason =>
    reasonOf("as_stored", sentence(`Trial ${f.id} is ${f.state}: ${f.reason}`), {
      changes: [f.changes.at(-1)],
    });
  switch (f.state) {
    case "queued":
      return queued(f);
    case "starting":
    case "running":
      if (f.engine !== null)
        return reasonOf(
          "waits_in_engine",
          `Trial ${f.id} has its slots, and has not started: ${sentence(f.engine)}`,
          { actor: "contrail", figures: { run: f.allocations.at(-1)?.run ?? null } },
        );
      return waitsInOrder(history) ?? latest("placed") ?? plain();
    case "pausing":
      return leaving(f);
    case "paused":
      return paused(f);
    case "waiting":
      return latest("waits_at_rung", "waits_in_order") ?? plain();
    case "stopping":
      return stopping(f) ?? plain();
    default:
      return endReason(f, latest) ?? plain();
  }
}

/** It runs and stands still: nothing has been decided of it since its result came. */
function waitsInOrder(history: readonly WhyReason[]): WhyReason | undefined {
  const last = history.at(-1);
  return last?.code === "waits_in_order" ? last : undefined;
}

function queued(f: TrialFacts): WhyReason {
  if (f.draining)
    return reasonOf(
      "server_stopping",
      `Trial ${f.id} waits: the server is stopping, and nothing starts until it is back.`,
      { actor: "contrail" },
    );
  if (f.wait === null)
    return reasonOf("about_to_start", `Trial ${f.id} is queued and about to get slots.`, {
      actor: "scheduler",
    });
  const failure = f.changes.findLast(({ what }) => what === "restarting");
  const reason = waitReason(f.id, f.wait, {
    holders: f.holders,
    nowMs: f.nowMs,
    ...(failure === undefined ? {} : { failure: failure.cause }),
  });
  if (reason.code !== "waits_for_retry" || failure === undefined) return reason;
  return {
    ...reason,
    at: failure.at,
    events: [failure.seq],
    figures: { ...reason.figures, restart: f.restarts, max_restarts: f.maxRestarts },
  };
}

/** Told to save and give its slots back; its processes are still there. */
function leaving(f: TrialFacts): WhyReason {
  const allocation = f.allocations.at(-1);
  const since = f.changes.findLast(({ what }) => what.startsWith("granted "))?.seq ?? 0;
  const asked = [...f.changes, ...f.experimentChanges]
    .filter(
      ({ what, seq }) => seq > since && ["paused", "pause", "pausing", "resting"].includes(what),
    )
    .toSorted((a, b) => a.seq - b.seq)
    .at(-1);
  const slots = allocation?.slots.join(" ") ?? "its slots";
  const why = allocation?.ordersReason ?? f.reason;
  return reasonOf(
    "pausing",
    `Trial ${f.id} was told to save and give ${slots} back, and its program has not ended yet. ${sentence(why)}`,
    { changes: [asked], figures: { slots: [...(allocation?.slots ?? [])] } },
  );
}

function paused(f: TrialFacts): WhyReason {
  if (f.held.byPerson) {
    const change = f.changes.findLast(({ what }) => what === "paused");
    return reasonOf(
      "paused_by_user",
      `Trial ${f.id} was paused by ${change?.actor ?? "somebody"}${change ? ` at ${moment(change.at)}` : ""}. It goes on when it is activated.`,
      { changes: [change] },
    );
  }
  const own = f.experimentChanges.filter(({ what }) => what === "paused" || what === "active");
  const last = own.at(-1);
  if (last === undefined) {
    const created = f.experimentChanges.find(({ what }) => what === "created");
    return reasonOf(
      "never_activated",
      `Trial ${f.id} is paused because its experiment ${f.experiment} was submitted paused${created ? ` by ${created.actor}` : ""} and never activated.`,
      { changes: [created] },
    );
  }
  if (last.actor === "idle")
    return reasonOf(
      "paused_idle",
      `Trial ${f.id} is paused since ${moment(last.at)}: ${last.cause}. It goes on when its task is activated.`,
      { changes: [last] },
    );
  return reasonOf(
    "experiment_paused",
    `Trial ${f.id} is paused because its experiment ${f.experiment} was paused by ${last.actor} at ${moment(last.at)}.`,
    { changes: [last] },
  );
}

function stopping(f: TrialFacts): WhyReason | undefined {
  const change = f.changes.findLast(({ what }) => what === "stopping" || what === "killing");
  if (change === undefined) return undefined;
  const how =
    change.what === "killing"
      ? "its processes are being killed"
      : "it was told to stop, and its program has not ended yet";
  return reasonOf(endingCode(change), `Trial ${f.id} is to end (${change.cause}): ${how}.`, {
    changes: [change],
    figures: { by: change.actor },
  });
}

const endingCode = ({ what }: ChangeFact): WhyCode => (what === "killing" ? "killing" : "stopping");
