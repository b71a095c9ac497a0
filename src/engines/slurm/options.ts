/**
 * Options of sbatch. First stand those that make a job what an engine promises, then the pool's, then the
 * experiment's own; of two that say the same, sbatch takes the last. So what would take a promise back is refused, with the
 * promise; everything else is passed on as it is, because sites add options of their own.
 */
import { JobRefused } from "../job-engine.ts";

const OUTPUT = "the server reads what jobs print";
const KNOWN = "the server finds its jobs by it";
const SHAPE = "resources.slots_per_trial decides it";
const ONCE = "an allocation runs once; Contrail queues it again by itself";
const TOLD = "the server has to see its jobs and hear of their ends";

/** Long names, and why they are refused. */
const REFUSED: Readonly<Record<string, string>> = {
  ...{ array: "an allocation is one job", wrap: "the server writes the script" },
  ...{ requeue: ONCE, "no-requeue": ONCE, "open-mode": OUTPUT },
  ...{ output: OUTPUT, error: OUTPUT, input: OUTPUT, chdir: OUTPUT, workdir: OUTPUT },
  ...{ "job-name": KNOWN, comment: KNOWN, uid: KNOWN, gid: KNOWN, clusters: KNOWN },
  ...{ nodes: SHAPE, ntasks: SHAPE, "ntasks-per-node": SHAPE, "ntasks-per-core": SHAPE },
  ...{ "ntasks-per-socket": SHAPE, "ntasks-per-gpu": SHAPE, "tasks-per-node": SHAPE },
  ...{ gpus: SHAPE, "gpus-per-node": SHAPE, "gpus-per-socket": SHAPE, "gpus-per-task": SHAPE },
  ...{ "no-kill": "a trial that lost a node goes on from its checkpoint" },
  ...{ dependency: "the order of trials is the search's" },
  ...{ export: "the server says what its runner sees" },
  ...{ "export-file": "the server says what its runner sees" },
  ...{ "get-user-env": "the server says what its runner sees" },
  ...{ hold: TOLD, wait: TOLD, "test-only": TOLD, parsable: TOLD, quiet: TOLD, verbose: TOLD },
  ...{ help: TOLD, usage: TOLD, version: TOLD, "kill-on-invalid-dep": TOLD },
};

/** Letters that stand for long names. */
const LETTERS: Readonly<Record<string, string>> = {
  ...{ a: "array", o: "output", e: "error", i: "input", D: "chdir", J: "job-name" },
  ...{ M: "clusters", N: "nodes", n: "ntasks", G: "gpus", k: "no-kill", d: "dependency" },
  ...{ H: "hold", W: "wait", Q: "quiet", v: "verbose", h: "help", V: "version" },
  ...{ p: "partition", A: "account", q: "qos", t: "time", c: "cpus-per-task", C: "constraint" },
  ...{ w: "nodelist", x: "exclude", F: "nodefile", L: "licenses", b: "begin", s: "oversubscribe" },
  ...{ m: "distribution", S: "core-spec", B: "extra-node-info", O: "overcommit" },
};

export interface SbatchOption {
  /** Long. */
  readonly name: string;
  readonly value: string | null;
}

/**
 * @param where whose they are, for the message
 * @throws JobRefused, naming every option that cannot be taken
 */
export function readOptions(args: readonly string[], where: string): SbatchOption[] {
  const faults: string[] = [];
  const options = args.flatMap((arg) => {
    const option = readOption(arg);
    const fault = typeof option === "string" ? option : faultOf(option);
    if (fault === undefined) return [option as SbatchOption];
    faults.push(`${arg}: ${fault}`);
    return [];
  });
  if (faults.length > 0)
    throw new JobRefused(`sbatch_args of ${where} cannot be taken: ${faults.join("; ")}.`);
  return options;
}

/** @returns what is wrong with it, as text */
function readOption(arg: string): SbatchOption | string {
  const long = /^--([a-z][a-z0-9-]*)(?:=(.*))?$/s.exec(arg);
  if (long !== null) return { name: long[1]!, value: long[2] ?? null };
  const short = /^-([A-Za-z])(.*)$/s.exec(arg);
  const name = LETTERS[short?.[1] ?? ""];
  if (short !== null && name !== undefined) return { name, value: short[2] || null };
  if (short !== null) return `write the long name of -${short[1]}`;
  return "every entry is one option with its value, such as --constraint=a100";
}

function faultOf({ name, value }: SbatchOption): string | undefined {
  const why = REFUSED[name];
  if (why !== undefined) return why;
  // sbatch takes a name that is cut short for the whole one.
  const meant = Object.keys(REFUSED).find((known) => known.startsWith(name));
  if (meant !== undefined) return `it could mean --${meant}; write the whole name`;
  if (name === "gres" && /(?:^|,)(?:gres[:/])?gpu\b/.test(value ?? "")) return SHAPE;
  if (NEEDS_VALUE.has(name) && value === null)
    return `write the value in the same entry: --${name}=…`;
  return undefined;
}

/** Without it sbatch would take the entry that follows. */
const NEEDS_VALUE = new Set([
  ...["partition", "account", "qos", "time", "constraint", "nodelist", "exclude", "mem", "gres"],
  ...["cpus-per-task", "mem-per-cpu", "mem-per-gpu", "cpus-per-gpu", "reservation", "licenses"],
]);

export const writeOption = ({ name, value }: SbatchOption): string =>
  value === null ? `--${name}` : `--${name}=${value}`;

/** The value that counts: the last. */
export const lastValue = (options: readonly SbatchOption[], name: string): string | undefined =>
  options.findLast((option) => option.name === name)?.value ?? undefined;
