/**
 * What a result must not depend on, one by one: how it is held still, how it is moved, and what to do where the result
 * turns out to depend on it.
 */
export type Mode =
  /** As it comes. */
  | "natural"
  /** The same in every run. */
  | "fixed"
  /** Differs on purpose from how it came the first time. */
  | "moved";

export const CONDITIONS = [
  "python_random",
  "numpy",
  "math_random",
  "workers",
  "hash_order",
  "listing",
  "clock",
  "threads",
] as const;
export type Condition = (typeof CONDITIONS)[number];
export type Modes = Readonly<Record<Condition, Mode>>;

export const all = (mode: Mode): Modes =>
  Object.fromEntries(CONDITIONS.map((condition) => [condition, mode])) as Modes;

export interface Advice {
  /** The cause, as a sentence without its end. */
  readonly title: string;
  readonly fix: string;
}

export const ADVICE: Readonly<Record<Condition, Advice>> = {
  python_random: {
    title: "Python's generator is not seeded (or the system's own randomness is used)",
    fix: "Seed it first thing: contrail.torch.seed_everything(trial), or random.seed(trial.seed). uuid4(), secrets and os.urandom() cannot be seeded: use random instead.",
  },
  numpy: {
    title: "numpy's generator is not seeded",
    fix: "Seed it before the first draw: contrail.torch.seed_everything(trial), numpy.random.seed(trial.seed), or numpy.random.default_rng(trial.seed) instead of default_rng().",
  },
  math_random: {
    title: "Math.random is used, which nobody can seed",
    fix: 'Draw from a generator of the trial: import { generator } from "contrail"; const random = generator(trial.seed).',
  },
  workers: {
    title: "a worker process draws from a generator that is not seeded",
    fix: "Python seeds a worker anew from the system. Load through contrail.torch.loader, which seeds every sample, or seed in the worker from trial.seed and what it works on.",
  },
  hash_order: {
    title: "the order of a set, or of something else that hashes text, reaches the result",
    fix: "Sort before iterating: for word in sorted(words). Under Contrail PYTHONHASHSEED is set from the trial's seed; alone it is not.",
  },
  listing: {
    title: "the order in which a folder lists its files reaches the result",
    fix: "Sort the names: sorted(os.listdir(folder)), sorted(folder.glob(pattern)), (await readdir(folder)).sort().",
  },
  clock: {
    title: "the wall clock reaches the result",
    fix: "Take seeds from trial.seed, and end by steps instead of by time. A metric that is a duration cannot be the same twice.",
  },
  threads: {
    title: "the order in which concurrent work finishes reaches the result (a race)",
    fix: "Take results in the order in which the work was given: executor.map, or futures in their own order instead of as_completed; fill places by number instead of appending. contrail.torch.loader keeps the order with any number of workers.",
  },
};

/** What to try where none of them is it. */
export const OTHERWISE: readonly string[] = [
  "On a GPU: contrail.torch.seed_everything(trial) chooses deterministic algorithms; some operations have none, and torch warns of them.",
  "Does something read from the network, or from a file that another run changes?",
  "Does another language or library beneath draw its own numbers? Its documentation names the seed.",
  "Try fewer steps, or leave parts of the step out, until the difference is gone: what was left out last is it.",
];
