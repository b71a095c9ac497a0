/**
 * Finds out whether a program gives the same result twice, and if not, why.
 *
 * Two runs under everything that should not matter come first: other hash seed, other order of listings, other time,
 * other timing of threads. If they agree the program is taken for deterministic. If not, everything is held still: two
 * such runs that agree are the reference, and then one condition at a time is let go. A run that parts from the reference
 * names its condition, and several causes are all found, each by itself. If even two runs with everything held still
 * differ, what remains is what cannot be held still: concurrency, where the program has some.
 *
 * Pure: what a run is, is handed in.
 */
import { all, CONDITIONS, type Condition, type Modes } from "./conditions.ts";
import { firstParting, type Parting, type RunOutcome } from "./run-outcome.ts";

export interface Cause {
  readonly condition: Condition;
  /** `measured`: letting it go changes the result. `remains`: all else was held still, and the program has it. */
  readonly how: "measured" | "remains";
  /** Where the program touches it, as far as was seen. */
  readonly places: readonly string[];
  /** Where a run with this condition let go first parts from the others. */
  readonly parting: Parting;
}

export interface Diagnosis {
  /** Where the first two runs part; undefined: nowhere. */
  readonly parting: Parting | undefined;
  readonly causes: readonly Cause[];
  /** Conditions that could not be tried, and why. */
  readonly untried: readonly { readonly condition: Condition; readonly why: string }[];
  /** Runs that were made. */
  readonly runs: number;
  /** Steps of the first run; 0 for a program that does not speak to Contrail. */
  readonly steps: number;
  /** Other machines that the program connected to: what comes from there was not held still. */
  readonly network: readonly string[];
  /** Whether the program was seen from inside, so that more than its environment could be moved. */
  readonly seenInside: boolean;
}

/** A run that did not come to its end. */
export class RunFailed extends Error {
  override name = "RunFailed";
}

/** @throws RunFailed */
export type RunProgram = (modes: Modes, label: string) => Promise<RunOutcome>;

/** As it comes, and with everything moved. */
const FIRST = all("natural");
const SECOND = { ...all("moved"), python_random: "natural", numpy: "natural" } as Modes;

/** @throws RunFailed when the program does not run at all */
export async function diagnose(run: RunProgram, { again = 0 } = {}): Promise<Diagnosis> {
  let runs = 0;
  const make: RunProgram = (modes, label) => {
    runs += 1;
    return run(modes, label);
  };
  const first = await make(FIRST, "as it comes");
  let parting: Parting | undefined;
  for (let time = 0; time <= again && parting === undefined; time++) {
    const second = await make(SECOND, "with everything moved that should not matter");
    parting = await partingOf(first, second);
  }
  const common = {
    steps: first.steps.length,
    network: first.seen.get("network") ?? [],
    seenInside: first.seen.has("python") || first.seen.has("node"),
  };
  if (parting === undefined) return { parting, causes: [], untried: [], runs, ...common };
  const candidates = CONDITIONS.filter((condition) => mayMatter(condition, first));
  const { causes, untried } = await attribute(make, first, candidates);
  return { parting, causes, untried, runs, ...common };
}

/** Compares, and forgets the second. */
async function partingOf(a: RunOutcome, b: RunOutcome): Promise<Parting | undefined> {
  try {
    return await firstParting(a, b);
  } finally {
    await b.discard();
  }
}

/** What the program never touched need not be tried. */
function mayMatter(condition: Condition, { seen }: RunOutcome): boolean {
  const isPython = seen.has("python");
  const isNode = seen.has("node");
  switch (condition) {
    case "numpy":
      return seen.has("uses_numpy");
    case "workers":
      return seen.has("processes") || seen.has("workers");
    case "threads":
      return isPython && (seen.has("threads") || seen.has("processes"));
    case "math_random":
      return isNode && seen.has("math_random");
    case "python_random":
      return isPython;
    case "hash_order":
      return true;
    default:
      return isPython || isNode;
  }
}

async function attribute(
  run: RunProgram,
  first: RunOutcome,
  candidates: readonly Condition[],
): Promise<Pick<Diagnosis, "causes" | "untried">> {
  const causes: Cause[] = [];
  const untried: { condition: Condition; why: string }[] = [];
  const still = await heldStill(run);
  if ("why" in still) {
    untried.push(...candidates.map((condition) => ({ condition, why: still.why })));
    return { causes, untried };
  }
  const { reference, remaining, held } = still;
  const placesOf = (condition: Condition) => first.seen.get(condition) ?? [];
  if (remaining !== undefined) {
    // With a reference that is not the same twice nothing can be measured against it.
    const concurrent = candidates.includes("threads");
    const condition = "threads" as const;
    if (concurrent)
      causes.push({ condition, how: "remains", places: placesOf(condition), parting: remaining });
    return { causes, untried };
  }
  for (const condition of candidates) {
    if (held[condition] !== "fixed") {
      untried.push({ condition, why: "the program does not run with it held still" });
      continue;
    }
    const modes = { ...held, [condition]: letGo(condition) };
    try {
      const found = await partingOf(reference, await run(modes, `letting go: ${condition}`));
      if (found !== undefined)
        causes.push({ condition, how: "measured", places: placesOf(condition), parting: found });
    } catch (error) {
      if (!(error instanceof RunFailed)) throw error;
      untried.push({ condition, why: error.message });
    }
  }
  return { causes, untried };
}

/** Generators are let go as they come; what might come the same twice is moved. */
const letGo = (condition: Condition): Modes[Condition] =>
  condition === "python_random" || condition === "numpy" ? "natural" : "moved";

type Still =
  | {
      readonly reference: RunOutcome;
      readonly held: Modes;
      /** Where two runs with everything held still part. */
      readonly remaining: Parting | undefined;
    }
  | { readonly why: string };

/** Holding the clock still is what programs take worst; those that do not run so are tried without it. */
async function heldStill(run: RunProgram): Promise<Still> {
  let why = "";
  for (const freed of [[], ["clock"], ["clock", "threads"]] as const) {
    const held = { ...all("fixed"), ...Object.fromEntries(freed.map((c) => [c, "natural"])) };
    try {
      const reference = await run(held, "with everything held still");
      const second = await run(held, "with everything held still, again");
      return { reference, held, remaining: await partingOf(reference, second) };
    } catch (error) {
      if (!(error instanceof RunFailed)) throw error;
      why = error.message;
    }
  }
  return { why };
}
