/**
 * Runs parts one after the other and adds them up. The last line is always exactly
 * `N passed, N failed, N skipped`, for people and programs alike.
 */
import { parseArgs } from "node:util";
import { endAllPrograms } from "./child.ts";
import { stopDatabase } from "./database.ts";
import { exitCodeOf, failed, type Outcome, sum, tally } from "./outcome.ts";
import { type Part, seconds } from "./parts.ts";

interface Request {
  readonly parts: readonly Part[];
  readonly filter: readonly string[];
}

/**
 * @param command as the user calls it, for messages
 * @returns the exit code: 0 when something ran and nothing failed, 2 for a wrong command line
 */
export async function runParts(
  command: string,
  parts: readonly Part[],
  args: readonly string[],
): Promise<number> {
  const request = readRequest(command, parts, args);
  if (typeof request === "string") {
    console.error(request);
    return 2;
  }
  for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"] as const) {
    process.once(signal, () => {
      console.error(`\n${signal}: stopping`);
      endAllPrograms();
      void stopDatabase().finally(() => {
        // Once more: something may have been on its way to start.
        endAllPrograms();
        process.exit(130);
      });
    });
  }
  const outcomes: Outcome[] = [];
  try {
    for (const part of request.parts) outcomes.push(await runPart(part, request.filter));
  } finally {
    await stopDatabase();
    endAllPrograms();
  }
  return printEnd(sum(outcomes), request);
}

function readRequest(
  command: string,
  parts: readonly Part[],
  args: readonly string[],
): Request | string {
  const names = parts.map((part) => part.name).join(", ");
  const usage = `usage: ${command} -- [--only PART[,PART]] [words in the paths of test files]\nparts: ${names}`;
  let values: { only?: string[]; help?: boolean };
  let filter: string[];
  try {
    const options = {
      only: { type: "string", multiple: true },
      help: { type: "boolean" },
    } as const;
    ({ values, positionals: filter } = parseArgs({
      args: [...args],
      options,
      allowPositionals: true,
    }));
  } catch (error) {
    return `${(error as Error).message}\n${usage}`;
  }
  if (values.help) return usage;
  const only = values.only?.flatMap((list) => list.split(","));
  const unknown = only?.find((name) => !parts.some((part) => part.name === name));
  if (unknown !== undefined) return `There is no part "${unknown}".\n${usage}`;
  // Without --only, a filter by path asks for the parts that it can narrow.
  const wanted = only
    ? parts.filter((part) => only.includes(part.name))
    : parts.filter((part) => filter.length === 0 || part.hasFiles);
  return { parts: wanted, filter };
}

async function runPart(part: Part, filter: readonly string[]): Promise<Outcome> {
  console.log(`\n${part.title}`);
  const startMs = performance.now();
  let outcome: Outcome;
  try {
    outcome = await part.run(filter);
  } catch (error) {
    outcome = failed(`${part.title} could not run`, (error as Error).stack ?? String(error));
  }
  console.log(`  ${tally(outcome)}, ${seconds(performance.now() - startMs)}`);
  return outcome;
}

function printEnd(total: Outcome, { filter }: Request): number {
  if (total.failures.length > 0) console.log("\nFailures");
  for (const { title, where, detail } of total.failures) {
    console.log(`\n✗ ${title}${where === "" ? "" : `  (${where})`}`);
    console.log(detail.replace(/^/gm, "    "));
  }
  if (total.skipped.length > 0) console.log("\nSkipped");
  for (const reason of total.skipped) console.log(`  ${reason}`);
  if (total.passed + total.failures.length === 0) {
    const which = filter.length > 0 ? ` for ${filter.join(" ")}` : "";
    console.log(`\nNothing ran${which}, which proves nothing.`);
  }
  console.log(`\n${tally(total)}`);
  return exitCodeOf(total);
}
