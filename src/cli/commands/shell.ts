/** `contrail shell start|open`: a shell on slots, in a terminal here. */
import type { Client } from "../../sdk/client.ts";
import { RemoteError } from "../../sdk/remote-error.ts";
import type { Cli } from "../cli.ts";
import { CliError, EXIT, usageError } from "../exit-code.ts";
import { inert } from "../inert.ts";
import { type AttachEnd, attach } from "../shell/attach.ts";
import { wayToShell } from "../shell/way.ts";
import { experimentOf } from "../values.ts";
import { leaveSubmitted, notOfKind, type StartOptions, submitProgram } from "./program-start.ts";

/**
 * By the path of its file: asked for as a module, a folder of the person's that is called contrail would be found first.
 * PYTHONPATH begins with the helpers' folder, see runner/environment.ts.
 */
const SHELL = `command -v python3 >/dev/null 2>&1 || {
  echo "A shell needs python3 (3.9 or later) to keep its terminal, and there is none on PATH here. Install it, or choose another image or pool." >&2
  exit 127
}
exec python3 "\${PYTHONPATH%%:*}/contrail/_shell.py"`;

export async function start(cli: Cli, options: StartOptions): Promise<number> {
  if (options.detach !== true && cli.host.terminal?.() === undefined) throw noTerminal("start");
  const client = cli.client();
  const program = { entrypoint: ["/bin/sh", "-c", SHELL], kind: "shell" } as const;
  const experiment = await submitProgram(cli, client, program, options);
  if (options.detach !== true) return await openNumber(cli, client, experiment.id);
  return leaveSubmitted(cli, "shell", experiment, `shell open ${experiment.id}`);
}

export async function open(cli: Cli, id: string): Promise<number> {
  return await openNumber(cli, cli.client(), experimentOf(id));
}

const noTerminal = (verb: string): CliError =>
  usageError(
    "A shell needs a terminal, and stdin or stdout is none here.",
    verb === "start"
      ? "Add --detach, and open it from a terminal later; for a program without one: command run -- COMMAND."
      : "Open it from a terminal; for a program without one: command run -- COMMAND.",
  );

async function openNumber(cli: Cli, client: Client, id: number): Promise<number> {
  const terminal = cli.host.terminal?.();
  if (terminal === undefined) throw noTerminal("open");
  const interrupt = cli.host.catchInterrupt();
  const progress = cli.progress(`shell ${id}`);
  let end: AttachEnd | undefined;
  try {
    end = await attached();
  } finally {
    progress.stop();
  }
  if (end !== undefined) return await farewell(cli, client, id, end);
  cli.note(`shell ${id} goes on`);
  cli.next(`shell open ${id}`, `task kill ${id}`);
  return EXIT.interrupted;

  /**
   * From its submission to its first word: for slots, and for its program to listen.
   * @returns undefined when Ctrl-C came before there was a terminal on it
   */
  async function attached(): Promise<AttachEnd | undefined> {
    let refused: string | undefined;
    for (;;) {
      const say = progress.detail.bind(progress);
      if (!(await hasSlots(cli, client, id, { say, interrupt }))) return undefined;
      say(refused ?? "is starting");
      const way = await wayToShell(cli.target(), id, interrupt).catch((error: unknown) => {
        if (interrupt.aborted) return undefined;
        if (!(error instanceof RemoteError && error.code === "unavailable")) throw error;
        refused = inert(error.message);
        say(refused);
        return undefined;
      });
      if (way === undefined) {
        // It may have been refused at once.
        if (!interrupt.aborted) await pause(cli);
        continue;
      }
      const end = await attach(way, {
        ...{ terminal: quieting(), screen: cli.host.stdout, gone: interrupt },
      });
      if (end.how !== "cut" || end.heard) return end;
      await pause(cli);
    }
  }

  /** The line of progress goes before the shell's first word comes. */
  function quieting(): NonNullable<typeof terminal> {
    return {
      enter(events) {
        progress.stop();
        if (!cli.json)
          cli.err(cli.errPaint.dim(`shell ${id}: leave it running with Enter ~ . ; exit ends it`));
        terminal!.enter(events);
      },
      leave: () => terminal!.leave(),
    };
  }
}

const ASKED_EVERY_MS = 400;
const pause = (cli: Cli): Promise<void> =>
  new Promise((resolve) => {
    cli.host.clock.after(ASKED_EVERY_MS, resolve);
  });

/** Waits for them. @returns false when Ctrl-C came first. @throws CliError where it will have none */
async function hasSlots(
  cli: Cli,
  client: Client,
  id: number,
  { say, interrupt }: { readonly say: (text: string) => void; readonly interrupt: AbortSignal },
): Promise<boolean> {
  while (!interrupt.aborted) {
    const experiment = await client.experiment(id);
    const { state, task, trials, reason } = experiment;
    if (task?.kind !== "shell") throw notOfKind(cli, experiment, "shell", "task list --kind shell");
    if (state === "paused")
      throw new CliError("conflict", `Shell ${id} is paused: ${inert(reason)}.`, {
        hint: `Bring it back with its folder: \`${cli.self} task activate ${id}\``,
      });
    if (state !== "active")
      throw new CliError("conflict", `Shell ${id} has ended: ${inert(reason)}`, {
        hint: `What it wrote: \`${cli.self} task logs ${id}\``,
      });
    if (trials.running > 0) return true;
    say("waits for slots");
    await pause(cli);
  }
  return false;
}

async function farewell(cli: Cli, client: Client, id: number, end: AttachEnd): Promise<number> {
  if (end.how === "left") {
    cli.err("");
    const { task } = await client.experiment(id);
    const paused = task?.idle_timeout_s == null ? "" : "; it is paused when nobody uses it";
    cli.note(`shell ${id} runs on${paused}`);
    cli.next(`shell open ${id}`, `task kill ${id}`);
    return EXIT.ok;
  }
  if (end.how === "ended") {
    if (end.signal === null) cli.note(`shell ${id} has ended`);
    else cli.note(`shell ${id} was ended by ${end.signal}: ${cli.self} why ${id} says why`);
    return EXIT.ok;
  }
  const { state, reason } = await client.experiment(id);
  throw new CliError(
    "unavailable",
    state === "active"
      ? `The connection to shell ${id} is gone; the shell may still run.`
      : `The connection to shell ${id} is gone, and it is ${state}: ${inert(reason)}`,
    {
      hint: `Open it again: \`${cli.self} shell open ${id}\`; ${cli.self} why ${id} says what became of it.`,
    },
  );
}
