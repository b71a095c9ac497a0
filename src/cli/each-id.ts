/**
 * A command on several ids: each is tried, and for each is said what came of it, its answer or why there is none.
 * Ending at the first refusal was refused: nobody could tell which of the others were done.
 */
import type { Problem } from "../protocol/errors.ts";
import { RemoteError } from "../sdk/remote-error.ts";
import type { Cli } from "./cli.ts";
import { CliError, EXIT, failureOf } from "./exit-code.ts";
import { inert } from "./inert.ts";
import { asCalled } from "./problem-view.ts";

type Id = string | number;

interface Refused {
  readonly id: Id;
  readonly problem: Problem;
}

export interface EachId<I extends Id, T> {
  /** What is named by the ids, such as "trial". */
  readonly noun: string;
  readonly ids: readonly I[];
  readonly act: (id: I) => Promise<T>;
  readonly lines: (answer: T) => readonly string[];
  /** With --json; absent = the answer to one id, or a list in which a refused one is `{id, problem}`. */
  readonly document?: (answers: readonly T[], refused: readonly Refused[]) => unknown;
  /** What one would type after the first that worked. */
  readonly next?: (first: T) => readonly string[];
}

/**
 * Where no server can be reached the rest is not tried.
 * @returns 0 when all were done; else the code that all refusals have, or 1
 * @throws what the one id of a command was refused with
 */
export async function actOnEach<I extends Id, T>(cli: Cli, what: EachId<I, T>): Promise<number> {
  const { noun, ids } = what;
  const outcomes: ({ readonly answer: T } | Refused)[] = [];
  const codes = new Set<number>();
  for (const id of ids) {
    try {
      outcomes.push({ answer: await what.act(id) });
    } catch (error) {
      const expected = error instanceof RemoteError || error instanceof CliError;
      if (ids.length === 1 || !expected) throw error;
      const { problem, exitCode } = failureOf(error);
      codes.add(cli.told(problem).isTyped ? EXIT.usage : exitCode);
      const without = exitCode === EXIT.unreachable ? ids.slice(outcomes.length) : [id];
      outcomes.push(...without.map((rest) => ({ id: rest, problem })));
      if (exitCode === EXIT.unreachable) break;
    }
  }
  const answers = outcomes.flatMap((outcome) => ("answer" in outcome ? [outcome.answer] : []));
  const refused = outcomes.flatMap((outcome) => ("answer" in outcome ? [] : [outcome]));
  const plain = outcomes.map((outcome) => ("answer" in outcome ? outcome.answer : outcome));
  const document = what.document?.(answers, refused) ?? (ids.length === 1 ? plain[0] : plain);
  cli.show(document, () =>
    outcomes.flatMap((outcome) =>
      "answer" in outcome ? what.lines(outcome.answer) : [refusedLine(cli, noun, outcome)],
    ),
  );
  const [first] = answers;
  if (first !== undefined) cli.next(...(what.next?.(first) ?? []));
  if (codes.size === 0) return EXIT.ok;
  const [only = EXIT.failed] = codes;
  return codes.size === 1 ? only : EXIT.failed;
}

export function refusedLine(cli: Cli, noun: string, { id, problem }: Refused): string {
  const { detail, hint } = cli.told(problem).problem;
  return `${noun} ${inert(String(id))}: ${inert(detail.replace(/\.$/, ""))}. ${inert(asCalled(hint, cli.self))}`;
}
