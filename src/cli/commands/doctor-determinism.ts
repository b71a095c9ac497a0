/**
 * `contrail doctor determinism -- COMMAND`: runs a program twice, says where the second run first parts from the first,
 * and why. Needs no server and changes nothing in the folder.
 */
import { mkdtemp, realpath, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { JsonObject } from "../../base/json.ts";
import type { ItemDifference } from "../../protocol/api/comparison.ts";
import { scanFolder } from "../../store/snapshot.ts";
import type { Cli } from "../cli.ts";
import { ADVICE, OTHERWISE } from "../determinism/conditions.ts";
import { type Cause, type Diagnosis, diagnose, RunFailed } from "../determinism/diagnose.ts";
import type { Parting } from "../determinism/run-outcome.ts";
import { Runs } from "../determinism/run-program.ts";
import { CliError, EXIT, usageError } from "../exit-code.ts";
import { inert } from "../inert.ts";
import { paintState } from "../paint.ts";
import { durationMsOf, wholeOf } from "../values.ts";

export interface DeterminismOptions {
  readonly steps: string;
  readonly seed: string;
  readonly again: string;
  readonly params?: string;
  readonly timeout: string;
}

/** A copy with its data is the user's to pay for; this only keeps a home folder from being copied by mistake. */
const COPIED = { bytesMax: 4 * 2 ** 30, filesMax: 50_000 };

export async function doctorDeterminism(
  cli: Cli,
  command: readonly string[],
  options: DeterminismOptions,
): Promise<number> {
  if (command.length === 0)
    throw usageError(
      "There is no command to run.",
      "Write it after two dashes: doctor determinism -- python3 train.py",
    );
  const signal = cli.host.catchInterrupt();
  const again = wholeOf("--again", options.again, 0, 100);
  const program = {
    command,
    cwd: await realpath(cli.host.cwd),
    env: cli.host.env,
    steps: wholeOf("--steps", options.steps, 1, 1_000_000),
    seed: wholeOf("--seed", options.seed, 0, 2 ** 31 - 1),
    params: paramsOf(options.params),
    timeoutMs: durationMsOf("--timeout", options.timeout, { minMs: 1_000, maxMs: 86_400_000 }),
    signal,
  };
  const source = await scanFolder(program.cwd, { limits: COPIED });
  if (!source.ok)
    throw new CliError(
      "folder_refused",
      `${program.cwd} cannot be copied for the runs: ${source.issues.map(({ path, message }) => `${path}: ${message}`).join("; ")}`,
      { hint: "Go to the program's own folder; what .contrailignore names is shared, not copied." },
    );
  // The real path, as the program sees it.
  const folder = await realpath(await mkdtemp(join(tmpdir(), "cd-")));
  try {
    const runs = new Runs(program, folder, source.folder);
    const found = await cli.during("running the program", (progress) =>
      diagnose(
        (modes, label) => {
          progress.detail(label);
          return runs.run(modes);
        },
        { again },
      ),
    );
    show(cli, found);
    return found.parting === undefined ? EXIT.ok : EXIT.failed;
  } catch (error) {
    if (signal.aborted) return EXIT.interrupted;
    if (!(error instanceof RunFailed)) throw error;
    throw new CliError("program_failed", error.message, {
      hint: "Make it run by itself first; here it runs in a copy of the folder it is called from.",
    });
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

function paramsOf(text: string | undefined): JsonObject {
  if (text === undefined) return {};
  try {
    const value: unknown = JSON.parse(text);
    if (typeof value === "object" && value !== null && !Array.isArray(value))
      return value as JsonObject;
  } catch {} // Said below.
  throw usageError(
    "--params is no JSON object.",
    `Write it like this: --params '{"learning_rate": 0.1}'`,
  );
}

function show(cli: Cli, found: Diagnosis): void {
  const { parting, causes, untried, runs, steps, network, seenInside } = found;
  const document = {
    same: parting === undefined,
    steps,
    runs,
    first: parting === undefined ? null : forJson(parting),
    causes: causes.map(({ condition, how, places, parting: own }) => ({
      cause: condition,
      ...ADVICE[condition],
      how,
      places,
      first: forJson(own),
    })),
    untried,
    network,
    seen_inside: seenInside,
  };
  cli.show(document, () => [
    ...headLines(cli, found),
    ...causes.flatMap((cause) => causeLines(cli, cause)),
    ...(parting !== undefined && causes.length === 0 ? unknownLines() : []),
    ...untried.map(({ condition, why }) => `not tried: ${condition} (${inert(why)})`),
    ...(network.length === 0
      ? []
      : [
          `it read from the network at ${inert(network.join(", "))}; what came from there was not held still`,
        ]),
    ...(seenInside
      ? []
      : [
          "the program is neither Python nor Node, or starts them in a way that leaves our shims out: only the hash seed and the order of files were moved",
        ]),
  ]);
}

function headLines(cli: Cli, { parting, runs, steps }: Diagnosis): string[] {
  const word = (state: "ok" | "fail") => paintState(cli.paint, state)(state.padEnd(4));
  const extent =
    steps > 0 ? `${steps} ${steps === 1 ? "step" : "steps"}` : "what it wrote and printed";
  if (parting === undefined) return [`${word("ok")}  the same bits twice: ${extent}, ${runs} runs`];
  const when = parting.step === null ? "at its end" : `from step ${parting.step} on`;
  return [`${word("fail")}  differs ${when}: ${inert(partingText(parting))} (${runs} runs)`];
}

function causeLines(cli: Cli, { condition, how, places, parting }: Cause): string[] {
  const { title, fix } = ADVICE[condition];
  const sure =
    how === "measured"
      ? `with this alone let go, ${partingText(parting)} differs`
      : "it remains when everything else is held still";
  return [
    `      ${cli.paint.bold(`cause: ${title}`)}`,
    `        ${inert(sure)}`,
    ...(places.length === 0 ? [] : [`        seen at ${inert(places.join(", "))}`]),
    `        ${cli.paint.cyan("fix:")} ${fix}`,
  ];
}

const unknownLines = (): string[] => [
  "      the cause is none of those that can be held still from outside",
  ...OTHERWISE.map((line) => `        ${line}`),
];

export function partingText({ kind, where, comparison, a, b }: Parting): string {
  if (kind === "metrics") return `metric ${where} (${a ?? "absent"}, then ${b ?? "absent"})`;
  if (kind === "output") return `${where} of the output`;
  if (kind === "steps") return `${where} (${a}, then ${b})`;
  const file = comparison?.differences.find((one) => one.path === where);
  const item = file?.differences[0];
  if (item !== undefined) return `${where}, ${itemText(item)}`;
  if (file?.state === "only_in_a") return `${where}, which only the first run wrote`;
  if (file?.state === "only_in_b") return `${where}, which only the second run wrote`;
  return `${where}, byte ${file?.first_byte ?? 0}`;
}

function itemText({ name, kind, a, b, differing, elements, max_abs }: ItemDifference): string {
  if (kind !== "values") return `${name} (${a ?? "absent"}, then ${b ?? "absent"})`;
  const by = max_abs === null ? "" : `, by ${max_abs} at most`;
  return `tensor ${name} (${a}): ${differing} of ${elements} elements${by}`;
}

const forJson = ({ step, kind, where, comparison, a, b }: Parting) => ({
  ...{ step, kind, where, a, b },
  difference: comparison?.differences.find((one) => one.path === where) ?? null,
});
