/**
 * What a row of the fault matrix is: a fault that is really made, on real processes, and the figures that say whether
 * the platform survived it. One implementation serves `npm run faults`, which prints the figures, and the tests
 * beside it, which run the same in its quick form. An assertion alone was refused as the outcome: "passes" without
 * the figure does not say by how much.
 */
import { mkdtemp } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";

export interface Finding {
  /** What was measured. */
  readonly what: string;
  readonly figure: string;
  /** The figure that counts as passing. */
  readonly passes: string;
  /** null: the machine was too noisy to tell. */
  readonly ok: boolean | null;
  /** Of a duration: how many times its limit. Tests, which may not fail because a machine is busy, allow more. */
  readonly ofLimit?: number;
}

export interface Faults {
  /** A tenth of everything. */
  readonly quick: boolean;
  /** Also what takes ten minutes by itself. */
  readonly long: boolean;
  /** Of the crash points of F1 only these, from 1, both included; undefined = all. */
  readonly points?: { readonly from: number; readonly to: number } | undefined;
  /** What is being done, for a person who waits. */
  say(text: string): void;
  /** PostgreSQL for throw-away databases, as a URL. */
  database(): Promise<string>;
}

export interface Row {
  /** As in `--only`. */
  readonly name: string;
  readonly fault: string;
  /** @throws CannotRun where this machine does not allow the fault to be made */
  run(faults: Faults): Promise<Finding[]>;
}

/** This machine does not let us make the fault (no mounts, no cgroups): skipped by name. */
export class CannotRun extends Error {
  override name = "CannotRun";
}

/** Something counted that must be zero. */
export const none = (what: string, found: readonly unknown[], of = ""): Finding => ({
  what,
  figure: `${found.length}${of}${found.length === 0 ? "" : `: ${found.slice(0, 3).map(shown).join("; ")}`}`,
  passes: "0",
  ok: found.length === 0,
});

/** Something that must have happened every time. */
export const all = (what: string, done: number, of: number): Finding => ({
  what,
  figure: `${done} of ${of}`,
  passes: "all",
  ok: done === of && of > 0,
});

/** Seconds that may be no more than a limit. */
export const within = (what: string, tookMs: readonly number[], limitS: number): Finding => {
  const worst = Math.max(0, ...tookMs) / 1000;
  const of = tookMs.length > 1 ? `, worst of ${tookMs.length}` : "";
  return {
    what,
    figure: tookMs.length === 0 ? "not measured once" : `${worst.toFixed(1)} s${of}`,
    passes: `<= ${limitS} s`,
    ok: tookMs.length > 0 && worst <= limitS,
    // What was not measured is excused by no busy machine.
    ...(tookMs.length === 0 ? {} : { ofLimit: worst / limitS }),
  };
};

/** Runs the work for each, two at a time, and says how far it is. */
export async function eachOf<T>(
  { say }: Pick<Faults, "say">,
  what: string,
  items: readonly T[],
  work: (item: T) => Promise<void>,
  atOnce = 2,
): Promise<void> {
  const waiting = [...items];
  let done = 0;
  let saidMs = performance.now();
  const worker = async (): Promise<void> => {
    for (let item = waiting.shift(); item !== undefined; item = waiting.shift()) {
      await work(item);
      done += 1;
      if (performance.now() - saidMs < 5_000) continue;
      saidMs = performance.now();
      say(`${what}: ${done} of ${items.length}`);
    }
  };
  await Promise.all(Array.from({ length: atOnce }, worker));
}

/** Every `nth` of them, so that the first and different ones are among them. */
export const everyNth = <T>(items: readonly T[], nth: number): T[] =>
  items.filter((_, index) => index % nth === 0);

/** A folder that PostgreSQL, under another user id, may pass through; short, for the sake of sockets' paths. */
export const newFolder = (): Promise<string> => mkdtemp(join(tmpdir(), "cf-"));

export const shown = (value: unknown): string =>
  typeof value === "string"
    ? value
    : value instanceof Error
      ? value.message
      : JSON.stringify(value);
