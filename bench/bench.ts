/** What every measure is handed, and what it gives back. */
import { type Clock, sleep } from "../src/base/clock.ts";
import type { World } from "../src/cli/server-process.ts";
import type { Figure } from "./figure.ts";

export interface Bench {
  readonly clock: Clock;
  /** For the helpers that start a real server. */
  readonly world: World;
  /** Fewer pairs and smaller sizes; the figures are then a first impression. */
  readonly quick: boolean;
  /** Also what takes half an hour. */
  readonly soak: boolean;
  /** On the disk that is measured; removed at the end. @returns an empty folder that others may pass through */
  folder(name: string): string;
  /** Profiles of the stub server are written here; undefined = none. */
  readonly profileDir: string | undefined;
  readonly say: (text: string) => void;
}

export interface Measure {
  readonly name: string;
  readonly title: string;
  run(bench: Bench): Promise<Figure[]>;
}

/** Fills in what most figures leave empty. */
export const figure = (
  given: Pick<Figure, "measure" | "what" | "unit" | "value"> & Partial<Figure>,
): Figure => ({
  floor: null,
  floorWhat: "",
  ratio: null,
  aim: "",
  met: null,
  cpu: "",
  note: "",
  ...given,
});

/** Long enough for the slowest machine; a measure that waits for longer has found a fault, not a figure. */
export const WAIT_MS_MAX = 300_000;

/** Looks again and again. @throws Error when it does not become true */
export async function until(
  { clock }: Pick<Bench, "clock">,
  what: string,
  holds: () => boolean | Promise<boolean>,
  everyMs = 20,
  limitMs = WAIT_MS_MAX,
): Promise<void> {
  const startMs = clock.monotonicMs();
  while (!(await holds())) {
    if (clock.monotonicMs() - startMs > limitMs)
      throw new Error(`waited ${limitMs / 1000} s until ${what}`);
    await sleep(clock, everyMs);
  }
}
