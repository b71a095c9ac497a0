/** Slurm by its commands: squeue, sbatch, scancel, sacct, sinfo, scontrol. */
import { userInfo } from "node:os";
import { EngineUnreachable, JobDeferred, JobRefused } from "../job-engine.ts";
import { choosePartition } from "./fit.ts";
import {
  parsePartitions,
  parseSacct,
  parseSinfo,
  parseSqueue,
  SACCT_FIELDS,
  SINFO_FIELDS,
  SQUEUE_FIELDS,
} from "./parse.ts";
import type { Ran, RunCommand } from "./run-command.ts";
import type { SlurmAccess, Submission } from "./slurm-access.ts";
import { isGone, isLater, isSilence } from "./slurm-answers.ts";

export interface CommandAccessOptions {
  readonly run: RunCommand;
  /** Of the server, without what is its own; a submitted job starts from it too. */
  readonly environment: NodeJS.ProcessEnv;
  /** SLURM_CONF. */
  readonly conf: string | null;
}

/** Commands give up by themselves after some multiple of Slurm's MessageTimeout (10 s by default). */
const TIMEOUT_MS = 60_000;
/** How far back accounting is asked for jobs that a server before this one may have left. */
const HISTORY = "now-2days";

export function commandAccess({ run, environment, conf }: CommandAccessOptions): SlurmAccess {
  const shared = { ...withoutOptions(environment), ...(conf === null ? {} : { SLURM_CONF: conf }) };
  const inSeconds = { ...shared, SLURM_TIME_FORMAT: "%s" };
  const user = String(userInfo().uid);

  async function ask(
    command: string,
    args: readonly string[],
    env: NodeJS.ProcessEnv = inSeconds,
  ): Promise<Ran> {
    try {
      const ran = await run(command, args, { env, timeoutMs: TIMEOUT_MS });
      if (ran.code !== null) return ran;
    } catch (error) {
      const why =
        (error as NodeJS.ErrnoException).code === "ENOENT"
          ? `${command} is not on the PATH of the server`
          : (error as Error).message;
      throw new EngineUnreachable(`Slurm cannot be asked: ${why}.`, { cause: error });
    }
    throw new EngineUnreachable(`Slurm: ${command} did not end within ${TIMEOUT_MS / 1000} s.`);
  }

  /** For questions, which are never wrong: what goes wrong is that nobody answers. */
  async function answer(command: string, ...args: string[]): Promise<string> {
    const ran = await ask(command, args);
    if (ran.code === 0) return ran.stdout;
    throw new EngineUnreachable(`Slurm: ${command}: ${words(ran)}`);
  }

  return {
    jobs: async () =>
      parseSqueue(
        await answer("squeue", "--noheader", "--states=all", `--user=${user}`, SQUEUE_FIELDS),
      ),
    async endedJobs(numbers) {
      const which =
        numbers === undefined ? [`--starttime=${HISTORY}`] : [`--jobs=${numbers.join(",")}`];
      const common = ["--allocations", "--noheader", "--parsable2", SACCT_FIELDS];
      try {
        return parseSacct(await answer("sacct", ...common, `--user=${user}`, ...which));
      } catch {
        // No accounting here, or none that answers: nothing follows from either but that we know less.
        return [];
      }
    },
    async partition(name) {
      const text = await answer("scontrol", "--oneliner", "show", "partition");
      return choosePartition(parsePartitions(text), name);
    },
    nodes: async (partition) =>
      parseSinfo(
        await answer("sinfo", "--noheader", "--Node", `--partition=${partition}`, SINFO_FIELDS),
      ),
    async submit(submission) {
      const ran = await ask("sbatch", sbatchArguments(submission), shared);
      const number = /^(\d+)(?:;.*)?$/m.exec(ran.stdout)?.[1];
      if (ran.code === 0 && number !== undefined) return Number(number);
      const why = words(ran);
      if (isSilence(why) || isUnsaid(ran)) throw new EngineUnreachable(`Slurm: ${why}`);
      if (isLater(why)) throw new JobDeferred(`Slurm does not take it now: ${why}`);
      throw new JobRefused(`Slurm refused it: ${why}`);
    },
    signal: (numbers, signal) => cancel([`--signal=${signal.slice(3)}`, ...numbers.map(String)]),
    cancel: (numbers) => cancel(numbers.map(String)),
  };

  async function cancel(args: readonly string[]): Promise<void> {
    const ran = await ask("scancel", args);
    if (ran.code === 0 || isGone(ran.stderr)) return;
    throw new EngineUnreachable(`Slurm: scancel: ${words(ran)}`);
  }
}

export const sbatchArguments = (submission: Submission): string[] => [
  "--parsable",
  `--job-name=${submission.name}`,
  `--comment=${submission.comment}`,
  `--chdir=${submission.folder}`,
  `--output=${fileName(submission.output)}`,
  ...["--open-mode=append", "--no-requeue", "--export=ALL", "--dependency=singleton"],
  ...submission.options,
  submission.scriptFile,
];

/** sbatch reads patterns such as %j in it. */
const fileName = (path: string): string => path.replaceAll("%", "%%");

/** Slurm's commands read options from the environment; ours are arguments. */
const withoutOptions = (environment: NodeJS.ProcessEnv): NodeJS.ProcessEnv =>
  Object.fromEntries(
    Object.entries(environment).filter(
      ([name]) =>
        /^SLURM_(?:CONF|JWT)$/.test(name) ||
        !/^(?:SLURM|SBATCH|SQUEUE|SINFO|SACCT|SCANCEL)_/.test(name),
    ),
  );

/**
 * It said nothing, was killed by a signal (a shell in front of it makes a number of that), or says that all went well and
 * not which job it is: whether a job was taken is unknown.
 */
const isUnsaid = ({ code, stdout, stderr }: Ran): boolean =>
  code === 0 ||
  (code !== null && code > 128 && code <= 128 + 64) ||
  `${stdout}${stderr}`.trim() === "";

/** The last lines of what it said, without its own name. */
const words = ({ stderr, stdout, code }: Ran): string => {
  const lines = (stderr.trim() || stdout.trim()).split("\n").slice(-3);
  const said = lines.map((line) => line.replace(/^\w+: (?:error: |fatal: )?/, "").trim()).join(" ");
  return said || `exit code ${code}, without a word`;
};
