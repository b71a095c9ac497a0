/** `contrail logs ID`, `experiment logs`, `trial logs`: what programs wrote, now or live. */
import { parseId } from "../../base/ids.ts";
import type { LogEntry } from "../../protocol/api.ts";
import type { Client, Page, PageQuery } from "../../sdk/client.ts";
import { eachItem } from "../../sdk/client.ts";
import { type Cli, optionWords } from "../cli.ts";
import { CliError, EXIT, usageError } from "../exit-code.ts";
import { LogWriter, rawBytes } from "../log-view.ts";
import { choiceOf, timeOf, wholeOf } from "../values.ts";

export interface LogsOptions {
  readonly follow?: boolean;
  readonly tail?: string;
  readonly rank?: string;
  readonly stream?: string;
  readonly contains?: string;
  readonly raw?: boolean;
  readonly times?: boolean;
  readonly since?: string;
  readonly until?: string;
  readonly from?: string;
}

/** @param id an experiment, a trial, or one allocation of a trial */
export async function logs(cli: Cli, id: string, options: LogsOptions): Promise<number> {
  const parsed = parseId(id);
  if (parsed === undefined)
    throw usageError(
      `"${id}" is not an id.`,
      "Name an experiment (3), a trial (3.12) or an allocation (3.12.2).",
    );
  const { experiment, trial: number, run } = parsed;
  const client = cli.client();
  const trial = number === undefined ? undefined : `${experiment}.${number}`;
  if (trial !== undefined && run !== undefined) await requireRun(client, trial, run);
  const filter = {
    run,
    rank: options.rank === undefined ? undefined : wholeOf("--rank", options.rank, 0, 100_000),
    stream:
      options.stream === undefined
        ? undefined
        : choiceOf("--stream", options.stream, ["stdout", "stderr"]),
    contains: options.contains,
    since: timeOf("--since", options.since, cli.host.clock),
    until: timeOf("--until", options.until, cli.host.clock),
  };
  const from = options.from === undefined ? undefined : lineOf(options.from, trial);
  const tail = options.tail === undefined ? undefined : wholeOf("--tail", options.tail, 1, 10_000);
  const print = printer(cli, options, trial === undefined);
  const page = (query: PageQuery & { tail?: number }): Promise<Page<LogEntry>> =>
    trial === undefined
      ? client.experimentLogs(experiment, { ...filter, ...query })
      : client.trialLogs(trial, { ...filter, from, ...query });

  let cursor: string | undefined;
  if (tail !== undefined) {
    const { items } = await page({ tail });
    for (const entry of items) print.entry(entry);
    cursor = items.at(-1)?.cursor;
  } else if (options.follow !== true) {
    for await (const entry of eachItem(page, 1000)) print.entry(entry);
  }
  if (options.follow === true) {
    const interrupt = cli.host.catchInterrupt();
    const subject = trial === undefined ? { experiment } : { trial };
    const stream = client.logStream(subject, { ...filter, from, cursor }, { signal: interrupt });
    for await (const entries of stream) for (const entry of entries) print.entry(entry);
    if (interrupt.aborted) {
      print.end();
      return EXIT.interrupted;
    }
  }
  print.end();
  if (!print.any && !cli.json) {
    const filters = narrowing(options);
    const all = (): Promise<Page<LogEntry>> =>
      trial === undefined
        ? client.experimentLogs(experiment, { tail: 1 })
        : client.trialLogs(trial, { run, tail: 1 });
    const isLeftOut = filters !== "" && (await all()).items.length > 0;
    cli.err(isLeftOut ? `No line that was written fits${filters}.` : "Nothing was written.");
  }
  return EXIT.ok;
}

/** The options by which lines are left out, as they were given. */
const narrowing = ({ rank, stream, contains, since, until, from }: LogsOptions): string =>
  optionWords({ rank, stream, contains, since, until, from });

function lineOf(text: string, trial: string | undefined): string {
  if (trial !== undefined && /^[1-9]\d{0,8}\.[1-9]\d{0,14}$/.test(text)) return text;
  throw usageError(
    trial === undefined
      ? "--from names a line of one trial, and this is an experiment."
      : `--from is "${text}", which names no line.`,
    "Write RUN.LINE of a trial, such as --from 2.1041.",
  );
}

/** Without it a mistyped run would look like one that wrote nothing. */
async function requireRun(client: Client, trial: string, run: number): Promise<void> {
  const { allocations } = await client.trial(trial);
  if (allocations.some((allocation) => allocation.run === run)) return;
  const last = allocations.at(-1);
  throw new CliError("not_found", `There is no allocation ${trial}.${run}.`, {
    hint:
      last === undefined
        ? `Trial ${trial} has had none yet: \`contrail trial show ${trial}\``
        : `The last one of trial ${trial} is ${last.id}; \`contrail trial show ${trial}\` lists them.`,
    exitCode: EXIT.notFound,
  });
}

export interface LogPrinter {
  /** Whether there was anything to print. */
  readonly any: boolean;
  entry(entry: LogEntry): void;
  end(): void;
}

export function printer(
  cli: Cli,
  options: Pick<LogsOptions, "raw" | "times">,
  trials: boolean,
): LogPrinter {
  const writer = new LogWriter({ paint: cli.paint, trials, times: options.times === true });
  let any = false;
  return {
    get any() {
      return any;
    },
    entry(entry) {
      any = true;
      if (cli.json) cli.item(entry, () => []);
      else if (options.raw === true) cli.host.stdout.write(rawBytes(entry));
      else cli.host.stdout.write(writer.text(entry));
    },
    end() {
      const rest = writer.end();
      if (rest !== "") cli.host.stdout.write(rest);
    },
  };
}
