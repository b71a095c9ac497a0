/** Situations with a known cause, and the check that the answer names it. */
import assert from "node:assert/strict";
import type { Why, WhyKind, WhyReason } from "../../src/protocol/api.ts";
import { type Stand, until } from "../support.ts";

/** One run of act.py; `more` replaces and adds fields of the configuration. */
export function doing(act: string, more: Record<string, unknown> = {}): object {
  const { hyperparameters = {}, ...rest } = more;
  return {
    name: act,
    entrypoint: ["python3", "act.py"],
    max_restarts: 0,
    hyperparameters: { act, ...(hyperparameters as object) },
    ...rest,
  };
}

/** A search over `x`, which is what a trial's score begins with: larger is better. */
export function searching(
  searcher: object,
  more: Record<string, unknown> = {},
  act = "train",
): object {
  const { hyperparameters = {}, ...rest } = more;
  return doing(act, {
    hyperparameters: {
      x: { type: "double", minval: 0, maxval: 1 },
      ...(hyperparameters as object),
    },
    searcher: { metric: "score", smaller_is_better: false, ...searcher },
    reproducibility: { experiment_seed: 11 },
    ...rest,
  });
}

export class Asking {
  readonly it: Stand;
  readonly #code: string;
  readonly user: string;

  private constructor(it: Stand, code: string, user: string) {
    this.it = it;
    this.#code = code;
    this.user = user;
  }

  static async open(it: Stand): Promise<Asking> {
    const code = await it.codeFolder({}, ["act.py"]);
    return new Asking(it, code, (await it.client.me()).user);
  }

  /** @returns the experiment's number */
  async submit(config: object, activate = true): Promise<number> {
    return (await this.it.submit(config, this.#code, activate)).id;
  }

  /** Submits, and waits until its first trial runs. */
  async running(config: object): Promise<string> {
    const trial = `${await this.submit(config)}.1`;
    await this.it.trialWhen(trial, "runs", ({ state }) => state === "running");
    return trial;
  }

  /** Waits until its program has printed this line. */
  async heard(trial: string, line: string): Promise<void> {
    for await (const lines of this.it.client.logStream({ trial }))
      if (lines.some(({ text }) => text === line)) return;
  }

  async over(config: object): Promise<string> {
    const id = await this.submit(config);
    await this.it.ended(id);
    return `${id}.1`;
  }

  async kill(...experiments: readonly (number | string)[]): Promise<void> {
    const ids = experiments.map((id) => Number(String(id).split(".")[0]));
    for (const id of ids) await this.it.client.changeExperiment(id, "kill");
    for (const id of ids) await this.it.ended(id);
  }

  why(kind: WhyKind, id: string | number): Promise<Why> {
    return this.it.client.why(kind, String(id));
  }

  /** Asks until the first reason has this code: what is asked about may still be on its way there. */
  whyUntil(kind: WhyKind, id: string | number, code: string): Promise<Why> {
    let last: Why | undefined;
    return until(
      `why ${id} is ${code}`,
      async () => {
        last = await this.why(kind, id);
        return last.reasons[0]?.code === code ? last : undefined;
      },
      { state: () => last },
    );
  }

  /** Every event that an answer rests on is in the log, and is its author's and its experiment's. */
  async proven(answer: Why): Promise<void> {
    const experiment = answer.kind === "slot" ? undefined : Number(answer.id.split(".")[0]);
    for (const reason of answer.reasons) {
      const events = await Promise.all(reason.events.map((seq) => this.it.client.auditEvent(seq)));
      if (experiment !== undefined)
        for (const event of events) assert.equal(event.experiment, experiment, reason.text);
      assert.equal(reason.at, events.at(-1)?.at ?? null);
    }
  }
}

export interface Expected {
  readonly code: string;
  readonly text?: RegExp;
  readonly actor?: string | null;
  readonly figures?: Readonly<Record<string, unknown>>;
}

/** That the first reason of the answer is this one. */
export function because(answer: Why, expected: Expected): WhyReason {
  const first = answer.reasons[0];
  assert.ok(first);
  assert.equal(first.code, expected.code, JSON.stringify(answer, null, 1));
  return matches(first, expected);
}

/** That it is among the reasons. @returns the last one of that code */
export function says(answer: Why, expected: Expected): WhyReason {
  const found = answer.reasons.findLast(({ code }) => code === expected.code);
  assert.ok(found, `no reason ${expected.code} in ${JSON.stringify(answer, null, 1)}`);
  return matches(found, expected);
}

function matches(reason: WhyReason, { text, actor, figures = {} }: Expected): WhyReason {
  if (text) assert.match(reason.text, text);
  if (actor !== undefined) assert.equal(reason.actor, actor, reason.text);
  for (const [name, value] of Object.entries(figures))
    assert.deepEqual(reason.figures[name], value, `${name} of: ${reason.text}`);
  return reason;
}
